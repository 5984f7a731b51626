"""
The desk where files and batches are handed in and out: whose they are, what state they are in, when they go.

Everything it knows is in sealed records too, so a restart goes on where it was. A caller sees what its key made.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TypeVar

import orjson

from localfleet.batches.sealed import SealedFolder
from localfleet.batches.shapes import Batch, File, read_line
from localfleet.core.ask import Caller
from localfleet.errors import BadAsk, FleetError, NotFound

__all__ = ["Desk"]

T = TypeVar("T", File, Batch)


@dataclass(slots=True, kw_only=True)
class Desk:
    """`now` gives Unix seconds; `woken` is set when a batch comes in."""

    folder: SealedFolder
    now: Callable[[], float]
    keep_s: float
    most_lines: int
    files: dict[str, File] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def load(self) -> None:
        """
        Read what was kept. Blocks; raises `FleetError` where it was sealed with another key.

        What is of no file and no batch (a router was killed while it wrote) is deleted.
        """
        for name in self.folder.names():
            kind, _, _ = name.partition("-")
            if kind == "meta":
                row = orjson.loads(self.folder.get(name))
                if row["kind"] == "file":
                    self.files[row["it"]["id"]] = File(**row["it"])
                else:
                    self.batches[row["it"]["id"]] = Batch(**row["it"])
        for name in self.folder.names():
            kind, _, number = name.partition("-")
            known = {"data": f"file-{number}" in self.files, "done": f"batch_{number}" in self.batches}
            if not known.get(kind, True):
                self.folder.delete(name)

    async def keep_file(self, caller: Caller, data: bytes, *, filename: str, purpose: str) -> File:
        """A new file; its content is sealed before anybody hears of it."""
        number, now = secrets.token_hex(12), int(self.now())
        file = File(
            id=f"file-{number}", key_id=caller.key_id, filename=filename, purpose=purpose, size=len(data),
            created_at=now, expires_at=int(now + self.keep_s),
        )  # fmt: skip
        await asyncio.to_thread(self.folder.put, f"data-{number}", data)
        await self._note("file", number, file)
        self.files[file.id] = file
        return file

    async def content(self, caller: Caller, file_id: str) -> bytes:
        """What a file holds; raises `NotFound`."""
        self.file(caller, file_id)
        return await asyncio.to_thread(self.folder.get, f"data-{_number(file_id)}")

    def file(self, caller: Caller, file_id: str) -> File:
        """A file of this caller's; raises `NotFound`."""
        return _of(caller, self.files.get(file_id), "No such file here (any more): files are deleted after their time.")

    def batch(self, caller: Caller, batch_id: str) -> Batch:
        """A batch of this caller's; raises `NotFound`."""
        return _of(caller, self.batches.get(batch_id), "No such batch here (any more).")

    async def delete_file(self, caller: Caller, file_id: str) -> None:
        """Delete a file and what it holds; raises `NotFound`, or `BadAsk` while a batch reads it."""
        self.file(caller, file_id)
        if any(batch.input_file_id == file_id and not batch.over for batch in self.batches.values()):
            raise BadAsk("A batch reads this file: cancel it first.", param="file_id")
        await self._forget_file(file_id)

    async def open_batch(
        self, caller: Caller, *, input_file_id: str, endpoint: str, window: str, headers: dict[str, str],
        metadata: dict[str, str] | None,
    ) -> Batch:  # fmt: skip
        """A new batch; every line is read first. Raises `BadAsk` or `NotFound`."""
        lines = [line for line in (await self.content(caller, input_file_id)).splitlines() if line.strip()]
        if not 0 < len(lines) <= self.most_lines:
            raise BadAsk(f"A batch has at least one line and at most {self.most_lines}.", param="input_file_id")
        names = await asyncio.to_thread(lambda: {read_line(line, endpoint).custom_id for line in lines})
        if len(names) < len(lines):
            raise BadAsk("Two lines have the same custom_id.", param="input_file_id")
        number, now = secrets.token_hex(12), int(self.now())
        batch = Batch(
            id=f"batch_{number}", key_id=caller.key_id, endpoint=endpoint, input_file_id=input_file_id,
            completion_window=window, created_at=now, expires_at=int(now + self.keep_s), total=len(lines),
            headers=headers, metadata=metadata,
        )  # fmt: skip
        await self.note(batch)
        self.batches[batch.id] = batch
        self.woken.set()
        return batch

    async def cancel(self, caller: Caller, batch_id: str) -> Batch:
        """No further line of it begins; raises `NotFound`."""
        batch = self.batch(caller, batch_id)
        if not batch.over:
            batch.status, batch.cancelling_at = "cancelling", int(self.now())
            await self.note(batch)
            self.woken.set()
        return batch

    async def note(self, batch: Batch) -> None:
        """Write down how a batch stands."""
        await self._note("batch", _number(batch.id), batch)

    async def sweep(self) -> None:
        """Delete what has had its time; a batch that still ran is told to stop."""
        now = self.now()
        for batch in [one for one in self.batches.values() if one.expires_at <= now]:
            batch.status, batch.ended_at = "expired", int(now)
            del self.batches[batch.id]
            for name in ("meta", "done"):
                await asyncio.to_thread(self.folder.delete, f"{name}-{_number(batch.id)}")
        for file_id in [one.id for one in self.files.values() if one.expires_at <= now]:
            await self._forget_file(file_id)

    async def _forget_file(self, file_id: str) -> None:
        self.files.pop(file_id, None)
        for name in ("meta", "data"):
            await asyncio.to_thread(self.folder.delete, f"{name}-{_number(file_id)}")

    async def _note(self, kind: str, number: str, it: File | Batch) -> None:
        data = orjson.dumps({"kind": kind, "it": asdict(it)})
        try:
            await asyncio.to_thread(self.folder.put, f"meta-{number}", data)
        except OSError as exc:
            raise FleetError("The disk does not take the file. Free some space and send it again.") from exc


def _of(caller: Caller, found: T | None, sentence: str) -> T:
    # Whose it is and whether it is there look the same: nobody can ask for the ids of others.
    if found is None or found.key_id != caller.key_id:
        raise NotFound(sentence)
    return found


def _number(name: str) -> str:
    return name[-24:]
