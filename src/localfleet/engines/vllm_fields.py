"""
The fields of vLLM's own that a caller may not say, and what the router says in their place.

A caller who names his `priority` jumps the queue, and one who names a cache transfer speaks to the engine's insides.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localfleet.core.ask import Api, Priority
from localfleet.ports import Call

__all__ = ["VllmFields"]

WITHHELD: Mapping[str, Any] = {
    "priority": None,
    "request_id": None,
    "kv_transfer_params": None,
    "ec_transfer_params": None,
}
RANK = {Priority.LIVE: 0, Priority.BATCH: 1}
"""vLLM serves the smaller number first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmFields:
    """
    `ranked` where vLLM schedules by priority; `salt` keeps each key's prefix cache from the others, `None` shares it.

    With a shared cache the time to the first token tells one caller whether another has sent the same beginning.
    """

    ranked: bool = False
    salt: bytes | None = field(default=None, repr=False)

    def __call__(self, call: Call, asked: Api) -> Mapping[str, Any]:
        """The fields to impose; `None` takes one away."""
        said = dict(WITHHELD)
        if asked in {Api.CHAT, Api.COMPLETION}:
            if self.ranked:
                said["priority"] = RANK[call.priority]
            if self.salt is not None:
                said["cache_salt"] = hmac.new(self.salt, call.key_id.encode(), hashlib.sha256).hexdigest()
        return said
