"""`POST /api/feedback`: how an answer turned out, joined to its receipt by the request id."""

from collections.abc import Callable
from secrets import compare_digest
from typing import Annotated

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from localfleet.core.feedback import Feedback
from localfleet.errors import LedgerClosed
from localfleet.ports import LedgerHealth
from localfleet.server.auth import Doorkeeper, bearer

__all__ = ["add_feedback"]


class Said(BaseModel):
    """The body. No field takes words."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
    """As `x-localfleet-request-id` said it."""
    accepted: bool | None = None
    corrected: bool | None = None
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _something(self) -> "Said":
        if self.accepted is None and self.corrected is None and self.score is None:
            msg = "say at least one of accepted, corrected and score"
            raise ValueError(msg)
        return self


def add_feedback(
    app: FastAPI,
    *,
    doorkeeper: Callable[[], Doorkeeper],
    health: Callable[[], LedgerHealth],
    keep: Callable[[Feedback], None],
    admin_token: str,
    now: Callable[[], float],
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
        keep(Feedback(at=now(), key_id=key_id, **said.model_dump()))
        return {"status": "kept"}
