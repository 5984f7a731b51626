"""
What was tried to find more names and to flag fewer false secrets, each way with what it finds and what it flags.

    python bench/privacy_tries.py ../shared        # writes bench/privacy/tries/DATE-COMMIT.json
    python bench/privacy_table.py --write

Each way changes one thing of what ships and nothing else. Some two minutes of one core.
"""

import argparse
import json
import keyword
import math
import os
import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from machine import commit, machine
from privacy import CONFIG, Judge, Row, Set, dev, harmless, judge_of, lines

from localfleet.core.detectors import find_all, fold
from localfleet.core.detectors.guess import entropy_bits
from localfleet.core.interval import wilson
from localfleet.core.label import Label
from localfleet.core.layers import LAYERS
from localfleet.core.meaning import Meaning, words
from localfleet.core.names import Entity, address_findings, listed, masked, read_all
from localfleet.evaluate import read_samples
from localfleet.readers.load import load_meaning, load_reader

OUT = Path(__file__).resolve().parent / "privacy/tries"
RANDOM = random.Random(7)
ALNUM = string.ascii_letters + string.digits
DUBIOUS = re.compile(r"example|sample|test|fake|dummy|mock|placeholder|invalid|non_?match|allow|demo", re.IGNORECASE)
GOOGLE = "gcp-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A text with the names in it, and whether other layers have made it restricted."""

    text: str
    names: list[Entity]
    other: bool

    def mask(self, meaning: Meaning) -> tuple[str, int, float]:
        """The text without its names, how many there are, and how private that reads."""
        plain, count = masked(self.text, self.names, meaning.known)
        return plain, count, meaning.named.margin(words(plain)) if count else -math.inf


Way = Callable[[str, int, float], bool]
"""From a masked text, the number of its names and its margin: is it about somebody in private?"""


def full(plain: str) -> bool:
    """Whether there is a full name that the reader is sure of."""
    return "⟨full⟩ ⟨sure⟩" in plain


NAMES: dict[str, Way] = {
    "what ships": lambda plain, n, margin: n > 0 and (listed(plain) or margin > (-1.0 if full(plain) else 0.0)),
    "without lists": lambda plain, n, margin: n > 0 and margin > (-1.0 if full(plain) else 0.0),
    "without the lower bar for full names": lambda plain, n, margin: n > 0 and (listed(plain) or margin > 0),
    "1: the bar lower by 1 for every name": lambda plain, n, margin: n > 0 and (listed(plain) or margin > -1),
    "1: by 1.75": lambda plain, n, margin: n > 0 and (listed(plain) or margin > -1.75),
    "1: by 2.5": lambda plain, n, margin: n > 0 and (listed(plain) or margin > -2.5),
    "2: by 1.75 where two names stand together": lambda plain, n, margin: (
        n > 0 and (listed(plain) or margin > (-1.75 if n > 1 else -1.0 if full(plain) else 0.0))
    ),
    "3: by 1.75 for full names": lambda plain, n, margin: (
        n > 0 and (listed(plain) or margin > (-1.75 if full(plain) else 0.0))
    ),
    "3: any full name": lambda plain, n, margin: n > 0 and (listed(plain) or full(plain) or margin > 0),
    "any name, as the model alone": lambda _plain, n, _margin: n > 0,
}


def names(shared: Path) -> list[Row]:
    """Every way on every set that names matter to."""
    meaning = load_meaning()
    judge = judge_of(CONFIG, frozenset(LAYERS) - {"names"})
    sets = {one.name: one for one in dev(shared) if one.name in {"synth_v2", "mmlu", "gsm8k", "mbpp"}}
    blanks = [row for row in lines(shared / "routing/routerbench_dev.jsonl") if row["id"].startswith("winogrande")]
    sets["winogrande"] = Set(name="winogrande", sort="dev", rows=harmless(blanks))
    seen = {name: list(read(one, judge)) for name, one in sets.items()}
    found = []
    for way, decides in NAMES.items():
        row: Row = {"way": way}
        for name, texts in seen.items():
            for wanted, title in ((True, f"{name} found"), (False, f"{name} flagged")):
                some = [one for want, one in texts if want is wanted]
                hits = sum(one.other or decides(*one.mask(meaning)) for one in some)
                row |= {title: share(hits, len(some))} if some else {}
        found.append(row)
        print(way, {title: value["found"] for title, value in row.items() if title != "way"}, flush=True)
    return found


def read(one: Set, judge: Judge) -> Iterator[tuple[bool | None, Read]]:
    """The texts of a set with their names."""
    reader = load_reader()
    samples = read_samples(json.dumps(row).encode() for row in one.rows)
    for row, sample in zip(one.rows, samples, strict=True):
        text = fold(row["text"])
        entities = read_all(reader, text)
        other = judge(sample.body).label is Label.RESTRICTED or bool(address_findings(entities))
        yield sample.wanted, Read(text=text, names=entities, other=other)


