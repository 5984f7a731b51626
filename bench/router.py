"""
The router with everything on, side by side with what else one could put there: `python bench/router.py`.

One run, alternating rounds, each contestant pinned to core 0, upstream and load to core 1. Needs Linux, two cores, and
nginx and wrk (Debian: `apt-get install nginx-light wrk`). Installs LiteLLM and Portkey into a cache folder, once.
bench/README.md says what each column means and what the numbers do not say.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from contestants import (
    HERE,
    LITELLM,
    LOAD_CORE,
    PORTKEY,
    REQUEST_BYTES,
    Contestant,
    answer_of_upstream,
    answers,
    bodies,
    body_of,
    free_port,
    line_up,
    router,
    running,
    upstream,
)
from first_token import Target, first_tokens
from machine import Busy, commit, cpu_s, machine, rss_mib, said, versions
from table import markdown

__all__ = ["main"]

Numbers = dict[str, Any]
MANY, ONE = 32, 1
WARM_UP_S = 2
PRIORITY = 20
CALM_S = 0.5
"""For what the last one left unanswered, so that it does not disturb the next."""
NEEDS = {"nginx": "nginx-light", "wrk": "wrk", "taskset": "util-linux"}


def main() -> int:
    """Measure, write the result, print the table."""
    options = read_options()
    missing = [package for program, package in NEEDS.items() if shutil.which(program) is None]
    if missing or (os.cpu_count() or 1) < 2:
        print(f"bench needs two cores and these Debian packages: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    if options.realtime:
        # All that is started from here on has it too, so that it is the same for everybody.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        result = measure(options, Path(folder))
    out = options.out or HERE / "results" / f"{result['machine']['date'][:10]}-{result['commit'][:7]}.json"
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{markdown(result)}\nwritten to {out}")
    return 0


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds, default 5")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each measurement, default 3")
    parser.add_argument("--streams", type=int, default=100, help="streams for the time to the first token, default 100")
    parser.add_argument("--out", type=Path, help="the result file, default bench/results/DATE-COMMIT.json")
    parser.add_argument("--skip", nargs="*", default=[], choices=["litellm", "portkey"], help="leave these out")
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="keep the machine's other programs off both cores: all contestants, the upstream and the load alike run "
        "with real-time priority (needs root)",
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "localfleet-bench"
    parser.add_argument("--cache", type=Path, default=cache, help="where LiteLLM and Portkey are kept")
    return parser.parse_args()


def measure(options: argparse.Namespace, work: Path) -> Numbers:
    """Everything, as one JSON object."""
    up = upstream(work)
    skip = frozenset(options.skip)
    everybody = [up, *line_up(work, options.cache, up, skip)]
    found = compare(everybody, work, rounds=options.rounds, seconds=options.seconds)
    tokens = stream_through(work, options.streams)
    extra = {"litellm": LITELLM, "portkey": PORTKEY, "node": said(["node", "--version"])}
    return {
        "schema": 1,
        **commit(),
        "machine": machine(),
        "versions": versions({name: text for name, text in extra.items() if name not in skip}),
        "load": {
            "request_bytes": REQUEST_BYTES,
            "answer_bytes": len(answer_of_upstream()),
            "connections": [MANY, ONE],
            "rounds": options.rounds,
            "seconds": options.seconds,
            "realtime": options.realtime,
        },
        "contestants": found,
        "first_token": tokens,
        "ratios": ratios(found, tokens),
    }


def compare(everybody: list[Contestant], work: Path, *, rounds: int, seconds: int) -> dict[str, Numbers]:
    """Start all, let them take turns, stop all."""
    found: dict[str, Numbers] = {one.name: {"title": one.title, "rounds": []} for one in everybody}
    with ExitStack() as stack:
        pids: dict[str, int] = {}
        for one in everybody:
            if not one.shares:
                pids[one.name], start_s = stack.enter_context(running(one, work))
                found[one.name]["start_s"] = round(start_s, 2)
            elif not answers(one):
                raise RuntimeError(f"{one.title} does not go the way it should")
        pids |= {one.name: pids[one.shares] for one in everybody if one.shares}
        for one in everybody:
            load(one, work, pids[one.name], connections=MANY, seconds=WARM_UP_S)
        for number in range(1, rounds + 1):
            for one in everybody:
                numbers = take_turn(one, work, pids[one.name], seconds)
                found[one.name]["rounds"].append(numbers)
                print(f"round {number}  {one.name:<22} {shown(numbers)}", flush=True)
        for one in everybody:
            found[one.name]["rss_mib"] = rss_mib(pids[one.name])
    for numbers in found.values():
        numbers["median"] = medians(numbers["rounds"])
    return found


def take_turn(one: Contestant, work: Path, pid: int, seconds: int) -> Numbers:
    """One contestant's numbers in one round: at 32 connections, then at one."""
    many = load(one, work, pid, connections=MANY, seconds=seconds)
    single = load(one, work, pid, connections=ONE, seconds=seconds)
    if not many["requests"] or not single["requests"]:
        raise RuntimeError(f"{one.title} answered nothing in {seconds} s: measure for longer, or on a quieter machine")
    time.sleep(CALM_S)
    return {
        "rps": many["rps"],
        "cpu_us": many["cpu_us"],
        "own_share": many["own_share"],
        "foreign_share": many["foreign_share"],
        "p50_ms": single["p50_ms"],
        "p99_ms": single["p99_ms"],
        "foreign_share_1": single["foreign_share"],
    }


