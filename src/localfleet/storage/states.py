"""The states that the router saw its local models in, out of the chain: for what the box cost while nobody asked."""

from pathlib import Path

import orjson

from localfleet.core.cost.box_states import Change
from localfleet.core.fleet import Readiness
from localfleet.storage.reading import all_rows

__all__ = ["state_changes"]

_SQL = "SELECT body FROM chain WHERE kind = 'state' ORDER BY seq"


def state_changes(home: Path, *, until: float) -> list[Change]:
    """All changes before `until` (Unix seconds), oldest first; empty without a ledger. Raises `LedgerFault`."""
    bodies = [orjson.loads(row[0]) for row in all_rows(home, _SQL)]
    return [Change(body["at"], body["model"], Readiness(body["state"])) for body in bodies if body["at"] < until]
