"""
A tap on the wire: a provider's HTTP server that answers in OpenAI's and Anthropic's formats and records every byte.

    python tests/taps/tap.py --port 0 --folder DIR [--text ANSWER] [--models a,b] [--refuse]

It prints one JSON line with its `port` and `control` port, and ends when its standard input does. The control port
speaks one JSON object a line; its bytes never mix with recorded ones. Standard library only: a tap must start at once,
and an HTTP library would hide bytes. `process.py` is its remote control; `tap_behaviour.py` lists the faults.
"""

import argparse
import asyncio
import json
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tap_behaviour import Behaviour, Fault, Heard
from tap_recording import Recorder, parse_head
from tap_stage import Ending, answer_to, perform

TEXT = "The capital of France is Paris."
HOST = "127.0.0.1"
HEAD_LIMIT_BYTES = 4 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Plan:
    """What the tap will do: the script first, then the default; GETs have a behaviour of their own."""

    text: str
    models: tuple[str, ...]
    script: deque[Behaviour] = field(default_factory=deque)
    default: Behaviour = field(default_factory=Behaviour)
    gets: Behaviour = field(default_factory=Behaviour)
    served: int = 0
    in_flight: int = 0
    peak: int = 0

    def next(self, method: str) -> Behaviour:
        """The behaviour for the next request; only a POST takes from the script."""
        if method != "POST":
            return self.gets
        return self.script.popleft() if self.script else self.default

    def refuses_accept(self) -> bool:
        """Whether the connection that was just accepted ends at once; takes its entry from the script."""
        ahead = self.script[0] if self.script else self.default
        if ahead.fault is not Fault.ACCEPT_CLOSE:
            return False
        if self.script:
            self.script.popleft()
        return True


