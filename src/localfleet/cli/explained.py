"""What `explain` prints for people."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import console
from localfleet.cli.promises import threshold_lines, threshold_warnings
from localfleet.core.fleet import Model
from localfleet.explain import Explained

__all__ = ["print_explained"]


def print_explained(explained: Explained, models: dict[str, Model]) -> None:
    """Label, findings, strategies, then the doors in order."""
    row = explained.row()
    out = console()
    out.print(f"label     {row['label']}  (because: {', '.join(row['because'])})", markup=False)
    found = ", ".join(f"{item['kind']} x{item['count']}" for item in row["findings"])
    out.print(f"findings  {found or 'none'}", markup=False)
    if "redacted" in row:
        made = ", ".join(f"{item['kind']} x{item['count']}" for item in row["redacted"]["replaced"])
        out.print(f"redacted  {row['redacted']['label']} (replaced: {made})", markup=False)
    out.print(f"reason    {row['reason']}", markup=False)
    if "strategies" in row:
        for line in (*threshold_lines(explained.classifier), *threshold_warnings(explained.classifier)):
            out.print(line, markup=False)
        _print_strategies(row)
    for one in row.get("forms", ()):
        fate = "may be sent" if one["sent"] else "is not sent: the next door is tried"
        out.print(
            f"form      {one['model']}: with its own words the request is {one['label']} and {fate}", markup=False
        )
    for one in row.get("shadows", ()):
        way = f"{one['share']:.0%} of these also go to {one['model']}, unseen"
        shut = f"none of these: {one['model']} is shut to them"
        said = f"{way if one['legal'] else shut} ({one['why']})"
        out.print(f"shadow    {one['experiment']}: {said}", markup=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("door", "tier", "open", "why", "about USD", "USD/Mtok in / out"):
        table.add_column(heading, no_wrap=heading == "why", overflow="fold")
    for door in row["doors"]:
        price = models[door["model"]].price
        per_mtok = f"{price.usd_per_mtok_in.normalize():f} / {price.usd_per_mtok_out.normalize():f}" if price else "-"
        opened = "yes" if door["legal"] else "no"
        table.add_row(door["model"], door["tier"], opened, door["why"], door["cost_usd"] or "unknown", per_mtok)
    out.print(table)
    priced = [models[door["model"]].price for door in row["doors"]]
    sources = {price.version for price in priced if price is not None}
    if sources:
        out.print(f"prices from {', '.join(sorted(sources))}", markup=False)


def _print_strategies(row: dict[str, Any]) -> None:
    """Each strategy, the strongest first: what it looked at, and which doors it moved."""
    out = console()
    out.print(f"task      {row['task'] or 'none'}", markup=False)
    tokens = ", ".join(f"{part} {count}" for part, count in row["tokens"].items())
    out.print(f"tokens    about {tokens or 'none'}", markup=False)
    for one in row.get("quality", ()):
        right = "unknown" if one["quality"] is None else f"{one['quality']:.1%}"
        out.print(f"right     {one['model']} {right}  ({one['why']})", markup=False)
    for one in row["strategies"]:
        moved = ", ".join(f"{move['model']} from {move['from']} to {move['to']}" for move in one["moved"])
        out.print(f"{one['strategy']:<11}{one['why']}: {moved or 'moved nothing'}", markup=False)
