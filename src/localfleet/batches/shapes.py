"""Files, batches and lines as values, and as OpenAI's clients read them."""

from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.errors import BadAsk

__all__ = ["ENDPOINTS", "OVER", "Batch", "File", "Line", "read_line"]

ENDPOINTS = {
    "/v1/chat/completions": Api.CHAT,
    "/v1/completions": Api.COMPLETION,
    "/v1/embeddings": Api.EMBEDDING,
    "/v1/rerank": Api.RERANK,
    "/v1/responses": Api.RESPONSES,
    "/v1/messages": Api.MESSAGES,
}
OVER = frozenset({"completed", "failed", "expired", "cancelled"})
LONGEST_ID = 512


@dataclass(slots=True, kw_only=True)
class File:
    """One file. Times are Unix seconds; `filename` is the caller's, so it is sealed like the rest."""

    id: str
    key_id: str
    filename: str
    purpose: str
    size: int
    created_at: int
    expires_at: int

    def shown(self) -> dict[str, Any]:
        """As clients read it."""
        row = asdict(self)
        del row["key_id"], row["size"]
        return {"object": "file", **row, "bytes": self.size, "status": "processed", "status_details": None}


@dataclass(slots=True, kw_only=True)
class Batch:
    """One batch: `headers` are what its creator said of all its lines."""

    id: str
    key_id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    created_at: int
    expires_at: int
    total: int
    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] | None = None
    status: str = "in_progress"
    completed: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    cancelling_at: int | None = None
    ended_at: int | None = None

    @property
    def over(self) -> bool:
        """Nothing of it runs any more."""
        return self.status in OVER

    def shown(self) -> dict[str, Any]:
        """As clients read it."""
        ends = {f"{word}_at": self.ended_at if self.status == word else None for word in sorted(OVER)}
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": None,
            "input_file_id": self.input_file_id,
            "completion_window": self.completion_window,
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "in_progress_at": self.created_at,
            "expires_at": self.expires_at,
            "finalizing_at": self.ended_at,
            "cancelling_at": self.cancelling_at,
            **ends,
            "request_counts": {"total": self.total, "completed": self.completed, "failed": self.failed},
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One request of a batch: its body is written again when it is its turn."""

    custom_id: str
    body: dict[str, Any]


def read_line(raw: bytes, endpoint: str) -> Line:
    """One line of an input file; raises `BadAsk` with a fixed sentence."""
    try:
        row = orjson.loads(raw)
        custom_id, method, url, body = row["custom_id"], row["method"], row["url"], row["body"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise BadAsk("A line is one JSON object with custom_id, method, url and body.", param="input_file_id") from None
    if not isinstance(custom_id, str) or len(custom_id) > LONGEST_ID or not isinstance(body, dict):
        raise BadAsk("`custom_id` is a short text, `body` an object.", param="input_file_id")
    if method != "POST" or url != endpoint:
        raise BadAsk("Every line is a POST to the endpoint of its batch.", param="input_file_id")
    if body.get("stream"):
        raise BadAsk("Lines of a batch do not stream. Leave out `stream`.", param="input_file_id")
    return Line(custom_id=custom_id, body=body)
