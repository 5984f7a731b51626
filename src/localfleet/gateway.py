"""
The whole story of one request: classify, decide, dispatch, record.

`Gateway.answer` is the only way to an engine. It asks the policy once, walks the list it got, and writes a receipt on
success, failure and disconnect alike.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from math import inf

from localfleet.core.ask import Ask, Need
from localfleet.core.budget import NO_LIMIT, Purses, Scope
from localfleet.core.classify import Rules
from localfleet.core.conversation import prints_of
from localfleet.core.fleet import Fleet, Model
from localfleet.core.label import RESTRICTED, Verdict
from localfleet.core.policy import Policy, decide, resolve
from localfleet.core.reading import Reading
from localfleet.core.reason import Reason
from localfleet.core.receipt import Intent, Receipt
from localfleet.core.refusal import refusal
from localfleet.core.retry_budget import RetryBudget
from localfleet.core.route import Decision, HostedRoute, LocalRoute, Route
from localfleet.core.routing.caps import Caps
from localfleet.core.routing.moment import Moment
from localfleet.core.routing.overflow import useless_after
from localfleet.core.routing.price import most_output_tokens
from localfleet.errors import EngineFailed, FleetError, LedgerClosed, NoDoor, NotFound, told_of
from localfleet.judging import judge, judge_answer, judge_beside, restrict
from localfleet.overhearing import Overheard
from localfleet.ports import Call, Clock, Engine, Ledger, Names, Reply
from localfleet.redacting import Redaction, Redactor, body_for
from localfleet.steering import Steering
from localfleet.traffic import Traffic
from localfleet.visit import Visit
from localfleet.wire.declined import declined
from localfleet.wire.formed import formed
from localfleet.wire.read import Letter

__all__ = ["Answer", "Gateway"]

RETRY_AFTER_AT_MOST_S = 2
NO_TIME_S = 0.01
"""A deadline so near is over: no door can answer within."""
AGAIN = {Reason.CONNECT_FAILED, Reason.UPSTREAM_ERROR, Reason.UPSTREAM_GARBLED, Reason.RATE_LIMITED}
"""Failures after which the same door may do better at once."""
OWN_WORDS = "With the model's own `form:` beside it the request is too private for this model."
LINES = {Reason.QUEUE_FULL, Reason.QUEUE_TOO_LONG}
"""The door works, but not for this request now."""
ANSWERED, PROVIDER_REFUSED = Reason.ANSWERED, Reason.PROVIDER_REFUSED
JSON = Need.JSON
ZERO_USD = Decimal(0)
NO_TIERS: frozenset[str] = frozenset()
NOT_TAKEN = {Reason.TIER_SHARE, Reason.OVER_BUDGET, Reason.DEADLINE_PASSED, Reason.PRIVACY_FORBIDS}
"""Failures before a place in the tier's share was taken."""
UNHEARD = {Reason.TIMED_OUT, Reason.CLIENT_LEFT}
"""Ways to lose an answer that the door may have worked for, and may put on the bill."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What goes back: a whole body, or a stream whose last byte writes the receipt. `error` instead of either."""

    visit: Visit
    status: int = 200
    media_type: str = "application/json"
    whole: bytes | None = None
    stream: AsyncGenerator[bytes] | None = None
    error: FleetError | None = None


