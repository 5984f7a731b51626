"""
One group commit: everything that waited, in one transaction.

Lives here: what is written for intents, receipts and remembered conversations, and in which order. May not: waiting,
retrying, threads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from localfleet.core.receipt import Intent, Receipt
from localfleet.storage.book import Book, insert_many
from localfleet.storage.chain import Kind, Link
from localfleet.storage.database import Database
from localfleet.storage.records import (
    FEEDBACK_COLUMNS,
    INTENT_COLUMNS,
    RECEIPT_COLUMNS,
    encode,
    feedback_row,
    intent_row,
    open_intent,
    receipt_record,
    row_of_body,
    unsettled_body,
)

__all__ = ["Batch", "carry_over", "intents_after", "settle_unfinished", "write_batch", "write_probe"]

_PROBE_BYTES = 32_768
_DELETE_AT_ONCE = 500


@dataclass(slots=True, kw_only=True)
class Batch:
    """What one transaction writes. `dropped` counts receipts lost since the last record that said so."""

    notes: Sequence[tuple[Kind, bytes]] = ()
    """Records of other kinds; only feedback has a row in a table."""
    journaled: Sequence[tuple[Intent, bytes]] = ()
    """Intents that were durable before the notes were made, and stand before them."""
    intents: Sequence[tuple[Intent, bytes]] = ()
    receipts: Sequence[Receipt] = ()
    taints: dict[bytes, int] = field(default_factory=dict)
    dropped: int = 0
    at: float = 0.0
    """Unix time, seconds; when `dropped` was counted."""


def write_batch(book: Book, batch: Batch, open_ids: set[str]) -> tuple[Link, int]:
    """
    Write a batch inside the caller's transaction; `open_ids` are the requests in the table of open intents.

    Returns the last link and how many receipts could not be encoded: one bad record must not hold up all others, so it
    is counted among the dropped. Raises `LedgerFault`.
    """
    book.begin()
    sealed = [(book.add(Kind.INTENT, body), intent) for intent, body in batch.journaled]
    said = [(book.add(kind, body), body) for kind, body in batch.notes if kind is Kind.FEEDBACK]
    for kind, body in batch.notes:
        if kind is not Kind.FEEDBACK:
            book.add(kind, body)
    if said:
        told = [feedback_row(seq, orjson.loads(body)) for seq, body in said]
        insert_many(book.database, "feedback", FEEDBACK_COLUMNS, told)
    settled = {one.request_id for one in batch.receipts}
    sealed += [(book.add(Kind.INTENT, body), intent) for intent, body in batch.intents]
    still_open = [intent_row(seq, intent) for seq, intent in sealed if intent.request_id not in settled]
    insert_many(book.database, "intents", INTENT_COLUMNS, still_open, "INSERT OR REPLACE")
    refused = _add_receipts(book, batch.receipts)
    if batch.dropped + refused:
        book.add(Kind.DROPPED, encode({"count": batch.dropped + refused, "at": batch.at}))
    _close_intents(book, list(settled & open_ids))
    taints = [(fingerprint, code & 3, code >> 2) for fingerprint, code in batch.taints.items()]
    insert_many(book.database, "taints", ("fp", "label", "seen_day"), taints)
    return book.flush(), refused


def write_probe(book: Book) -> None:
    """Find out whether the disk takes writes: rewrite one row large enough to need room."""
    book.begin()
    book.database.run("INSERT OR REPLACE INTO probe (id, room) VALUES (1, zeroblob(?))", (_PROBE_BYTES,))


def carry_over(book: Book, bodies: Sequence[bytes], *, after: int) -> Link:
    """
    Put what a journal held into the chain, but for what is there already, beyond the record `after`.

    Call inside a transaction. Raises `KeyError` or `ValueError` for a body that is no intent.
    """
    book.begin()
    known = intents_after(book.database, after)
    rows = [open_intent(book.add(Kind.INTENT, body), orjson.loads(body)) for body in bodies if body not in known]
    insert_many(book.database, "intents", INTENT_COLUMNS, rows, "INSERT OR REPLACE")
    return book.flush()


def intents_after(database: Database, seq: int) -> set[bytes]:
    """The bodies of the intents in the chain beyond a record."""
    found = database.all(f"SELECT body FROM chain WHERE seq > {seq:d} AND kind = 'intent'")  # noqa: S608  # a number
    return {body.encode() for (body,) in found}


def settle_unfinished(book: Book) -> Link:
    """
    Close what an earlier process left open: one `unsettled` record per request, its outcome and cost unknown.

    Call inside a transaction, before this process writes intents of its own.
    """
    book.begin()
    found = book.database.all("SELECT c.body FROM intents i JOIN chain c ON c.seq = i.seq ORDER BY i.seq")
    requests: dict[str, list[dict[str, Any]]] = {}
    for (text,) in found:
        body = orjson.loads(text)
        requests.setdefault(body["request_id"], []).append(body)
    rows = []
    for intents in requests.values():
        body = unsettled_body(intents)
        rows.append(row_of_body(book.add(Kind.UNSETTLED, encode(body)), body))
    insert_many(book.database, "receipts", RECEIPT_COLUMNS, rows)
    book.database.run("DELETE FROM intents")
    return book.flush()


def _add_receipts(book: Book, receipts: Iterable[Receipt]) -> int:
    rows: list[tuple[Any, ...]] = []
    refused = 0
    for receipt in receipts:
        try:
            body, row = receipt_record(receipt)
        except (TypeError, ValueError):
            refused += 1
            continue
        rows.append((book.add(Kind.RECEIPT, body), *row))
    insert_many(book.database, "receipts", RECEIPT_COLUMNS, rows)
    return refused


def _close_intents(book: Book, request_ids: Sequence[str]) -> None:
    for start in range(0, len(request_ids), _DELETE_AT_ONCE):
        part = request_ids[start : start + _DELETE_AT_ONCE]
        marks = ", ".join("?" * len(part))
        book.database.run(f"DELETE FROM intents WHERE request_id IN ({marks})", part)  # noqa: S608  # only marks
