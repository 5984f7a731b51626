"""
How much of "needs the stronger model" can be known at all: what stops every router that reads only the prompt.

    python bench/routing_ceiling.py ../shared/routing           # writes bench/routing_ceiling/DATE-COMMIT.json
    python bench/routing_ceiling.py --write                     # shows the newest result on the classifier's page

Two measurements on prompts that training did not see (five folds):

    others   an onlooker who knows how all *other* models answered this very prompt, and orders prompts for the pair by
             a forest or a line over those outcomes. No router can know as much before the answers. What the onlooker
             misses is luck of the pair, and not in the prompt.
    curve    heads and forest, trained on ever more of the prompts: does more data help?
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from machine import commit, machine
from result_page import ROOT, ResultPage

from localfleet.training.design import Array
from localfleet.training.evaluate import measured
from localfleet.training.fit import fitted
from localfleet.training.folds import by_luck
from localfleet.training.forest import grown
from localfleet.training.labelled import read_labelled
from localfleet.training.reports import gain_of
from localfleet.training.table import Table, pair_of, tabled

OUT = ROOT / "bench/routing_ceiling"
PAGE = ResultPage(path=ROOT / "docs/concepts/routing-classifier.md", results=OUT, mark="ceiling")
SETS = {"RouterBench": "routerbench_dev.jsonl", "nine open models": "llmrouter9_dev.jsonl"}
PAIRS = "route_pair_dev.jsonl"
SIZES = (150, 300, 600, 1200, 1460)
RIDGE = 10.0
Way = Callable[[Array, Array, Array], Array]


def read(file: Path) -> Table:
    """A file as a table."""
    with file.open("rb") as lines:
        return tabled(read_labelled(lines, name=file.name))


def by_forest(known: Array, gain: Array, asked: Array) -> Array:
    """The gain that a forest over the others' outcomes expects."""
    low, high = gain.min(), gain.max()
    said = grown(known, ((gain - low) / (high - low))[:, None]).of(asked)[:, 0]
    return np.asarray(low + (high - low) * said)


def by_line(known: Array, gain: Array, asked: Array) -> Array:
    """The same by a line with a ridge."""
    mean = known.mean(axis=0)
    apart = known - mean
    weights = np.linalg.solve(apart.T @ apart + RIDGE * np.eye(known.shape[1]), apart.T @ (gain - gain.mean()))
    return np.asarray((asked - mean) @ weights)


def said(way: Way, read_of: Array, gain: Array, table: Table) -> Array:
    """What a way says of each fold, trained on the others."""
    found = np.zeros(len(table))
    for fold in by_luck(table):
        rest = np.setdiff1d(np.arange(len(table)), fold)
        found[fold] = way(read_of[rest], gain[rest], read_of[fold])
    return found


def others(folder: Path) -> Iterator[dict[str, Any]]:
    """The onlooker on each set of many models, beside one who sees the weak model's own answer judged."""
    for name, file in SETS.items():
        table = read(folder / file)
        pair = pair_of(table)
        gain = gain_of(table, pair)
        rest = [at for at in range(len(table.models)) if at not in {pair.weak, pair.strong}]
        for how, way in (("forest", by_forest), ("line", by_line)):
            score = said(way, table.scores[:, rest], gain, table)
            yield row(name, f"knows the outcomes of {len(rest)} other models, {how}", score, gain)
        yield row(name, "knows that the weak model's answer is wrong", -table.scores[:, pair.weak], gain)


def curve(folder: Path) -> Iterator[dict[str, Any]]:
    """Heads and forest by the number of prompts that they were trained on, pooled pairs."""
    table = read(folder / PAIRS)
    pair, gain = pair_of(table), gain_of(table, pair_of(table))
    for size in SIZES:
        score = np.zeros(len(table))
        for fold in by_luck(table):
            rest = np.random.default_rng(size).permutation(np.setdiff1d(np.arange(len(table)), fold))[:size]
            found = fitted(table.of(np.sort(rest)), pair)
            score[fold] = found.need(table.of(fold))
        yield row("MMLU and GSM8K", f"reads the prompt, trained on {size:,}", score, gain)


def row(name: str, who: str, score: Array, gain: Array) -> dict[str, Any]:
    """One line of the result."""
    found = {"set": name, **asdict(measured(who, score, gain))}
    print(f"{name:20} {who:50} {found['apgr']:.3f} {found['low']:.3f} to {found['high']:.3f}", flush=True)
    return found


def markdown(result: dict[str, Any]) -> str:
    """The table of the page."""
    lines = ["| set | who orders the prompts | APGR (95 % interval) |", "|---|---|---|"]
    for one in result["rows"]:
        interval = f"{one['apgr']:.3f} ({one['low']:.2f} to {one['high']:.2f})"
        lines.append(f"| {one['set']}, {one['prompts']:,} | {one['router']} | {interval} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write, or show the newest result on the page."""
    if "--write" in sys.argv:
        PAGE.path.write_text(PAGE.placed(PAGE.text(), markdown(PAGE.newest())), encoding="utf-8")
        return
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    folder = asked.parse_args().folder
    result = {**commit(), "machine": machine(), "rows": [*others(folder), *curve(folder)]}
    OUT.mkdir(exist_ok=True)
    file = OUT / f"{result['machine']['date'][:10]}-{result['commit'][:7]}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
