"""
`localfleet cost`: the list of its commands. The module of a command is loaded when that command is asked for.

So `cost plan` waits for no database, and `cost advise` for no numpy.
"""

from collections.abc import Callable, Mapping

import typer

__all__ = ["COST_COMMANDS", "build_cost"]

Mount = Callable[[typer.Typer], None]


def build_cost(wanted: str | None = None) -> typer.Typer:
    """Every command, loaded; or only the `wanted` one, the others as names in the list."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, callback=_top)
    for name, (says, mount) in COST_COMMANDS.items():
        if wanted in {None, name}:
            mount(app)
        else:
            app.command(name, help=says)(_unloaded)
    return app


def _top() -> None:
    """What it costs: the fixed GPU against a price per token."""


def _unloaded() -> None:
    raise AssertionError("build_cost loads the command that is asked for")


def _compare(app: typer.Typer) -> None:
    from localfleet.cli.cost_compare import compare  # noqa: PLC0415  # loaded when asked for

    app.command("compare")(compare)


def _plan(name: str) -> Mount:
    def mount(app: typer.Typer) -> None:
        from localfleet.cli.cost_plan import PLAN_COMMANDS  # noqa: PLC0415  # loaded when asked for

        app.command(name)(PLAN_COMMANDS[name])

    return mount


def _advice(name: str) -> Mount:
    def mount(app: typer.Typer) -> None:
        from localfleet.cli.cost_advice import ADVICE_COMMANDS  # noqa: PLC0415  # loaded when asked for

        app.command(name)(ADVICE_COMMANDS[name])

    return mount


def _demo(app: typer.Typer) -> None:
    from localfleet.cli.cost_demo import demo_app  # noqa: PLC0415  # loaded when asked for

    app.add_typer(demo_app(), name="demo", help=COST_COMMANDS["demo"][0])


def _scenario(app: typer.Typer) -> None:
    from localfleet.cli.cost_scenario import scenario_app  # noqa: PLC0415  # loaded when asked for

    app.add_typer(scenario_app(), name="scenario", help=COST_COMMANDS["scenario"][0])


def _replay(app: typer.Typer) -> None:
    from localfleet.cli.cost_replay import replay_command  # noqa: PLC0415  # loaded when asked for

    app.command("replay")(replay_command)


def _worksheet(app: typer.Typer) -> None:
    from localfleet.cli.cost_worksheet import worksheet_command  # noqa: PLC0415  # loaded when asked for

    app.command("worksheet")(worksheet_command)


def _claims(app: typer.Typer) -> None:
    from localfleet.cli.cost_claims import claims_command  # noqa: PLC0415  # loaded when asked for

    app.command("claims")(claims_command)


def _chargeback(app: typer.Typer) -> None:
    from localfleet.cli.cost_chargeback import chargeback_command  # noqa: PLC0415  # loaded when asked for

    app.command("chargeback")(chargeback_command)


def _sleep(app: typer.Typer) -> None:
    from localfleet.cli.cost_sleep import sleep_command  # noqa: PLC0415  # loaded when asked for

    app.command("sleep")(sleep_command)


def _calibrate(app: typer.Typer) -> None:
    from localfleet.cli.cost_calibrate import add_calibrate  # noqa: PLC0415  # loaded when asked for

    add_calibrate(app)


def _reconcile(app: typer.Typer) -> None:
    from localfleet.cli.cost_reconcile import add_reconcile  # noqa: PLC0415  # loaded when asked for

    add_reconcile(app)


def _export_router(app: typer.Typer) -> None:
    from localfleet.cli.cost_router import add_export_router  # noqa: PLC0415  # loaded when asked for

    add_export_router(app)


COST_COMMANDS: Mapping[str, tuple[str, Mount]] = {
    "compare": ("One box against hosted models, with no file at all.", _compare),
    "plan": ("A plan.yaml worked out: bills, break-even, chances, a report.", _plan("plan")),
    "breakeven": ("Where boxes and hosted models of a plan cost the same.", _plan("breakeven")),
    "mc": ("How sure a plan's answer is: draws and tornado.", _plan("mc")),
    "replay": ("A trace against one box, two and so on: who waits, what spills.", _replay),
    "sleep": ("A box that goes away when nobody asks: saved, paid, made to wait.", _sleep),
    "explain": ("How a number of a report was made.", _plan("explain")),
    "calibrate": ("Results of load generators -> coefficients with their error.", _calibrate),
    "reconcile": ("The ledger against an engine's counters and a provider's bill.", _reconcile),
    "chargeback": ("The box's fixed bill, split over those who used it, and idle.", _chargeback),
    "claims": ("A published savings table: can any mix of tokens give it?", _claims),
    "export-router": ("Marginal prices by hour of the week and by the line, for routing.", _export_router),
    "advise": ("A grade for the month from the ledger, with reasons.", _advice("advise")),
    "worksheet": ("The budget worksheet, priced, and the month in other ways.", _worksheet),
    "savings": ("Saved against one hosted model, net of the box.", _advice("savings")),
    "alerts": ("Prices that changed, models that retire, the cost of migrating.", _advice("alerts")),
    "stack": ("A stack from tasks, volume and privacy.", _advice("stack")),
    "demo": ("Where a mean answers wrongly: n-plus-one, mandatory-local.", _demo),
    "scenario": ("Saved comparisons: save, list, show, delete.", _scenario),
}
"""Name -> one line for the list, and how to load it."""
