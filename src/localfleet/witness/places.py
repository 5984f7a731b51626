"""
Where a head can go: a file, a checkpoint file, syslog, a webhook. Each delivers one head, or raises `OSError`
(`ValueError` for a host name that none can be).

May not: retry, remember, decide when. Whatever a receiver does (slow, silent, rude, gone) ends within the time limit;
`why_not` turns it into a fixed sentence.
"""

import os
import socket
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from localfleet.posting import NotTaken, post
from localfleet.storage.note import Note, checkpoint_of, line_of

__all__ = ["CheckpointPlace", "FilePlace", "NotTaken", "Place", "SyslogPlace", "WebhookPlace", "why_not"]

PRIORITY = 13 * 8 + 6
"""Facility 13 (log audit), severity 6 (informational): RFC 5424, section 6.2.1."""


class Place(Protocol):
    """One place that gets heads."""

    @property
    def name(self) -> str:
        """The key of `audit:` that made it."""
        ...

    def deliver(self, note: Note, timeout_s: float) -> None:
        """Hand over one head; raise `OSError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """One line for each head at the end of a file."""

    path: Path
    name: str = "file"

    def deliver(self, note: Note, timeout_s: float) -> None:  # noqa: ARG002  # a disk knows no time limit
        """Write one line, whole or not at all, to the disk."""
        handle = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o640)
        try:
            line = line_of(note) + b"\n"
            if os.write(handle, line) != len(line):
                raise NotTaken
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPlace:
    """The newest head as a checkpoint; it replaces the one before in one step."""

    path: Path
    key: bytes
    name: str = "checkpoint"

    def deliver(self, note: Note, timeout_s: float) -> None:  # noqa: ARG002  # as above
        """Write a draft beside it, then put it in its place."""
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o640)
        with os.fdopen(handle, "wb") as file:
            file.write(checkpoint_of(note, self.key))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogPlace:
    """RFC 5424, over a unix socket, UDP (RFC 5426) or TCP with counted octets (RFC 6587)."""

    url: str
    name: str = "syslog"

    def deliver(self, note: Note, timeout_s: float) -> None:
        """Send one message. UDP and TCP have no word for *taken*: that nobody refused it is all there is."""
        message = _message(note)
        if self.url.startswith("unix:"):
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
                sock.settimeout(timeout_s)
                sock.connect(self.url.removeprefix("unix:"))
                sock.send(message)
            return
        parts = urlsplit(self.url)
        where = (parts.hostname or "", parts.port or 0)
        if parts.scheme == "udp":
            family, kind, number, _, found = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
            with closing(socket.socket(family, kind, number)) as sock:
                sock.settimeout(timeout_s)
                sock.sendto(message, found)
            return
        with closing(socket.create_connection(where, timeout_s)) as sock:
            sock.sendall(b"%d %b" % (len(message), message))
            sock.shutdown(socket.SHUT_WR)
            # A receiver that read to the end closes; one that only keeps the line open is taken at its word.
            with suppress(TimeoutError):
                sock.recv(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPlace:
    """A POST of one JSON object; only 2xx counts, no redirect is followed, no proxy is asked."""

    url: str
    name: str = "webhook"

    def deliver(self, note: Note, timeout_s: float) -> None:
        """Send, and read no more than the status."""
        if not post(self.url, line_of(note) + b"\n", timeout_s).taken:
            raise NotTaken


def why_not(error: OSError | ValueError) -> str:
    """A fixed sentence for what went wrong; never the receiver's words."""
    sentences: tuple[tuple[type[Exception], str], ...] = (
        (NotTaken, "it answered, but did not take the head"),
        (ssl.SSLError, "its certificate is not trusted, or it does not speak TLS"),
        (TimeoutError, "it does not answer in time"),
        (socket.gaierror, "its name cannot be resolved"),
        (ConnectionError, "it refuses or drops the connection"),
        (FileNotFoundError, "its folder or socket is not there"),
        (PermissionError, "it may not be written by this user"),
    )
    return next((said for kind, said in sentences if isinstance(error, kind)), "it cannot be reached or written")


def _message(note: Note) -> bytes:
    at = f"{datetime.fromtimestamp(note.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    head = f"<{PRIORITY}>1 {at} {socket.gethostname()[:255] or '-'} localfleet {os.getpid()} head - "
    return head.encode("ascii", "replace") + line_of(note)