class Connection(asyncio.StreamReaderProtocol):
    """One connection: records before anything reads, and knows when the other side is gone."""

    def __init__(self, tap: "Tap", number: int) -> None:
        """`number` names the connection in the index."""
        self.number = number
        self.gone = asyncio.Event()
        self._tap = tap
        reader = asyncio.StreamReader(limit=HEAD_LIMIT_BYTES)
        super().__init__(reader, self._serve)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note it, then start to serve."""
        self._tap.opened(self, transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Record first."""
        self._tap.recorder.data(self.number, data)
        super().data_received(data)

    def eof_received(self) -> bool | None:
        """No caller of a provider half-closes to wait for an answer: the end of its bytes means that it left."""
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits on this connection."""
        self.gone.set()
        self._tap.closed(self)
        super().connection_lost(exc)

    async def pause(self, seconds: float) -> None:
        """Sleep, but not longer than the other side stays."""
        try:
            await asyncio.wait_for(self.gone.wait(), seconds)
        except TimeoutError:
            return

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._tap.plan.refuses_accept():
                writer.write_eof()
                await self.pause(1)
                return
            while not self.gone.is_set() and not writer.is_closing():
                if not await self._one(reader, writer):
                    break
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError):
            pass  # the other side left, or spoke no HTTP: what it sent is recorded, and that is all a tap is for
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; false if the connection is over."""
        method, path, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _read_body(reader, headers)
        heard, behaviour, text = self._tap.heard(method, path, headers, body)
        try:
            ending = await self._perform(heard, behaviour, text, writer)
        finally:
            self._tap.plan.in_flight -= 1
        self._tap.recorder.note(self.number, "cut" if self.gone.is_set() else "answered")
        await self._finish(ending, writer)
        return ending is Ending.KEEP and headers.get("connection", "").lower() != "close"

    async def _perform(self, heard: Heard, behaviour: Behaviour, text: str, writer: asyncio.StreamWriter) -> Ending:
        answer = answer_to(heard, behaviour, text, self._tap.plan.models)
        for step in perform(heard, behaviour, answer):
            if self.gone.is_set():
                return Ending.CLOSE
            if isinstance(step, Ending):
                return step
            if isinstance(step, bytes):
                writer.write(step)
                await self._drain(writer)
            else:
                await self.pause(step)
        return Ending.KEEP

    async def _drain(self, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.drain()
        except OSError:
            self.gone.set()

    async def _finish(self, ending: Ending, writer: asyncio.StreamWriter) -> None:
        if ending is Ending.HANG:
            await self.gone.wait()
        if ending is Ending.RESET:
            # Linger 0 makes the kernel send RST instead of FIN; wait so that bytes already sent are delivered first.
            await self.pause(0.02)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers are recorded like every byte, and mean nothing to the answer
    return bytes(body)


class Tap:
    """The server: its listening socket, its connections, its plan and its recorder."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        """Not listening yet."""
        self.plan = plan
        self.recorder = recorder
        self._numbers = count()
        self._open: dict[int, asyncio.BaseTransport] = {}
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self.port = 0

    def opened(self, connection: Connection, transport: asyncio.BaseTransport) -> None:
        """A connection came."""
        self._open[connection.number] = transport
        self.recorder.note(connection.number, "open")

    def closed(self, connection: Connection) -> None:
        """A connection ended."""
        self._open.pop(connection.number, None)
        self.recorder.note(connection.number, "close")

    def heard(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Heard, Behaviour, str]:
        """Count a request and choose the behaviour and the text for it."""
        plan = self.plan
        plan.served += 1
        plan.in_flight += 1
        plan.peak = max(plan.peak, plan.in_flight)
        behaviour = plan.next(method)
        heard = Heard(method=method, path=path, headers=headers, body=body, data=_object(body), number=plan.served)
        return heard, behaviour, plan.text if behaviour.text is None else behaviour.text

    def reserve(self, port: int) -> None:
        """Hold the port without listening: connections to it are refused, and nobody else can take it."""
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, port))
        self.port = held.getsockname()[1]
        self._socket = held

    async def listen(self) -> None:
        """Take connections."""
        if self._server is None and self._socket is not None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Connection(self, next(self._numbers)), sock=self._socket, backlog=1024
            )

    def refuse(self) -> None:
        """Stop taking connections and drop those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.reserve(self.port)
        self.drop()

    def drop(self) -> None:
        """Cut every open connection, whatever it is doing."""
        for transport in [*self._open.values()]:
            if isinstance(transport, asyncio.Transport):
                transport.abort()

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Obey one JSON object a line until the other side leaves."""
        while line := await reader.readline():
            order = json.loads(line)
            writer.write(json.dumps(await self.obey(order)).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def obey(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one order; the reply holds the counters."""
        plan = self.plan
        behaviours = [Behaviour.read(entry) for entry in order.get("behaviours", ())]
        match order["do"]:
            case "script":
                plan.script.extend(behaviours)
            case "default":
                plan.default = behaviours[0]
            case "gets":
                plan.gets = behaviours[0]
            case "text":
                plan.text = order["text"]
            case "clear":
                self.recorder.clear()
            case "reset":
                self.reset()
                await self.listen()
            case "refuse":
                self.refuse()
            case "listen":
                await self.listen()
            case "drop":
                self.drop()
        counters = {"served": plan.served, "in_flight": plan.in_flight, "peak": plan.peak}
        return {**counters, "scripted": len(plan.script), "open": len(self._open)}

    def reset(self) -> None:
        """Back to a good provider with an empty recording; requests that hang are cut."""
        self.drop()
        self.plan.script.clear()
        self.plan.default = self.plan.gets = Behaviour()
        self.plan.served = self.plan.peak = 0
        self.recorder.clear()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


async def _end_of_input() -> None:
    """Return when standard input ends: the process that started this tap is gone or done."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: ended.set() if not os.read(sys.stdin.fileno(), 4096) else None)
    await ended.wait()


async def run(options: argparse.Namespace) -> None:
    """Listen, say where, serve until standard input ends."""
    tap = Tap(Plan(text=options.text, models=tuple(options.models.split(","))), Recorder(Path(options.folder)))
    tap.reserve(options.port)
    if not options.refuse:
        await tap.listen()
    control = await asyncio.start_server(tap.control, HOST, 0, limit=HEAD_LIMIT_BYTES)
    ports = {"port": tap.port, "control": control.sockets[0].getsockname()[1]}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await _end_of_input()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="a provider that records every byte it receives")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--folder", required=True, help="where the recording goes")
    parser.add_argument("--text", default=TEXT, help="the answer")
    parser.add_argument("--models", default="tap-model", help="names for the model list, with commas")
    parser.add_argument("--refuse", action="store_true", help="hold the port, but refuse connections")
    options = parser.parse_args()
    Path(options.folder).mkdir(parents=True, exist_ok=True)
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
