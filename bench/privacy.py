"""
The layers of detection on every labelled set: recall and false alarms with intervals, by category and layer, and times.

    python bench/privacy.py ../shared [--also "HumanEval=FILE.jsonl" ...]   # writes bench/privacy/DATE-COMMIT.json
    python bench/privacy_table.py --write                                   # puts the newest result into the page

The folder holds `privacy/` and `routing/` as they lie beside the project. All layers of the shipped models.yaml read;
`localfleet privacy evaluate FILE` says the same of each file. `--also` adds harmless prompts (JSON lines with `text`).
Two minutes of one core; the text of a row is in no result.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from machine import commit, machine

from localfleet.cli.check import explainer_of
from localfleet.core.label import Verdict
from localfleet.core.layers import LAYERS, layer_of
from localfleet.evaluate import judge_all, read_samples, summary

HERE = Path(__file__).resolve().parent
OUT = HERE / "privacy"
CONFIG = HERE.parent / "models.yaml"
Judge = Callable[[bytes], Verdict]
Row = dict[str, Any]
KINDS = ("CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS", "PHONE_NUMBER")
LONG = (200_000, 400_000, 800_000)
"""Characters; four make a token."""
ORG = """version: 1
local: {box: {weights: w}}
privacy:
  rules:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """Labelled rows, and what they are: `dev`, `held out` from the training, `fresh` by another method."""

    name: str
    sort: str
    rows: list[Row]
    rules: str = ""
    """A configuration of the set's own, where the rows name an operator's terms."""


def lines(file: Path) -> list[Row]:
    """JSON lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def dev(shared: Path) -> Iterator[Set]:
    """The sets beside the project."""
    privacy, routing = shared / "privacy", shared / "routing"
    prompts = lines(privacy / "prompts_dev.jsonl")
    yield Set(name="prompts", sort="dev", rows=prompts)
    rules = json.loads((privacy / "org_rules_dev.json").read_text(encoding="utf-8"))
    yield Set(name="prompts, with the operator's rules", sort="dev", rows=prompts, rules=org(rules))
    for name in ("synth_v2", "secrets", "prism_routing", "vsr_privacy_kb"):
        yield Set(name=name, sort="dev", rows=lines(privacy / f"{name}_dev.jsonl"))
    benign = [*lines(privacy / "negatives_dev.jsonl"), *lines(routing / "route_pair_dev.jsonl")]
    programs = [row for row in lines(routing / "routerbench_dev.jsonl") if row["id"].startswith("mbpp")]
    for name in ("mmlu", "gsm8k", "mbpp"):
        found = {row["text"]: row for row in [*benign, *programs] if row["id"].startswith(name)}
        yield Set(name=name, sort="dev", rows=harmless(found.values()))


def org(rules: Row) -> str:
    """The operator's rules as a models.yaml."""
    words = [{"name": "terms", "label": "restricted", "words": rules["terms"] + rules["labels"]}]
    patterns = [{"name": n, "label": "restricted", "pattern": p} for n, p in rules["patterns"].items()]
    return ORG + "\n".join(f"    - {json.dumps(rule)}" for rule in words + patterns)


def harmless(rows: Iterable[Row]) -> list[Row]:
    """Rows of which none is anybody's business."""
    return [{"id": row.get("id", at), "text": row["text"], "label": 0} for at, row in enumerate(rows)]


def fresh() -> Iterator[Set]:
    """Prompts made here: by clauses and records (read since), and by a grammar."""
    ways = (
        ("clauses", "fresh, read since", "fresh_prompts.py", "1400"),
        ("grammar", "fresh", "fresh_grammar.py", "2000"),
    )
    for name, sort, script, many in ways:
        argv = [sys.executable, str(HERE / script), "--seed", "1", "--many", many]
        made = subprocess.run(argv, capture_output=True, check=True)
        yield Set(name=name, sort=sort, rows=[json.loads(line) for line in made.stdout.splitlines()])


