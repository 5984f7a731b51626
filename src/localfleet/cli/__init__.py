"""
The command line: thin commands over the rooms. Data on stdout, trouble on stderr; exit 0 ok, 1 problem, 2 misuse.

A command's modules are loaded when it is the one that was asked for: `--help` and `check` wait for no database and no
web server.
"""

import contextlib
import gc
import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from localfleet import __version__
from localfleet.errors import FleetError

__all__ = ["COMMANDS", "build_cli", "main"]

Mount = Callable[[typer.Typer], None]


def build_cli(wanted: str | None = None) -> typer.Typer:
    """Every command; only `wanted` is loaded, the others are names in the list that `--help` shows."""
    app = typer.Typer(
        name="localfleet",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        callback=_top,
    )
    for name, (says, mount) in COMMANDS.items():
        if name == wanted:
            mount(app)
        else:
            app.command(name, help=says)(_unloaded)
    return app


def main() -> None:
    """Run a command; every foreseen error is one sentence on stderr."""
    try:
        _loaded(next((word for word in sys.argv[1:] if not word.startswith("-")), None))()
    except FleetError as exc:
        sys.stderr.write(f"{exc.message}\n")
        sys.exit(1)
    except BrokenPipeError:  # the reader of a pipe left, as `head` does
        with contextlib.suppress(OSError):
            sys.stderr.close()
        sys.exit(1)


