"""The headers that tell what was decided and why, on every answer, stream and error."""

from functools import lru_cache

from localfleet.core.fleet import Model
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.gateway import Answer
from localfleet.server.exchange import RawHeaders
from localfleet.visit import Visit

__all__ = ["plain_headers", "visit_headers", "waiting_headers"]


def plain_headers(request_id: str, reason: Reason | None = None) -> RawHeaders:
    """The decision headers of an answer without a decision."""
    out = [(b"x-localfleet-request-id", request_id.encode())]
    if reason is not None:
        out += [
            (b"x-localfleet-model", b"none"),
            (b"x-localfleet-tier", b"none"),
            (b"x-localfleet-privacy", Label.RESTRICTED.word.encode()),
            (b"x-localfleet-reason", reason.encode()),
            (b"x-localfleet-attempts", b"0"),
        ]
    return out


def visit_headers(answer: Answer) -> RawHeaders:
    """The decision headers of an answer: which door, why, how many were tried, what it cost where that is known."""
    visit = answer.visit
    last = visit.attempts[-1] if visit.attempts and answer.error is None else None
    reason = visit.reason if answer.error is None else answer.error.reason
    model, tier = (last.model, last.tier) if last is not None else ("none", "none")
    out = [
        (b"x-localfleet-request-id", visit.ask.request_id.encode()),
        *_decided(model, tier, visit.judged.label, reason, len(visit.attempts)),
        *_named(visit),
    ]
    if visit.queued_s and (queue_ms := round(visit.queue_ms)):
        out.append((b"x-localfleet-queue-ms", str(queue_ms).encode()))
    if answer.stream is None and (usd := visit.total_usd) is not None:
        out.append((b"x-localfleet-cost-usd", b"0" if not usd else f"{usd.normalize():f}".encode()))
    return out


def waiting_headers(visit: Visit, model: Model) -> RawHeaders:
    """The decision headers of a stream that waits for this model."""
    return [
        (b"x-localfleet-request-id", visit.ask.request_id.encode()),
        *_decided(model.name, model.tier, visit.judged.label, visit.reason, len(visit.attempts) + 1),
        *_named(visit),
    ]


@lru_cache(maxsize=1024)
def _decided(model: str, tier: str, label: Label, reason: Reason, attempts: int) -> tuple[tuple[bytes, bytes], ...]:
    """The lines that are alike for all requests that went the same way."""
    return (
        (b"x-localfleet-model", model.encode()),
        (b"x-localfleet-tier", tier.encode()),
        (b"x-localfleet-privacy", label.word.encode()),
        (b"x-localfleet-reason", reason.encode()),
        (b"x-localfleet-attempts", b"%d" % attempts),
    )


def _named(visit: Visit) -> RawHeaders:
    """What the ledger calls the piece of work, where the caller named one."""
    return [] if visit.caller_action is None else [(b"x-localfleet-action", visit.caller_action.encode())]
