"""One server-sent event as bytes: `event:` names it, `data:` carries one line of JSON."""

from collections.abc import Mapping
from typing import Any

import orjson

__all__ = ["event_bytes"]


def event_bytes(name: str, data: Mapping[str, Any]) -> bytes:
    """Frame one event; `data` holds plain JSON values only."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))
