"""
Measures the labelled set that ships: which of its prompts two real models answer rightly, each asked alone.

    python bench/outcomes.py .gemma/gemma-3-270m-q4_k_m.gguf    # a few minutes on one core

Prompts and their checks are in `src/localfleet/data/routing_outcomes.jsonl`; its `weak`, `strong` and first line are
written anew, and the figures go to `bench/outcomes/DATE-COMMIT.json`. Weak is SmolLM2-135M-Instruct, which comes with
localfleet; strong is Gemma 3 270M, which `tests/e2e/gemma.py` fetches and which does not ship. The latter has seen no
instructions, so both see three examples of the kind first, and complete `Question: ... Answer:` up to the line's end.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson
from machine import commit, machine

from localfleet.core.interval import wilson
from localfleet.core.suite import Check, Exact, Number

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "src/localfleet/data/routing_outcomes.jsonl"
OUT = Path(__file__).resolve().parent / "outcomes"
PORT = 18_432
WEAK = "smollm2-135m-instruct"
STRONG_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
MOST_TOKENS = 12
EXAMPLES = {
    "sums": [
        ("What is 3 plus 8?", "11"),
        ("Take 14 from 60.", "46"),
        ("Each of 5 jars holds 12 nuts. How many?", "60"),
    ],
    "places": [
        ("What is the capital of Mexico?", "Mexico City"),
        ("On which continent is Angola?", "Africa"),
        ("Name the capital city of the Netherlands.", "Amsterdam"),
    ],
    "opposites": [
        ("What is the opposite of long?", "short"),
        ('Give a word that means the opposite of "love".', "hate"),
        ("What is the opposite of true?", "false"),
    ],
    "translation": [
        ('What does the German word "Stuhl" mean in English?', "chair"),
        ("Translate the French word lait into English.", "milk"),
        ('What does the Spanish word "sol" mean in English?', "sun"),
    ],
    "mood": [
        ("Is this review positive or negative? I love this kettle.", "positive"),
        ("Is this review positive or negative? It leaked from the first day.", "negative"),
        ("Is this review positive or negative? Well made and easy to clean.", "positive"),
    ],
    "sorting": [
        ("Which of delivery, payment, repair, account is this message about? When does my order arrive?", "delivery"),
        ("Which of delivery, payment, repair, account is this message about? I want a new password.", "account"),
        ("Which of delivery, payment, repair, account is this message about? The lamp does not light up.", "repair"),
    ],
    "reading": [
        ("The tea costs 4 euros and the cake 6 euros. What does the cake cost?", "6 euros"),
        ("Anna lives in Bern and Paul in Basel. Who lives in Basel?", "Paul"),
        ("The pool is open from May to September. When does it open?", "May"),
    ],
    "sequences": [
        ("Which number comes next: 6, 7, 8, 9?", "10"),
        ("Continue the row by one number: 20, 18, 16, 14", "12"),
        ("Which number comes next: 25, 50, 75, 100?", "125"),
    ],
    "grammar": [
        ('What is the past tense of "give"?', "gave"),
        ("Write the plural of wolf.", "wolves"),
        ('What is the past tense of "play"?', "played"),
    ],
    "comparing": [
        ("Which number is larger, 4 or 19?", "19"),
        ("Which is the smaller number: 300 or 82?", "82"),
        ("Which number is larger, 66 or 51?", "66"),
    ],
    "dates": [
        ("Which day comes after Saturday?", "Sunday"),
        ("How many days are there in a week?", "7"),
        ("Which month follows May?", "June"),
    ],
    "knowledge": [
        ("What is the chemical symbol of silver?", "Ag"),
        ("How many legs has a horse?", "4"),
        ("Which star warms the earth?", "the sun"),
    ],
    "logic": [
        ("Jo is smaller than Al. Who is the smaller one?", "Jo"),
        ("All cups are white. This is a cup. Is it white?", "yes"),
        ("If the lamp is on, the room is warm. The room is cold. Is the lamp on?", "no"),
    ],
    "code": [
        ("What does this Python program print?\nprint(4 + 4)", "8"),
        ("What does this Python program print?\nprint(len('xyz'))", "3"),
        ("What does this Python program print?\nx = 10\nprint(x * 2)", "20"),
    ],
    "words": [
        ("Write the word fire in capital letters.", "FIRE"),
        ("What is the first letter of the word mountain?", "m"),
        ("How many letters has the word door?", "4"),
    ],
}


def main() -> None:
    """Ask both models every prompt, write the outcomes beside the prompts, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("strong", type=Path, help="the weights that tests/e2e/gemma.py fetches")
    strong = parser.parse_args().strong.resolve()
    if hashlib.sha256(strong.read_bytes()).hexdigest() != STRONG_SHA256:
        raise SystemExit(f"{strong} is not the file that tests/e2e/gemma.py fetches")
    head, *rows = (orjson.loads(line) for line in DATA.read_bytes().splitlines())
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        process = started(Path(folder), strong)
        try:
            for side in ("weak", "strong"):
                for row in rows:
                    row[side] = check(row).right(completed(side, row))
        finally:
            process.terminate()
            process.wait(30)
    made = commit()
    head |= {"measured": f"{time.strftime('%Y-%m-%d', time.gmtime())}", "commit": made["commit"]}
    DATA.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in (head, *rows)))
    found = {"prompts": len(rows), "seconds": round(time.monotonic() - began), **figures(rows)}
    OUT.mkdir(exist_ok=True)
    out = OUT / f"{head['measured']}-{made['commit'][:7]}.json"
    how = {"weak": WEAK, "strong_sha256": STRONG_SHA256, "temperature": 0, "most_tokens": MOST_TOKENS, "examples": 3}
    out.write_text(json.dumps({**made, "machine": machine(), **how, **found}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def started(folder: Path, strong: Path) -> "subprocess.Popen[bytes]":
    """A router with both models, once both are loaded."""
    engine = {"context_tokens": 1024, "threads": 1}
    local = {"weak": {"weights": WEAK, **engine}, "strong": {"weights": str(strong), **engine}}
    file = folder / "models.yaml"
    file.write_text(json.dumps({"version": 1, "local": local}), encoding="utf-8")
    env = {**os.environ, "LOCALFLEET_HOME": str(folder / "state")}
    command = [sys.executable, "-m", "localfleet", "up", "--config", str(file), "--port", str(PORT)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    for _ in range(600):
        time.sleep(0.2)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=5) as answer:
                if all(one["state"] == "ready" for one in json.load(answer)["models"].values()):
                    return process
        except OSError:
            continue
    process.terminate()
    raise SystemExit("the models do not come up")


def completed(model: str, row: dict[str, Any]) -> str:
    """The rest of the line, as the model completes it; the most probable token each time."""
    shown = "".join(f"Question: {asked}\nAnswer: {said}\n\n" for asked, said in EXAMPLES[row["task"]])
    prompt = f"{shown}Question: {row['text']}\nAnswer:"
    body = {"model": model, "prompt": prompt, "max_tokens": MOST_TOKENS, "temperature": 0, "stop": ["\n"]}
    ask = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(ask, timeout=120) as answer:
        return str(json.load(answer)["choices"][0]["text"])


def check(row: dict[str, Any]) -> Check:
    """What tells whether an answer is right."""
    if "number" in row:
        return Number(number=row["number"])
    exact = row["exact"]
    return Exact(texts=(exact,) if isinstance(exact, str) else tuple(exact))


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The shares of right answers with 95 % intervals, who was right where, and the same by kind."""
    kinds = defaultdict(list)
    for row in rows:
        kinds[row["task"]].append(row)
    return {
        **{side: shares([row[side] for row in rows]) for side in ("weak", "strong")},
        "strong_alone": sum(row["strong"] and not row["weak"] for row in rows),
        "weak_alone": sum(row["weak"] and not row["strong"] for row in rows),
        "by_task": {
            kind: {"prompts": len(some), "weak": sum(r["weak"] for r in some), "strong": sum(r["strong"] for r in some)}
            for kind, some in kinds.items()
        },
    }


def shares(right: list[bool]) -> dict[str, float]:
    """A share and its interval (Wilson)."""
    low, high = wilson(sum(right), len(right))
    return {"value": round(sum(right) / len(right), 4), "low": round(low, 4), "high": round(high, 4)}


if __name__ == "__main__":
    main()
