#!/usr/bin/env python3
"""
What redaction costs in answers: tasks with one right answer, asked of one small model with and without pseudonyms.

    .venv/bin/python bench/redaction_quality.py [--many N]

Two routers are started. One serves the embedded model of the box. The other has that one as its hosted model and
redacts: it sends pseudonyms and puts the values back. Both get the same tasks at temperature 0: copy a value out of a
note, say which of two values belongs to an office. A task counts where the right value is in the answer. CC0.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from localfleet.core.interval import wilson

PROGRAM = str(Path(sys.executable).with_name("localfleet"))
FIRST = ["Martha", "Oliver", "Beatrix", "Clara", "Anton", "Priya", "Diego", "Jonas"]
LAST = ["Hollis", "Brandt", "Okafor", "Marchetti", "Lindqvist", "Delgado", "Tremblay", "Haddad"]
BOX = """version: 1
local:
  small: {weights: smollm2-135m-instruct, context_tokens: 2048}
privacy: {default: public}
"""
STREET = """version: 1
hosted:
  far: {provider: openai, model: small, base_url: "http://127.0.0.1:%d/v1", tier: far, accepts: internal,
        api_key_env: FAR_KEY, context_tokens: 2048, timeout_s: 120,
        prices: [{since: "2025-01-01", usd_per_mtok_in: "0", usd_per_mtok_out: "0", source: bench}]}
privacy: {on_restricted: redact}
"""


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


def tasks(many: int) -> Iterator[tuple[str, str, str]]:
    """Kind, prompt, and the answer."""
    dice = random.Random(7)
    kinds = ["e-mail address", "phone number", "server address", "social security number", "password"]
    for number in range(many):
        kind = kinds[number % len(kinds)]
        right, other = value(dice, kind), value(dice, kind)
        said = {"password": f"password: {right}", "social security number": f"SSN: {right}"}
        if number % 2:
            first = said.get(kind, f"The {kind} of the first office is {right} now")
            note = f"{first}. The weather was fine and the meeting was short."
            yield "copy", f"Note: {note}\nCopy the {kind} from the note.", right
        else:
            note = f"In the north office the {kind} is {right}. In the south office the {kind} is {other}."
            yield "choose", f"{note}\nQuestion: What is the {kind} in the north office?", right


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
    """The answer, and the reason of the decision."""
    body = {"model": "auto", "temperature": 0, "max_tokens": 40, "messages": [{"role": "user", "content": prompt}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=180) as answer:
        text = json.load(answer)["choices"][0]["message"]["content"]
        return text, answer.headers["x-localfleet-reason"]


def main() -> None:
    """Ask, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--many", type=int, default=100)
    many = parser.parse_args().many
    right: Counter[tuple[str, str]] = Counter()
    of: Counter[str] = Counter()
    apart = passed = 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(router(Path(folder) / "box", BOX, "up", 18431))
        stack.enter_context(router(Path(folder) / "street", STREET % 18431, "serve", 18432))
        for kind, prompt, answer in tasks(many):
            plain, _ = asked(18431, prompt)
            back, reason = asked(18432, prompt)
            if reason != "redacted":
                passed += 1
                continue
            of[kind] += 1
            right[kind, "as it is"] += answer in plain
            right[kind, "redacted"] += answer in back
            apart += (answer in plain) != (answer in back)
    for kind in of:
        for how in ("as it is", "redacted"):
            low, high = wilson(right[kind, how], of[kind])
            share = right[kind, how] / of[kind]
            print(f"{kind:8} {how:9} {right[kind, how]:4} of {of[kind]:4}  {share:.3f} ({low:.3f} to {high:.3f})")
    print(f"{apart} of {many - passed} tasks were right one way and not the other")
    print(f"{passed} tasks were left out: nothing private was found in them")


if __name__ == "__main__":
    main()
