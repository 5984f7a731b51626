"""
A tiny engine: a real child process that speaks as much HTTP as a supervisor asks for, and a clock that tests move.

`supervise` runs a story with a started supervisor and returns the progress it told.
"""

import asyncio
import json
import os
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

from localfleet.engines.launch import Launch, clean_environment
from localfleet.engines.stages import Progress
from localfleet.engines.supervisor import Supervisor

__all__ = ["ENGINE", "GOOD", "FakeTime", "alive", "serving", "supervise", "tiny", "until"]

ENGINE = textwrap.dedent("""
    import http.server, json, os, signal, sys, threading
    plan = json.loads(sys.stdin.readline())
    if plan.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    health = list(plan["health"])
    pages = list(plan.get("pages", [""]))
    heard = []
    class Handler(http.server.BaseHTTPRequestHandler):
        def reply(self, status, body):
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def do_GET(self):
            if self.path == "/metrics":
                return self.reply(200, (pages.pop(0) if len(pages) > 1 else pages[0]).encode())
            self.reply(health.pop(0) if len(health) > 1 else health[0], b"{}")
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            heard.append(self.path)
            if "heard" in plan:
                open(plan["heard"], "a").write(self.path + "\\n")
            asked = sum(path.startswith("/v1") for path in heard)
            tired = self.path.startswith("/v1") and asked > plan.get("tires_after", asked)
            if tired or self.path in plan.get("refuses", ()):
                return self.reply(500, b"{}")
            if self.path == "/wake_up" and plan.get("forgets"):
                plan["answer"] = plan["answer"].replace("Hi", "%%")
            good = self.headers["authorization"] == "Bearer " + plan["key"]
            self.reply(200 if good else 401, plan["answer"].encode())
        def log_message(self, *args):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(json.dumps({"port": server.server_port, "env": sorted(os.environ)}), flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)
""")
GOOD = '{"choices": [{"message": {"content": "Hi"}}]}'


class FakeTime:
    """A clock that moves when someone sleeps, and remembers the sleeps."""

    def __init__(self) -> None:
        """Begin at a time that is not zero."""
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        """Seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Pass the time at once, but let real processes run a little."""
        self.now += seconds
        self.slept.append(seconds)
        await asyncio.sleep(0.002)


def tiny(script: str, *, plan: dict[str, object] | None = None, **more: object) -> Launch:
    """Launch a Python script as engine."""
    known: dict[str, object] = {
        "name": "tiny",
        "argv": (sys.executable, "-I", "-c", script),
        "env": clean_environment(os.environ),
        "stdin": json.dumps(plan or {}).encode() + b"\n",
        "api_key": "planted-key",
    }
    return Launch(**{**known, **more})  # type: ignore[arg-type]  # a table of overrides for one dataclass


def serving(
    health: tuple[int, ...] = (200,),
    answer: str = GOOD,
    key: str = "planted-key",
    says: dict[str, object] | None = None,
    **more: object,
) -> Launch:
    """
    Launch a tiny engine whose health replies follow the list and then stay at its last.

    `says` may hold `pages` (of `/metrics`, in turn), `refuses` (paths that fail), `forgets` (answers otherwise after
    a wake), `tires_after` (so many answers, then none) and `heard` (a file that gets the path of each POST).
    """
    return tiny(ENGINE, plan={"health": health, "answer": answer, "key": key, **(says or {})}, **more)


def supervise(
    launch: Launch, story: Callable[[Supervisor, FakeTime, list[Progress]], Awaitable[None]], jitter: float = 0.0
) -> list[Progress]:
    """Run a story with a started supervisor, stop it, and return the progress it told."""
    told: list[Progress] = []

    async def run() -> None:
        fake = FakeTime()
        supervisor = Supervisor(
            launch, clock=fake.clock, sleep=fake.sleep, jitter=lambda: jitter, on_change=told.append
        )
        await supervisor.start()
        try:
            await asyncio.wait_for(story(supervisor, fake, told), 20)
        finally:
            await supervisor.stop(2)

    asyncio.run(run())
    return told


async def until(true: Callable[[], object]) -> None:
    """Wait in real time; the story's own deadline ends it."""
    while not true():  # noqa: ASYNC110  # it polls what the supervisor and the kernel show, which no event tells
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    """True for a process that exists and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
