"""The whole chain as JSON lines, for an auditor who has no access to the box: what was sealed, with its seals."""

from pathlib import Path
from typing import BinaryIO

import orjson

from localfleet.storage.database import LEDGER_FILE, Database
from localfleet.storage.faults import Fault, LedgerFault

__all__ = ["export_chain"]

FORMAT = "localfleet-chain-1"
_CHAIN = "SELECT seq, kind, body, hash FROM chain ORDER BY seq"


def export_chain(home: Path, out: BinaryIO) -> int:
    """
    Write one line per record of the ledger in `home` and return how many; the first line names the format.

    A record is `{"seq", "kind", "body", "hash"}`: `body` is the sealed text as it was sealed, `hash` is hex. Works
    beside a running router. Raises `LedgerFault` where there is no ledger, or it is damaged.
    """
    if not (home / LEDGER_FILE).exists():
        raise LedgerFault(Fault.GONE)
    database = Database(home, read_only=True)
    count = 0
    try:
        out.write(orjson.dumps({"format": FORMAT, "seal": "HMAC-SHA256"}) + b"\n")
        with database.snapshot(), database.stream(_CHAIN) as records:
            for seq, kind, body, seal in records:
                row = {"seq": seq, "kind": kind, "body": body, "hash": seal.hex()}
                out.write(orjson.dumps(row) + b"\n")
                count += 1
    finally:
        database.close()
    return count
