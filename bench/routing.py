"""
The local classifier beside length, cue words and what else was tried, on prompts with known outcomes of real models.

    python bench/routing.py ../shared/routing        # writes bench/routing/DATE-COMMIT.json, prints the tables

The folder holds `route_pair_dev.jsonl` (MMLU and GSM8K; Mixtral-8x7B, GPT-4-1106), `routerbench_dev.jsonl` (11 models
with costs) and `llmrouter9_dev.jsonl` (nine open models). One core, about three minutes.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np
from machine import commit, machine

from localfleet.core.routing.scorer import load
from localfleet.training.choice import cheapest_kept, choice_rows
from localfleet.training.design import Array, Design, Places
from localfleet.training.evaluate import measured
from localfleet.training.file import bytes_of
from localfleet.training.fit import Fitted, Recipe, fitted
from localfleet.training.fit import gain_of as gain_of_chances
from localfleet.training.folds import by_group, by_luck
from localfleet.training.labelled import read_labelled
from localfleet.training.measures import apgr
from localfleet.training.reports import cue_words, gain_of
from localfleet.training.share import trained
from localfleet.training.table import Pair, Table, pair_of, tabled

OUT = Path(__file__).resolve().parent / "routing"
PAIRS, MANY, OPEN = "route_pair_dev.jsonl", "routerbench_dev.jsonl", "llmrouter9_dev.jsonl"
Router = Callable[[Table, Table, Pair], Array]
ROUNDS = 1000


@dataclass(frozen=True, eq=False)
class Same:
    """A table as a key: the same prompts and models are the same key."""

    table: Table

    @property
    def key(self) -> tuple[bytes, tuple[str, ...]]:
        """The marks of the prompts, and the models."""
        return self.table.marks.tobytes(), self.table.models

    def __hash__(self) -> int:
        """By the key."""
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        """By the key."""
        return isinstance(other, Same) and other.key == self.key


@lru_cache(maxsize=1)
def whole(train: Same, pair: Pair) -> Fitted:
    """Heads and forest as they ship, fitted once for the routers that read them."""
    return fitted(train.table, pair)


@lru_cache(maxsize=16)
def shipped(train: Same, pair: Pair) -> Fitted:
    """What ships: heads, forest, topics, length, guard; trained once for all that ask it."""
    return trained(train.table, pair)


def ours(train: Table, asked: Table, pair: Pair) -> Array:
    """The need by what ships."""
    return shipped(Same(train), pair).need(asked)


def unguarded(train: Table, asked: Table, pair: Pair) -> Array:
    """The same without guard and without length."""
    return whole(Same(train), pair).gain(asked)


def heads(train: Table, asked: Table, pair: Pair) -> Array:
    """The linear heads over shape and words alone."""
    return linear(whole(Same(train), pair), asked, pair)


def words(train: Table, asked: Table, pair: Pair) -> Array:
    """Linear heads over words alone: the TF-IDF router with two heads."""
    return linear(fitted(train, pair, Recipe(trees=1, shape_ease=0.003)), asked, pair)


def shape(train: Table, asked: Table, pair: Pair) -> Array:
    """The forest over shape alone."""
    return gain_of_chances(fitted(train, pair, Recipe(topics=0)).signs(asked).forest, pair)


def topics(train: Table, asked: Table, pair: Pair) -> Array:
    """The forest over shape and topics."""
    return gain_of_chances(whole(Same(train), pair).signs(asked).forest, pair)


def neighbours(train: Table, asked: Table, pair: Pair) -> Array:
    """The gain of the 50 training prompts that share most words."""
    rarity, blank = train.words.rarity(), np.zeros((len(train), 1))
    known = Design.of(blank, train.words, rarity)
    new = Design.of(np.zeros((len(asked), 1)), asked.words, rarity)
    columns = np.searchsorted(known.columns, new.columns)
    matrix = np.zeros((len(train), len(known.columns)), dtype=np.float32)
    matrix[known.rows, known.places] = known.values
    query = np.zeros((len(asked), len(known.columns)), dtype=np.float32)
    query[new.rows, columns[new.places]] = new.values
    alike = query @ matrix.T
    near = np.argpartition(-alike, 50, axis=1)[:, :50]
    weight = np.take_along_axis(alike, near, axis=1) ** 2
    gain = gain_of(train, pair)
    return np.asarray(((weight * gain[near]).sum(1) + 0.1 * gain.mean()) / (weight.sum(1) + 0.1))


def linear(found: Fitted, asked: Table, pair: Pair) -> Array:
    """The gain by the heads of a classifier alone."""
    return gain_of_chances(found.signs(asked).heads, pair)


ROUTERS: dict[str, Router] = {
    "cue words": lambda _train, asked, _pair: cue_words(asked),
    "length": lambda _train, asked, _pair: np.asarray(asked.shape[:, 0]),
    "words, linear": words,
    "words, 50 neighbours": neighbours,
    "words and shape, linear": heads,
    "shape, forest": shape,
    "shape and topics, forest": topics,
    "heads and forest, no guard": unguarded,
    "localfleet": ours,
}


def held_out(table: Table, pair: Pair, folds: list[Places]) -> dict[str, Array]:
    """What each router says of each fold, trained on the others."""
    said = {router: np.zeros(len(table)) for router in ROUTERS}
    for fold in folds:
        train, asked = table.of(np.setdiff1d(np.arange(len(table)), fold)), table.of(fold)
        for router, how in ROUTERS.items():
            said[router][fold] = how(train, asked, pair)
    return said


def rows(name: str, gain: Array, said: dict[str, Array], known: float | None = None) -> list[dict[str, Any]]:
    """One row for each router, with its lead over the length and that lead's interval."""
    base = said["length"]
    found = []
    for router, score in said.items():
        row = {"set": name, **asdict(measured(router, score, gain)), **lead(score, base, gain)}
        found.append(row | ({"known": known} if router == "localfleet" and known is not None else {}))
        print(line(row), flush=True)
    return found


