"""A model server that streams as fast as its caller reads, and counts what it got rid of."""

import json
import socket
import threading
from contextlib import suppress
from typing import Self

__all__ = ["Flood"]

PIECE = "x" * 16_000


class Flood:
    """Answers every streaming request with `size` bytes of text in chat chunks, any other one with one word."""

    def __init__(self, size: int) -> None:
        """Listen on a free port of this machine."""
        self._size = size
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sent = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        """Serve in a thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        asked = connection.recv(65_536)
        while b"\r\n\r\n" not in asked or b"}" not in asked.partition(b"\r\n\r\n")[2]:
            asked += connection.recv(65_536)
        if b'"stream":true' in asked:
            self._stream(connection)
            return
        body = json.dumps(_whole()).encode()
        connection.sendall(_head("application/json", f"content-length: {len(body)}") + body)

    def _stream(self, connection: socket.socket) -> None:
        connection.sendall(_head("text/event-stream"))
        event = _event({"content": PIECE}, None)
        for _ in range(self._size // len(PIECE) + 1):
            connection.sendall(event)
            self.sent += len(event)
        connection.sendall(_event({}, "stop") + b"data: [DONE]\n\n")


def _head(media_type: str, *lines: str) -> bytes:
    fixed = ["HTTP/1.1 200 OK", f"content-type: {media_type}", "connection: close", *lines, "", ""]
    return "\r\n".join(fixed).encode()


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "flood", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _whole() -> dict[str, object]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "flood", "choices": [choice]}
