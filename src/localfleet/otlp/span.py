"""
A receipt as a span of OTLP in JSON, with the attributes of the GenAI semantic conventions and decisions of our own.

Every string comes from the configuration or from this code base, as in the receipt. Of a restricted request there are
counts alone: tokens, attempts, findings, a status, and how long it took; not who asked, what was found, or where it
went. Source: OpenTelemetry, "OTLP specification", JSON encoding; "Semantic conventions for generative AI spans".
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt

__all__ = ["request_of", "span_of"]

CLIENT = 3
ERROR = 2
OPERATIONS = {
    Api.CHAT: "chat",
    Api.MESSAGES: "chat",
    Api.RESPONSES: "chat",
    Api.COMPLETION: "text_completion",
    Api.EMBEDDING: "embeddings",
    Api.RERANK: "rerank",
}
PORT = re.compile(r":[0-9]+$")
Plain = str | int | float | bool | list[str]
Span = dict[str, Any]


def span_of(receipt: Receipt, *, providers: Mapping[str, str], key: bytes) -> Span:
    """
    The span of one receipt. `providers` are those of models by name; `key` hides which request an id is of.

    A part of an action is a child of its action's span.
    """
    whole = receipt.action or receipt.request_id
    operation = OPERATIONS[receipt.api]
    counted = _counts(receipt) | ({} if receipt.label is Label.RESTRICTED else _details(receipt, providers))
    named = receipt.label is not Label.RESTRICTED and receipt.model is not None
    end_ns = round((receipt.at + receipt.total_ms / 1000) * 1e9)
    return {
        "traceId": _id(whole, key, 16),
        "spanId": _id(f"{receipt.request_id} span", key, 8),
        **({} if receipt.action is None else {"parentSpanId": _id(f"{receipt.action} span", key, 8)}),
        "name": f"{operation} {receipt.model}" if named else operation,
        "kind": CLIENT,
        "startTimeUnixNano": str(round(receipt.at * 1e9)),
        "endTimeUnixNano": str(end_ns),
        "attributes": [*_attributes(counted)],
        "status": {} if receipt.outcome is Reason.ANSWERED else {"code": ERROR},
    }


def _counts(receipt: Receipt) -> dict[str, Plain]:
    """What says how much and how long, and nothing of whom or what."""
    tokens = {} if receipt.usage is None else _tokens(receipt)
    return {
        "gen_ai.operation.name": OPERATIONS[receipt.api],
        "localfleet.label": receipt.label.word,
        "http.response.status_code": receipt.status,
        "localfleet.stream": receipt.stream,
        "localfleet.attempts": len(receipt.attempts),
        "localfleet.parts": len(receipt.parts),
        "localfleet.findings": sum(found.count for found in receipt.findings),
        "localfleet.queue_ms": receipt.queue_ms,
        **({} if receipt.first_byte_ms is None else {"localfleet.first_byte_ms": receipt.first_byte_ms}),
        **tokens,
    }


def _tokens(receipt: Receipt) -> dict[str, Plain]:
    assert receipt.usage is not None, "the caller looks first"
    return {
        "gen_ai.usage.input_tokens": receipt.usage.input_tokens,
        "gen_ai.usage.output_tokens": receipt.usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": receipt.usage.cache_read_tokens,
        "localfleet.usage.measured": receipt.usage.measured,
    }


def _details(receipt: Receipt, providers: Mapping[str, str]) -> dict[str, Plain]:
    """
    What was decided and why, and who asked: names of the file, and words of ours.

    A part says nothing of who asked: a stage that reads released values is less than its request.
    """
    host = next((attempt.host for attempt in reversed(receipt.attempts) if attempt.host), "")
    error = None if receipt.outcome is Reason.ANSWERED else str(receipt.outcome)
    known: dict[str, Plain | None] = {
        "gen_ai.provider.name": providers.get(receipt.model or ""),
        "gen_ai.request.model": receipt.wanted,
        "gen_ai.response.model": receipt.model,
        "server.address": PORT.sub("", host) or None,
        "error.type": error,
        "localfleet.tier": receipt.tier,
        "localfleet.reason": str(receipt.reason),
        "localfleet.outcome": str(receipt.outcome),
        "localfleet.because": list(receipt.because),
        "localfleet.kinds": sorted({found.kind for found in receipt.findings}),
        "localfleet.role": receipt.role,
        "localfleet.cost_usd": None if receipt.cost_usd is None else float(receipt.cost_usd),
        **({} if receipt.action is not None else _asker(receipt)),
    }
    return {name: said for name, said in known.items() if said is not None}


def _asker(receipt: Receipt) -> dict[str, str | None]:
    return {
        "localfleet.request_id": receipt.request_id,
        "localfleet.key": receipt.key_id,
        "localfleet.plan": receipt.plan,
        "localfleet.task": receipt.task,
        "localfleet.arm": receipt.arm,
    }


def _value(said: Plain) -> dict[str, Any]:
    """An AnyValue; whole numbers are texts in OTLP's JSON."""
    if isinstance(said, bool):
        return {"boolValue": said}
    if isinstance(said, int):
        return {"intValue": str(said)}
    if isinstance(said, float):
        return {"doubleValue": said}
    if isinstance(said, list):
        return {"arrayValue": {"values": [{"stringValue": one} for one in said]}}
    return {"stringValue": said}


def _id(text: str, key: bytes, size: int) -> str:
    return blake2b(text.encode(), key=key, digest_size=size).hexdigest()


def request_of(spans: list[Span]) -> dict[str, Any]:
    """An ExportTraceServiceRequest."""
    resource = {"attributes": [*_attributes({"service.name": "localfleet"})]}
    scope = {"name": "localfleet"}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]}


def _attributes(said: Mapping[str, Plain]) -> Iterator[dict[str, Any]]:
    for name, one in said.items():
        yield {"key": name, "value": _value(one)}
