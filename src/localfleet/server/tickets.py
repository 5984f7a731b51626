"""`/api/tickets`: the queue of requests that wait for a person: list, take, answer, and what became of one's own."""

from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass
from secrets import compare_digest
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from localfleet.errors import NotFound, Unauthenticated
from localfleet.people.tickets import Ticket, Tickets
from localfleet.server.auth import Doorkeeper, bearer

__all__ = ["Counter", "add_tickets"]

NOBODY = "No task of models.yaml says `person: true`, so no request waits for one."


class Taking(BaseModel):
    """Who takes it: a name for the others to see."""

    model_config = ConfigDict(extra="forbid", strict=True)

    who: Annotated[str, Field(min_length=1, max_length=64)]


class Answering(BaseModel):
    """What the person answers."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Annotated[str, Field(min_length=1, max_length=200_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Who may come to the queue."""

    tickets: Callable[[], Tickets | None]
    doorkeeper: Callable[[], Doorkeeper]
    admin_token: str

    def is_admin(self, request: Request) -> bool:
        """Whether the console's token is shown."""
        return compare_digest((bearer(request.headers) or "").encode(), self.admin_token.encode())

    def for_people(self, request: Request) -> Tickets:
        """The queue, for who has that token."""
        if not self.is_admin(request):
            raise Unauthenticated("The queue needs the console token that localfleet printed at start.")
        return self.queue()

    def queue(self) -> Tickets:
        """The queue; raises `NotFound` where there is none."""
        found = self.tickets()
        if found is None:
            raise NotFound(NOBODY)
        return found


def add_tickets(app: FastAPI, counter: Counter) -> None:
    """People need the console token; callers see what became of their own requests."""

    @app.get("/api/tickets", summary="Requests that wait for a person, without their words")
    async def waiting(request: Request) -> dict[str, Any]:
        queue = counter.for_people(request)
        return {"durable": queue.durable, "tickets": await to_thread(queue.all)}

    @app.post("/api/tickets/{ticket_id}/take", summary="Take one, with its words")
    async def take(ticket_id: str, taking: Taking, request: Request) -> dict[str, Any]:
        ticket = await to_thread(counter.for_people(request).take, ticket_id, taking.who)
        return {**ticket.shown(), "body": ticket.body}

    @app.post("/api/tickets/{ticket_id}/answer", summary="Answer one")
    async def answer(ticket_id: str, answering: Answering, request: Request) -> dict[str, Any]:
        return (await to_thread(counter.for_people(request).answer, ticket_id, answering.text)).shown()

    @app.get("/api/tickets/{ticket_id}", summary="What became of one's own request")
    async def one(ticket_id: str, request: Request) -> dict[str, Any]:
        key_id = None if counter.is_admin(request) else counter.doorkeeper().admit(request.headers).key_id
        ticket: Ticket = await to_thread(counter.queue().find, ticket_id)
        if key_id is not None and ticket.key_id != key_id:
            raise NotFound("No request of this key waits under that id.")
        return {**ticket.shown(), "answer": ticket.answer}
