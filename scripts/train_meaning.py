#!/usr/bin/env python3
"""
Train the weights of the meaning layers: `src/localfleet/data/meaning.bin`.

    .venv/bin/python scripts/train_meaning.py [--extra FILE.jsonl ...] [--out FILE]

From pairs of statements about somebody and questions in general, written for this project (scripts/meaning/*.txt, CC0):
each line is a template, filled several times with the words of slots.txt. `--extra` adds labelled prompts (JSON lines
with `text` or `messages`, and `label`). The result depends on nothing but these files: the seed is fixed.
"""

import argparse
import json
import os
import random
import re
import sys
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from localfleet.core.meaning import BUCKETS, features, windows, words  # noqa: E402  # the path comes first
from localfleet.core.names import masked, read_all  # noqa: E402  # the same
from localfleet.readers.rampart import Rampart, rampart_files  # noqa: E402  # the same

HERE = ROOT / "scripts" / "meaning"
EACH, EACH_NAMED = 14, 40
"""How often a template is filled; with names more often, for what becomes of a name depends on which it is."""
SLOT = re.compile(r"\{([a-z]+)\}")


def slots() -> dict[str, list[str]]:
    """The words for each slot."""
    rows = (line.split(":", 1) for line in (HERE / "slots.txt").read_text(encoding="utf-8").splitlines() if ":" in line)
    return {name.strip(): [word.strip() for word in found.split("|")] for name, found in rows}


def templates(name: str) -> list[tuple[str, str]]:
    """(section, template) of one file."""
    section, found = "", []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.strip():
            found.append((section, line.replace("\\n", "\n")))
    return found


def filled(template: str, table: dict[str, list[str]], rng: random.Random) -> str:
    """One text of a template; sometimes with other manners: no capitals, no full stop, a greeting."""
    text = template
    while SLOT.search(text) is not None:
        text = SLOT.sub(lambda match: rng.choice(table[match[1]]), text).strip()
    if rng.random() < 0.12:
        text = text.lower()
    if rng.random() < 0.15:
        text = (
            rng.choice(["Hi, ", "Hello! ", "Hey, ", "Please help. ", "Thanks in advance. ", "Quick question: "]) + text
        )
    return text.rstrip(".") if rng.random() < 0.2 else text


