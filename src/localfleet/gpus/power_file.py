"""
`gpu_power.json` in the state folder: the watts that the cards of this box were seen to draw, for `cost compare`.

Readable by people: means and seconds, one entry for each kind of card. Written whole or not at all.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localfleet.core.gpu import PowerSeen

__all__ = ["FILE_NAME", "read_power", "write_power"]

FILE_NAME = "gpu_power.json"
VERSION = 1


def read_power(home: Path) -> dict[str, PowerSeen]:
    """What was seen, by the driver's name of the card; empty where nothing was, or where the file cannot be read."""
    try:
        text = json.loads((home / FILE_NAME).read_bytes())
        seen = [_from_json(entry) for entry in text["gpus"]] if text["version"] == VERSION else []
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return {one.name: one for one in seen}


def write_power(home: Path, seen: Mapping[str, PowerSeen]) -> None:
    """Put the file in place of the old one. Raises `OSError`."""
    text = json.dumps({"version": VERSION, "gpus": [_as_json(one) for one in seen.values()]}, indent=2)
    draft = home / f"{FILE_NAME}.new"
    draft.write_text(text + "\n", encoding="utf-8")
    draft.chmod(0o600)
    draft.replace(home / FILE_NAME)


def _as_json(one: PowerSeen) -> dict[str, Any]:
    return {
        "name": one.name,
        "mean_w": _mean(one.joules, one.seconds),
        "seconds": round(one.seconds, 1),
        "busy_w": _mean(one.busy_j, one.busy_s),
        "busy_seconds": round(one.busy_s, 1),
        "idle_w": _mean(one.idle_j, one.idle_s),
        "idle_seconds": round(one.idle_s, 1),
        "until": datetime.fromtimestamp(one.until, UTC).isoformat(timespec="seconds"),
    }


def _mean(joules: float, seconds: float) -> float | None:
    return round(joules / seconds, 2) if seconds > 0 else None


def _from_json(entry: Mapping[str, Any]) -> PowerSeen:
    sums = {f"{kind}_s": float(entry[f"{kind}_seconds"]) for kind in ("busy", "idle")}
    sums |= {f"{kind}_j": float(entry[f"{kind}_w"] or 0) * sums[f"{kind}_s"] for kind in ("busy", "idle")}
    seconds = float(entry["seconds"])
    return PowerSeen(
        name=str(entry["name"]),
        until=datetime.fromisoformat(entry["until"]).timestamp(),
        seconds=seconds,
        joules=float(entry["mean_w"] or 0) * seconds,
        **sums,
    )
