"""
What the cost commands remember between runs, in the state folder: prices as last seen, and saved scenarios.

A file that is broken is refused with its name, never mended in silence. Writing replaces the file whole.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from localfleet.core.pricing import Price
from localfleet.errors import FleetError

__all__ = ["PRICES", "SCENARIOS", "read_notes", "read_prices", "write_notes"]

PRICES = "prices_seen.json"
SCENARIOS = "scenarios.json"


def read_notes(home: Path, file: str) -> dict[str, Any]:
    """The notes of a file; empty where there are none yet. Raises `FleetError`."""
    path = home / file
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise FleetError(f"{path} cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise FleetError(f"{path} is not valid JSON: mend it or move it away") from exc
    if not isinstance(found, dict):
        raise FleetError(f"{path} has an unknown shape: move it away")
    return found


def write_notes(home: Path, file: str, notes: Mapping[str, Any]) -> None:
    """Replace a file whole, readable by its owner alone. Raises `FleetError`."""
    path = home / file
    draft = path.with_suffix(".tmp")
    try:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(notes, indent=1), encoding="utf-8")
        draft.replace(path)
    except OSError as exc:
        raise FleetError(f"{path} cannot be written ({exc.strerror})") from exc


def read_prices(home: Path) -> dict[str, Price]:
    """Prices as they were noted last, by model. Raises `FleetError`."""
    try:
        return {name: _price(note) for name, note in read_notes(home, PRICES).items()}
    except (InvalidOperation, KeyError, TypeError, AttributeError) as exc:
        raise FleetError(f"{home / PRICES} has an unknown shape: move it away") from exc


def _price(note: Mapping[str, str | None]) -> Price:
    read, write = note.get("usd_per_mtok_cache_read"), note.get("usd_per_mtok_cache_write")
    return Price(
        usd_per_mtok_in=Decimal(str(note["usd_per_mtok_in"])),
        usd_per_mtok_out=Decimal(str(note["usd_per_mtok_out"])),
        usd_per_mtok_cache_read=None if read is None else Decimal(read),
        usd_per_mtok_cache_write=None if write is None else Decimal(write),
        version=note.get("version") or "",
    )
