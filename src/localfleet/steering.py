"""
What strategies need to know of one request before its doors are fixed, and what is remembered after.

Built only where the file declares strategies: a request of any other file never comes here. It reads and remembers; it
knows no doors but by the decision that the policy made.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from localfleet.core.ask import Api, Ask
from localfleet.core.conversation import prints_of
from localfleet.core.label import Label
from localfleet.core.receipt import Receipt
from localfleet.core.route import Decision, LocalRoute
from localfleet.core.routing.asked import Finder
from localfleet.core.routing.counts import Counts
from localfleet.core.routing.graded import grading_turns, read_grade
from localfleet.core.routing.kinds import kind_of
from localfleet.core.routing.moment import Moment
from localfleet.core.routing.overhead import Overhead
from localfleet.core.routing.pace import Pace
from localfleet.core.routing.prior import Outcomes
from localfleet.core.routing.session import stay_after
from localfleet.core.routing.shares import Shares
from localfleet.core.routing.stays import Stays
from localfleet.core.routing.table import Table
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Clock, Engine
from localfleet.wire.derived import derived
from localfleet.wire.embedded import read_vector
from localfleet.wire.parts import parts_of
from localfleet.wire.read import Letter
from localfleet.wire.spoken import read_spoken

__all__ = ["Embeds", "EngineEmbeds", "Grades", "Steering", "TaskFinder", "Tracks", "embedded", "moment_of"]

GRADED_CHARS = 4000
"""Of the last user turn, for the local model that grades: a small context, and the question stands in front."""
GRADE_TOKENS = 4
EMBEDDED_CHARS = 1500
"""So much of the end is read, as of the words: the question stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinder:
    """Which task a request is that names none: by the words of the rows, then by its kind."""

    words: tuple[tuple[str, Finder], ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Kind -> the task whose row claims it."""

    def find(self, letter: Letter) -> str | None:
        """The task, or `None`."""
        parts, text = parts_of(letter.ask, letter.body)
        found = next((task for task, finder in self.words if finder.count(text)), None)
        if found is None and self.kinds:
            found = self.kinds.get(kind_of(letter.ask, parts, text) or "")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Grades:
    """The model of this box that is asked how hard a request is, and how long that may take."""

    model: str
    deadline_s: float
    engine: Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeds:
    """What makes embeddings for the classifier, in a thread of its own, and how long that may take."""

    of: Callable[[str], Sequence[float]]
    deadline_s: float

    async def read(self, text: str, _ask: Ask | None = None) -> Sequence[float] | None:
        """The embedding; `None` where it is late, and then the classifier abstains."""
        try:
            async with asyncio.timeout(self.deadline_s):
                return await asyncio.to_thread(self.of, text)
        except TimeoutError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEmbeds:
    """A local engine that makes them: text of any label is read by it, so it is one of this box, and no other."""

    model: str
    engine: Engine
    deadline_s: float

    async def read(self, text: str, ask: Ask) -> Sequence[float] | None:
        """The embedding; `None` where the engine fails or is late, and then the classifier abstains."""
        try:
            return await embedded(
                self.engine,
                self.model,
                text,
                deadline_s=self.deadline_s,
                request_id=ask.request_id,
                key_id=ask.caller.key_id,
            )
        except (EngineFailed, TimeoutError, ValueError):
            return None


async def embedded(
    engine: Engine, model: str, text: str, *, deadline_s: float, request_id: str = "embed", key_id: str = "anyone"
) -> list[float]:
    """
    The embedding of the end of a text by a local engine, of length 1.

    Raises `EngineFailed`, `TimeoutError`, and `ValueError` where the engine answers with something else.
    """
    end = text[-EMBEDDED_CHARS:]
    call = Call(
        request_id=request_id,
        api=Api.EMBEDDING,
        body={"model": model, "input": end},
        stream=False,
        wants_usage=False,
        timeout_s=deadline_s,
        key_id=key_id,
        input_tokens=len(end) // 4,
        patience_s=deadline_s,
    )
    async with asyncio.timeout(deadline_s):
        reply = await engine.send(LocalRoute(model=model), call)
        try:
            return read_vector(b"".join([chunk async for chunk in reply]))
        finally:
            await reply.aclose()


@dataclass(slots=True)
class Tracks:
    """What outlives a reload of the file: conversations, how fast doors are, how right their answers were."""

    stays: Stays = field(default_factory=Stays)
    pace: Pace = field(default_factory=Pace)
    counts: Counts = field(default_factory=Counts)
    shares: Shares = field(default_factory=Shares)
    outcomes: Outcomes = field(default_factory=Outcomes)

    def watch(self, receipt: Receipt) -> None:
        """Learn from one receipt; parts of actions tell as much of the pace."""
        self.outcomes.watch(receipt)
        if receipt.model is not None and receipt.first_byte_ms is not None:
            self.pace.note(receipt.model, receipt.first_byte_ms - receipt.queue_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """One file's strategies with what they look at."""

    table: Table
    tracks: Tracks
    clock: Clock
    print_key: bytes = field(repr=False)
    finder: TaskFinder | None = None
    grades: Grades | None = None
    embeds: Embeds | EngineEmbeds | None = None
    marginal_usd: Callable[[], Mapping[str, Decimal]] = dict
    overhead: Overhead = field(default_factory=Overhead)
    """What requests paid for it lately, and the budget for that."""

    def named(self, letter: Letter) -> Letter:
        """The letter with the task that it looks like, where it names none itself."""
        if self.finder is None or letter.ask.task is not None:
            return letter
        task = self.finder.find(letter)
        return letter if task is None else replace(letter, ask=replace(letter.ask, task=task))

    async def moment(self, letter: Letter) -> Moment:
        """What is known before the doors are fixed."""
        moment = moment_of(letter)
        hurried = self.overhead.rests(self.clock.monotonic())
        graded = None if self.grades is None or hurried else await _graded(self.grades, letter, moment.text)
        embeds = None if hurried or not moment.text else self.embeds
        ask, now = letter.ask, self.clock.monotonic()
        known = replace(
            moment,
            graded=graded,
            hurried=hurried,
            vector=None if embeds is None else await embeds.read(moment.text, ask),
            requests_an_hour=self._often(ask, now),
            stay=self.tracks.stays.find(self._prints(ask), now) if self.table.sticky else None,
            ms_by_model=self.tracks.pace.ms_by_model,
            marginal_usd=self.marginal_usd(),
            outcomes=self.tracks.outcomes,
        )
        return self.table.judged(ask, known)

    def _often(self, ask: Ask, now: float) -> int:
        """Requests of this task within the last hour; a task that the file does not declare is not counted."""
        return self.tracks.counts.note(ask.task, now) if ask.task is not None and ask.task in self.table.rows else 0

    def decided(self, ask: Ask, moment: Moment, decision: Decision) -> None:
        """Remember where the conversation goes."""
        if not self.table.sticky or not decision.routes:
            return
        level = moment.own_level or self.table.usual_level
        stay = stay_after(moment.stay, model=decision.routes[0].model, level=level, holds=self.table.sticky)
        self.tracks.stays.keep(self._kept(ask), stay, self.clock.monotonic())

    def _prints(self, ask: Ask) -> Sequence[bytes]:
        return prints_of(ask, self.print_key)

    def _kept(self, ask: Ask) -> Sequence[bytes]:
        """The longest beginning and every name: by those the next request of the conversation is known."""
        prints = self._prints(ask)
        return prints[max(len(ask.turns) - 1, 0) :]


def moment_of(letter: Letter) -> Moment:
    """What the letter alone tells."""
    parts, text = parts_of(letter.ask, letter.body)
    return Moment(text=text, parts=parts)


async def _graded(grades: Grades, letter: Letter, text: str) -> int | None:
    """Ask the local model; whatever fails or is late is no opinion."""
    if not text:
        return None
    turns = grading_turns(text[:GRADED_CHARS])
    body = {"model": grades.model, "messages": turns, "max_tokens": GRADE_TOKENS, "temperature": 0}
    sent = derived(letter, body, label=Label.RESTRICTED)
    call = Call(
        request_id=letter.ask.request_id,
        api=Api.CHAT,
        body=sent.body,
        stream=False,
        wants_usage=False,
        timeout_s=grades.deadline_s,
        key_id=letter.ask.caller.key_id,
        input_tokens=sent.ask.input_tokens,
        output_tokens=GRADE_TOKENS,
        patience_s=grades.deadline_s,
    )
    try:
        async with asyncio.timeout(grades.deadline_s):
            reply = await grades.engine.send(LocalRoute(model=grades.model), call)
            try:
                whole = b"".join([chunk async for chunk in reply])
            finally:
                await reply.aclose()
    except (EngineFailed, TimeoutError):
        return None
    return read_grade(read_spoken(sent, whole).text)
