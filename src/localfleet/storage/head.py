"""
`ledger.head`: the last record's number and seal, kept beside the ledger so that a cut-off end is found.

It is written after commits, at most once a second and at the end, so it may lag behind the ledger but never runs ahead.
It carries its own seal: without the key it cannot be made to fit a shorter ledger. An older copy of both files still
fits; who needs more keeps the line that `localfleet audit verify` prints somewhere else.
"""

import hmac
import os
from pathlib import Path

import orjson

from localfleet.storage.chain import Link

__all__ = ["HEAD_FILE", "BadHead", "read_head", "write_head"]

HEAD_FILE = "ledger.head"


class BadHead(ValueError):
    """`ledger.head` is there but is not one that this key sealed."""


def write_head(home: Path, link: Link, key: bytes) -> None:
    """Replace the head in one step; raises `OSError`."""
    draft = home / f".{HEAD_FILE}.{os.getpid()}"
    content = {"seq": link.seq, "hash": link.hash.hex(), "seal": _seal(link, key)}
    handle = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps(content) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(home / HEAD_FILE)


def read_head(home: Path, key: bytes) -> Link | None:
    """The link it names; `None` where there is no head; raises `BadHead` for a forged or garbled one, `OSError`."""
    try:
        content = orjson.loads((home / HEAD_FILE).read_bytes())
        link = Link(int(content["seq"]), bytes.fromhex(content["hash"]))
        fits = hmac.compare_digest(str(content["seal"]), _seal(link, key))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OverflowError):
        raise BadHead from None
    if not fits:
        raise BadHead
    return link


def _seal(link: Link, key: bytes) -> str:
    return hmac.digest(key, b"%d:%b" % (link.seq, link.hash), "sha256").hex()
