"""
The hash chain: each record is sealed together with the one before it.

    hash[n] = HMAC-SHA256(key, hash[n-1] + n as 8 bytes + length of kind as 1 byte + kind + body)

`hash[0]` is 32 zero bytes. An edit, a gap or a swap breaks the seal of the first record it touches. Without the key no
new seal can be made. What the chain alone cannot show is a cut-off end: that is what `head.py` is for.
"""

import hmac
from dataclasses import dataclass
from enum import StrEnum

from localfleet.storage.database import Database
from localfleet.storage.faults import Fault, LedgerFault

__all__ = ["GENESIS", "Kind", "Link", "Seal", "check_end", "tail"]


class Kind(StrEnum):
    """What a record is. Values are stored: add, never rename."""

    INTENT = "intent"
    RECEIPT = "receipt"
    UNSETTLED = "unsettled"
    """Intents of a process that ended before their receipt."""
    DROPPED = "dropped"
    """How many receipts could not be kept while the disk was away."""
    KEY = "key"
    REVOKED = "revoked"
    RELOAD = "reload"
    """The router follows another `models.yaml` from here on."""
    FEEDBACK = "feedback"
    """What somebody said of an answer."""
    STATE = "state"
    """A local model is in another state from here on: loading, ready, asleep, down."""


@dataclass(frozen=True, slots=True)
class Link:
    """One place in the chain: the record's number, from 1, and its seal of 32 bytes."""

    seq: int
    hash: bytes


GENESIS = Link(0, bytes(32))


class Seal:
    """Makes seals with one key."""

    def __init__(self, key: bytes) -> None:
        """`key` is derived from the state folder's secret for the purpose `chain`."""
        self._fresh = hmac.new(key, digestmod="sha256")

    def next(self, link: Link, kind: str, body: bytes) -> Link:
        """The link after `link` for a record of this kind with this body (UTF-8 JSON)."""
        seq = link.seq + 1
        mac = self._fresh.copy()
        name = kind.encode()
        mac.update(b"%b%b%c%b%b" % (link.hash, seq.to_bytes(8, "big"), len(name), name, body))
        return Link(seq, mac.digest())


def tail(database: Database) -> Link:
    """The last link on disk; `GENESIS` for an empty ledger."""
    row = database.one("SELECT seq, hash FROM chain ORDER BY seq DESC LIMIT 1")
    return Link(*row) if row else GENESIS


def check_end(database: Database, seal: Seal) -> Link:
    """The last link, after checking that it follows from the one before it; raises `LedgerFault`."""
    rows = database.all("SELECT seq, kind, body, hash FROM chain ORDER BY seq DESC LIMIT 2")
    if not rows:
        return GENESIS
    seq, kind, body, stored = rows[0]
    before = Link(seq - 1, rows[1][3]) if len(rows) > 1 else GENESIS
    if not all(isinstance(text, str) for text in (kind, body)) or not isinstance(before.hash, bytes):
        raise LedgerFault(Fault.WRONG_KEY)
    link = seal.next(before, kind, body.encode())
    if link != Link(seq, stored):
        raise LedgerFault(Fault.WRONG_KEY)
    return link
