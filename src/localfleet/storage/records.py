"""
What a record looks like on disk: its JSON body in the chain, and its row in `receipts`.

The body's keys are the columns' names, so that `verify` can compare a row with its record. Labels are numbers
(0 public, 1 internal, 2 restricted), money is a decimal number as text. Lists inside a body keep their names out, to
stay small:

    doors     [model, tier, legal, why, cost_usd]        tried     [model, tier, reason, status, duration_ms, host]
    findings  [kind, count, label]                       because   [source]
    parts     [request_id, role, model, tier, label, reason, outcome, cost_usd, verdict, score, aspect]

`action`, `role`, `arm`, `caller_action`, `parts`, `classify_ms`, `route_ms`, `level` and `context` stand in a body only
where there is something to say; `context` is tokens by part.

May not: anything that a caller or an engine wrote. All strings come from the configuration or this code base.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from localfleet.core.changes import Changes
from localfleet.core.feedback import Feedback
from localfleet.core.label import Finding
from localfleet.core.reason import Reason
from localfleet.core.receipt import Intent, Part, Receipt
from localfleet.storage.money import check_usd, pico_ceiling, split, usd_text

__all__ = [
    "FEEDBACK_COLUMNS",
    "INTENT_COLUMNS",
    "RECEIPT_COLUMNS",
    "encode",
    "feedback_body",
    "feedback_row",
    "intent_body",
    "intent_row",
    "open_intent",
    "receipt_record",
    "reload_body",
    "row_of_body",
    "state_body",
    "unsettled_body",
]

_PLAIN = (
    "request_id", "at", "api", "key_id", "plan", "task", "session", "label", "wanted", "model", "tier", "reason",
    "outcome", "status", "stream", "attempts", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens", "reasoning_tokens", "measured", "price_version", "queue_ms", "first_byte_ms", "total_ms",
)  # fmt: skip  # one column per line would hide that this is one list
_RARE = ("action", "role", "arm", "caller_action")
RECEIPT_COLUMNS = ("seq", *_PLAIN, "cost_pico", "cost_rest", "reserved_pico", *_RARE)
FEEDBACK_COLUMNS = ("seq", "request_id", "at", "key_id", "accepted", "corrected", "score")
INTENT_COLUMNS = ("request_id", "attempt", "seq", "at", "key_id", "model", "tier", "label", "worst_usd")

_MOST_TOKENS = 2**53
_NOTHING_RARE = (None, None, None, None)
_NO_USAGE = (None, None, None, None, None, None)


def encode(body: Mapping[str, Any]) -> bytes:
    """The body as compact UTF-8 JSON; raises `TypeError` for what JSON cannot hold."""
    return orjson.dumps(body)


def receipt_record(receipt: Receipt) -> tuple[bytes, tuple[Any, ...]]:
    """
    A receipt's body, and its row without `seq`.

    Raises `TypeError` or `ValueError` for a receipt that cannot be stored (a count beyond 2^53, money beyond 64 bits,
    text that is not Unicode).
    """
    plain = _plain_of(receipt)
    body: dict[str, Any] = dict(zip(_PLAIN, plain, strict=True))
    body["cost_usd"] = usd_text(receipt.cost_usd)
    body["doors"] = [
        (door.model, door.tier, door.legal, door.why._value_, usd_text(door.cost_usd)) for door in receipt.doors
    ]
    body["tried"] = [
        (tried.model, tried.tier, tried.reason._value_, tried.status, tried.duration_ms, tried.host)
        for tried in receipt.attempts
    ]
    body["findings"] = _found(receipt.findings)
    body["because"] = receipt.because
    if receipt.reserved_usd is not None:
        body["reserved_usd"] = usd_text(receipt.reserved_usd)
    rare = (receipt.action, receipt.role, receipt.arm, receipt.caller_action)
    if rare != _NOTHING_RARE:
        body |= {name: said for name, said in zip(_RARE, rare, strict=True) if said is not None}
    if receipt.classify_ms is not None:
        body["classify_ms"] = receipt.classify_ms
    if receipt.route_ms is not None:
        body["route_ms"] = receipt.route_ms
    if receipt.level is not None:
        body["level"] = receipt.level
    if receipt.context is not None:
        body["context"] = receipt.context.row()
    if receipt.parts:
        body["parts"] = [_part(part) for part in receipt.parts]
    return orjson.dumps(body), (*plain, *split(receipt.cost_usd), pico_ceiling(receipt.reserved_usd), *rare)


def row_of_body(seq: int, body: Mapping[str, Any]) -> tuple[Any, ...]:
    """The row of `receipts` that a `receipt` or `unsettled` body stands for; raises `KeyError`, `ValueError`."""
    cost, reserved = body["cost_usd"], body.get("reserved_usd")
    return (
        seq,
        *[body[name] for name in _PLAIN],
        *split(None if cost is None else Decimal(cost)),
        pico_ceiling(None if reserved is None else Decimal(reserved)),
        *[body.get(name) for name in _RARE],
    )


def intent_body(intent: Intent) -> bytes:
    """An intent's body; raises `TypeError` or `ValueError` for one that cannot be stored."""
    check_usd(intent.worst_usd)
    return encode(
        {
            "request_id": intent.request_id,
            "attempt": intent.attempt,
            "at": intent.at,
            "key_id": intent.key_id,
            "model": intent.model,
            "tier": intent.tier,
            "label": intent.label._value_,
            "worst_usd": usd_text(intent.worst_usd),
            "findings": _found(intent.findings),
            "because": intent.because,
            "host": intent.host,
        }
    )


