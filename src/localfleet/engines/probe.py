"""
Asks one engine process how it is, and tells it to sleep and to wake. Over loopback or a unix socket, through no proxy.

Every failure is a plain `False` or `None`: what an engine says about itself is not repeated anywhere.
"""

import asyncio
from hashlib import sha256
from typing import Any

import orjson

from localfleet.core.pulse import Counters
from localfleet.engines.client import Headers, HttpClient, Secret
from localfleet.engines.launch import Launch
from localfleet.errors import EngineFailed
from localfleet.wire.engine_metrics import read_counters

__all__ = ["Probe"]

HEALTH_TIMEOUT_S = 5.0
# Many servers close a connection that was idle for five seconds: at the very moment of the next look.
HEALTH_TRIES = 2
CANARY_TIMEOUT_S = 120.0
"""The first token of a large model on a cold machine takes its time."""
WAKE_TRIES = 3


class Probe:
    """Asks one engine process at one base URL, such as `http://127.0.0.1:40607` or `unix:/run/x.sock:`."""

    def __init__(self, launch: Launch, base_url: str) -> None:
        """Open no connection yet."""
        self._launch = launch
        self._host = HttpClient().at(base_url)
        self._headers = Headers(
            {"content-type": "application/json", "accept": "application/json"},
            secret=("authorization", "Bearer ", Secret(launch.api_key)) if launch.api_key else None,
        )

    async def healthy(self) -> bool:
        """True where the health path says 200 within five seconds."""
        deadline = asyncio.get_running_loop().time() + HEALTH_TIMEOUT_S
        for _ in range(HEALTH_TRIES):
            try:
                response = await self._host.get(self._launch.health_path, Headers({}), deadline=deadline)
            except EngineFailed:
                continue
            response.close()
            return response.status == 200
        return False

    async def answers(self) -> bool:
        """True where a completion of a few tokens succeeds and holds a choice."""
        return await self.canary() is not None

    async def canary(self) -> bytes | None:
        """
        A hash of what the engine answers to the canary; `None` where it does not answer.

        The canary is always the same, without chance: after a wake the engine must say what it said before.
        """
        return _said(await self._post(self._launch.canary_path, self._launch.canary_body, CANARY_TIMEOUT_S))

    async def says_again(self, before: bytes | None) -> bool:
        """Whether it answers the canary as before, in one of three tries: a sleep can cost weights (vllm #29341)."""
        for _ in range(WAKE_TRIES):
            said = await self.canary()
            if said is not None and said == before:
                return True
        return False

    async def counters(self) -> Counters | None:
        """What the engine counts; `None` where it has no such page, or did not give it in time."""
        if self._launch.metrics_path is None:
            return None
        deadline = asyncio.get_running_loop().time() + HEALTH_TIMEOUT_S
        try:
            response = await self._host.get(self._launch.metrics_path, Headers({}), deadline=deadline)
            try:
                return read_counters(await response.read(deadline)) if response.status == 200 else None
            finally:
                response.close()
        except EngineFailed:
            return None

    async def command(self, path: str, timeout_s: float) -> bool:
        """Tell the engine something by a POST without a body; true where it says 200."""
        return await self._post(path, b"", timeout_s) is not None

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._host.aclose()

    async def _post(self, path: str, body: bytes, timeout_s: float) -> bytes | None:
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            response = await self._host.post(path, self._headers, body, deadline=deadline, request_id="probe")
            try:
                return await response.read(deadline) if response.status == 200 else None
            finally:
                response.close()
        except EngineFailed:
            return None


def _said(body: bytes | None) -> bytes | None:
    """A hash of the first choice, embedding or score."""
    try:
        answer: Any = orjson.loads(body or b"")
        first = (answer.get("choices") or answer.get("data") or answer.get("results"))[0]
        said = next(first[key] for key in ("message", "text", "embedding", "relevance_score") if key in first)
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError, StopIteration):
        return None
    return sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()
