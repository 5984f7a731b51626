"""
A hosted model that says what it was told, and keeps every byte it got: the tap of the redaction tests.

It answers chat with the last user message, whole or as a stream of pieces cut anywhere; where tools are offered, it
puts the message into the first tool's arguments as well.
"""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Echo", "echoing"]


class Echo:
    """The recording, and where it listens."""

    def __init__(self, port: int) -> None:
        """Nothing was heard."""
        self.url = f"http://127.0.0.1:{port}/v1"
        self.heard: list[bytes] = []


@contextmanager
def echoing() -> Iterator[Echo]:
    """Run one on a free port."""
    heard: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else the body waits 40 ms for the head to be acknowledged

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            heard.append(self.requestline.encode() + bytes(self.headers) + raw)
            body = json.loads(raw)
            said = next(one["content"] for one in reversed(body["messages"]) if one["role"] == "user")
            events = _events(body, said) if body.get("stream") else [_whole(body, said)]
            kind = "text/event-stream" if body.get("stream") else "application/json"
            payload = b"".join(events)
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    echo = Echo(server.server_address[1])
    echo.heard = heard
    try:
        yield echo
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _call(body: dict[str, Any], said: str) -> dict[str, Any]:
    return {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps({"said": said})}


def _whole(body: dict[str, Any], said: str) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if body.get("tools"):
        message["tool_calls"] = [{"id": "c", "type": "function", "function": _call(body, said)}]
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    frame = {"id": "e", "object": "chat.completion", "created": 1, "model": "echo", "choices": [choice], "usage": usage}
    return json.dumps(frame, ensure_ascii=False).encode()


def _events(body: dict[str, Any], said: str) -> Iterator[bytes]:
    dice = random.Random(len(said))
    yield _chunk({"role": "assistant", "content": ""})
    for piece in _pieces(said, dice):
        yield _chunk({"content": piece})
    if body.get("tools"):
        call = _call(body, said)
        yield _chunk(
            {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {**call, "arguments": ""}}]}
        )
        for piece in _pieces(call["arguments"], dice):
            yield _chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    yield _chunk({}, "stop")
    yield b"data: [DONE]\n\n"


def _pieces(text: str, dice: random.Random) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = dice.randrange(1, 9)
        yield text[at : at + size]
        at += size


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    frame = {"id": "e", "object": "chat.completion.chunk", "created": 1, "model": "echo", "choices": [choice]}
    return b"data: " + json.dumps(frame, ensure_ascii=False).encode() + b"\n\n"
