"""`check --paths`: every way by which text of a label could reach a host, as a table or as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.catalogue import build_models
from localfleet.cli.parts import console, print_json
from localfleet.config import load_settings
from localfleet.core.paths import Cargo, Outlet, Proof, Way
from localfleet.price_map import read_price_map
from localfleet.reach import prove

__all__ = ["paths_command"]

CARRIES = {Cargo.ADDRESS: ", an address", Cargo.REDACTED: ", redacted", Cargo.STRUCTURE: ", a structure"}
PATIENT = 10_000_000
"""Doors to look at thoroughly, half a minute's worth: who asks for the proof can wait longer than a start."""


def paths_command(config: str, *, as_json: bool) -> NoReturn:
    """Print the proof; exit 1 if a way may not be. Needs no provider key: nothing is sent."""
    settings = load_settings(config)
    proof = prove(settings, build_models(settings, read_price_map(), datetime.now(UTC).date()), most_doors=PATIENT)
    if as_json:
        print_json(_report(config, proof))
    else:
        _print_ways(config, proof)
    raise typer.Exit(1 if proof.forbidden else 0)


def _report(file: str, proof: Proof) -> dict[str, Any]:
    return {
        "file": file,
        "ok": not proof.forbidden,
        "decisions": proof.decisions,
        "thorough": proof.thorough,
        "ways": [_way_row(way) for way in proof.ways],
        "without_text": [_outlet_row(outlet) for outlet in proof.without_text],
    }


def _way_row(way: Way) -> dict[str, Any]:
    return {
        "label": way.label.word,
        **_outlet_row(way.outlet),
        "carries": way.outlet.cargo,
        "model": way.outlet.model,
        "apis": dict(way.outlet.apis),
        "asked_as": list(way.asked_as),
        "tasks": list(way.tasks),
        "callers": list(way.callers),
        "forbidden": way.forbidden or None,
    }


def _outlet_row(outlet: Outlet) -> dict[str, Any]:
    return {
        "host": outlet.host,
        "place": outlet.place,
        "kind": outlet.kind,
        "path": outlet.name,
        "rule": outlet.rule,
    }


def _print_ways(file: str, proof: Proof) -> None:
    out = console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("host", "where", "labels", "by", "asked as", "rule"):
        table.add_column(heading, no_wrap=heading in {"host", "where", "labels"}, overflow="fold")
    for group in _by_outlet(proof.ways):
        outlet = group[0].outlet
        labels = "\n".join(f"{way.label.word}{' FORBIDDEN' if way.forbidden else ''}" for way in group)
        by = f"{outlet.name} ({outlet.kind}{CARRIES.get(outlet.cargo, '')})"
        by = "\n".join((by, *_turned(outlet)))
        rules = [outlet.rule, *(f"{way.label.word}: {way.forbidden}" for way in group if way.forbidden)]
        asked = "\n".join(_asked(group))
        table.add_row(outlet.host, outlet.place, labels, by, asked, "\n".join(rules))
    out.print(table)
    for outlet in proof.without_text:
        out.print(f"without any text: {outlet.name} -> {outlet.host}: {outlet.rule}", markup=False)
    out.print(_verdict(file, proof), markup=False)


def _asked(group: list[Way]) -> Iterator[str]:
    """In which requests: the names, the rows of the routing table, the keys and plans."""
    yield ", ".join(sorted({name for way in group for name in way.asked_as})) or "anything"
    for what, listed in (("tasks", [way.tasks for way in group]), ("by", [way.callers for way in group])):
        if named := sorted({name for names in listed for name in names}):
            yield f"{what}: {', '.join(named)}"


def _turned(outlet: Outlet) -> Iterator[str]:
    """The APIs that do not go out as they came in."""
    for how in sorted({*outlet.apis.values()} - {"native"}):
        yield f"{how}: {', '.join(api for api, said in outlet.apis.items() if said == how)}"


def _by_outlet(ways: tuple[Way, ...]) -> list[list[Way]]:
    """One row of the table for each thing that opens a connection; `--json` has one for each label too."""
    groups: dict[int, list[Way]] = {}
    for way in ways:
        groups.setdefault(id(way.outlet), []).append(way)
    return list(groups.values())


def _verdict(file: str, proof: Proof) -> str:
    asked = "every label, name, task, plan and API" if proof.thorough else "the wide questions: the file is very large"
    counted = f"{proof.decisions} decisions of the policy, {asked}"
    if proof.forbidden:
        return f"{file}: {len(proof.forbidden)} ways that may not be ({counted}); `up` and `serve` refuse to start"
    return f"{file}: no forbidden way ({counted})"