def intent_row(seq: int, intent: Intent) -> tuple[Any, ...]:
    """An intent's row while it is open."""
    return (
        intent.request_id,
        intent.attempt,
        seq,
        intent.at,
        intent.key_id,
        intent.model,
        intent.tier,
        intent.label._value_,
        usd_text(intent.worst_usd),
    )


def open_intent(seq: int, body: Mapping[str, Any]) -> tuple[Any, ...]:
    """The row of `intents` that an `intent` body stands for; raises `KeyError`."""
    named = {**body, "seq": seq}
    return tuple(named[name] for name in INTENT_COLUMNS)


def unsettled_body(intents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    One body for a request whose process ended before its receipt: its open intents, oldest first.

    The cost is unknown (`None`), never zero. `reserved_usd` is what the doors could have cost at most together; `None`
    if one of them had no bound.
    """
    last = intents[-1]
    worst = [intent["worst_usd"] for intent in intents]
    body: dict[str, Any] = dict.fromkeys(_PLAIN)
    body |= {name: last[name] for name in ("request_id", "at", "key_id", "label", "model", "tier")}
    body["outcome"] = Reason.UNKNOWN_AFTER_RESTART.value
    body["attempts"] = len(intents)
    body["cost_usd"] = None
    body["reserved_usd"] = None if None in worst else usd_text(sum((Decimal(usd) for usd in worst), Decimal(0)))
    ended = (Reason.UNKNOWN_AFTER_RESTART.value, None, None)
    body["tried"] = [(one["model"], one["tier"], *ended, one.get("host", "")) for one in intents]
    return body


def feedback_body(said: Feedback) -> bytes:
    """What was said of a request, without its words."""
    return encode({name: getattr(said, name) for name in FEEDBACK_COLUMNS[1:]})


def feedback_row(seq: int, body: Mapping[str, Any]) -> tuple[Any, ...]:
    """The row of `feedback` that a `feedback` body stands for; raises `KeyError`."""
    return (seq, *[body[name] for name in FEEDBACK_COLUMNS[1:]])


def state_body(*, at: float, model: str, state: str) -> bytes:
    """A local model's new state."""
    return encode({"at": at, "model": model, "state": state})


def reload_body(changes: Changes, *, at: float, was: str, now: str) -> bytes:
    """`was` and `now` are the SHA-256 of the file's bytes in hex; the rest are paths of keys."""
    paths = {"added": changes.added, "removed": changes.removed, "changed": changes.changed}
    return encode({"at": at, "was": was, "sha256": now, **paths})


def _plain_of(receipt: Receipt) -> tuple[Any, ...]:
    """The values of `_PLAIN`, in its order; `_value_` because an enum's `value` is a slow property on the hot path."""
    return (
        receipt.request_id,
        receipt.at,
        receipt.api._value_,
        receipt.key_id,
        receipt.plan,
        receipt.task,
        receipt.session,
        receipt.label._value_,
        receipt.wanted,
        receipt.model,
        receipt.tier,
        receipt.reason._value_,
        receipt.outcome._value_,
        receipt.status,
        receipt.stream,
        len(receipt.attempts),
        *_counts(receipt),
        receipt.price_version,
        receipt.queue_ms,
        receipt.first_byte_ms,
        receipt.total_ms,
    )


def _part(part: Part) -> tuple[Any, ...]:
    """Its row; what its score is of stands there only where that is not quality."""
    row = (
        part.request_id,
        part.role,
        part.model,
        part.tier,
        part.label._value_,
        part.reason._value_,
        part.outcome._value_,
        usd_text(part.cost_usd),
        part.verdict,
        part.score,
    )
    return row if part.aspect == "quality" else (*row, part.aspect)


def _counts(receipt: Receipt) -> tuple[Any, ...]:
    usage = receipt.usage
    if usage is None:
        return _NO_USAGE
    if usage.input_tokens > _MOST_TOKENS or usage.output_tokens > _MOST_TOKENS:
        raise ValueError("a token count is at most 2^53")
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.measured,
    )


def _found(findings: Sequence[Finding]) -> list[tuple[str, int, int]]:
    return [(found.kind, found.count, found.label._value_) for found in findings]
