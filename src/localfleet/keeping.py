"""
Features of requests, kept in the state folder where the operator asks for it: what `routing train --receipts` reads.

Lives here: which requests, and two files that take turns, so that they never grow beyond what was allowed. May not:
keep a word. Features are numbers, counts, and buckets that many words share; a person who guesses a word can still ask
whether its bucket was seen, so they count as `internal`, and those of restricted requests are kept only where the
operator says so by name.
"""

import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import orjson

from localfleet.core.label import Label
from localfleet.core.routing.kept import features_row
from localfleet.core.routing.shape import shape_of
from localfleet.core.routing.words import buckets_of
from localfleet.visit import Visit
from localfleet.wire.parts import parts_of
from localfleet.wire.read import Letter

__all__ = ["FeatureFile", "Keeper", "kept_files"]

FILE_NAME, OLDER = "features.jsonl", "features.1.jsonl"
MOST_WAITING = 64
"""Prompts that wait for the thread; the features of more are let go, so that no request waits for them."""

log = logging.getLogger("localfleet.keeping")


def kept_files(home: Path) -> list[Path]:
    """What was kept in a state folder, the older first."""
    return [home / name for name in (OLDER, FILE_NAME) if (home / name).exists()]


@dataclass(slots=True)
class FeatureFile:
    """The two files of one state folder, and the thread that writes them. Outlives `models.yaml`."""

    home: Path
    failed: bool = False
    _places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(MOST_WAITING))
    _thread: ThreadPoolExecutor | None = None

    def add(self, request_id: str, text: str, *, about: Mapping[str, Any], most_bytes: int) -> None:
        """Keep the features of a prompt, soon; the text is let go then. Never blocks, never raises."""
        if not self._places.acquire(blocking=False):
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="features")
        self._thread.submit(self._write, request_id, text, about, most_bytes).add_done_callback(self._done)

    def close(self) -> None:
        """Write what waits; blocks for as long."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None

    def _done(self, _: object) -> None:
        self._places.release()

    def _write(self, request_id: str, text: str, about: Mapping[str, Any], most_bytes: int) -> None:
        features = features_row(shape_of(text), buckets_of(text))
        line = orjson.dumps({"id": request_id, **about, "features": features}) + b"\n"
        try:
            self._append(line, most_bytes // 2)
        except OSError as exc:
            if not self.failed:
                log.warning("features of requests cannot be kept", extra={"why": exc.strerror})
            self.failed = True
        else:
            self.failed = False

    def _append(self, line: bytes, most_bytes: int) -> None:
        file = self.home / FILE_NAME
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            full = os.fstat(handle).st_size + len(line) > most_bytes
            if not full:
                os.write(handle, line)
        finally:
            os.close(handle)
        if full and len(line) <= most_bytes:
            file.replace(self.home / OLDER)
            self._append(line, most_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Of which requests features are kept, by one `models.yaml`."""

    file: FeatureFile
    upto: Label
    most_bytes: int

    def keep(self, letter: Letter, visit: Visit) -> None:
        """Keep those of an answered request whose label allows it."""
        if visit.judged.label > self.upto:
            return
        text = parts_of(letter.ask, letter.body)[1]
        if text:
            about = {} if visit.task is None else {"task": visit.task}
            self.file.add(letter.ask.request_id, text, about=about, most_bytes=self.most_bytes)