def shown(numbers: Numbers) -> str:
    """One line for whoever waits."""
    return (
        f"{numbers['rps']:>9,.0f} /s  {numbers['cpu_us']:>8,.0f} us CPU  p50 {numbers['p50_ms']:7.3f} ms  "
        f"p99 {numbers['p99_ms']:7.3f} ms  others took {numbers['foreign_share']:.0%} of its core"
    )


def load(one: Contestant, work: Path, pid: int, *, connections: int, seconds: int) -> Numbers:
    """Run wrk once; raise `RuntimeError` where a request failed."""
    sent = work / f"{one.name}.bodies"
    if not sent.exists():
        sent.write_bytes(b"\n".join(bodies(one)) + b"\n")
    headers = {"content-type": "application/json", **one.headers}
    shown_headers = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    busy, used = Busy(int(one.core)), cpu_s(pid)
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(HERE / "load.lua")]
    url = f"http://127.0.0.1:{one.port}/v1/chat/completions"
    done = subprocess.run(
        ["taskset", "-c", LOAD_CORE, *wrk, *shown_headers, url, "--", str(sent)],
        capture_output=True,
        text=True,
        check=True,
    )
    used = cpu_s(pid) - used
    in_use, passed = busy.seconds()
    numbers: Numbers = json.loads(done.stdout.splitlines()[-1])
    if numbers["failed"]:
        raise RuntimeError(f"{one.title}: {numbers['failed']} of {numbers['requests']} requests failed")
    numbers["rps"] = round(numbers["requests"] / numbers["seconds"], 1)
    numbers["cpu_us"] = round(used / max(numbers["requests"], 1) * 1e6, 1)
    numbers["own_share"] = round(used / passed, 3)
    numbers["foreign_share"] = round(max(0.0, in_use - used) / passed, 3)
    return numbers


def medians(rounds: list[Numbers]) -> Numbers:
    """The median of each number over the rounds, and how far the throughput spread."""
    middle: Numbers = {name: round(statistics.median(one[name] for one in rounds), 4) for name in rounds[0]}
    rates = [one["rps"] for one in rounds]
    return {**middle, "rps_least": min(rates), "rps_most": max(rates)}


def stream_through(work: Path, requests: int) -> dict[str, Numbers]:
    """Time to the first token, from a small streaming upstream and through the router's doors."""
    port = free_port()
    source = Contestant(
        name="stream",
        title="the streaming upstream",
        port=port,
        argv=(sys.executable, str(HERE / "sse_upstream.py"), str(port)),
        core=LOAD_CORE,
    )
    doors = router(work, f"http://127.0.0.1:{port}/v1", name="streaming")
    source, local, hosted = (replace(one, stream=True) for one in (source, *doors[:2]))
    with running(source, work), running(local, work):
        targets = {"direct": source, "router-local": local, "router-hosted": hosted}
        found: dict[str, Numbers] = first_tokens(
            {name: target_of(one) for name, one in targets.items()}, requests=requests
        )
    return found


def target_of(one: Contestant) -> Target:
    """The same request, streamed."""
    return Target(port=one.port, body=body_of(one, 0), headers=one.headers)


def ratios(found: Mapping[str, Numbers], tokens: Mapping[str, Numbers]) -> Numbers:
    """What the aims are about."""
    median = {name: numbers["median"] for name, numbers in found.items()}
    doors = [name for name in found if name.startswith("router-")]
    others = [name for name in found if name not in doors and name != "upstream"]
    return {
        "throughput": {
            door: {other: round(median[door]["rps"] / median[other]["rps"], 3) for other in others} for door in doors
        },
        "added_ms": {
            name: round(median[name]["p50_ms"] - median["upstream"]["p50_ms"], 3)
            for name in found
            if name != "upstream"
        },
        "first_token_added_ms": {
            name: round(numbers["p50_ms"] - tokens["direct"]["p50_ms"], 3)
            for name, numbers in tokens.items()
            if name != "direct"
        },
    }


if __name__ == "__main__":
    sys.exit(main())
