"""
One POST of our own in bounded time, from a thread that may wait: no redirect is followed, no proxy is asked.

A socket's own limit is for each read, and one byte now and then would hold us for ever: a watchdog hangs up. Nothing a
receiver says is kept, but for its status, and how long it asks to be left alone.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["NotTaken", "Posted", "post"]

OURS = {"content-type": "application/json", "user-agent": "localfleet", "connection": "close"}
LONGEST_ASKED_S = 600.0


class NotTaken(OSError):
    """The receiver answered, and not that it took what it got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What came back."""

    status: int
    retry_after_s: float | None = None

    @property
    def taken(self) -> bool:
        """Only 2xx counts."""
        return 200 <= self.status < 300


def post(url: str, body: bytes, timeout_s: float, headers: Mapping[str, str] | None = None) -> Posted:
    """Send, and read no more than the head of the answer; raises `OSError`, of which `NotTaken` is one."""
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout_s)
    watchdog = threading.Timer(timeout_s, _hang_up, (connection,))
    watchdog.daemon = True
    watchdog.start()
    started = time.monotonic()
    try:
        connection.request("POST", parts.path or "/", body, {**OURS, **(headers or {})})
        answer = connection.getresponse()
        return Posted(status=answer.status, retry_after_s=_seconds(answer.getheader("retry-after")))
    except (http.client.HTTPException, OSError) as error:
        if time.monotonic() - started >= timeout_s:
            raise TimeoutError from None
        if isinstance(error, OSError):
            raise
        raise NotTaken from None
    finally:
        watchdog.cancel()
        connection.close()


def _seconds(said: str | None) -> float | None:
    """Whole seconds, as nearly every receiver says it; a date is left unread."""
    if said is None or not (said.isascii() and said.isdigit()) or len(said) > 6:
        return None
    return min(float(said), LONGEST_ASKED_S)


def _connection(scheme: str, host: str, port: int | None, timeout_s: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
