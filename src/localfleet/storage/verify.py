"""
Does the ledger still say what was written? The answer for an auditor, and the first record that does not fit.

Lives here: one walk along the chain that checks every seal, and every table against the records it was made from. May
not: repair anything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import InvalidOperation
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson

from localfleet.storage.chain import GENESIS, Kind, Link, Seal
from localfleet.storage.database import Database
from localfleet.storage.faults import Fault, LedgerFault
from localfleet.storage.head import BadHead, read_head
from localfleet.storage.keys import KEY_COLUMNS, key_row_of_body
from localfleet.storage.note import Note, notes_key, origin_of
from localfleet.storage.reading import journaled, open_ledger
from localfleet.storage.records import (
    FEEDBACK_COLUMNS,
    INTENT_COLUMNS,
    RECEIPT_COLUMNS,
    feedback_row,
    open_intent,
    row_of_body,
)
from localfleet.storage.secret import derive, read_secret
from localfleet.storage.witnessed import HeadSeen, Witnesses

__all__ = ["VerifyResult", "verify"]

_CHAIN = "SELECT seq, kind, body, hash FROM chain ORDER BY seq"
_RECEIPTS = f"SELECT {', '.join(RECEIPT_COLUMNS)} FROM receipts ORDER BY seq"  # noqa: S608  # own column names only
_INTENTS = f"SELECT {', '.join(INTENT_COLUMNS)} FROM intents ORDER BY seq"  # noqa: S608  # own column names only
_FEEDBACK = f"SELECT {', '.join(FEEDBACK_COLUMNS)} FROM feedback ORDER BY seq"  # noqa: S608  # own column names only
_KEYS = f"SELECT {', '.join(KEY_COLUMNS)} FROM keys ORDER BY id"  # noqa: S608  # own column names only
_DAMAGED = "the file is damaged here and cannot be read further"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """
    `first_bad` is the number of the first record that does not fit, and a fixed sentence why.

    `last_seq` and `last_hash` (hex) name the last good record: kept somewhere else, they prove later that nothing
    before them was cut off or rewritten (`anchor` of `verify`).
    """

    ok: bool
    records: int
    first_bad: tuple[int, str] | None
    last_seq: int
    last_hash: str
    covered: int = 0
    """The last record that a head kept elsewhere vouches for; 0 where none was given."""
    heads: tuple[HeadSeen, ...] = ()
    waiting: int = 0
    """Intents that are in the journal and not in the chain yet: of a router that runs, or that was killed."""


class _Bad(Exception):
    """A record that does not fit: its number and why."""


@dataclass(slots=True)
class _Walk:
    """What the records so far say the tables must hold."""

    seal: Seal
    rows: Iterator[Any]
    marks: tuple[tuple[Link, str], ...]
    witnesses: Witnesses
    waiting: set[bytes]
    """Bodies that only the journal has, as far as the chain was read."""
    link: Link = GENESIS
    intents: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    keys: dict[str, tuple[int, list[Any]]] = field(default_factory=dict)
    said: Iterator[Any] = field(default_factory=lambda: iter(()))


def verify(home: Path, *, anchor: Link | None = None, notes: Iterable[Note] = ()) -> VerifyResult:
    """
    Walk the whole ledger of `home`, also while a router writes to it.

    `anchor` is a link noted earlier that must still be there, `notes` are heads that were kept elsewhere. Raises
    `FleetError` where there is no secret to check with, no ledger, or one of another release.
    """
    secret = read_secret(home)
    try:
        head = read_head(home, derive(secret, "head"))
    except BadHead:
        return _result((0, "ledger.head was edited or is not of this ledger"))
    marks = [(anchor, "the noted anchor")] if anchor is not None else []
    marks += [(head, "ledger.head")] if head is not None else []
    witnesses = Witnesses(notes, origin_of(secret), notes_key(secret))
    waiting = set(journaled(home)[1])
    walk = _Walk(Seal(derive(secret, "chain")), iter(()), tuple(marks), witnesses, waiting)
    try:
        with open_ledger(home) as database:
            return _result(_first_bad(database, walk), walk)
    except LedgerFault as fault:
        if fault.fault in {Fault.NONE, Fault.OLDER, Fault.NEWER}:
            raise
        return _result((0, fault.message))


def _result(bad: tuple[int, str] | None, walk: _Walk | None = None) -> VerifyResult:
    last = GENESIS if walk is None else walk.link
    found = VerifyResult(ok=bad is None, records=last.seq, first_bad=bad, last_seq=last.seq, last_hash=last.hash.hex())
    if walk is None:
        return found
    return replace(found, covered=walk.witnesses.covered, heads=walk.witnesses.seen, waiting=len(walk.waiting))


def _first_bad(database: Database, walk: _Walk) -> tuple[int, str] | None:
    if walk.witnesses.trouble is not None:
        return (0, walk.witnesses.trouble)
    try:
        with (
            database.snapshot(),
            database.stream(_RECEIPTS) as walk.rows,
            database.stream(_FEEDBACK) as walk.said,
            database.stream(_CHAIN) as records,
        ):
            for record in records:
                _check_record(walk, record)
            _check_end(database, walk)
        database.check_whole(limit_s=3600)
    except _Bad as bad:
        return bad.args
    except LedgerFault as fault:
        return (walk.link.seq + 1, _DAMAGED if fault.fault in {Fault.DAMAGED, Fault.DISK} else fault.message)
    return None


def _check_record(walk: _Walk, record: tuple[Any, ...]) -> None:
    seq, kind, body, stored = record
    if seq != walk.link.seq + 1:
        raise _Bad(walk.link.seq + 1, "the record is missing")
    if not isinstance(kind, str) or not isinstance(body, str):
        raise _Bad(seq, "the record was edited: its seal does not fit")
    sealed = body.encode("utf-8", "surrogatepass")
    link = walk.seal.next(walk.link, kind, sealed)
    if link.hash != stored:
        raise _Bad(seq, "the record was edited, moved or put in: its seal does not fit")
    for mark, name in walk.marks:
        if mark.seq == seq and mark.hash != stored:
            raise _Bad(seq, f"the record is not the one that {name} names")
    covered = walk.witnesses.covered
    if (sentence := walk.witnesses.passes(seq, kind, sealed, stored)) is not None:
        raise _Bad(covered + 1, sentence)
    _follow(walk, seq, kind, orjson.loads(body))
    walk.waiting.discard(sealed)
    walk.link = link


def _follow(walk: _Walk, seq: int, kind: str, body: dict[str, Any]) -> None:
    """Let the sealed record say what the tables must hold."""
    if kind in {Kind.RECEIPT, Kind.UNSETTLED}:
        _check_row(walk, seq, body)
        walk.intents.pop(body["request_id"], None)
    elif kind == Kind.INTENT:
        attempts = walk.intents.setdefault(body["request_id"], [])
        attempts[:] = [*(row for row in attempts if row[1] != body["attempt"]), open_intent(seq, body)]
    elif kind == Kind.FEEDBACK:
        if tuple(next(walk.said, ())) != feedback_row(seq, body):
            raise _Bad(seq, "the table of feedback was edited")
    elif kind == Kind.KEY:
        walk.keys[body["id"]] = (seq, list(key_row_of_body(body)))
    elif kind == Kind.REVOKED:
        walk.keys[body["id"]] = (seq, [*walk.keys[body["id"]][1][:-1], body["at"]])


def _check_row(walk: _Walk, seq: int, body: dict[str, Any]) -> None:
    row = next(walk.rows, None)
    if row is None or row[0] > seq:
        raise _Bad(seq, "its row in the table of receipts is missing")
    if row[0] < seq:
        raise _Bad(row[0], "the table of receipts has a row that was never recorded")
    try:
        expected = row_of_body(seq, body)
    except (KeyError, ValueError, InvalidOperation):
        raise _Bad(seq, "the record is sealed but its content cannot be read") from None
    if tuple(row) != expected:
        raise _Bad(seq, "its row in the table of receipts was edited")


def _check_end(database: Database, walk: _Walk) -> None:
    """What can only be told after the last record."""
    if next(walk.said, None) is not None:
        raise _Bad(walk.link.seq, "the table of feedback has a row that was never recorded")
    extra = next(walk.rows, None)
    if extra is not None:
        raise _Bad(extra[0], "the table of receipts has a row that was never recorded")
    for mark, name in walk.marks:
        if mark.seq > walk.link.seq:
            raise _Bad(walk.link.seq + 1, f"the end is missing: {name} names a later record")
    if (sentence := walk.witnesses.ends(walk.link.seq)) is not None:
        raise _Bad(walk.link.seq + 1, sentence)
    intents = sorted((row for rows in walk.intents.values() for row in rows), key=lambda row: int(row[2]))
    for expected, found in zip_longest(intents, database.all(_INTENTS)):
        if found is None or expected != tuple(found):
            raise _Bad(walk.link.seq if expected is None else expected[2], "the table of open intents was edited")
    keys = sorted(walk.keys.values(), key=lambda pair: str(pair[1][0]))
    for known, kept in zip_longest(keys, database.all(_KEYS)):
        if known is None or kept is None or known[1] != list(kept):
            raise _Bad(walk.link.seq if known is None else known[0], "the table of keys was edited")
