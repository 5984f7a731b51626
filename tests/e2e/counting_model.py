"""A model server that counts words, takes its time for each of them, says so in its usage, and keeps who came when."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["CountingModel", "Served"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request as it was served. `who` is the first word of its prompt; `work` is input + 2 x output."""

    who: str
    work: int
    ended: float


@dataclass
class CountingModel:
    """Answers chat requests; `seconds_each` for each weighted token. As many at a time as it is sent."""

    seconds_each: float = 0.0
    served: list[Served] = field(default_factory=list)
    began: list[str] = field(default_factory=list)
    most_at_once: int = 0
    status: int = 200

    def __enter__(self) -> Self:
        """Serve in threads, on a free port."""
        model: CountingModel = self

        class Handler(_Handler):
            counting = model

        self._lock = threading.Lock()
        self._now = 0
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
    def entry(self) -> dict[str, Any]:
        """Its entry below `local:`, without limits."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return {"engine": "endpoint", "url": url, "context_tokens": 100_000, "timeout_s": 20}

    def work_by(self, since: float, until: float) -> Counter[str]:
        """Weighted tokens served in a span of `time.monotonic`, by who asked."""
        total: Counter[str] = Counter()
        for one in list(self.served):
            if since <= one.ended < until:
                total[one.who] += one.work
        return total

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take the time that the request is worth."""
        words = asked["messages"][-1]["content"].split()
        wanted = asked.get("max_tokens", 1)
        work = len(words) + 2 * wanted
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.began.append(words[0])
        time.sleep(work * self.seconds_each)
        with self._lock:
            self._now -= 1
            self.served.append(Served(who=words[0], work=work, ended=time.monotonic()))
        usage = {"prompt_tokens": len(words), "completion_tokens": wanted, "total_tokens": len(words) + wanted}
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counting: CountingModel

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status = self.counting.status
        body = json.dumps(self.counting.answer(asked) if status == 200 else {"error": {}}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""
