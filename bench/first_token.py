"""
How much later the first token comes through the router than from the engine itself.

One connection to each, requests in turn (engine, router, engine, router ..), so that noise of the machine meets both
alike. Raw sockets: a client library would add more than what is measured.
"""

import socket
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["first_tokens"]

TOKEN = b'"content":"'
TIMEOUT_S = 60.0
END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to ask, and the whole request."""

    port: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def request(self) -> bytes:
        """The request's bytes."""
        lines = {"host": "127.0.0.1", "content-type": "application/json", **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return (
            f"POST /v1/chat/completions HTTP/1.1\r\n{head}content-length: {len(self.body)}\r\n\r\n".encode() + self.body
        )


def first_token_ms(sock: socket.socket, request: bytes) -> float:
    """Ask, note when the first token is here, and read the answer to its end."""
    started = time.perf_counter()
    sock.sendall(request)
    seen, first_ms = b"", 0.0
    while not seen.endswith(END):
        data = sock.recv(65_536)
        if not data:
            raise ConnectionError("the answer broke off")
        seen += data
        if not first_ms and TOKEN in seen:
            first_ms = (time.perf_counter() - started) * 1000
    if not first_ms or not seen.startswith(b"HTTP/1.1 200"):
        raise ConnectionError("the answer has no token")
    return first_ms


def first_tokens(targets: Mapping[str, Target], *, requests: int) -> dict[str, dict[str, float]]:
    """Milliseconds to the first token for each target: median, p99 and how many."""
    socks = {name: socket.create_connection(("127.0.0.1", target.port), TIMEOUT_S) for name, target in targets.items()}
    seen: dict[str, list[float]] = {name: [] for name in targets}
    try:
        for sock in socks.values():
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for turn in range(-3, requests):
            for name, target in targets.items():
                taken = first_token_ms(socks[name], target.request)
                if turn >= 0:
                    seen[name].append(taken)
    finally:
        for sock in socks.values():
            sock.close()
    return {name: summary(times) for name, times in seen.items()}


def summary(times: list[float]) -> dict[str, float]:
    """Median and p99 of some milliseconds."""
    ranked = sorted(times)
    p99 = ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]
    return {"p50_ms": round(statistics.median(ranked), 4), "p99_ms": round(p99, 4), "requests": len(ranked)}
