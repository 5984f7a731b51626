"""A body that trickles in: the place it holds among the requests in flight is given back in time."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any, cast

from localfleet.core.ask import Caller
from localfleet.core.label import Label
from localfleet.gateway import Gateway
from localfleet.server.auth import Doorkeeper
from localfleet.server.data_plane import DataPlane
from localfleet.server.recall import Recall


def test_a_body_that_never_ends_is_refused_in_time() -> None:
    """After the time limit the caller gets 408, whatever still trickles in, and the place is free again."""
    anyone = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
    plane = DataPlane(
        gateway=cast(Gateway, None),  # never reached: the body does not arrive
        doorkeeper=Doorkeeper(lookup=lambda _: None, has_keys=lambda: False, anyone=anyone, monotonic=lambda: 0.0),
        recall=Recall(now=lambda: 0.0),
        body_bytes=2**20,
        in_flight_limit=1,
        body_timeout_s=0.05,
    )
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [(b"host", b"localhost")]}
    asyncio.run(asyncio.wait_for(plane(scope, receive, send), 5))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error"]["code"] == "body_too_slow"
    assert plane.in_flight == 0
