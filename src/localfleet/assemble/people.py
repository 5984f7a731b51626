"""Builds the queue of requests that wait for a person; sealed on disk where the file names a key, else in memory."""

import time
from collections.abc import Mapping
from pathlib import Path

from localfleet.batches.sealed import SealedFolder
from localfleet.config import People, read_key
from localfleet.people.tickets import Tickets

__all__ = ["build_tickets"]

FOLDER = "tickets"


def build_tickets(asked: People, home: Path, env: Mapping[str, str]) -> Tickets:
    """The queue with what an earlier router left. Blocks; raises `FleetError` where another key sealed it."""
    folder = None if asked.key_env is None else SealedFolder(home / FOLDER, read_key(env[asked.key_env]))
    tickets = Tickets(folder=folder, now=time.time, keep_s=asked.keep_hours * 3600, most=asked.most)
    tickets.load()
    return tickets
