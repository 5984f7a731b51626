#!/usr/bin/env python3
"""
Write fresh labelled prompts from a grammar, to measure the layers on what they were not made with.

    .venv/bin/python bench/fresh_grammar.py [--seed N] [--many N] > grammar.jsonl
    .venv/bin/localfleet privacy evaluate grammar.jsonl

A third method beside scripts/train_meaning.py (whole sentences with slots) and bench/fresh_prompts.py (clauses and
records): a grammar in bench/grammar/*.txt, its own word lists, eleven languages, values made by bench/fresh_values.py.
Each prompt of the category `user` has a twin with its values blanked (`twin`). CC0.
"""

import argparse
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fresh_values import BLANKS, DRESSES, MAKERS

HERE = Path(__file__).resolve().parent / "grammar"
SLOT = re.compile(r"\{([A-Z][A-Z0-9]*:[A-Z0-9]+|[A-Za-z][A-Za-z0-9]*(?:#[0-9])?)\}")
TRIES = 30
"""Where a category has said nearly all that it can, it is passed over rather than heard twice."""
TWINNED = "user"


@dataclass(frozen=True, slots=True)
class Grammar:
    """Ways to begin by category, and ways to say each word."""

    starts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    words: dict[str, list[str]] = field(default_factory=dict)


def read(file: Path) -> Grammar:
    """A grammar file: `#` notes, `## category`, `word = way | way`, ways to begin."""
    found, category = Grammar(), ""
    for line in file.read_text(encoding="utf-8").splitlines():
        name, is_word, ways = line.partition(" = ")
        if line.startswith("## "):
            category = line[3:]
        elif is_word and name.isalpha():
            found.words[name] = [way.strip() for way in ways.split(" | ")]
        elif line.strip() and not line.startswith("# "):
            found.starts[category].append(line.replace("\\n", "\n"))
    return found


class Telling:
    """One prompt: what stands behind `#1` stays the same; blanked, values are gaps."""

    def __init__(self, grammar: Grammar, rng: random.Random, *, blank: bool = False) -> None:
        """Nothing said yet."""
        self._grammar, self._rng, self._blank = grammar, rng, blank
        self._said: dict[str, str] = {}

    def tell(self, way: str) -> str:
        """The text with every slot filled."""
        return SLOT.sub(lambda match: self._slot(match[1]), way)

    def _slot(self, slot: str) -> str:
        if slot not in self._said or "#" not in slot:
            self._said[slot] = self._made(slot.partition("#")[0])
        return self._said[slot]

    def _made(self, name: str) -> str:
        dress, dressed, value = name.partition(":")
        if dressed:
            return DRESSES[dress](MAKERS[value](self._rng))
        if name in MAKERS:
            made = MAKERS[name](self._rng)
            return self._rng.choice(BLANKS[name]) if self._blank and name in BLANKS else made
        if name in self._grammar.words:
            return self.tell(self._rng.choice(self._grammar.words[name]))
        return "{" + name + "}"


def prompts(seed: int, many: int) -> Iterator[dict[str, str]]:
    """Half of them should stay; the categories take turns, and so do their ways to begin."""
    rng, said = random.Random(seed), set[str]()
    private, general = read(HERE / "private.txt"), read(HERE / "general.txt")
    for number in range(many):
        grammar, label = (private, "restricted") if number % 2 == 0 else (general, "public")
        names = [*grammar.starts, *(["twin"] if label == "public" else [])]
        category = names[number // 2 % len(names)]
        twin = category == "twin"
        grammar = private if twin else grammar
        ways = grammar.starts[TWINNED if twin else category]
        tries = (Telling(grammar, rng, blank=twin).tell(rng.choice(ways)) for _ in range(TRIES))
        text = next((one for one in tries if one not in said), None)
        if text is not None:
            said.add(text)
            yield {"id": f"grammar-{seed}-{number}", "category": category, "label": label, "text": text}


def main() -> None:
    """Write JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--many", type=int, default=2000)
    args = parser.parse_args()
    for row in prompts(args.seed, args.many):
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
