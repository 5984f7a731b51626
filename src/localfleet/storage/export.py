"""
The whole chain as JSON lines, for an auditor who has no access to the box: what was sealed, with its seals, and a
signed head at the end. `scripts/verify_export.py` checks it with nothing but Python.

Lives here too: the keys that an auditor may be given, derived from the secret, which they do not tell.
"""

import os
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from localfleet.core.merkle import Tree, leaf_of
from localfleet.storage.chain import GENESIS, Link
from localfleet.storage.faults import Fault, LedgerFault
from localfleet.storage.note import Note, line_of, notes_key, origin_of, signed
from localfleet.storage.reading import journaled, open_ledger
from localfleet.storage.secret import derive, read_secret

__all__ = ["FORMAT", "export_chain", "write_keys"]

FORMAT = "localfleet-chain-2"
_CHAIN = "SELECT seq, kind, body, hash FROM chain ORDER BY seq"


def export_chain(home: Path, out: BinaryIO, *, at: float) -> tuple[int, int]:
    """
    Write one line per record of the ledger in `home`; the first line names format and router.

    Returns how many records, and how many intents the journal holds beside them that are not in the chain yet.

    A record is `{"seq", "kind", "body", "hash"}`: `body` is the sealed text as it was sealed, `hash` is hex. The last
    line is a head of all of it, sealed at `at` (Unix seconds): without it the export was cut. Works beside a running
    router. Raises `LedgerFault` where there is no ledger, or it is damaged; `FleetError` where there is no secret.
    """
    secret = read_secret(home)
    waiting = set(journaled(home)[1])
    origin = origin_of(secret)
    out.write(orjson.dumps({"format": FORMAT, "seal": "HMAC-SHA256", "origin": origin}) + b"\n")
    tree = Tree()
    last = _write_records(home, out, tree, waiting)
    note = Note(origin=origin, seq=last.seq, hash=last.hash, root=tree.root, at=at)
    out.write(line_of(signed(note, notes_key(secret))) + b"\n")
    return tree.size, len(waiting)


def _write_records(home: Path, out: BinaryIO, tree: Tree, waiting: set[bytes]) -> Link:
    """Write them, and take those that are written out of `waiting`."""
    last = GENESIS
    with open_ledger(home) as database, database.snapshot(), database.stream(_CHAIN) as records:
        for seq, kind, body, seal in records:
            if not (isinstance(body, str) and isinstance(kind, str) and isinstance(seal, bytes)):
                raise LedgerFault(Fault.DAMAGED)
            row: dict[str, Any] = {"seq": seq, "kind": kind, "body": body, "hash": seal.hex()}
            out.write(orjson.dumps(row) + b"\n")
            sealed = body.encode()
            tree.add(leaf_of(seq, kind, sealed, seal))
            waiting.discard(sealed)
            last = Link(seq, seal)
    return last


def write_keys(home: Path, file: Path, *, seals: bool) -> None:
    """
    Write what an auditor needs to check seals into a new file that only its owner may read.

    Without `seals` only the key of notes and exports: it shows that an export came from this router. With it also the
    chain's: it names the first bad record, and could write another history. Raises `FleetError`, `OSError`.
    """
    secret = read_secret(home)
    keys = {"origin": origin_of(secret), "notes": notes_key(secret).hex()}
    keys |= {"chain": derive(secret, "chain").hex()} if seals else {}
    handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(orjson.dumps(keys) + b"\n")