def lead(score: Array, base: Array, gain: Array) -> dict[str, float]:
    """The lead over the length in APGR, with the 95 % interval of paired resampling."""
    random = np.random.default_rng(1)
    found = []
    for _ in range(300):
        draw = random.integers(0, len(gain), len(gain))
        if gain[draw].sum() > 0:
            found.append(apgr(score[draw], gain[draw]) - apgr(base[draw], gain[draw]))
    low, high = np.quantile(found, [0.025, 0.975])
    return {"lead_low": float(low), "lead_high": float(high)}


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    interval = f"{row['low']:.3f} to {row['high']:.3f}"
    lead_ = f"lead over length {row['lead_low']:+.3f} to {row['lead_high']:+.3f}"
    return f"{row['set']:<28} {row['router']:<28} {row['prompts']:5}  {row['apgr']:.3f}  {interval}  {lead_}"


def within(name: str, table: Table, folds: list[Places], pair: Pair) -> list[dict[str, Any]]:
    """All routers on folds of one table."""
    return rows(name, gain_of(table, pair), held_out(table, pair, folds))


def foreign(name: str, train: Table, asked: Table) -> list[dict[str, Any]]:
    """All routers trained on one table and asked another; both pairs stand in the same columns."""
    pair = pair_of(train)
    found = shipped(Same(train), pair)
    said = {router: how(train, asked, pair) for router, how in ROUTERS.items()}
    own = pair_of(asked)
    return rows(name, gain_of(asked, own), said, known=round(float(found.known(asked).mean()), 4))


def parts(table: Table, group: str) -> tuple[Table, Table]:
    """The prompts of a group, and all others."""
    inside = np.array([one == group for one in table.groups])
    return table.of(np.flatnonzero(inside)), table.of(np.flatnonzero(~inside))


