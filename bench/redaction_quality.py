#!/usr/bin/env python3
"""
What redaction costs in answers: tasks with one right answer, asked of one model with and without pseudonyms.

    .venv/bin/python bench/redaction_quality.py [--many N] [--model gemma|smollm2] [--write]

Two routers are started. One serves the model. The other has that one as its hosted model and redacts: it sends
pseudonyms and puts the values back. Both get the same tasks at temperature 0, each two worked examples and a
question to go on with, all with private values that matter:

- copy a value out of a note; say which of two values belongs to an office;
- format: a telephone number without its separators;
- extract: the name and the e-mail address of a person, both wanted;
- sum: what one of two named people paid.

A task counts where the right value is in the answer. `--write` keeps the result in bench/redaction/, which
docs/concepts/redaction.md shows. Gemma 3 270M comes as tests/e2e/gemma.py says: by hash, under Google's Gemma Terms of
Use, never shipped. CC0.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "e2e")]

from gemma import NAME, gemma_file  # noqa: E402
from machine import commit, machine  # noqa: E402
from redaction_table import PAGE  # noqa: E402

PROGRAM = str(Path(sys.executable).with_name("localfleet"))
FIRST = ["Martha", "Oliver", "Beatrix", "Clara", "Anton", "Priya", "Diego", "Jonas"]
LAST = ["Hollis", "Brandt", "Okafor", "Marchetti", "Lindqvist", "Delgado", "Tremblay", "Haddad"]
BOX = """version: 1
local:
  model: {weights: %s, context_tokens: 2048}
privacy: {default: public}
"""
STREET = """version: 1
hosted:
  far: {provider: openai, model: model, base_url: "http://127.0.0.1:%d/v1", tier: far, accepts: internal,
        api_key_env: FAR_KEY, apis: [completion], context_tokens: 2048, timeout_s: 120,
        prices: [{since: "2025-01-01", usd_per_mtok_in: "0", usd_per_mtok_out: "0", source: bench}]}
privacy: {on_restricted: redact, layers: [patterns, names], detector_budget_ms: 5000}
"""
KINDS = ("e-mail address", "phone number", "server address", "social security number", "password")
PORTS = (18431, 18432)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A prompt, and what must all be in the answer."""

    kind: str
    prompt: str
    wanted: tuple[str, ...]


def value(dice: random.Random, kind: str) -> str:
    """A value of a kind that the tables find."""
    digits = "".join(dice.choice("23456789") for _ in range(12))
    return {
        "e-mail address": f"{dice.choice(FIRST).lower()}{digits[:2]}@firm.io",
        "phone number": f"+1 4{digits[:2]}-7{digits[2:4]}-{digits[4:8]}",
        "server address": f"10.{digits[:2]}.{digits[2:4]}.{digits[4:6]}",
        "social security number": f"4{digits[:2]}-{digits[2:4]}-{digits[4:8]}",
        "password": f"Qz{digits[:3]}kf{digits[3:6]}!",
    }[kind]


