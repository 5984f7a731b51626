"""A model server that knows the answers it was given: the prompt's first word looks one up."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["KnowingModel"]


@dataclass
class KnowingModel:
    """Answers chat requests by `answers`, else with "no idea"; keeps the first words of what it was asked."""

    answers: Mapping[str, str]
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Serve in threads, on a free port."""
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                word = body["messages"][-1]["content"].split()[0]
                model.asked.append(word)
                said = {"role": "assistant", "content": model.answers.get(word, "no idea")}
                answer = {
                    "id": "x", "object": "chat.completion", "created": 1, "model": body["model"],
                    "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
                }  # fmt: skip
                raw = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def local(self, **more: Any) -> dict[str, Any]:
        """Its entry below `local:`."""
        return {"engine": "endpoint", "url": self.url, "context_tokens": 8192, **more}

    def hosted(self, key_env: str, usd_per_mtok: str, **more: Any) -> dict[str, Any]:
        """Its entry below `hosted:`, at one price for all tokens."""
        price = {
            "since": "2026-01-01", "usd_per_mtok_in": usd_per_mtok, "usd_per_mtok_out": usd_per_mtok, "source": "test",
        }  # fmt: skip
        return {
            "provider": "somebody", "base_url": self.url, "model": "knowing", "tier": "strong", "accepts": "internal",
            "api_key_env": key_env, "context_tokens": 8192, "apis": ["chat"], "prices": [price], **more,
        }  # fmt: skip