def share(hits: int, of: int) -> Row:
    """A share with its interval."""
    low, high = wilson(hits, of)
    return {"found": hits, "of": of, "share": hits / of, "low": low, "high": high}


class Likeness:
    """How much more a value looks like a generator's than like somebody's: two models of pairs of characters."""

    def __init__(self) -> None:
        """From tokens made here and from the words of Python's library."""
        text = "".join(path.read_text("utf-8", "replace") for path in sorted(Path(os.__file__).parent.glob("*.py")))
        said = [word for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]{7,40}", text) if not keyword.iskeyword(word)]
        made = ["".join(RANDOM.choices(ALNUM + "-_", k=RANDOM.randrange(16, 60))) for _ in range(20_000)]
        made += ["".join(RANDOM.choices("0123456789abcdef", k=32)) for _ in range(5000)]
        self._made, self._said = (Counter(pair for word in side for pair in pairwise(word)) for side in (made, said))
        self._sums = sum(self._made.values()), sum(self._said.values())

    def score(self, value: str) -> float:
        """Mean log-odds of a pair."""
        pairs = list(pairwise(value)) or [("", "")]
        return sum(self._odds(pair) for pair in pairs) / len(pairs)

    def _odds(self, pair: tuple[str, str]) -> float:
        made = (self._made[pair] + 0.5) / self._sums[0]
        return math.log(made / ((self._said[pair] + 0.5) / self._sums[1]))


Drops = Callable[[str, str], bool]
"""From a value and the forty characters before it: is it no secret after all?"""


def secrets(shared: Path) -> dict[str, Any]:
    """Every way on gitleaks' cases, and how the false keys of Google stand among new ones."""
    alike = Likeness()
    rows = lines(shared / "privacy/secrets_dev.jsonl")
    ways: dict[str, Drops] = {"what ships": lambda _value, _before: False}
    ways |= {f"1: entropy of at least {bits} bits": entropy_way(bits) for bits in (3.25, 3.5, 3.75, 4.0, 4.25)}
    ways |= {
        f"2: pairs of characters, log-odds of at least {odds}": alike_way(alike, odds) for odds in (0, 0.5, 1, 1.5)
    }
    ways["3: no word such as test or example before it or in it"] = lambda value, before: (
        DUBIOUS.search(before + value) is not None
    )
    found = [{"way": way, **cases(rows, drops)} for way, drops in ways.items()]
    for row in found:
        print(row["way"], row["found"]["found"], row["flagged"]["found"], row["google"]["found"], flush=True)
    return {"ways": found, "google_auc": google(rows, alike)}


def entropy_way(bits: float) -> Drops:
    """A bar on entropy."""
    return lambda value, _before: entropy_bits(value) < bits


def alike_way(alike: Likeness, odds: float) -> Drops:
    """A bar on likeness."""
    return lambda value, _before: alike.score(value) < odds


def cases(rows: list[Row], drops: Drops) -> Row:
    """What is found of the true and of the false cases where some finds are dropped."""
    hit = [(row, any(one is None or not drops(*one) for one in values(row["text"]))) for row in rows]
    sides = {
        "found": [hits for row, hits in hit if row["label"] == 1],
        "flagged": [hits for row, hits in hit if row["label"] == 0],
        "google": [hits for row, hits in hit if row["label"] == 0 and row["rule"] == GOOGLE],
    }
    return {side: share(sum(some), len(some)) for side, some in sides.items()}


def values(text: str) -> Iterator[tuple[str, str] | None]:
    """What was found, and what stands before it; nothing is known of a find in another dress."""
    folded = fold(text)
    for find in find_all(folded):
        inside = find.end <= len(folded)
        yield (folded[find.start : find.end], folded[max(0, find.start - 40) : find.start]) if inside else None


def google(rows: list[Row], alike: Likeness) -> Row:
    """The chance that a new key scores above a false one: half is no difference."""
    said = [row["text"].strip() for row in rows if row["rule"] == GOOGLE and row["label"] == 0]
    false = [alike.score(text) for text in said if find_all(fold(text))]
    new = [alike.score("AIzaSy" + "".join(RANDOM.choices(ALNUM + "-_", k=33))) for _ in range(2000)]
    wins = sum(one > other for one in new for other in false) / (len(new) * len(false))
    return {"false": len(false), "new": len(new), "auc": wins}


def main() -> None:
    """Try, print, write."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    folder = asked.parse_args().folder
    result = {**commit(), "machine": machine(), "names": names(folder), "secrets": secrets(folder)}
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / f"{result['machine']['date'][:10]}-{result['commit'][:7]}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["secrets"]["google_auc"]), file)


if __name__ == "__main__":
    main()