def times(table: Table, texts: list[str]) -> dict[str, float]:
    """Processor time of one core for each prompt, as it ships, in ms."""
    scorer = load(bytes_of(shipped(Same(table), pair_of(table)), {}))
    taken = []
    for text in texts:
        start = time.process_time_ns()
        for _ in range(3):
            scorer.score(text)
        taken.append((time.process_time_ns() - start) / 3e6)
    long = " ".join(texts)[:16_000]
    start = time.process_time_ns()
    for _ in range(50):
        scorer.score(long)
    return {
        "median_ms": sorted(taken)[len(taken) // 2],
        "p95_ms": quantiles(taken, n=20)[-1],
        "of_16000_chars_ms": (time.process_time_ns() - start) / 5e7,
    }


def read(file: Path) -> Table:
    """A file as a table."""
    with file.open("rb") as lines:
        return tabled(read_labelled(lines, name=file.name))


def ranked(folder: Path) -> Iterator[dict[str, Any]]:
    """Every set of pairs."""
    pairs, many, open_ = read(folder / PAIRS), read(folder / MANY), read(folder / OPEN)
    gsm8k, mmlu = parts(pairs, "gsm8k")
    yield from within("pairs pooled, 5 folds", pairs, list(by_luck(pairs)), pair_of(pairs))
    yield from within("MMLU, 5 folds", mmlu, list(by_luck(mmlu)), pair_of(mmlu))
    yield from within("MMLU, subjects never seen", mmlu, list(by_group(mmlu)), pair_of(mmlu))
    yield from within("GSM8K, 5 folds", gsm8k, list(by_luck(gsm8k)), pair_of(gsm8k))
    yield from within("RouterBench, 5 folds", many, list(by_luck(many)), pair_of(many))
    yield from within("nine open models, 5 folds", open_, list(by_luck(open_)), pair_of(open_))
    yield from foreign("MMLU, asked GSM8K", mmlu, gsm8k)
    yield from foreign("GSM8K, asked MMLU", gsm8k, mmlu)
    yield from foreign("pairs, asked RouterBench", pairs, renamed(many))
    yield from foreign("pairs, asked nine", pairs, renamed(open_))
    yield from foreign("nine, asked GSM8K", open_, gsm8k)
    yield from foreign("nine, asked MMLU", open_, mmlu)
    yield from foreign("RouterBench, asked GSM8K", many, gsm8k)
    yield from foreign("RouterBench, asked MMLU", many, mmlu)


def renamed(table: Table) -> Table:
    """The table with its own pair alone, so that another pair's classifier can be asked."""
    own = pair_of(table)
    chosen = [own.weak, own.strong]
    return replace(table, models=("weak", "strong"), scores=table.scores[:, chosen], cost_usd=table.cost_usd[:, chosen])


def chances(table: Table, folds: list[Places]) -> Array:
    """(prompts, models): each model's chance, by what ships and was trained on the other folds."""
    found = np.zeros(table.scores.shape)
    for fold in folds:
        train = table.of(np.setdiff1d(np.arange(len(table)), fold))
        found[fold] = shipped(Same(train), pair_of(table)).chances(table.of(fold))
    return found


def many_models(folder: Path) -> dict[str, Any]:
    """The choice among nine open models, and what a choice among eleven saves."""
    open_, many = read(folder / OPEN), read(folder / MANY)
    nine = choice_rows(open_, chances(open_, list(by_luck(open_))))
    folds = list(by_luck(many))
    saving = cheapest_kept(many, chances(many, folds), folds)
    print(json.dumps({"nine": nine, "saving": saving}, indent=1))
    return {"nine": nine, "saving": saving}


def main() -> None:
    """Measure, print, write."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    folder = asked.parse_args().folder
    texts = [json.loads(line)["text"] for line in (folder / PAIRS).read_text(encoding="utf-8").splitlines()]
    result = {
        **commit(),
        "machine": machine(),
        "pairs": list(ranked(folder)),
        "choice": many_models(folder),
        "time": times(read(folder / PAIRS), texts),
    }
    OUT.mkdir(exist_ok=True)
    file = OUT / f"{result['machine']['date'][:10]}-{result['commit'][:7]}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["time"]), file)


if __name__ == "__main__":
    main()
