"""
How well a small local model grades the difficulty of requests, 1 to 5 (`routing.difficulty.grade`), on this machine.

    python bench/grade.py ../shared/routing        # writes bench/grade/DATE-COMMIT.json, prints the figures

The model is asked exactly what the router asks it. `bench/grade/levels.jsonl` holds fifty requests with the level
that was meant; the folder's `route_pair_dev.jsonl` holds prompts with outcomes of two real models, of which a sample
tells whether a grade knows which prompts need the stronger one. About five minutes with the model that ships.
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
from pathlib import Path
from typing import Any

import numpy as np
from machine import commit, machine

from localfleet.core.routing.graded import grading_turns, read_grade
from localfleet.steering import GRADE_TOKENS, GRADED_CHARS
from localfleet.training.measures import apgr, bootstrap

HERE = Path(__file__).resolve().parent / "grade"
LEVELS = HERE / "levels.jsonl"
PORT = 18_431
ROUNDS = 2000


def main() -> None:
    """Start the model, grade, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("folder", type=Path, nargs="?", help="holds route_pair_dev.jsonl")
    parser.add_argument("--weights", default="smollm2-135m-instruct")
    parser.add_argument("--prompts", type=int, default=100, help="of the pairs, drawn by lot")
    told = parser.parse_args()
    levels = [json.loads(line) for line in LEVELS.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        process = started(Path(folder), told.weights)
        try:
            found = {"model": told.weights, "levels": of_levels(levels)}
            if told.folder is not None:
                found["pairs"] = of_pairs(told.folder / "route_pair_dev.jsonl", told.prompts)
        finally:
            process.terminate()
            process.wait(30)
    made = commit()
    out = HERE / f"{time.strftime('%Y-%m-%d', time.gmtime())}-{made['commit'][:7]}.json"
    out.write_text(json.dumps({**made, "machine": machine(), **found}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def started(folder: Path, weights: str) -> "subprocess.Popen[bytes]":
    """A router with this model, once it answers."""
    file = folder / "models.yaml"
    file.write_text(f"version: 1\nlocal:\n  small: {{weights: {weights}, context_tokens: 4096, threads: 1}}\n")
    env = {**os.environ, "LOCALFLEET_HOME": str(folder / "state")}
    command = [sys.executable, "-m", "localfleet", "up", "--config", str(file), "--port", str(PORT)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=5):
                return process
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the model does not come up")


def graded(text: str) -> tuple[int | None, float]:
    """The grade and the milliseconds that it took."""
    turns = grading_turns(text[:GRADED_CHARS])
    body = {"model": "small", "messages": turns, "max_tokens": GRADE_TOKENS, "temperature": 0}
    ask = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    began = time.perf_counter()
    with urllib.request.urlopen(ask, timeout=120) as answer:
        said = json.load(answer)["choices"][0]["message"]["content"] or ""
    return read_grade(said), (time.perf_counter() - began) * 1000


def of_levels(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Against the meant level: hit, within one, rank correlation; a request without a grade counts as level 2."""
    grades, times = zip(*(graded(row["text"]) for row in rows), strict=True)
    meant = np.array([row["level"] for row in rows], dtype=float)
    said = np.array([2 if grade is None else grade for grade in grades], dtype=float)
    draws = np.random.default_rng(0).integers(0, len(meant), (ROUNDS, len(meant)))
    return {
        "requests": len(rows),
        "graded": sum(grade is not None for grade in grades),
        "exact": interval(meant == said, draws),
        "within_one": interval(abs(meant - said) <= 1, draws),
        "spearman": {
            "value": spearman(meant, said),
            "low": float(np.nanquantile([spearman(meant[draw], said[draw]) for draw in draws], 0.025)),
            "high": float(np.nanquantile([spearman(meant[draw], said[draw]) for draw in draws], 0.975)),
        },
        "grades": dict(Counter(map(str, grades))),
        "median_ms": float(np.median(times)),
    }


def interval(hits: Any, draws: Any) -> dict[str, float]:
    """A share with its 95 % interval by resampling."""
    means = hits[draws].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": float(hits.mean()), "low": float(low), "high": float(high)}


def spearman(one: Any, other: Any) -> float:
    """Rank correlation, ties sharing their mean rank; not a number where one side is constant."""
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def ranks(values: Any) -> Any:
    """The mean rank of each value."""
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[place]


def of_pairs(file: Path, many: int) -> dict[str, Any]:
    """Whether grades order prompts by their need of the stronger model; the length beside it, on the same prompts."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = random.Random(0).sample(rows, many)
    found = [graded(row["text"]) for row in rows]
    gain = np.array([float(row["strong"]) - float(row["weak"]) for row in rows])
    score = np.array([2.0 if grade is None else float(grade) for grade, _ in found])
    length = np.array([float(len(row["text"])) for row in rows])
    told = {}
    for name, figures in (("grade", score), ("length", length)):
        low, high = bootstrap(figures, gain)
        told[name] = {"apgr": apgr(figures, gain), "low": low, "high": high}
    times = [ms for _, ms in found]
    grades = dict(Counter(str(grade) for grade, _ in found))
    return {"prompts": many, **told, "grades": grades, "median_ms": float(np.median(times))}


if __name__ == "__main__":
    main()
