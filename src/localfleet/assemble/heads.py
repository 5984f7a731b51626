"""Builds what carries the ledger's heads off this box, from `audit:`."""

import time
from collections.abc import Iterator
from pathlib import Path

from localfleet.config import Audit
from localfleet.storage.note import notes_key
from localfleet.witness.courier import Courier
from localfleet.witness.keeper import Keeper
from localfleet.witness.places import CheckpointPlace, FilePlace, Place, SyslogPlace, WebhookPlace

__all__ = ["build_keeper"]


def build_keeper(audit: Audit, home: Path, secret: bytes) -> Keeper:
    """The keeper with a courier for each place that the file names."""
    couriers = [Courier(place, timeout_s=audit.timeout_s) for place in _places(audit, secret)]
    return Keeper(home, secret, couriers, every_s=audit.every_s, now=time.time, monotonic=time.monotonic)


def _places(audit: Audit, secret: bytes) -> Iterator[Place]:
    if audit.file is not None:
        yield FilePlace(path=Path(audit.file))
    if audit.checkpoint is not None:
        yield CheckpointPlace(path=Path(audit.checkpoint), key=notes_key(secret))
    if audit.syslog is not None:
        yield SyslogPlace(url=audit.syslog)
    if audit.webhook is not None:
        yield WebhookPlace(url=audit.webhook)
