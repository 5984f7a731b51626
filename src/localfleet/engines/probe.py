"""
Whether an engine process answers: `/health`, and one real token. Loopback HTTP only, through no proxy.

Every failure is a plain `False`: what an engine says about itself is not repeated anywhere.
"""

import asyncio
from datetime import timedelta
from typing import Any

import orjson
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from localfleet.engines.launch import Launch

__all__ = ["Probe"]

HEALTH_TIMEOUT = timedelta(seconds=5)
CANARY_TIMEOUT = timedelta(seconds=120)
"""The first token of a large model on a cold machine takes its time."""


class Probe:
    """Asks one engine process at one base URL, such as `http://127.0.0.1:40607`."""

    def __init__(self, launch: Launch, base_url: str) -> None:
        """Open no connection yet."""
        self._launch = launch
        self._base_url = base_url
        self._client: Client = ClientBuilder().no_proxy().follow_redirects(False).build()

    async def healthy(self) -> bool:
        """True where the health path says 200 within five seconds."""
        request = self._client.get(self._base_url + self._launch.health_path).timeout(HEALTH_TIMEOUT)
        try:
            response = await request.build().send()
        except (PyreqwestError, OSError):
            return False
        return response.status == 200

    async def answers(self) -> bool:
        """True where a one-token completion succeeds and holds a choice."""
        request = (
            self._client.post(self._base_url + self._launch.canary_path)
            .bearer_auth(self._launch.api_key)
            .header("content-type", "application/json")
            .body_bytes(self._launch.canary_body)
            .timeout(CANARY_TIMEOUT)
        )
        try:
            response = await request.build().send()
            return response.status == 200 and _has_choice(bytes(await response.bytes()))
        except (PyreqwestError, OSError):
            return False

    async def aclose(self) -> None:
        """Let the connections go."""
        await asyncio.shield(self._client.close())


def _has_choice(body: bytes) -> bool:
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(answer, dict) and bool(answer.get("choices"))
