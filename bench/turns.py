"""
Two models that do not fit together, two clients in turn: `python bench/turns.py`.

The failure it is about (llama-swap issue 19): a swapper that loads whatever the next request names throws out the other
client's model at every request. Three ways on the same box, one after another, each with real processes of the embedded
engine and the shipped weights under two names:

    each     a change at every request (`turn_s: 0`): what a swapper does that keeps one model and has no turns
    turns    localfleet's default: work in turns, several times as long as a change
    both     room for both models: what no rule can beat

Each client asks its model again as soon as it was answered. Numbers are requests done in the time, changes of model,
and how long a request waited. Writes bench/turns/DATE-COMMIT.json and prints a table.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from contestants import free_port
from machine import commit, machine

__all__ = ["main"]

HERE = Path(__file__).resolve().parent
ROUTER = HERE.parent / ".venv" / "bin" / "localfleet"
ONE_FITS, BOTH_FIT = "0.4", "2"
MODELS = ("left", "right")
WAYS: dict[str, dict[str, Any]] = {
    "each": {"ram_gib": ONE_FITS, "turn_s": 0},
    "turns": {"ram_gib": ONE_FITS},
    "both": {"ram_gib": BOTH_FIT},
}
TITLES = {
    "each": "a change at every request (a swapper without turns)",
    "turns": "localfleet, in turns",
    "both": "room for both",
}
BODY = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 8, "temperature": 0}


@dataclass(slots=True)
class Client:
    """Asks one model again and again until told to stop."""

    port: int
    model: str
    waits_s: list[float] = field(default_factory=list)
    failed: int = 0

    def run(self, over: threading.Event) -> None:
        """Ask until the time is over; an answer that comes later does not count."""
        body = json.dumps({"model": self.model, **BODY})
        while not over.is_set():
            began = time.monotonic()
            try:
                connection = HTTPConnection("127.0.0.1", self.port, timeout=600)
                connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
                status = connection.getresponse().status
                connection.close()
            except (OSError, HTTPException):
                status = 0
            if over.is_set():
                return
            if status == 200:
                self.waits_s.append(time.monotonic() - began)
            else:
                self.failed += 1


@contextmanager
def router(way: str, folder: Path) -> Iterator[tuple[int, Path]]:
    """`localfleet up` with two models and so much room; its port, and its output."""
    port, said = free_port(), folder / f"{way}.log"
    local = {name: {"weights": "smollm2-135m-instruct", "life": {"load": "on_demand"}} for name in MODELS}
    config = folder / f"{way}.yaml"
    config.write_text(json.dumps({"version": 1, "hardware": {"sharing": WAYS[way]}, "local": local}))
    env = {**os.environ, "LOCALFLEET_HOME": str(folder / way)}
    with said.open("wb") as out:
        process = subprocess.Popen(
            [str(ROUTER), "up", "--config", str(config), "--port", str(port)], stdout=out, stderr=out, env=env
        )
        try:
            wait_alive(port, process)
            yield port, said
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def wait_alive(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until it listens."""
    for _ in range(600):
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("the router ended; run it by hand with the same file") from None
            time.sleep(0.1)
    raise RuntimeError("the router does not answer")


def measure(way: str, seconds: float, folder: Path) -> dict[str, Any]:
    """One way: both clients at the same time."""
    with router(way, folder) as (port, said):
        warm = Client(port, MODELS[0])
        one = threading.Event()
        threading.Timer(5, one.set).start()
        warm.run(one)
        before = changes(said)
        clients = [Client(port, model) for model in MODELS]
        over = threading.Event()
        threads = [threading.Thread(target=client.run, args=(over,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        over.set()
        seen = changes(said) - before
    waits = sorted(wait for client in clients for wait in client.waits_s)
    return {
        "seconds": seconds,
        "done": {client.model: len(client.waits_s) for client in clients},
        "failed": sum(client.failed for client in clients),
        "changes": seen,
        "wait_s": {
            "p50": round(statistics.median(waits), 3) if waits else None,
            "p95": round(waits[int(len(waits) * 0.95)], 3) if waits else None,
            "max": round(waits[-1], 3) if waits else None,
        },
    }


def changes(said: Path) -> int:
    """How often a model was loaded, as the router's terminal tells."""
    return sum(" loading" in line for line in said.read_text(errors="replace").splitlines())


def table(found: dict[str, Any]) -> str:
    """The result in Markdown."""
    head = "| way | requests done | changes of model | wait p50 | p95 | longest |\n|---|---|---|---|---|---|\n"
    rows = ""
    for way, numbers in found.items():
        done, wait = numbers["done"], numbers["wait_s"]
        rows += f"| {TITLES[way]} | {sum(done.values())} ({done['left']} + {done['right']}) | {numbers['changes']} "
        rows += f"| {wait['p50']} s | {wait['p95']} s | {wait['max']} s |\n"
    return head + rows


def main() -> int:
    """Measure all ways, write the result, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="for each way, default 120")
    parser.add_argument("--out", type=Path, help="the result file, default bench/turns/DATE-COMMIT.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="turns-") as folder:
        found = {way: measure(way, options.seconds, Path(folder)) for way in WAYS}
    result = {"schema": 1, **commit(), "machine": machine(), "ways": found}
    out = options.out or HERE / "turns" / f"{result['machine']['date'][:10]}-{result['commit'][:7]}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{table(found)}\nwritten to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
