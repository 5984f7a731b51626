"""
What a search endpoint is asked, and what it found, read with patience.

To the router a search is a chat of one turn: the last turn of a user is the query, the answer is a list of documents in
JSON. So the law, the money and the receipts of a search are those of any hosted model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import orjson

__all__ = ["Asked", "SearchForm", "asked", "documents_in", "query_of", "spoken_results"]

TITLE = ("title", "name")
LINK = ("url", "link", "href")
TEXT = ("content", "snippet", "description", "text")
TITLE_CHARS = 300
LINK_CHARS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchForm:
    """How an endpoint is spoken to; `results` are the keys on the way to its list."""

    path: str
    send: Literal["form", "query", "json"] = "form"
    query_field: str = "q"
    params: Mapping[str, str | int | bool]
    results: tuple[str, ...] = ("results",)
    most_results: int = 5
    result_chars: int = 2000
    query_chars: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request to make: with a body by POST, without one by GET."""

    path: str
    body: bytes | None = None
    content_type: str | None = None


def query_of(body: Mapping[str, Any], most_chars: int) -> str:
    """The last turn of a user in one line, cut at a word; empty where there is none."""
    turns = body.get("messages")
    said = [turn for turn in turns if _is(turn, "user")] if isinstance(turns, list) else []
    words = " ".join(_text(said[-1].get("content")).split()) if said else ""
    if len(words) <= most_chars:
        return words
    cut = words[: most_chars + 1].rpartition(" ")[0]
    return cut or words[:most_chars]


def asked(form: SearchForm, query: str) -> Asked:
    """The query as the endpoint wants it."""
    fields = {form.query_field: query, **form.params}
    if form.send == "json":
        return Asked(path=form.path, body=orjson.dumps(fields), content_type="application/json")
    written = urlencode({name: _written(value) for name, value in fields.items()})
    if form.send == "query":
        return Asked(path=f"{form.path}?{written}")
    return Asked(path=form.path, body=written.encode(), content_type="application/x-www-form-urlencoded")


def spoken_results(form: SearchForm, answer: bytes, *, model: str, request_id: str) -> bytes:
    """The results as a chat answer, whose text is a JSON list of `title`, `url`, `text`; `ValueError` for no list."""
    found: Any = orjson.loads(answer)
    for key in form.results:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, list):
        msg = "there is no list of results where one should be"
        raise ValueError(msg)  # noqa: TRY004  # as for bytes that are no JSON: an answer that is none
    results = [one for one in _results(found, form.result_chars) if one["title"] or one["text"]]
    text = orjson.dumps(results[: form.most_results]).decode()
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return orjson.dumps(
        {
            "id": f"chatcmpl-{request_id}",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [choice],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
    )


def documents_in(text: str) -> tuple[str, ...]:
    """The documents of such an answer's text: title, address and words of each."""
    return tuple("\n".join(part for part in one.values() if part) for one in orjson.loads(text))


def _results(found: list[Any], most_chars: int) -> Iterator[dict[str, str]]:
    for one in found:
        if isinstance(one, dict):
            yield {
                "title": _first(one, TITLE)[:TITLE_CHARS],
                "url": _first(one, LINK)[:LINK_CHARS],
                "text": _first(one, TEXT)[:most_chars],
            }


def _first(one: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    found = next((one[key] for key in keys if isinstance(one.get(key), str)), "")
    return str(found).strip()


def _is(turn: object, role: str) -> bool:
    return isinstance(turn, dict) and turn.get("role") == role


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _written(value: str | int | bool) -> str | int:
    return str(value).lower() if isinstance(value, bool) else value
