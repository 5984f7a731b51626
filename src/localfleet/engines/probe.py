"""
Whether an engine process answers: `/health`, and one real token. Over loopback or a unix socket, through no proxy.

Every failure is a plain `False`: what an engine says about itself is not repeated anywhere.
"""

import asyncio
from typing import Any

import orjson

from localfleet.engines.client import Headers, HttpClient, Secret
from localfleet.engines.launch import Launch
from localfleet.errors import EngineFailed

__all__ = ["Probe"]

HEALTH_TIMEOUT_S = 5.0
CANARY_TIMEOUT_S = 120.0
"""The first token of a large model on a cold machine takes its time."""


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
        try:
            response = await self._host.get(self._launch.health_path, Headers({}), deadline=deadline)
        except EngineFailed:
            return False
        response.close()
        return response.status == 200

    async def answers(self) -> bool:
        """True where a request for one token (or one embedding) succeeds and holds something."""
        deadline = asyncio.get_running_loop().time() + CANARY_TIMEOUT_S
        path, body = self._launch.canary_path, self._launch.canary_body
        try:
            response = await self._host.post(path, self._headers, body, deadline=deadline, request_id="probe")
            try:
                return response.status == 200 and _has_something(await response.read(deadline))
            finally:
                response.close()
        except EngineFailed:
            return False

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._host.aclose()


def _has_something(body: bytes) -> bool:
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(answer, dict) and bool(answer.get("choices") or answer.get("data"))
