"""What the tests of reloads share: write the file anew, tell the router in either way, look at what it has open."""

import json
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from fault_rig import until
from router import Response, Router

__all__ = ["admin", "descriptors", "engines", "holds", "log_lines", "reload", "told_by_signal", "write"]


def write(router: Router, settings: Mapping[str, Any] | str) -> None:
    """Put another models.yaml in the place of the first; a text goes in as it is."""
    text = settings if isinstance(settings, str) else yaml.safe_dump(json.loads(json.dumps(settings)), sort_keys=False)
    (router.folder / "models.yaml").write_text(text, encoding="utf-8")


def admin(router: Router) -> dict[str, str]:
    """The header that opens `/api`."""
    printed: list[bytes] = re.findall(rb"/console#token=(\S+)", router.output())
    return {"authorization": f"Bearer {printed[-1].decode()}"}


def reload(router: Router, settings: Mapping[str, Any] | str) -> Response:
    """Write it and have it taken, by the admin API."""
    write(router, settings)
    return router.post("/api/reload", {}, admin(router), timeout_s=60)


def told_by_signal(router: Router, settings: Mapping[str, Any] | str) -> None:
    """The same by SIGHUP: returns when the log says how it went."""
    before = len(log_lines(router))
    write(router, settings)
    os.kill(router.pid, signal.SIGHUP)
    assert until(lambda: len(log_lines(router)) > before, 20), "nothing was said of the reload"


def log_lines(router: Router) -> list[dict[str, Any]]:
    """What the log says of reloads."""
    lines = [line for line in router.output().splitlines() if b"localfleet.reload" in line]
    return [json.loads(line) for line in lines]


def holds(router: Router) -> str:
    """The SHA-256 of the file that holds."""
    found: str = router.get("/api/status", admin(router)).json["settings"]["sha256"]
    return found


def engines(router: Router) -> list[int]:
    """The engine processes below the router."""
    children = Path(f"/proc/{router.pid}/task/{router.pid}/children").read_text().split()
    return [int(pid) for pid in children]


def descriptors(router: Router) -> int:
    """How many files, sockets and pipes it has open."""
    return len(list(Path(f"/proc/{router.pid}/fd").iterdir()))
