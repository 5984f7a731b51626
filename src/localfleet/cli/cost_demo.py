"""`localfleet cost demo n-plus-one | mandatory-local`: two flips of the answer, each as one page with a plot. Thin."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from localfleet.cli.cost_given import utc_today
from localfleet.cli.cost_plan import put
from localfleet.cli.cost_progress import counted
from localfleet.cli.parts import Json
from localfleet.cost.demos import Hour, mandatory_local, n_plus_one, published_hour, trace_hour
from localfleet.cost.sheet import Sheet
from localfleet.errors import BadInput
from localfleet.traces.arrivals import arrivals

__all__ = ["demo_app"]

Code = Annotated[Path | None, typer.Option(metavar="TRACE", help="A trace of the work that must stay; with --conv.")]
Conv = Annotated[Path | None, typer.Option(metavar="TRACE", help="A trace of the other work; with --code.")]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help="Also write one self-contained report.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]
Made = Callable[..., Sheet]


def demo_app() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True)
    for name, command in DEMOS.items():
        app.command(name)(command)
    return app


def n_plus_one_command(
    *, code: Code = None, conv: Conv = None, html: Html = None, markdown: Markdown = False, as_json: Json = False
) -> None:
    """One spare box flips the answer."""
    _show(n_plus_one, code, conv, html=html, markdown=markdown, as_json=as_json)


def mandatory_local_command(
    *, code: Code = None, conv: Conv = None, html: Html = None, markdown: Markdown = False, as_json: Json = False
) -> None:
    """Work that must stay makes the rest free."""
    _show(mandatory_local, code, conv, html=html, markdown=markdown, as_json=as_json)


def _show(
    made: Made, code: Path | None, conv: Path | None, *, html: Path | None, markdown: bool, as_json: bool
) -> None:
    sheet = made(_hour(code, conv), today=utc_today())
    put(sheet, _json(sheet), html=html, markdown=markdown, as_json=as_json)


def _hour(code: Path | None, conv: Path | None) -> Hour:
    if code is None and conv is None:
        return published_hour()
    if code is None or conv is None:
        typer.echo("--code and --conv go together: two traces, or none for the made-up hour", err=True)
        raise typer.Exit(2)
    try:
        read = [counted(arrivals(path), f"reading {path.name}") for path in (code, conv)]
        return trace_hour(read[0], read[1], f"{code.name} and {conv.name}")
    except (BadInput, ValueError) as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(2) from None


def _json(sheet: Sheet) -> dict[str, Any]:
    return {
        "answer": sheet.verdict,
        "answers": {answer.question: answer.short for answer in sheet.answers},
        "warnings": list(sheet.warnings),
        "figures": sheet.book.as_json(),
    }


DEMOS: Mapping[str, Callable[..., None]] = {
    "n-plus-one": n_plus_one_command,
    "mandatory-local": mandatory_local_command,
}
"""By the name to type."""
