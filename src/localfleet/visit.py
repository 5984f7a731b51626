"""One request while it is under way: what is known so far, and how it folds into a receipt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from localfleet.core.ask import Ask
from localfleet.core.budget import Scope
from localfleet.core.fleet import Model
from localfleet.core.label import Finding, Label, Verdict
from localfleet.core.pricing import usd_for
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt, Part, Receipt
from localfleet.core.route import Decision
from localfleet.core.routing.moment import Moment
from localfleet.core.usage import Usage
from localfleet.overhearing import Overheard
from localfleet.ports import Reply
from localfleet.redacting import Redaction

__all__ = ["Visit"]

BYTES_PER_TOKEN = 4
CLIENT_CLOSED_REQUEST = 499
ANSWERED = Reason.ANSWERED
ZERO_USD = Decimal(0)
UNREAD = Verdict(label=Label.RESTRICTED, because=("unread",))
UNDECIDED = Decision(label=Label.RESTRICTED, reason=Reason.NO_LEGAL_DOOR, routes=(), doors=())


@dataclass(slots=True, kw_only=True)
class Visit:
    """
    Mutable, used by one task, gone with the request.

    `wanted` is the model asked for if the configuration knows it, else `unknown`; `task` likewise, or `None`;
    `session` and `caller_action` are keyed hashes in hex. `timeouts` are seconds by model name, `arrived` a monotonic
    time.
    """

    ask: Ask
    arrived: float
    wanted: str
    task: str | None = None
    session: str | None = None
    caller_action: str | None = None
    classify_s: float | None = None
    route_s: float | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    decision: Decision | None = None
    moment: Moment | None = None
    """What routing strategies looked at."""
    redaction: Redaction | None = None
    """What hosted doors may have in place of a restricted text, where they may have anything."""
    overheard: Overheard | None = None
    """The answer that is read on its way back, where the file says so."""
    heard: tuple[Finding, ...] = ()
    attempts: list[Attempt] = field(default_factory=list)
    reserved_for: Mapping[Scope, Decimal] | None = None
    """The purses that pay, and how much there is in each."""
    reserved_usd: Decimal = Decimal(0)
    unheard: Model | None = None
    unheard_usd: Decimal = Decimal(0)
    first_byte_at: float | None = None
    queued_s: float = 0.0
    status: int = CLIENT_CLOSED_REQUEST
    cost_usd: Decimal | None = None
    recorded: bool = False
    purses: Mapping[Scope, Decimal] = field(default_factory=dict)
    """What pays beside its key and tier, and how much there is in it: of a shadow, that of its experiment."""
    suffix: str = ""
    """Of a part of an action: what its receipts and intents add to the request's id, such as `.2`."""
    role: str | None = None
    arm: str | None = None
    parts: list[Part] = field(default_factory=list)
    answered_by: Model | None = None
    """Of an action: the model of the part whose answer went out."""
    cut_short: Reason = Reason.CLIENT_LEFT
    """Why a stream was left before its end."""
    outcome: Reason | None = None
    """How it ended, once it is recorded."""

    @property
    def id(self) -> str:
        """What intents and receipts call it."""
        return self.ask.request_id + self.suffix

    @property
    def judged(self) -> Verdict:
        """The verdict, or restricted where none was reached."""
        return self.verdict or UNREAD

    @property
    def decided(self) -> Decision:
        """The decision, or no door at all where none was reached."""
        return self.decision or UNDECIDED

    def attempted(self, model: Model, reason: Reason, status: int | None, seconds: float) -> None:
        """Note how one door went."""
        attempt = Attempt(
            model=model.name,
            tier=model.tier,
            reason=reason,
            status=status,
            duration_ms=_ms(seconds),
            host=model.host,
        )
        self.attempts.append(attempt)

    def waited(self, seconds: float) -> None:
        """Note time that the request stood in a line."""
        self.queued_s += seconds

    @property
    def queue_ms(self) -> float:
        """Time in lines, whichever door answered in the end."""
        return _ms(self.queued_s) if self.queued_s else 0.0

    def reserved(self, purses: Mapping[Scope, Decimal] | None, usd: Decimal) -> None:
        """Note what is reserved, and in which purses."""
        self.reserved_for, self.reserved_usd = purses, usd

    def not_heard(self, model: Model, usd: Decimal) -> None:
        """Note a door that was asked and not heard to its answer, and what it may cost at most."""
        self.unheard = model
        self.unheard_usd += usd

    @property
    def reason(self) -> Reason:
        """Why this door: the decision's reason, or the failure that sent the request on to a later one."""
        if len(self.attempts) == 1 and self.attempts[0].reason is ANSWERED:
            return self.decided.reason
        failed = [attempt.reason for attempt in self.attempts if attempt.reason is not Reason.ANSWERED]
        first = self.decided.routes[0].model if self.decided.routes else None
        if failed and self.attempts[-1].model != first:
            return failed[-1]
        return self.decided.reason

    def receipt(
        self, model: Model | None, reply: Reply | None, outcome: Reason, *, now: float, monotonic: float
    ) -> Receipt:
        """Fold everything into the record; `model` and `reply` are those that answered, if any did."""
        usage = self._usage(reply, outcome)
        model = model or self.answered_by or self.unheard
        self.outcome = outcome
        self.cost_usd = Decimal(0) if self.parts else _cost(model, usage if reply is not None else None)
        if reply is not None:
            self.status = reply.status
        judged, total_s = self.judged, monotonic - self.arrived
        first_s = (self.first_byte_at or monotonic) - self.arrived
        return Receipt(
            request_id=self.id,
            at=now - total_s,
            api=self.ask.api,
            key_id=self.ask.caller.key_id,
            plan=self.ask.caller.plan,
            task=self.task,
            session=self.session,
            caller_action=self.caller_action,
            label=judged.label,
            findings=self._findings,
            because=judged.because,
            wanted=self.wanted,
            model=None if model is None else model.name,
            tier=None if model is None else model.tier,
            reason=outcome if self.decision is None else self.reason,
            outcome=outcome,
            status=self.status,
            stream=self.ask.stream,
            doors=self.decided.doors,
            attempts=tuple(self.attempts),
            usage=usage,
            cost_usd=self.cost_usd,
            price_version=model.price.version if model is not None and model.price is not None else None,
            queue_ms=self.queue_ms,
            first_byte_ms=None if reply is None and self.answered_by is None else _ms(first_s),
            total_ms=_ms(total_s),
            reserved_usd=self.unheard_usd or None,
            action=self.ask.request_id if self.suffix else None,
            role=self.role,
            arm=self.arm,
            parts=tuple(self.parts),
            classify_ms=None if self.classify_s is None else _ms(self.classify_s),
            route_ms=None if self.route_s is None else _ms(self.route_s),
            level=None if self.moment is None else self.moment.level,
            context=None if self.moment is None else self.moment.parts,
        )

    def hear(self) -> bool:
        """Read the answer that came; whether it is restricted."""
        assert self.overheard is not None, "the caller looks first"
        self.heard, restricted = self.overheard.restricts()
        return restricted

    @property
    def _findings(self) -> tuple[Finding, ...]:
        """What was found in the request, what was replaced in it, what was found in the answer."""
        replaced = () if self.redaction is None else self.redaction.proof.replaced
        return (*self.judged.findings, *replaced, *self.heard) if replaced or self.heard else self.judged.findings

    def part(self, *, verdict: str = "", score: float | None = None, aspect: str = "quality") -> Part:
        """This visit, recorded, as a part of its action."""
        last = self.attempts[-1] if self.attempts else None
        return Part(
            request_id=self.id,
            role=self.role or "",
            model=None if last is None else last.model,
            tier=None if last is None else last.tier,
            label=self.judged.label,
            reason=self.reason,
            outcome=self.outcome or Reason.INTERNAL_ERROR,
            cost_usd=self.cost_usd,
            verdict=verdict,
            score=score,
            aspect=aspect,
        )

    @property
    def total_usd(self) -> Decimal | None:
        """The money of the request, or of all parts of the action; `None` where one is unknown."""
        known = [part.cost_usd for part in self.parts if part.cost_usd is not None]
        if len(known) < len(self.parts):
            return None
        return sum(known, self.cost_usd) if known and self.cost_usd is not None else self.cost_usd

    def _usage(self, reply: Reply | None, outcome: Reason) -> Usage | None:
        if reply is not None and reply.usage is not None:
            return reply.usage
        if reply is None and (self.unheard is None or outcome is not Reason.CLIENT_LEFT):
            return None
        text_bytes = 0 if reply is None else reply.text_bytes
        return Usage(input_tokens=self.ask.input_tokens, output_tokens=text_bytes // BYTES_PER_TOKEN, measured=False)


def _ms(seconds: float) -> float:
    """Milliseconds to the microsecond; `round` takes three times as long, and a receipt says five times."""
    return int(seconds * 1_000_000 + 0.5) / 1000


def _cost(model: Model | None, usage: Usage | None) -> Decimal | None:
    if model is None or model.local:
        return ZERO_USD
    if model.price is None or usage is None:
        return None
    return usd_for(model.price, usage)