def corpus(names: list[tuple[str, float]], rng: random.Random, each: int = EACH) -> list[tuple[str, str, float]]:
    """(section, text, wanted) of several files; long texts too: two of one side, one after the other."""
    table, found = slots(), []
    for name, wanted in names:
        rows = templates(name)
        for section, template in rows:
            many = each if SLOT.search(template) else 8
            found += [(section, filled(template, table, rng), wanted) for _ in range(many)]
    for wanted in {one for _, one in names}:
        same = [row for row in found if row[2] == wanted]
        for _ in range(len(same) // 8):
            first, second = rng.sample(same, 2)
            found.append((first[0], f"{first[1]} {second[1]}", wanted))
    return found


def extra(files: list[str]) -> list[tuple[str, str, float]]:
    """Labelled prompts of other files."""
    found = []
    for file in files:
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            text = row.get("text") or "\n".join(m["content"] for m in row["messages"])
            wanted = {"local": 1.0, "1": 1.0, "any": 0.0, "0": 0.0}.get(str(row.get("label")))
            if wanted is not None:
                found.append((str(row.get("cat") or row.get("category") or "extra"), text, wanted))
    return found


def program_text(rng: random.Random, many: int = 600) -> list[tuple[str, str, float]]:
    """Pieces of Python's own library: code and comments are about nobody, whatever words they use."""
    files = sorted(Path(os.__file__).parent.glob("*.py"))
    found = []
    for _ in range(many):
        lines = rng.choice(files).read_text(encoding="utf-8", errors="replace").splitlines()
        start = rng.randrange(max(1, len(lines) - 12))
        text = "\n".join(lines[start : start + rng.randint(1, 12)]).strip()
        asked = rng.choice(
            ["", "", "Explain this code:\n", "What does this do?\n", "Fix the bug:\n", "Add type hints:\n"]
        )
        if text:
            found.append(("code", asked + text, 0.0))
        found.append(("code", token_text(rng), 0.0))
    return found


def token_text(rng: random.Random) -> str:
    """A token, alone or assigned to something: other layers judge it, this one must not."""
    alphabet = rng.choice(["0123456789abcdef", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"])
    token = "".join(rng.choice(alphabet) for _ in range(rng.randint(8, 60)))
    forms = [
        "{}",
        "token = '{}'",
        "key: {}",
        "export SECRET={}",
        '"api_token": "{}"',
        "const id = `{}`;",
        "curl -u {} host",
    ]
    return rng.choice(forms).replace("{}", token)


class Sparse:
    """Rows of buckets, as one long index: the sums that a gradient needs are two calls."""

    def __init__(self, texts: list[str]) -> None:
        """One row for each window of each text; a text's label holds for its first window."""
        sets = [sorted(features(next(iter(windows(words(text))), ["-"]))) for text in texts]
        self.at = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
        self.bucket = np.concatenate([np.array(one, dtype=np.int64) for one in sets])
        self.value = np.concatenate([np.full(len(one), len(one) ** -0.5) for one in sets])
        self.rows = len(sets)

    def times(self, weights: np.ndarray) -> np.ndarray:
        """A score for each row."""
        return np.bincount(self.at, self.value * weights[self.bucket], self.rows)

    def back(self, errors: np.ndarray) -> np.ndarray:
        """The gradient."""
        return np.bincount(self.bucket, self.value * errors[self.at], BUCKETS)


def fitted(data: Sparse, wanted: np.ndarray, *, l2: float = 2e-5, steps: int = 400) -> tuple[np.ndarray, float]:
    """Logistic regression by Adam; both sides weigh the same."""
    weights, bias = np.zeros(BUCKETS), 0.0
    first, second = np.zeros(BUCKETS), np.zeros(BUCKETS)
    side = np.where(wanted > 0, 0.5 / max(wanted.sum(), 1), 0.5 / max((1 - wanted).sum(), 1))
    for step in range(1, steps + 1):
        errors = (1 / (1 + np.exp(-(data.times(weights) + bias))) - wanted) * side
        gradient = data.back(errors) + l2 * weights
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        weights -= 0.1 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        bias -= 2.0 * errors.sum()
    return weights, bias


def head(name: str, weights: np.ndarray, bias: float, limit: float) -> tuple[dict[str, float | str], bytes]:
    """A head for the file: the weights as signed bytes."""
    scale = float(np.abs(weights).max()) / 127 or 1.0
    row = {"name": name, "scale": round(scale, 6), "bias": round(bias, 4), "threshold": round(limit, 3)}
    return row, np.round(weights / scale).astype(np.int8).tobytes()


def common_words() -> list[str]:
    """All words of the templates: those that the router meets most, and works out beforehand."""
    return sorted(
        {word for path in HERE.glob("*.txt") for word in words(path.read_text(encoding="utf-8")) if word != "\n"}
    )


def main() -> None:
    """Train, report on a held-out fifth of the templates' fillings, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=20261126, help="of the names that fill the sentences")
    parser.add_argument("--limits", nargs=2, type=float, default=(0.3, 0.0), help="thresholds: topics, names")
    parser.add_argument("--out", default=str(ROOT / "src" / "localfleet" / "data" / "meaning.bin"))
    parser.add_argument("--words", action="store_true", help="write only the common words beside the weights")
    args = parser.parse_args()
    beside = Path(args.out).with_name("common_words.txt")
    beside.write_text("\n".join(common_words()) + "\n", encoding="utf-8")
    if args.words:
        return
    rng = random.Random(20261125)  # noqa: S311  # a fixed seed is the point
    added = [*extra(args.extra), *program_text(rng)]
    topics = corpus([("private.txt", 1.0), ("general.txt", 0.0), ("names_benign.txt", 0.0)], rng) + added
    heads = [train("topics", [text for _, text, _ in topics], np.array([w for *_, w in topics]), args.limits[0])]
    kinds = sorted(
        {section for section, _, wanted in topics if wanted and section in {s for s, _ in templates("private.txt")}}
    )
    private = [(section, text) for section, text, wanted in topics if wanted and section in kinds]
    for kind in kinds:
        wanted = np.array([float(section == kind) for section, _ in private])
        heads.append(train(f"topic:{kind}", [text for _, text in private], wanted, 0.0))
    # Of its own luck, so that a sentence about topics moves no weight of names.
    luck = random.Random(args.seed)  # noqa: S311  # the same
    named = corpus([("names_private.txt", 1.0), ("names_benign.txt", 0.0)], luck, EACH_NAMED)
    named += [*corpus([("general.txt", 0.0)], luck), *added]
    heads.append(train("names", *marked(named), args.limits[1]))
    table = json.dumps({"heads": [row for row, _ in heads]})
    packed = zlib.compress(b"".join(weights for _, weights in heads), 9)
    Path(args.out).write_bytes(table.encode() + b"\n" + packed)
    print(f"{args.out}: {len(packed)} bytes, {len(heads)} heads")


def marked(rows: list[tuple[str, str, float]]) -> tuple[list[str], np.ndarray]:
    """The texts with their names taken out, as the router will see them; those without a name teach nothing here."""
    model, known = (
        Rampart(rampart_files()),
        frozenset(
            (ROOT / "src" / "localfleet" / "data" / "public_people.txt").read_text(encoding="utf-8").splitlines()
        ),
    )
    texts, wanted = [], []
    for _, text, want in rows:
        plain, count = masked(text, read_all(model, text), known)
        if count:
            texts.append(plain)
            wanted.append(want)
    return texts, np.array(wanted)


def train(name: str, texts: list[str], wanted: np.ndarray, limit: float) -> tuple[dict[str, float | str], bytes]:
    """Fit on all; what a fit on four fifths of the templates makes of the rest is printed first."""
    fifth = np.random.default_rng(7).integers(5, size=len(texts)) == 0
    part = [text for text, out in zip(texts, fifth, strict=True) if not out]
    weights, bias = fitted(Sparse(part), wanted[~fifth])
    held = Sparse([text for text, out in zip(texts, fifth, strict=True) if out])
    above = held.times(weights) + bias > limit
    found, alarms = above[wanted[fifth] > 0].mean(), above[wanted[fifth] == 0].mean()
    print(f"{name}: {len(texts)} texts; of the held-out fifth found {found:.3f}, flagged wrongly {alarms:.3f}")
    weights, bias = fitted(Sparse(texts), wanted)
    return head(name, weights, bias, limit)


if __name__ == "__main__":
    main()