@dataclass(slots=True, kw_only=True)
class Gateway:
    """Everything one request needs, built by `assemble` for one `models.yaml`; a request stays with the one it met."""

    models: Mapping[str, Model]
    engines: Mapping[str, Engine]
    ledger: Ledger
    policy: Policy
    rules: Rules
    clock: Clock
    print_key: bytes
    """Keys the conversation fingerprints."""
    purses: Purses = field(default_factory=Purses)
    usd_per_day: Mapping[str, Decimal] = field(default_factory=dict)
    detector_budget_s: float = 2.0
    names: Names | None = None
    """The model of names; without one that layer is off."""
    reading: Reading | None = None
    """Which layers read whose requests, where the file says so; else `rules` read all."""
    redactor: Redactor | None = None
    """Replaces private values on the way out; without one restricted text goes nowhere."""
    caps: Caps | None = None
    """Shares of tiers, and money of plans; `None` where the file declares none."""
    steering: Steering | None = None
    """What routing strategies look at; `None` where the file declares none."""
    jitter: Callable[[], float] = lambda: 0.5
    tell: Callable[[Receipt], None] = lambda _: None
    """Tells whoever counts receipts, and returns at once."""
    retries: RetryBudget = field(default_factory=RetryBudget)
    traffic: Traffic = field(default_factory=Traffic)
    seeded: bool = True
    """False until the budgets know what was spent before this start: hosted doors stay shut so long."""

    async def answer(self, letter: Letter, visit: Visit) -> Answer:
        """Read, classify, decide, dispatch, record. Never raises `FleetError`: a refusal is an answer too."""
        ask, stream = letter.ask, None
        try:
            if visit.decision is None:
                await self.decide(letter, visit)
            await self.traffic.abreast()
            reply = await self._dispatch(letter, visit)
            if not ask.stream:
                return await self._whole(reply, visit)
            visit.first_byte_at = self.clock.monotonic()
            stream = self._relay(reply, visit)
            await anext(stream)  # begun: closing it writes the receipt, even if nobody ever asks for a byte
            return Answer(visit=visit, status=reply.status, media_type=reply.media_type, stream=stream)
        except FleetError as exc:
            self.refuse(visit, exc)
            return Answer(visit=visit, status=exc.status, error=exc)
        finally:
            # Cancelled, or a fault of our own: the receipt is written all the same.
            if stream is None and not visit.recorded:
                self._record(visit, None, Reason.CLIENT_LEFT if _cancelled() else Reason.INTERNAL_ERROR)

    async def decide(self, letter: Letter, visit: Visit) -> None:
        """Read, classify, decide: fix the doors of this request; raises `NotFound`."""
        await self.traffic.abreast()
        began = self.clock.monotonic()
        visit.verdict = await judge(self, letter, visit)
        visit.classify_s = self.clock.monotonic() - began
        await self.traffic.abreast()
        began = self.clock.monotonic()
        if self.caps is not None:
            self.caps.arrived(letter.ask, self.clock.now())
        steering = self.steering
        if steering is not None:
            visit.moment = await steering.moment(letter)
        visit.decision = self.decision(letter.ask, visit.verdict, visit.redaction, visit.moment)
        if steering is not None and visit.moment is not None:
            steering.decided(letter.ask, visit.moment, visit.decision)
        visit.route_s = self.clock.monotonic() - began

    def decision(
        self, ask: Ask, verdict: Verdict, redaction: Redaction | None = None, moment: Moment | None = None
    ) -> Decision:
        """Ask the policy, with a snapshot of the fleet; raise `NotFound` for a name nobody knows."""
        fleet = self.fleet(ask, moment)
        if resolve(ask.model, self.policy, fleet) is None:
            raise NotFound(
                "No model of that name here. GET /v1/models lists them; `auto` lets the router choose.",
                code="model_not_found",
                param="model",
            )
        return decide(ask, verdict, fleet, self.policy, None if redaction is None else redaction.proof)

    def fleet(self, ask: Ask, moment: Moment | None = None) -> Fleet:
        """The snapshot one decision looks at."""
        now = self.clock.now()
        limit, caps = ask.caller.usd_per_month, self.caps
        left: Mapping[str, Decimal]
        left = {t: self.purses.left(("tier", t), usd, now) for t, usd in self.usd_per_day.items()}
        return Fleet(
            models=tuple(self.models.values()),
            states={name: engine.state() for name, engine in self.engines.items()},
            ledger_open=self.seeded and self.ledger.health.ok,
            usd_left_for_key=None if limit is None else self.purses.left(("key", ask.caller.key_id), limit, now),
            usd_left_by_tier=left if caps is None else caps.left(ask, self.purses, left, now),
            full_tiers=NO_TIERS if caps is None else caps.full(ask, now),
            moment=moment,
        )

    async def _dispatch(self, letter: Letter, visit: Visit) -> Reply:
        """Walk the list that was fixed before; stop at the first byte (laws 4 and 5)."""
        decision = visit.decided
        if not decision.routes:
            no = refusal(decision)
            raise NoDoor(no.message, status=no.status, reason=no.reason, retry_after_s=no.retry_after_s)
        self.retries.asked(self.clock.monotonic())
        failures: list[EngineFailed] = []
        given_up: set[str] = set()
        for route in decision.routes:
            if route.model in given_up or (failures and not await self._paused(visit, route, failures)):
                continue
            try:
                return await self._try(letter, visit, route)
            except EngineFailed as exc:
                failures.append(exc)
                if exc.ends_the_walk or self._is_told(exc) or (exc.reason in LINES and self._left_s(visit) < NO_TIME_S):
                    break
                if exc.reason in LINES and not decision.overflows:
                    given_up |= {other.model for other in decision.routes if isinstance(other, HostedRoute)}
                if exc.reason not in AGAIN or (exc.retry_after_s or 0) > RETRY_AFTER_AT_MOST_S:
                    given_up |= useless_after(exc.reason, route.model, self.models)
        raise told_of(failures)

    def _is_told(self, failure: EngineFailed) -> bool:
        """A provider's safety refusal is the caller's to know, and no door is looked for that would say yes."""
        return failure.reason is Reason.PROVIDER_REFUSED and not self.policy.refusals_go_on

    async def _paused(self, visit: Visit, route: Route, failures: list[EngineFailed]) -> bool:
        """Wait a little before the same door again; false where neither deadline nor retry budget allow it."""
        if visit.attempts[-1].model != route.model:
            return True
        pause_s = max(failures[-1].retry_after_s or 0, 0.1) + 0.2 * self.jitter()
        if pause_s >= self._left_s(visit) or not self.retries.allows(self.clock.monotonic()):
            return False
        await asyncio.sleep(pause_s)
        return True

    async def _try(self, letter: Letter, visit: Visit, route: Route) -> Reply:
        started = self.clock.monotonic()
        model = self.models[route.model]
        asked = False
        try:
            if isinstance(route, HostedRoute):
                if model.form is not None and model.form.texts:
                    await self._read_own_words(visit, model, model.form.texts)
                await self._reserve(visit, route)
            call = self._call(letter, visit, route)
            asked = True
            reply = await self.engines[route.model].send(route, call)
        except EngineFailed as exc:
            self._fell_through(visit, model, exc.reason, exc.upstream_status, started)
            raise
        except asyncio.CancelledError:
            if asked:
                self._fell_through(visit, model, Reason.CLIENT_LEFT, None, started)
            raise
        visit.attempted(model, ANSWERED, reply.status, self.clock.monotonic() - started)
        if self.reading is not None and (reads := self.reading.answers()) is not None:
            reply = visit.overheard = Overheard(reply, letter.ask, reads, partial(judge_answer, self, reads))
        if visit.redaction is not None and isinstance(route, HostedRoute):
            return visit.redaction.restored(reply, letter.ask.api)
        return reply

    def _fell_through(self, visit: Visit, model: Model, reason: Reason, status: int | None, started: float) -> None:
        """Note a door that gave no answer. One that was asked and not heard may bill all the same: law 9."""
        spent = Decimal(0)
        if self.caps is not None and not model.local and reason not in NOT_TAKEN:
            self.caps.give_back(visit.ask, model.tier, self.clock.now())
        if reason in UNHEARD:
            spent = visit.reserved_usd
            visit.not_heard(model, spent)
        self._settle_purse(visit, spent=spent)
        visit.attempted(model, reason, status, self.clock.monotonic() - started)

    def _call(self, letter: Letter, visit: Visit, route: Route) -> Call:
        left_s, ask, form = self._left_s(visit), letter.ask, self.models[route.model].form
        if left_s <= 0:
            raise _too_late()
        return Call(
            request_id=ask.request_id,
            api=ask.api,
            body=formed(ask.api, body_for(route, letter, visit.judged, visit.redaction), form),
            stream=ask.stream,
            wants_usage=letter.wants_usage,
            timeout_s=min(visit.timeouts.get(route.model, 600.0), left_s),
            key_id=ask.caller.key_id,
            input_tokens=ask.input_tokens + (0 if form is None else form.input_tokens),
            output_tokens=most_output_tokens(ask, self.models[route.model]),
            priority=ask.priority,
            patience_s=route.patience_s if isinstance(route, LocalRoute) else inf,
            weight=ask.caller.weight,
            waited=visit.waited,
            answers=None if form is None else form.answer,
            wants_json=JSON in ask.needs,
        )

    def _left_s(self, visit: Visit) -> float:
        """Seconds until the caller's deadline; endless without one."""
        if visit.ask.deadline_ms is None:
            return inf
        return visit.ask.deadline_ms / 1000 - (self.clock.monotonic() - visit.arrived)

    async def _read_own_words(self, visit: Visit, model: Model, words: Sequence[str]) -> None:
        """Law 2 for what an operator adds to a request: read beside the caller's words before it may leave."""
        verdict = await judge_beside(self, visit, words)
        if verdict.label is RESTRICTED or model.accepts is None or verdict.label > model.accepts:
            raise EngineFailed(OWN_WORDS, reason=Reason.PRIVACY_FORBIDS)

    async def _reserve(self, visit: Visit, route: HostedRoute) -> None:
        """Money first (law 9), then the durable intent (law 7); only then may a byte leave."""
        model, ask = self.models[route.model], visit.ask
        left_s = self._left_s(visit)
        if left_s <= 0:
            raise _too_late()
        worst = route.worst_usd or ZERO_USD
        limits = self._limits(visit, model)
        if limits and not self.purses.reserve(limits, worst, self.clock.now()):
            raise EngineFailed("The budget was taken by other requests meanwhile.", reason=Reason.OVER_BUDGET)
        visit.reserved(limits, worst)
        if self.caps is not None and not self.caps.take(ask, model.tier, self.clock.now()):
            raise EngineFailed("The tier has had its share of such requests.", reason=Reason.TIER_SHARE)
        redaction = visit.redaction
        verdict = visit.judged if redaction is None else redaction.proof.leaves
        intent = Intent(
            request_id=visit.id,
            attempt=len(visit.attempts),
            at=self.clock.now(),
            key_id=ask.caller.key_id,
            model=model.name,
            tier=model.tier,
            label=verdict.label,
            findings=verdict.findings,
            because=verdict.because,
            worst_usd=route.worst_usd,
            host=model.host,
        )
        try:
            if left_s == inf:
                await self.ledger.intend(intent)
            else:
                async with asyncio.timeout(left_s):
                    await self.ledger.intend(intent)
        except LedgerClosed as exc:
            raise EngineFailed(exc.message, reason=Reason.LEDGER_CLOSED) from exc
        except TimeoutError:
            raise _too_late() from None

    def _limits(self, visit: Visit, model: Model) -> dict[Scope, Decimal]:
        """Every purse that pays, limited or not: a limit that a reload brings must find what was spent before it."""
        caller = visit.ask.caller
        for_key = NO_LIMIT if caller.usd_per_month is None else caller.usd_per_month
        return {
            ("key", caller.key_id): for_key,
            ("tier", model.tier): self.usd_per_day.get(model.tier, NO_LIMIT),
            **({} if self.caps is None else self.caps.purses(visit.ask, model.tier)),
            **visit.purses,
        }

    def _settle_purse(self, visit: Visit, *, spent: Decimal) -> None:
        if visit.reserved_for is not None:
            self.purses.settle(visit.reserved_for, reserved=visit.reserved_usd, spent=spent, now=self.clock.now())
            visit.reserved(None, ZERO_USD)

    async def _whole(self, reply: Reply, visit: Visit) -> Answer:
        whole = reply.at_once
        try:
            await self.traffic.abreast()
            if whole is None:
                whole = b"".join([chunk async for chunk in reply])
        finally:
            if reply.at_once is None:
                await reply.aclose()
        refused = declined(whole, visit.ask.api)
        self._record(visit, reply, reply.failure or (PROVIDER_REFUSED if refused else ANSWERED))
        return Answer(visit=visit, status=reply.status, media_type=reply.media_type, whole=whole)

    async def _relay(self, reply: Reply, visit: Visit) -> AsyncGenerator[bytes]:
        outcome, refused, api = None, False, visit.ask.api
        try:
            yield b""
            async for chunk in reply:
                refused = refused or declined(chunk, api)
                yield chunk
            outcome = reply.failure or (PROVIDER_REFUSED if refused else ANSWERED)
        finally:
            # First the record, which cannot be interrupted; then let the upstream go.
            self._record(visit, reply, outcome or visit.cut_short)
            with suppress(EngineFailed):
                await reply.aclose()

    def refuse(self, visit: Visit, error: FleetError) -> None:
        """Record a request that got no answer."""
        visit.status = error.status
        self._record(visit, None, error.reason)

    def conclude(self, visit: Visit, outcome: Reason) -> None:
        """Record an action whose parts have receipts of their own."""
        self._record(visit, None, outcome)

    def _record(self, visit: Visit, reply: Reply | None, outcome: Reason) -> None:
        if visit.recorded:
            return
        visit.recorded = True
        model = self.models[visit.attempts[-1].model] if reply is not None else None
        if visit.overheard is not None and visit.hear():
            restrict(self, visit.ask, prints_of(visit.ask, self.print_key))
        receipt = visit.receipt(model, reply, outcome, now=self.clock.now(), monotonic=self.clock.monotonic())
        self._settle_purse(visit, spent=receipt.cost_usd or ZERO_USD)
        self.ledger.settle(receipt)
        self.tell(receipt)


def _too_late() -> EngineFailed:
    return EngineFailed("The deadline of the request has passed.", reason=Reason.DEADLINE_PASSED)


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
