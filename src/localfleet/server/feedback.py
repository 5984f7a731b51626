"""`POST /api/feedback`: how an answer turned out, joined to its receipt by the request id."""

import re
from collections.abc import Callable
from secrets import compare_digest
from typing import Annotated

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from localfleet.core.conversation import action_name
from localfleet.core.feedback import Feedback
from localfleet.errors import BadAsk, LedgerClosed
from localfleet.ports import LedgerHealth
from localfleet.server.auth import Doorkeeper, bearer

__all__ = ["action_of", "add_feedback"]

HASHED = re.compile(r"[0-9a-f]{32}")
MAX_ID_BYTES = 512


class Said(BaseModel):
    """The body. No field takes words."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")] | None = None
    """As `x-localfleet-request-id` said it."""
    action: Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES)] | None = None
    """A piece of work: by the caller's own name for it, or as `x-localfleet-action` said it."""
    accepted: bool | None = None
    corrected: bool | None = None
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _something(self) -> "Said":
        if (self.request_id is None) is (self.action is None):
            msg = "say which request or which action it is about: one of request_id and action"
            raise ValueError(msg)
        if self.accepted is None and self.corrected is None and self.score is None:
            msg = "say at least one of accepted, corrected and score"
            raise ValueError(msg)
        return self


def action_of(said: str, key_id: str | None, print_key: bytes) -> str:
    """What receipts call it: as an answer's header said it, else hashed as the requests of this key were."""
    if HASHED.fullmatch(said):
        return said
    if key_id is None:
        sentence = (
            "With the console token, name an action by its 32 digits: the header `x-localfleet-action` says them, and "
            "`localfleet report --by action --json`."
        )
        raise BadAsk(sentence, param="action")
    return action_name(said, key=print_key, key_id=key_id)


def add_feedback(
    app: FastAPI,
    *,
    doorkeeper: Callable[[], Doorkeeper],
    health: Callable[[], LedgerHealth],
    keep: Callable[[Feedback], None],
    admin_token: str,
    now: Callable[[], float],
    print_key: Callable[[], bytes],
) -> None:
    """Any caller may say so of its own requests; who has the console token, of all."""

    def who(request: Request) -> str | None:
        if compare_digest((bearer(request.headers) or "").encode(), admin_token.encode()):
            return None
        return doorkeeper().admit(request.headers).key_id

    @app.post("/api/feedback", status_code=202, summary="How an answer turned out: accepted, corrected, score")
    async def feedback(said: Said, request: Request) -> dict[str, str]:
        key_id = who(request)
        state = health()
        if not state.ok:
            raise LedgerClosed("Feedback is kept in the ledger, which cannot be written now. /readyz says why.")
        about = said.request_id or action_of(said.action or "", key_id, print_key())
        words = said.model_dump(exclude={"request_id", "action"})
        keep(Feedback(request_id=about, at=now(), key_id=key_id, **words))
        return {"status": "kept"}
