"""
The one seam to the network for everything that speaks HTTP to a model.

A `Host` is bound to one declared base URL and takes paths only, so no other host can be reached through it: there are
no redirects, no proxies from the environment, no cookies. Headers are built from an allow-list, never copied.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from math import ceil
from time import time
from urllib.parse import urlsplit

from localfleet.engines.http1 import Connection, Trouble, connect, connect_unix

__all__ = ["Headers", "Host", "HttpClient", "Response", "Secret"]

ALLOWED_HEADERS = frozenset(
    {
        "accept",
        "anthropic-beta",
        "anthropic-version",
        "authorization",
        "content-type",
        "x-api-key",
        "x-goog-api-key",
        "x-subscription-token",
    }
)
"""`user-agent`, `host`, `x-client-request-id` and `content-length` are written here; nothing else ever leaves."""
PRINTABLE = re.compile(r"[ -~]*")
PATH = re.compile(r"/[!-~]*")
REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
IDLE_CONNECTIONS = 64
LINGER_S = 1.0
LARGEST_ANSWER = 64 * 2**20
LONGEST_RETRY_AFTER_S = 86_400


class Secret:
    """A key that shows itself to nobody: not in `repr`, `str`, a format, a pickle or a traceback's locals."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep the value; refuse one that could break a header line."""
        if not PRINTABLE.fullmatch(value) or value != value.strip() or not value:
            raise ValueError("a key is one line of plain characters, without spaces around it")
        self._value = value

    def reveal(self) -> str:
        """Return the value. Called where headers are built, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        """Say nothing."""
        return "***"

    def __format__(self, spec: str) -> str:
        """Say nothing."""
        return "***"

    def __reduce__(self) -> str:
        """Refuse to be copied into a pickle."""
        raise TypeError("a secret is not written anywhere")


class Headers:
    """Outbound headers, checked and encoded once, sent many times."""

    __slots__ = ("_names", "wire")

    def __init__(self, plain: Mapping[str, str], *, secret: tuple[str, str, Secret] | None = None) -> None:
        """`secret` is `(header, prefix, key)`, such as `("authorization", "Bearer ", key)`."""
        lines = dict(plain)
        if secret is not None:
            name, prefix, key = secret
            lines[name] = prefix + key.reveal()
        for name, value in lines.items():
            if name not in ALLOWED_HEADERS or not PRINTABLE.fullmatch(value):
                raise ValueError("this header is not on the list of those that may leave")
        self._names = tuple(lines)
        self.wire = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()

    def __repr__(self) -> str:
        """Names only."""
        return f"Headers{self._names!r}"


class HttpClient:
    """Holds what all hosts share: whom to trust, and how long to wait for a connection."""

    def __init__(self, *, ca_file: str | None = None, connect_timeout_s: float = 5.0, idle_s: float = 30.0) -> None:
        """`ca_file` names further certificate authorities (PEM); verification cannot be switched off."""
        self._ca_file = ca_file
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._tls: ssl.SSLContext | None = None

    def at(self, base_url: str) -> "Host":
        """The host of a base URL such as `https://api.openai.com/v1`, or `unix:SOCKET:/v1`; opens nothing yet."""
        return Host(
            base_url,
            tls=self._trust() if urlsplit(base_url).scheme == "https" else None,
            connect_timeout_s=self._connect_timeout_s,
            idle_s=self._idle_s,
        )

    def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
            if self._ca_file is not None:
                self._tls.load_verify_locations(self._ca_file)
        return self._tls


class Host:
    """One declared host with its idle connections."""

    def __init__(self, base_url: str, *, tls: ssl.SSLContext | None, connect_timeout_s: float, idle_s: float) -> None:
        """Fix the host for good. `unix:SOCKET:/v1` is a path below a unix socket, as nginx writes it."""
        self.socket, base_url = _socket_of(base_url)
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
            raise ValueError("a base URL looks like https://host/v1")
        self.scheme = parts.scheme
        self.name = parts.hostname
        self.port = parts.port or (443 if tls is not None else 80)
        self._base = parts.path.rstrip("/")
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._idle: list[tuple[float, Connection]] = []
        shown = f"[{self.name}]" if ":" in self.name else self.name
        authority = shown if parts.port is None else f"{shown}:{parts.port}"
        self._tail = f" HTTP/1.1\r\nhost: {authority}\r\nuser-agent: localfleet\r\n".encode()

    def __repr__(self) -> str:
        """The host, without the path."""
        return f"Host({self.name}:{self.port})"

    def post(
        self, path: str, headers: Headers, body: bytes, *, deadline: float, request_id: str
    ) -> Awaitable["Response"]:
        """
        Send a request and return once its status is here; raise `EngineFailed`.

        `path` follows the base URL's; `deadline` is on the event loop's clock. `request_id` is the router's own random
        id, sent as `x-client-request-id`, so that a provider's log and our ledger can be held together. Nothing
        is ever sent twice. Whoever is cancelled while waiting takes the connection with him, so that the upstream
        stops too.
        """
        if not REQUEST_ID.fullmatch(request_id):
            raise ValueError("a request id is letters, digits and dashes")
        framing = b"x-client-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (request_id.encode(), len(body))
        return self._exchange(b"POST", path, headers.wire + framing + body, deadline)

    async def get(self, path: str, headers: Headers, *, deadline: float) -> "Response":
        """Ask without a body, as health checks do; otherwise as `post`."""
        return await self._exchange(b"GET", path, headers.wire + b"\r\n", deadline)

    async def _exchange(self, method: bytes, path: str, rest: bytes, deadline: float) -> "Response":
        if not PATH.fullmatch(path):
            raise ValueError("a path begins with a slash and holds no spaces")
        connection: Connection | None = self._kept() or await self._opened(deadline)
        assert connection is not None
        try:
            connection.ask(b"%b %b%b%b" % (method, (self._base + path).encode(), self._tail, rest))
            await connection.head(deadline)
            answer, connection = Response(connection, self), None
        finally:
            if connection is not None:
                connection.abort()
        return answer

    async def aclose(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[1].abort()

    def keep(self, connection: Connection) -> None:
        """Take back a connection whose exchange is over."""
        if connection.reusable and len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append((connection.now, connection))
        else:
            connection.abort()

    def _kept(self) -> Connection | None:
        while self._idle:
            since, connection = self._idle.pop()
            if connection.reusable and connection.now - since < self._idle_s:
                return connection
            connection.abort()
        return None

    async def _opened(self, deadline: float) -> Connection:
        left_s = deadline - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise Trouble.TIMED_OUT.failure()
        timeout_s = min(self._connect_timeout_s, left_s)
        if self.socket is not None:
            return await connect_unix(self.socket, timeout_s=timeout_s)
        return await connect(self.name, self.port, tls=self._tls, timeout_s=timeout_s)


class Response:
    """An answer whose status is here. Read it to the end, or `close` it, which cuts the connection at once."""

    __slots__ = ("_connection", "_host", "content_type", "retry_after_s", "status")

    def __init__(self, connection: Connection, host: Host) -> None:
        """Own the connection until the end of the body."""
        self._connection: Connection | None = connection
        self._host = host
        self.status = connection.status
        self.content_type = connection.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        self.retry_after_s = _seconds(connection.headers.get(b"retry-after"))

    async def chunk(self, deadline: float) -> bytes:
        """Return body bytes as they came; `b""` at the end, with the connection given back. Raise `EngineFailed`."""
        if self._connection is None:
            return b""
        data = await self._connection.chunk(deadline)
        if not data:
            self.close()
        return data

    async def read(self, deadline: float, limit: int = LARGEST_ANSWER) -> bytes:
        """Return the whole body and give the connection back; raise `EngineFailed`, also beyond `limit` bytes."""
        if self._connection is not None and (all_of_it := self._connection.rest(limit)) is not None:
            self.close()
            return all_of_it
        pieces: list[bytes] = []
        size = 0
        while piece := await self.chunk(deadline):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise Trouble.TOO_LARGE.failure()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Give the connection back if the answer is complete, else cut it. More than once is fine."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._host.keep(connection)

    def linger(self) -> None:
        """Want no more: the end is near, so wait for it a moment in the background and keep the connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        timer = asyncio.get_running_loop().call_later(LINGER_S, connection.abort)
        connection.when_idle(partial(self._ended, connection, timer))

    def _ended(self, connection: Connection, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._host.keep(connection)


def _socket_of(base_url: str) -> tuple[str | None, str]:
    """The path of a unix socket, if the URL names one, and the URL as HTTP sees it."""
    if not base_url.startswith("unix:"):
        return None, base_url
    socket, _, path = base_url.removeprefix("unix:").rpartition(":")
    if not socket.startswith("/") or (path and not path.startswith("/")):
        raise ValueError("a unix socket looks like unix:/run/x.sock:/v1")
    return socket, f"http://localhost{path}"


def _seconds(value: bytes | None) -> int | None:
    """Whole seconds of a `retry-after`: a number, or a date; `None` for neither."""
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    try:
        seconds = float(text) if text[:1].isdigit() else parsedate_to_datetime(text).timestamp() - time()
    except (ValueError, OverflowError):
        return None
    return min(max(ceil(seconds), 0), LONGEST_RETRY_AFTER_S) if seconds < 1e12 else LONGEST_RETRY_AFTER_S
