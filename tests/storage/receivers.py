"""Receivers of heads as they are in the world: real sockets that take, dawdle, are rude, or are gone."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

Serve = Callable[[socket.socket, list[bytes]], None]


@dataclass
class Receiver:
    """Where it listens, and all that it got, one entry for each connection or datagram."""

    host: str
    port: int
    got: list[bytes] = field(default_factory=list)

    @property
    def at(self) -> str:
        """host:port."""
        return f"{self.host}:{self.port}"


def _all_of(sock: socket.socket) -> bytes:
    parts = []
    with suppress(OSError):
        while part := sock.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def takes(sock: socket.socket, got: list[bytes]) -> None:
    """A syslog server over TCP: reads to the end."""
    got.append(_all_of(sock))


def answers(status: bytes) -> Serve:
    """A web server with one answer."""

    def serve(sock: socket.socket, got: list[bytes]) -> None:
        seen = b""
        while b"\r\n\r\n" not in seen or not seen.endswith(b"}\n"):
            seen += sock.recv(65_536)
        got.append(seen)
        sock.sendall(b"HTTP/1.1 " + status + b"\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")

    return serve


def dawdles(sock: socket.socket, got: list[bytes]) -> None:
    """Sends one byte of a status line now and then, for ever."""
    got.append(sock.recv(65_536))
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK" * 1000:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)


def says_nothing(sock: socket.socket, got: list[bytes]) -> None:
    """Reads, and never answers."""
    got.append(_all_of(sock))


def is_rude(sock: socket.socket, got: list[bytes]) -> None:
    """Answers with what is no HTTP, a megabyte of it."""
    got.append(sock.recv(65_536))
    with suppress(OSError):
        sock.sendall(b"\xff\x00rude" * 200_000)


def hangs_up(sock: socket.socket, got: list[bytes]) -> None:
    """Resets the connection at once."""
    got.append(b"")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@contextmanager
def listening(serve: Serve) -> Iterator[Receiver]:
    """A TCP server that serves each connection so, in a thread of its own."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        receiver = Receiver(*server.getsockname()[:2])

        def one(sock: socket.socket) -> None:
            with closing(sock), suppress(OSError):
                serve(sock, receiver.got)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield receiver
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
    thread.join(2)


@contextmanager
def datagrams(family: int, address: tuple[str, int] | str) -> Iterator[Receiver]:
    """A syslog server for datagrams, over UDP or a unix socket."""
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as server:
        server.bind(address)
        server.settimeout(0.1)
        name = server.getsockname()
        receiver = Receiver(*(name if isinstance(name, tuple) else (str(name), 0)))
        ended = threading.Event()

        def read() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    receiver.got.append(server.recv(65_536))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        yield receiver
        ended.set()
        thread.join(2)
