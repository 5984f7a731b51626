"""The command line: thin commands over the rooms. Data on stdout, trouble on stderr; exit 0 ok, 1 problem, 2 misuse."""

import sys

import typer

from localfleet.cli_books import audit_app, keys_app, report_command
from localfleet.cli_check import check_command, explain_command
from localfleet.cli_cost import app as cost_app
from localfleet.cli_serve import serve_command, up_command
from localfleet.errors import FleetError

__all__ = ["build_cli", "main"]


def build_cli() -> typer.Typer:
    """Every command."""
    app = typer.Typer(
        name="localfleet",
        help="Sensitive work stays on your box, the rest goes to the cheapest hosted model that is good enough.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.command("check")(check_command)
    app.command("up")(up_command)
    app.command("serve")(serve_command)
    app.command("explain")(explain_command)
    app.command("report")(report_command)
    app.add_typer(keys_app, name="keys", help="API keys: create, list, revoke.")
    app.add_typer(audit_app, name="audit", help="The hash chain: verify, export.")
    app.add_typer(cost_app, name="cost", help="Fixed GPU against per-token prices.")
    return app


def main() -> None:
    """Run a command; every foreseen error is one sentence on stderr."""
    try:
        build_cli()()
    except FleetError as exc:
        sys.stderr.write(f"{exc.message}\n")
        sys.exit(1)
