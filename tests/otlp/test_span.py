"""A span says what the receipt says, by OpenTelemetry's names; of a restricted request it counts and no more."""

import json
from dataclasses import fields
from decimal import Decimal
from typing import Any

from collector import Span, read

from localfleet.core.ask import Api
from localfleet.core.label import Finding, Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt, Receipt
from localfleet.core.usage import Usage
from localfleet.otlp.span import request_of, span_of

KEY = b"k" * 32
ALLOWED = {
    "gen_ai.operation.name", "localfleet.label", "http.response.status_code", "localfleet.stream",
    "localfleet.attempts", "localfleet.parts", "localfleet.findings", "localfleet.queue_ms",
    "localfleet.first_byte_ms", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens", "localfleet.usage.measured",
}  # fmt: skip


def receipt(**changes: Any) -> Receipt:
    """An answered request of which every string is a mark of its own."""
    facts: dict[str, Any] = {
        "request_id": "id-mark", "at": 1000.5, "api": Api.CHAT, "key_id": "key-mark", "plan": "plan-mark",
        "task": "task-mark", "session": "session-mark", "label": Label.PUBLIC,
        "findings": (Finding(kind="kind-mark", count=3),), "because": ("because-mark",), "wanted": "wanted-mark",
        "model": "mini", "tier": "tier-mark", "reason": Reason.PINNED_HOSTED, "outcome": Reason.ANSWERED, "status": 200,
        "stream": True, "doors": (),
        "attempts": (Attempt(model="mini", tier="tier-mark", reason=Reason.ANSWERED, status=200, duration_ms=5.0,
                             host="host-mark:8443"),),
        "usage": Usage(input_tokens=7, output_tokens=3), "cost_usd": Decimal("0.25"), "price_version": "price-mark",
        "queue_ms": 1.0, "first_byte_ms": 20.0, "total_ms": 30.0, "arm": "arm-mark", "role": "role-mark",
    } | changes  # fmt: skip
    return Receipt(**facts)


def seen(one: Receipt) -> Span:
    """As the collector reads it."""
    (span,) = read(json.dumps(request_of([span_of(one, providers={"mini": "openai"}, key=KEY)])).encode())
    return span


def test_a_span_says_what_was_decided() -> None:
    """Name, times and attributes by the conventions; money, reason and door as in the receipt."""
    span = seen(receipt())
    assert (span.name, round(span.seconds, 6), span.failed) == ("chat mini", 0.03, False)
    wanted = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "wanted-mark",
        "gen_ai.response.model": "mini", "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3,
        "server.address": "host-mark", "localfleet.label": "public", "localfleet.tier": "tier-mark",
        "localfleet.reason": "pinned_hosted", "localfleet.because": ["because-mark"], "localfleet.kinds": ["kind-mark"],
        "localfleet.findings": 3, "localfleet.attempts": 1, "localfleet.cost_usd": 0.25,
        "localfleet.request_id": "id-mark",
    }  # fmt: skip
    assert {name: span.attributes.get(name) for name in wanted} == wanted
    failed = seen(receipt(outcome=Reason.TIMED_OUT, status=504, model=None, usage=None, cost_usd=None))
    assert (failed.name, failed.failed, failed.attributes["error.type"]) == ("chat", True, "timed_out")
    names = [seen(receipt(api=api)).attributes["gen_ai.operation.name"] for api in Api]
    assert sorted({*names}) == ["chat", "embeddings", "rerank", "text_completion"]


def test_a_restricted_request_has_counts_alone() -> None:
    """Not one string of the receipt, such as id, key, task, model, host or reason; no attribute beyond the counts."""
    one = receipt(label=Label.RESTRICTED)
    span = seen(one)
    assert span.attributes.keys() == ALLOWED
    strings = [name for name, value in span.attributes.items() if isinstance(value, str)]
    assert strings == ["gen_ai.operation.name", "localfleet.label"]
    written = json.dumps(span_of(one, providers={"mini": "openai"}, key=KEY))
    assert "mark" not in written
    assert "mini" not in written
    assert str(Reason.PINNED_HOSTED) not in written


def test_no_field_of_a_receipt_is_taken_unread() -> None:
    """A field that a receipt gains is not in a span until somebody puts it there."""
    one = receipt(session="session-mark", caller_action="caller-mark")
    written = json.dumps(span_of(one, providers={}, key=KEY))
    assert "session-mark" not in written
    assert "caller-mark" not in written
    assert "price-mark" not in written
    assert len(fields(Receipt)) >= 25


def test_parts_are_children_and_ids_lead_nowhere() -> None:
    """One trace for an action and its parts, which say nothing of who asked; another process gives other ids."""
    whole = seen(receipt(request_id="a"))
    part = seen(receipt(request_id="a.1", action="a"))
    assert (part.trace, part.parent) == (whole.trace, whole.id)
    assert whole.parent == ""
    assert part.id != whole.id
    who = {f"localfleet.{name}" for name in ("request_id", "key", "plan", "task", "arm")}
    assert who <= whole.attributes.keys()
    assert not who & part.attributes.keys()
    again = span_of(receipt(request_id="a"), providers={}, key=b"x" * 32)
    assert again["traceId"] != whole.trace
