"""
Reranking: a query and documents in, the documents' places by relevance out (`/v1/rerank`, as vLLM, Jina and Cohere).

Engines take documents as texts and tell a score for the place of each, in their own order and with fields of their own.
What the caller asked of the answer (`top_n`, `return_documents`) is done here, so that all engines answer alike. An
engine that makes vectors and ranks nothing is asked for those of all texts, and their cosines are the scores.
"""

from collections.abc import Mapping, Sequence
from math import hypot, isfinite
from operator import mul
from typing import Any

from localfleet.errors import BadAsk

__all__ = ["ASKED_OF_ANSWER", "query_of", "ranked", "texts_of", "to_ranker", "to_vectors"]

ASKED_OF_ANSWER = ("top_n", "return_documents")
Score = tuple[int, float]
"""A document's place in the request, and how relevant it is."""


def query_of(body: Mapping[str, Any]) -> str:
    """The query; raises `BadAsk` where there is none."""
    query = body.get("query")
    if not isinstance(query, str) or not query:
        raise BadAsk("`query` must be a text, and not empty.", param="query")
    return query


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """The text of each document; raises `BadAsk`. Other fields of a document lead nowhere: they are read, not sent."""
    documents = body.get("documents")
    if not isinstance(documents, list) or not documents:
        raise BadAsk("`documents` must be a list with at least one document.", param="documents")
    said = [one.get("text") if isinstance(one, dict) else one for one in documents]
    texts = [text for text in said if isinstance(text, str) and text]
    if len(texts) < len(said):
        raise BadAsk("Every document is a text, or an object with a `text`, and not empty.", param="documents")
    return texts


def to_ranker(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body for an engine that ranks: every document is scored, and none comes back."""
    kept = {name: value for name, value in body.items() if name not in ASKED_OF_ANSWER}
    return {**kept, "documents": texts_of(body)}


def to_vectors(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body for an engine that makes vectors: the query first."""
    return {"input": [query_of(body), *texts_of(body)]}


def ranked(body: Mapping[str, Any], data: Mapping[str, Any], *, model: str, request_id: str) -> dict[str, Any]:
    """The caller's answer from an engine's, to either body; raises `ValueError` where a document has no score."""
    texts = texts_of(body)
    best = sorted(_scores(data, len(texts)), key=lambda one: (-one[1], one[0]))[: body.get("top_n") or None]
    shown = body.get("return_documents") is not False
    results = [
        {"index": at, "relevance_score": score, **({"document": {"text": texts[at]}} if shown else {})}
        for at, score in best
    ]
    return {"id": f"rerank-{request_id}", "model": model, "results": results, "usage": _usage(data.get("usage"))}


def _usage(usage: Any) -> dict[str, Any] | None:
    if not isinstance(usage, dict):
        return None
    total = usage.get("prompt_tokens", usage.get("total_tokens"))
    return {"prompt_tokens": total, "total_tokens": total}


def _scores(data: Mapping[str, Any], number: int) -> list[Score]:
    rows = data.get("results", data.get("data"))
    try:
        made = {int(row["index"]): row for row in rows or ()}
        vectors = all("embedding" in row for row in made.values())
        if made.keys() != {*range(number + vectors)} or len(rows) > len(made):
            raise ValueError("some documents have no score")
        scores = _cosines(made) if vectors else [(at, float(row["relevance_score"])) for at, row in made.items()]
    except (KeyError, TypeError, OverflowError):
        raise ValueError("some documents have no score") from None
    if not all(isfinite(score) for _, score in scores):
        raise ValueError("a score is no number")
    return scores


def _cosines(made: Mapping[int, Mapping[str, Any]]) -> list[Score]:
    """How the vector of each document points the way of the first one, the query's: from -1 to 1."""
    query = made[0]["embedding"]
    return [(at - 1, _cosine(query, row["embedding"])) for at, row in made.items() if at]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    if len(one) != len(other):
        raise ValueError("vectors of one model have one length")
    size = hypot(*one) * hypot(*other)
    return sum(map(mul, one, other)) / size if size else 0.0
