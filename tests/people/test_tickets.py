"""The queue of people: who gets a request, what of it lies on disk, and what becomes of it."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from localfleet.batches.sealed import SealedFolder
from localfleet.errors import BadAsk, FleetError, NotFound
from localfleet.people.tickets import Ticket, Tickets

SECRET = "the patient Marwitz has a fever"
ONE = Ticket(
    id="a" * 24, at=100.0, key_id="k", task="policy", label="restricted", api="chat",
    body={"messages": [{"role": "user", "content": SECRET}]},
)  # fmt: skip


def queue(folder: SealedFolder | None = None, now: float = 100.0, most: int = 2) -> Tickets:
    """A queue that keeps an hour."""
    made = Tickets(folder=folder, now=lambda: now, keep_s=3600, most=most)
    made.load()
    return made


def test_a_ticket_is_taken_by_one_and_answered_once() -> None:
    """The list shows no words; who takes it gets them; nobody else takes it then."""
    tickets = queue()
    assert tickets.add(ONE)
    assert SECRET not in repr(tickets.all())
    assert SECRET not in repr(tickets.find(ONE.id))
    assert tickets.take(ONE.id, "ann").body == ONE.body
    assert tickets.take(ONE.id, "ann").state == "taken"
    with pytest.raises(BadAsk):
        tickets.take(ONE.id, "bob")
    assert tickets.answer(ONE.id, "rest").answer == "rest"
    with pytest.raises(BadAsk):
        tickets.answer(ONE.id, "again")
    assert tickets.all()[0]["state"] == "answered"
    with pytest.raises(NotFound):
        tickets.find("b" * 24)


def test_the_queue_is_bounded_and_forgets() -> None:
    """Answered tickets take no place; after its time a ticket is gone."""
    tickets = queue(most=1)
    other = replace(ONE, id="b" * 24)
    assert tickets.add(ONE)
    assert not tickets.add(other)
    tickets.answer(ONE.id, "done")
    assert tickets.add(other)
    tickets.now = lambda: 100.0 + 3601
    assert tickets.all() == []


def test_on_disk_it_is_sealed_and_outlives_the_router(tmp_path: Path) -> None:
    """No word in any byte of the folder; another key opens nothing, and says so."""
    key = secrets.token_bytes(32)
    first = queue(SealedFolder(tmp_path, key))
    assert first.durable
    first.add(ONE)
    first.take(ONE.id, "ann")
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert held
    assert not any(word.encode() in held for word in SECRET.split() if len(word) > 3)
    again = queue(SealedFolder(tmp_path, key))
    assert again.find(ONE.id) == replace(ONE, state="taken", taken_by="ann")
    with pytest.raises(FleetError):
        queue(SealedFolder(tmp_path, secrets.token_bytes(32)))
    assert queue(SealedFolder(tmp_path, key), now=99_999).all() == []
    assert not list(tmp_path.iterdir())


def test_without_a_key_nothing_is_written(tmp_path: Path) -> None:
    """In memory alone, and the queue says that it is not durable."""
    tickets = queue()
    tickets.add(ONE)
    assert not tickets.durable
    assert not list(tmp_path.iterdir())
