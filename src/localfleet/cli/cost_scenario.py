"""
`localfleet cost scenario`: comparisons kept under a name, and asked again at today's prices. Thin.

A scenario is the options that were typed, and the answer of that day; so `show` tells what prices have done since.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from localfleet.cli.parts import Json, home_path, print_json, state_home
from localfleet.cost.notes import SCENARIOS, read_notes, write_notes
from localfleet.cost.view import Report, as_json
from localfleet.errors import FleetError

__all__ = ["given", "keep_scenario", "scenario_app"]

ANY_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}
KEEPS_OUT = frozenset({"save", "json_", "config"})


def scenario_app() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True)
    app.command("save", context_settings=ANY_OPTIONS)(save)
    app.command("list")(list_scenarios)
    app.command("show")(show)
    app.command("delete")(delete)
    return app


def given(ctx: typer.Context) -> dict[str, Any]:
    """The options that were typed, by their Python names; defaults are left out, so that they follow new releases."""
    return {name: value for name, value in ctx.params.items() if name not in KEEPS_OUT and _was_typed(ctx, name)}


def keep_scenario(name: str, options: Mapping[str, Any], report: Report) -> None:
    """Note a comparison under a name; an older one of that name is replaced."""
    if not name.strip() or len(name) > 64 or not name.isprintable():
        raise typer.BadParameter("a scenario's name has 1 to 64 printable characters")
    home = state_home()
    notes = read_notes(home, SCENARIOS)
    today = datetime.now(tz=UTC).date().isoformat()
    kept = {"saved_on": today, "options": dict(options), "answer": report.comparison.answer}
    write_notes(home, SCENARIOS, {**notes, name: kept})


def save(ctx: typer.Context, name: Annotated[str, typer.Argument(help="What to call it.")]) -> None:
    """Keep a comparison: NAME, then the options of `cost compare`."""
    _compare([*ctx.args, "--save", name])


def list_scenarios(*, as_json_: Json = False) -> None:
    """The saved scenarios with the answers of their day."""
    notes = read_notes(home_path(), SCENARIOS)
    if as_json_:
        print_json(notes)
        return
    for name, note in notes.items():
        typer.echo(f"{name} ({note['saved_on']}): {note['answer']}")
    if not notes:
        typer.echo("no scenario is saved: `localfleet cost scenario save NAME --gpu H100 ...`")


def show(name: Annotated[str, typer.Argument(help="A saved one.")], *, as_json_: Json = False) -> None:
    """Ask a saved scenario again at today's prices; the answer of its day comes first."""
    note = _found(name)
    now = _answer(_typed(note["options"]))
    same = now.comparison.answer == note["answer"]
    if as_json_:
        print_json({"name": name, **note, "same_answer": same, "now": as_json(now)})
        return
    typer.echo(f"{name}: {' '.join(_typed(note['options']))}")
    typer.echo(f"on {note['saved_on']}: {note['answer']}")
    typer.echo("today: the same" if same else f"today: {now.comparison.answer}")


def delete(name: Annotated[str, typer.Argument(help="A saved one.")]) -> None:
    """Forget a scenario."""
    _found(name)
    notes = read_notes(home_path(), SCENARIOS)
    write_notes(home_path(), SCENARIOS, {key: note for key, note in notes.items() if key != name})
    typer.echo(f"{name} is deleted")


def _found(name: str) -> dict[str, Any]:
    notes = read_notes(home_path(), SCENARIOS)
    if name not in notes:
        known = ", ".join(notes) or "none"
        raise FleetError(f"no scenario has this name; saved are: {known}")
    note: dict[str, Any] = notes[name]
    return note


def _typed(options: Mapping[str, Any]) -> list[str]:
    """The options as they would be typed."""
    words = []
    for name, value in options.items():
        option = "--" + name.strip("_").replace("_", "-")
        words += [option] if value is True else [option, str(value)]
    return words


def _was_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _command() -> Any:
    from localfleet.cli.cost_compare import compare  # noqa: PLC0415  # that module mounts this one

    alone = typer.Typer(add_completion=False)
    alone.command()(compare)
    return typer.main.get_command(alone)


def _compare(words: list[str]) -> None:
    code = _command().main(words, prog_name="localfleet cost compare", standalone_mode=False)
    raise typer.Exit(code or 0)


def _answer(words: list[str]) -> Report:
    from localfleet.cli.cost_compare import answer  # noqa: PLC0415  # that module mounts this one

    return answer(_command().make_context("compare", words).params)
