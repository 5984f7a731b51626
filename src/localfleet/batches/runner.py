"""
Runs batches: line by line through the gateway, as work that can wait, each under the law like any other request.

A line that was answered is on disk, sealed, before it counts, so a restart asks nobody twice but those that were under
way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from localfleet.batches.desk import Desk
from localfleet.batches.shapes import ENDPOINTS, Batch, Line, read_line
from localfleet.core.ask import Api, Caller
from localfleet.errors import FleetError, NotFound

__all__ = ["Answered", "Ask", "Runner"]

SWEEP_S = 60.0
NOT_NOW = frozenset({429, 503})
PAUSES_S = (1.0, 5.0, 20.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of one line: the body is JSON, an answer's or an error's."""

    status: int
    request_id: str
    body: bytes


Ask = Callable[[Api, Mapping[str, str], Caller, bytes], Awaitable[Answered]]


@dataclass(slots=True, kw_only=True)
class Runner:
    """`ask` puts one line through the gateway; `caller_of` gives the caller that a key is now, `None` for no key."""

    desk: Desk
    ask: Ask
    caller_of: Callable[[str], Caller | None]
    parallel: int
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Until it is cancelled: begin what came in, delete what has had its time."""
        turns = asyncio.Semaphore(self.parallel)
        try:
            while True:
                self.desk.woken.clear()
                for batch in self.desk.batches.values():
                    if not batch.over and batch.id not in self.running:
                        self.running[batch.id] = asyncio.create_task(self._batch(batch, turns))
                await self.desk.sweep()
                try:
                    await asyncio.wait_for(self.desk.woken.wait(), SWEEP_S)
                except TimeoutError:
                    continue
        finally:
            for task in self.running.values():
                task.cancel()
            await asyncio.gather(*self.running.values(), return_exceptions=True)

    async def _batch(self, batch: Batch, turns: asyncio.Semaphore) -> None:
        """One batch to its end; what can be foreseen to end it early makes it `failed`."""
        try:
            await self._lines(batch, turns)
        except FleetError:
            batch.status, batch.ended_at = "failed", int(self.desk.now())
            await self.desk.note(batch)
        finally:
            if batch.over:
                self.running.pop(batch.id, None)

    async def _lines(self, batch: Batch, turns: asyncio.Semaphore) -> None:
        caller = self.caller_of(batch.key_id)
        if caller is None:
            raise NotFound("The key of this batch was revoked.")
        raw = await self.desk.content(caller, batch.input_file_id)
        done = await self._done_before(batch)
        lines = (read_line(line, batch.endpoint) for line in raw.splitlines() if line.strip())
        left = iter([line for line in lines if line.custom_id not in done])
        writing = asyncio.Lock()

        async def work() -> None:
            for line in left:
                await self._line(batch, caller, line, turns, writing)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.parallel):
                    group.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        await self._finish(batch, caller)

    async def _done_before(self, batch: Batch) -> set[str]:
        """The lines that were answered before a restart, counted again."""
        name = f"done-{batch.id[-24:]}"
        await asyncio.to_thread(self.desk.folder.mend, name)
        rows = [orjson.loads(frame) for frame in await asyncio.to_thread(lambda: list(self.desk.folder.frames(name)))]
        batch.completed = sum(row["error"] is None for row in rows)
        batch.failed = len(rows) - batch.completed
        return {row["custom_id"] for row in rows}

    async def _line(
        self, batch: Batch, caller: Caller, line: Line, turns: asyncio.Semaphore, writing: asyncio.Lock
    ) -> None:
        async with turns:
            if batch.status != "in_progress":
                return
            headers = {**batch.headers, "x-localfleet-priority": "batch"}
            answered = await self._asked(batch, headers, caller, line)
        row = _row(line, answered)
        async with writing:
            place = batch.completed + batch.failed
            await asyncio.to_thread(self.desk.folder.append, f"done-{batch.id[-24:]}", place, orjson.dumps(row))
            if row["error"] is None:
                batch.completed += 1
            else:
                batch.failed += 1

    async def _asked(self, batch: Batch, headers: Mapping[str, str], caller: Caller, line: Line) -> Answered:
        """The line's answer; where nobody has time for it now, it waits, for this is work that can wait."""
        body = orjson.dumps(line.body)
        for pause_s in PAUSES_S:
            answered = await self.ask(ENDPOINTS[batch.endpoint], headers, caller, body)
            if answered.status not in NOT_NOW or batch.status != "in_progress":
                return answered
            await asyncio.sleep(pause_s)
        return await self.ask(ENDPOINTS[batch.endpoint], headers, caller, body)

    async def _finish(self, batch: Batch, caller: Caller) -> None:
        """Output and errors as files of their own; the rows they are made of go."""
        if batch.status == "expired":
            return
        name = f"done-{batch.id[-24:]}"
        frames = await asyncio.to_thread(lambda: list(self.desk.folder.frames(name)))
        good = [frame for frame in frames if orjson.loads(frame)["error"] is None]
        bad = [frame for frame in frames if orjson.loads(frame)["error"] is not None]
        batch.output_file_id = await self._file(batch, caller, good, "output")
        batch.error_file_id = await self._file(batch, caller, bad, "error")
        batch.status = "cancelled" if batch.status == "cancelling" else "completed"
        batch.ended_at = int(self.desk.now())
        await self.desk.note(batch)
        await asyncio.to_thread(self.desk.folder.delete, name)

    async def _file(self, batch: Batch, caller: Caller, rows: list[bytes], what: str) -> str | None:
        """A file of rows, none where there are no rows."""
        if not rows:
            return None
        data = b"".join(row + b"\n" for row in rows)
        file = await self.desk.keep_file(caller, data, filename=f"{batch.id}_{what}.jsonl", purpose="batch_output")
        return file.id


def _row(line: Line, answered: Answered) -> dict[str, Any]:
    """A line of the output as OpenAI writes it."""
    body = orjson.loads(answered.body)
    response = {"status_code": answered.status, "request_id": answered.request_id, "body": body}
    error = None
    if answered.status != 200:
        told = body.get("error") or {}
        error = {"code": told.get("code"), "message": told.get("message")}
    return {"id": f"batch_req_{answered.request_id}", "custom_id": line.custom_id, "response": response, "error": error}