def measured(one: Set, shipped: Judge) -> Row:
    """The summary of a set, and for annotated documents of each kind of identifier that they hold."""
    judge = shipped
    if one.rules:
        file = OUT / "rules.yaml"
        file.write_text(one.rules, encoding="utf-8")
        judge = judge_of(file)
        file.unlink()
    raw = [json.dumps(row).encode() for row in one.rows]
    rows = judge_all(read_samples(raw), judge, time.perf_counter)
    found: Row = {"set": one.name, "sort": one.sort, **summary(rows)}
    if any("spans" in row for row in one.rows):
        found["kinds"] = [of_kind(kind, one.rows, judge) for kind in KINDS]
    return found


def of_kind(kind: str, rows: list[Row], judge: Judge) -> Row:
    """The documents that hold one kind of identifier."""
    having = [row for row in rows if any(span[0] == kind for span in row["spans"])]
    raw = [json.dumps({"text": row["text"], "label": 1, "id": row["id"]}).encode() for row in having]
    found = summary(judge_all(read_samples(raw), judge, time.perf_counter))
    return {**found["recall"][0], "category": kind, "missed": found["missed"]}


def judge_of(config: Path, layers: frozenset[str] | None = None) -> Judge:
    """What a router with this file says, of callers whose default is public; `layers` are all that read."""
    return explainer_of(str(config), layers)[0].from_public


def times(judge: Judge) -> list[Row]:
    """Processor time of one core, all threads: a prompt of 500 characters, and long texts."""
    plain = "The valve opens at noon and the pump then fills the upper tank from the river. "
    named = "Then Ruth Castellani wrote to the office in Delft about her lease and the broken boiler there. "
    short = {
        "a pattern decides": (plain * 6)[:464] + " Call me on +44 7700 900417 tonight.",
        "nothing looks like a name": (plain * 6)[:500],
        "names are read": (named * 6)[:500],
    }
    found = [timed(what, text, judge) for what, text in short.items()]
    library = "".join(
        file.read_text(encoding="utf-8", errors="replace") for file in sorted(Path(os.__file__).parent.glob("*.py"))
    )
    tables = judge_of(CONFIG, frozenset(LAYERS) - {"names"})
    names = [timed("library code, names alone", library[:200_000], judge_of(CONFIG, frozenset({"names"})), 1)]
    return [*found, *(timed("library code, all but names", library[:n], tables, 3) for n in LONG), *names]


def timed(what: str, text: str, judge: Judge, rounds: int = 60) -> Row:
    """Medians of several."""
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    judge(body)
    taken = []
    for _ in range(rounds):
        began = time.process_time_ns()
        verdict = judge(body)
        taken.append((time.process_time_ns() - began) / 1e6)
    layers = sorted({layer_of(one.kind) for one in verdict.findings}, key=LAYERS.index)
    return {"what": what, "chars": len(text), "median_ms": median(taken), "rounds": rounds, "layers": layers}


def main() -> None:
    """Measure, print, write."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--also", nargs="*", default=[], metavar="NAME=FILE", help="harmless prompts of your own")
    args = asked.parse_args()
    OUT.mkdir(exist_ok=True)
    also = (one.partition("=") for one in args.also)
    more = [Set(name=name, sort="held out", rows=harmless(lines(Path(file)))) for name, _, file in also]
    judge = judge_of(CONFIG)
    sets = []
    for one in (*dev(args.folder), *more, *fresh()):
        sets.append(measured(one, judge))
        print(told(sets[-1]), flush=True)
    result = {**commit(), "machine": machine(), "sets": sets, "times": times(judge)}
    file = OUT / f"{result['machine']['date'][:10]}-{result['commit'][:7]}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["times"], indent=1), file)


def told(found: Row) -> str:
    """A set in a line."""
    recall, alarms = found["recall"][0], found["false_alarms"][0]
    shares = (f"{one['found']} of {one['of']} ({one['low']:.3f} to {one['high']:.3f})" for one in (recall, alarms))
    return f"{found['set']:<36} found {' wrongly '.join(shares)}"


if __name__ == "__main__":
    main()
