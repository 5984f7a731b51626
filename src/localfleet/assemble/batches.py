"""Builds what works on files of requests, from `batches:`; nothing where the file does not ask for it."""

import time
from collections.abc import Mapping
from pathlib import Path

from localfleet.batches.desk import Desk
from localfleet.batches.runner import Answered, Runner
from localfleet.batches.sealed import SealedFolder
from localfleet.config import Batches, read_key
from localfleet.core.ask import Api, Caller
from localfleet.server.batch_plane import BatchPlane, answer_line
from localfleet.server.data_plane import Porch

__all__ = ["FOLDER", "build_batches"]

FOLDER = "batches"


def build_batches(
    asked: Batches | None, home: Path, env: Mapping[str, str], porch: Porch
) -> tuple[BatchPlane, Runner] | None:
    """The endpoints and the runner behind them. Blocks; raises `FleetError` where another key sealed what is there."""
    if asked is None:
        return None
    folder = SealedFolder(home / FOLDER, read_key(env[asked.key_env]))
    desk = Desk(folder=folder, now=time.time, keep_s=asked.keep_hours * 3600, most_lines=asked.lines)
    desk.load()

    async def ask(api: Api, headers: Mapping[str, str], caller: Caller, raw: bytes) -> Answered:
        return await answer_line(porch.plane, api, dict(headers), caller, raw)

    def caller_of(key_id: str) -> Caller | None:
        return porch.plane.doorkeeper.known(key_id)  # of the file that holds now: a reload brings another plane

    runner = Runner(desk=desk, ask=ask, caller_of=caller_of, parallel=asked.parallel)
    return BatchPlane(porch=porch, desk=desk, file_bytes=asked.file_mib * 2**20), runner
