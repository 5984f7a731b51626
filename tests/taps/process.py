"""
The remote control of a tap: starts the process, reads its recording, scripts its faults, stops it.

    with Tap.start(folder) as tap:
        tap.script(Behaviour(fault=Fault.STATUS, status=429, retry_after="0"))
        ...
        assert tap.requests()[0].json["model"] == "gpt-4o-mini"
"""

import json
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tap_behaviour import Behaviour
from tap_recording import RAW, ParsedRequest, read_events, read_requests

__all__ = ["Tap"]

PROGRAM = Path(__file__).with_name("tap.py")
START_S = 20.0
CONTROL_S = 10.0


class Tap:
    """One running tap."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, port: int, control: int) -> None:
        """Use `start`."""
        self._process = process
        self._control = socket.create_connection(("127.0.0.1", control), timeout=CONTROL_S)
        self._replies = self._control.makefile("rb")
        self.folder = folder
        self.port = port

    @classmethod
    def start(
        cls, folder: Path, *, port: int = 0, text: str | None = None, models: str = "tap-model", refuse: bool = False
    ) -> Self:
        """Start a tap that records into `folder`; returns when it takes connections."""
        command = [sys.executable, "-S", "-E", str(PROGRAM), "--port", str(port), "--folder", str(folder)]
        command += ["--models", models, *(["--text", text] if text is not None else [])]
        command += ["--refuse"] if refuse else []
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ports = _first_line(process)
        return cls(process, folder, ports["port"], ports["control"])

    @property
    def url(self) -> str:
        """The base URL without `/v1`, as Anthropic's client wants it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def v1(self) -> str:
        """The base URL with `/v1`, as OpenAI's client wants it."""
        return f"{self.url}/v1"

    def script(self, *behaviours: Behaviour) -> None:
        """Queue behaviours for the next POSTs, one each; after them the default holds."""
        self._order({"do": "script", "behaviours": [one.written() for one in behaviours]})

    def always(self, behaviour: Behaviour) -> None:
        """Behave so whenever the script is empty."""
        self._order({"do": "default", "behaviours": [behaviour.written()]})

    def always_for_get(self, behaviour: Behaviour) -> None:
        """Behave so for every GET (model list, health)."""
        self._order({"do": "gets", "behaviours": [behaviour.written()]})

    def say(self, text: str) -> None:
        """The text of every answer from now on; `reset` does not change it."""
        self._order({"do": "text", "text": text})

    def refuse(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        self._order({"do": "refuse"})

    def listen(self) -> None:
        """Take connections again."""
        self._order({"do": "listen"})

    def drop(self) -> None:
        """Cut every open connection, idle ones in the caller's pool too."""
        self._order({"do": "drop"})

    def clear(self) -> None:
        """Forget the recording. Call it while nothing is being sent."""
        self._order({"do": "clear"})

    def reset(self) -> None:
        """Back to a good provider: no script, no faults, no connections, nothing recorded."""
        self._order({"do": "reset"})

    def counters(self) -> dict[str, int]:
        """`served`, `in_flight`, `peak` (of `in_flight`), `scripted` (left) and `open` (connections)."""
        return self._order({"do": "count"})

    def received(self) -> bytes:
        """Every byte received since the last clear."""
        return (self.folder / RAW).read_bytes()

    def requests(self) -> list[ParsedRequest]:
        """Every request since the last clear, unfinished ones too."""
        return read_requests(self.folder)

    def posts(self) -> list[ParsedRequest]:
        """The requests without GETs, which health checks may add."""
        return [request for request in self.requests() if request.method == "POST"]

    def events(self) -> list[dict[str, Any]]:
        """The index: connections opened and closed, data, answers sent (`answered`) and cut by the caller (`cut`)."""
        return read_events(self.folder)

    def wait_for(self, event: str, number: int = 1, timeout_s: float = 5) -> bool:
        """Wait until the index has `number` events of a kind; false if the time is over."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if sum(entry["event"] == event for entry in self.events()) >= number:
                return True
            time.sleep(0.01)
        return False

    def stop(self) -> None:
        """End the process; the recording stays. More than once is fine."""
        self._replies.close()
        self._control.close()
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        """The tap itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Stop it."""
        self.stop()

    def _order(self, order: dict[str, Any]) -> dict[str, int]:
        self._control.sendall(json.dumps(order).encode() + b"\n")
        line = self._replies.readline()
        if not line:
            raise ConnectionError("the tap did not understand the order; its reason is on standard error")
        reply: dict[str, int] = json.loads(line)
        return reply


def _first_line(process: "subprocess.Popen[bytes]") -> dict[str, int]:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_S)
    line = process.stdout.readline() if ready else b""
    if not line:
        process.kill()
        process.wait()
        raise RuntimeError("the tap did not start; its reason is on standard error")
    ports: dict[str, int] = json.loads(line)
    return ports