def tasks(many: int) -> Iterator[Task]:
    """So many, the five kinds in turn."""
    dice = random.Random(7)
    makers = (_copy, _choose, _format, _extract, _sum)
    for number in range(many):
        yield makers[number % len(makers)](dice, KINDS[number // len(makers) % len(KINDS)])


def _shown(shots: Iterator[tuple[str, str]]) -> tuple[str, str]:
    """Two worked examples and the question, as one text that a model goes on with; and the right answer."""
    *examples, (question, right) = shots
    worked = "".join(f"{asked} {answer}\n\n" for asked, answer in examples)
    return worked + question, right


def _copy(dice: random.Random, kind: str) -> Task:
    def one() -> tuple[str, str]:
        held, day = value(dice, kind), dice.choice(("Monday", "Tuesday", "Friday"))
        said = {"password": f"password: {held}", "social security number": f"SSN: {held}"}
        note = said.get(kind, f"The {kind} of the office is {held} now")
        return f"Note: {note}. The meeting is on {day}.\nThe {kind} in the note:", held

    prompt, right = _shown(one() for _ in range(3))
    return Task(kind="copy", prompt=prompt, wanted=(right,))


def _choose(dice: random.Random, kind: str) -> Task:
    def one() -> tuple[str, str]:
        north, south = value(dice, kind), value(dice, kind)
        side, right = dice.choice((("north", north), ("south", south)))
        note = f"The {kind} of the north office is {north}. The {kind} of the south office is {south}."
        return f"Note: {note}\nThe {kind} of the {side} office:", right

    prompt, right = _shown(one() for _ in range(3))
    return Task(kind="choose", prompt=prompt, wanted=(right,))


def _format(dice: random.Random, _: str) -> Task:
    numbers = (value(dice, "phone number") for _ in range(3))
    prompt, right = _shown((f"Telephone number: {number}\nDigits alone:", _digits(number)) for number in numbers)
    return Task(kind="format", prompt=prompt, wanted=(right,))


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isdigit())


def _person(dice: random.Random) -> tuple[str, str]:
    """A name and an address of theirs."""
    first, last = dice.choice(FIRST), dice.choice(LAST)
    return f"{first} {last}", f"{first}.{last}{dice.randrange(10, 99)}@firm.io".lower()


def _extract(dice: random.Random, _: str) -> Task:
    def one() -> tuple[str, str]:
        name, address = _person(dice)
        late = dice.choice(("has not come", "is broken", "is the wrong size"))
        message = f"Good morning, my name is {name} and my order {late}. Please write to {address}. Thank you."
        return f"Message: {message}\nJSON:", json.dumps({"name": name, "email": address})

    prompt, right = _shown(one() for _ in range(3))
    return Task(kind="extract", prompt=prompt, wanted=tuple(json.loads(right).values()))


def _sum(dice: random.Random, _: str) -> Task:
    def one() -> tuple[str, str]:
        (name, address), (other, _) = _person(dice), _person(dice)
        first, second, beside = dice.randrange(1, 5), dice.randrange(1, 5), dice.randrange(20, 90)
        bought = f"{name} ({address}) bought {first} apples on Monday and {second} apples on Tuesday."
        return f"{bought} {other} bought {beside} apples.\nApples of {name}:", f"{first} + {second} = {first + second}"

    prompt, right = _shown(one() for _ in range(3))
    return Task(kind="sum", prompt=prompt, wanted=(f"= {right.rpartition(' ')[2]}",))


@contextmanager
def router(folder: Path, file: str, verb: str, port: int) -> Iterator[None]:
    """A router in a folder of its own, until a model answers."""
    folder.mkdir()
    (folder / "models.yaml").write_text(file, encoding="utf-8")
    env = {**os.environ, "LOCALFLEET_HOME": str(folder / "state"), "FAR_KEY": "sk-none-0000"}
    command = [PROGRAM, verb, "--config", str(folder / "models.yaml"), "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(30)


def asked(port: int, prompt: str) -> tuple[str, str]:
    """The answer, up to the end of its line, and the reason of the decision."""
    body = {"model": "auto", "temperature": 0, "max_tokens": 40, "stop": ["\n"], "prompt": prompt}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=180) as answer:
        return json.load(answer)["choices"][0]["text"], answer.headers["x-localfleet-reason"]


def compared(many: int) -> dict[str, dict[str, int]]:
    """
    For each kind: tasks, right as it is, right redacted, right one way only, and left out.

    Left out are tasks in which nothing was redacted: those would be the same question twice.
    """
    found: dict[str, Counter[str]] = {}
    for task in tasks(many):
        counts = found.setdefault(task.kind, Counter(of=0, plain=0, redacted=0, lost=0, gained=0, left_out=0))
        plain, _ = asked(PORTS[0], task.prompt)
        back, reason = asked(PORTS[1], task.prompt)
        if reason != "redacted":
            counts["left_out"] += 1
            continue
        before, after = (all(part in answer for part in task.wanted) for answer in (plain, back))
        counts.update(of=1, plain=before, redacted=after, lost=before and not after, gained=after and not before)
    return {kind: dict(counts) for kind, counts in found.items()}


def main() -> None:
    """Ask, count, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--many", type=int, default=400)
    parser.add_argument("--model", choices=("gemma", "smollm2"), default="gemma")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    weights = str(gemma_file()) if args.model == "gemma" else "smollm2-135m-instruct"
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(router(Path(folder) / "box", BOX % weights, "up", PORTS[0]))
        stack.enter_context(router(Path(folder) / "street", STREET % PORTS[0], "serve", PORTS[1]))
        kinds = compared(args.many)
    weights = NAME if args.model == "gemma" else weights
    result = {"model": args.model, "weights": weights, "kinds": kinds, "machine": machine(), **commit()}
    print(json.dumps(result, indent=1))
    if args.write:
        PAGE.results.mkdir(exist_ok=True)
        file = PAGE.results / f"{result['machine']['date'][:10]}-{args.model}.json"
        file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