def _loaded(wanted: str | None) -> typer.Typer:
    """The program, loaded without the garbage collector: nothing of it goes away again, and to look takes a tenth."""
    gc.disable()
    try:
        return build_cli(wanted)
    finally:
        gc.enable()


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"localfleet {__version__}\n")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Sensitive work stays on your box, the rest goes to the cheapest hosted model that is good enough."""


def _unloaded() -> None:
    raise AssertionError("build_cli loads the command that is asked for")


def _init(app: typer.Typer) -> None:
    from localfleet.cli.init import init_command  # noqa: PLC0415  # loaded when asked for

    app.command("init")(init_command)


def _check(app: typer.Typer) -> None:
    from localfleet.cli.check import check_command  # noqa: PLC0415  # loaded when asked for

    app.command("check")(check_command)


def _fit(app: typer.Typer) -> None:
    from localfleet.cli.fit import fit_command  # noqa: PLC0415  # loaded when asked for

    app.command("fit")(fit_command)


def _up(app: typer.Typer) -> None:
    from localfleet.cli.serve import up_command  # noqa: PLC0415  # loaded when asked for

    app.command("up")(up_command)


def _serve(app: typer.Typer) -> None:
    from localfleet.cli.serve import serve_command  # noqa: PLC0415  # loaded when asked for

    app.command("serve")(serve_command)


def _pull(app: typer.Typer) -> None:
    from localfleet.cli.pull import pull_command  # noqa: PLC0415  # loaded when asked for

    app.command("pull")(pull_command)


def _chat(app: typer.Typer) -> None:
    from localfleet.cli.chat import chat_command  # noqa: PLC0415  # loaded when asked for

    app.command("chat")(chat_command)


def _explain(app: typer.Typer) -> None:
    from localfleet.cli.check import explain_command  # noqa: PLC0415  # loaded when asked for

    app.command("explain")(explain_command)


def _report(app: typer.Typer) -> None:
    from localfleet.cli.books import report_command  # noqa: PLC0415  # loaded when asked for

    app.command("report")(report_command)


def _keys(app: typer.Typer) -> None:
    from localfleet.cli.books import keys_app  # noqa: PLC0415  # loaded when asked for

    app.add_typer(keys_app, name="keys", help=COMMANDS["keys"][0])


def _replay(app: typer.Typer) -> None:
    from localfleet.cli.replay import replay_command  # noqa: PLC0415  # loaded when asked for

    app.command("replay")(replay_command)


def _audit(app: typer.Typer) -> None:
    from localfleet.cli.audit import audit_app  # noqa: PLC0415  # loaded when asked for

    app.add_typer(audit_app, name="audit", help=COMMANDS["audit"][0])


def _privacy(app: typer.Typer) -> None:
    from localfleet.cli.privacy import privacy_app  # noqa: PLC0415  # loaded when asked for

    app.add_typer(privacy_app, name="privacy", help=COMMANDS["privacy"][0])


def _cost(app: typer.Typer) -> None:
    from localfleet.cli.cost import build_cost  # noqa: PLC0415  # loaded when asked for

    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    wanted = words[1] if words[:1] == ["cost"] and len(words) > 1 else None
    app.add_typer(build_cost(wanted), name="cost", help=COMMANDS["cost"][0])


def _routing(app: typer.Typer) -> None:
    from localfleet.cli.experiments import add_experiments  # noqa: PLC0415  # loaded when asked for
    from localfleet.cli.prior import prior_command  # noqa: PLC0415  # loaded when asked for
    from localfleet.cli.routing import routing_app  # noqa: PLC0415  # loaded when asked for
    from localfleet.cli.routing_audit import audit_command  # noqa: PLC0415  # the same
    from localfleet.cli.suite import suite_command  # noqa: PLC0415  # loaded when asked for
    from localfleet.cli.thresholds import thresholds_command  # noqa: PLC0415  # loaded when asked for

    add_experiments(routing_app)
    routing_app.command("thresholds")(thresholds_command)
    routing_app.command("prior")(prior_command)
    routing_app.command("audit")(audit_command)
    routing_app.command("suite")(suite_command)
    app.add_typer(routing_app, name="routing", help=COMMANDS["routing"][0])


def _bench(app: typer.Typer) -> None:
    from localfleet.cli.bench import bench_command  # noqa: PLC0415  # loaded when asked for

    app.command("bench")(bench_command)


def _doctor(app: typer.Typer) -> None:
    from localfleet.cli.doctor import doctor_command  # noqa: PLC0415  # loaded when asked for

    app.command("doctor")(doctor_command)


COMMANDS: Mapping[str, tuple[str, Mount]] = {
    "init": ("Write a commented models.yaml for this machine (detects GPUs, memory, provider keys).", _init),
    "check": ("Validate models.yaml: file, line, what is wrong, how to mend it.", _check),
    "fit": ("Would a model fit: weights, KV cache and the rest on each GPU, and what fits instead.", _fit),
    "up": ("Start the local engines and the router; progress while models load; Ctrl-C drains.", _up),
    "serve": ("Start the router alone; engines run elsewhere (`engine: endpoint`).", _serve),
    "pull": ("Fetch the weights the file names, with a progress bar and checksums; goes on where it broke off.", _pull),
    "chat": ("Talk to the fleet in the terminal, showing each decision.", _chat),
    "explain": ("Dry-run a request: label, findings, doors in order, reason, price of each door.", _explain),
    "privacy": ("Measure detection, register documents, try your own rules.", _privacy),
    "keys": ("API keys: create, list, revoke.", _keys),
    "audit": ("The hash chain: verify, export, what left, and a proof for one host.", _audit),
    "report": (
        "What happened: requests, tokens, marginal cost by model, tier, label, task, key, reason, day, API or action.",
        _report,
    ),
    "cost": ("Fixed GPU against per-token prices.", _cost),
    "replay": (
        "Re-run a changed table over the recorded ledger: what would change in share, cost, load and quality.",
        _replay,
    ),
    "routing": ("Train, measure and use the local classifier: which prompts need the stronger model.", _routing),
    "bench": (
        "Measure rates, time to first token and between tokens under real load, and calibrate the cost model with it.",
        _bench,
    ),
    "doctor": ("What is wrong on this box, and how to mend it.", _doctor),
}
"""Name -> one line for the list, and how to load it."""
