"""
A shadow: a share of a task's requests is put to another model too, and nobody gets its answer (S81, J3).

The law decides a shadow as if the caller had asked for that model by its name: what it shuts to the caller it shuts to
the shadow. Who pays is another matter: a shadow has a purse of its own, and no key, plan or share is charged for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from localfleet.core.ask import WORDLESS, Ask, Caller, Priority
from localfleet.core.budget import Scope
from localfleet.core.cascade import Cascade
from localfleet.core.judges.spoken import Judgement
from localfleet.core.label import Label, highest
from localfleet.core.policy import Policy
from localfleet.core.reason import Reason
from localfleet.core.split import TRIAL, Experiment, side_of

__all__ = [
    "HOUR_S",
    "ROLE",
    "Hours",
    "Shadow",
    "as_if_asked",
    "drawn",
    "once",
    "payer",
    "payer_id",
    "purse",
    "quality_of",
]

ROLE = "shadow"
HOUR_S = 3600
LONGEST_MS = 300_000
"""From its start to its judgement; nobody waits, but it holds a text in memory."""
NOBODY_KNOWS = frozenset({"no_grade", "judge_failed"})
"""Words of judges that failed: they say nothing of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """One experiment that mirrors: which share of a task goes to `model` too, at what expense, and how it is judged."""

    experiment: Experiment
    usd_per_day: Decimal
    requests_per_hour: int
    cascade: Cascade
    """Its judges, for both answers."""

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.experiment.name

    @property
    def model(self) -> str:
        """Whom it asks."""
        return self.experiment.doors[0]


@dataclass(slots=True)
class Hours:
    """How many shadows of each experiment began within the running hour; used from one event loop."""

    begun: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, name: str, most: int, now: float) -> bool:
        """Count one more, if there is room: one step, so that no two take the last place."""
        slot = (name, int(now // HOUR_S))
        if self.begun.get(slot, 0) >= most:
            return False
        self.book(name, 1, now)
        return True

    def book(self, name: str, count: int, now: float) -> None:
        """Count what began before this router did; hours that are over are forgotten."""
        hour = int(now // HOUR_S)
        self.begun = {slot: many for slot, many in self.begun.items() if slot[1] >= hour}
        self.begun[name, hour] = self.begun.get((name, hour), 0) + count


def drawn(shadow: Shadow, ask: Ask, *, key: bytes) -> bool:
    """Whether this request has a shadow: by lot for each, or the same for all of a session or key."""
    by, caller = shadow.experiment.by, ask.caller.key_id
    if ask.api in WORDLESS:
        return False  # nothing to read for a judge
    who = ask.request_id if by == "request" else ask.session if by == "session" and ask.session is not None else caller
    return side_of(shadow.experiment, f"{caller}\0{who}", key=key) == TRIAL


def as_if_asked(ask: Ask, model: str, label: Label) -> Ask:
    """
    The request as its caller would put it to `model`, whole and in no hurry; at least as sensitive as it was found.

    The caller stays: its permissions, demands and budget are looked at by the policy.
    """
    declared = label if ask.declared is None else highest(ask.declared, label)
    return replace(
        ask, model=model, stream=False, priority=Priority.BATCH, deadline_ms=LONGEST_MS, declared=declared,
        declared_by="derived",
    )  # fmt: skip


def once(policy: Policy) -> Policy:
    """The same law, and one try at one door."""
    return replace(policy, fallbacks_per_request=0, retries_per_door=0)


def payer(caller: Caller, name: str) -> Caller:
    """Who is written down, and stands in lines, in place of the caller once the door is fixed."""
    return replace(caller, key_id=payer_id(name), name=name, plan=None, usd_per_month=None, weight=1.0)


def payer_id(name: str) -> str:
    """The id that stands for a key in its records. Those of keys are hexadecimal."""
    return f"{ROLE}:{name}"


def purse(shadow: Shadow) -> Mapping[Scope, Decimal]:
    """What it may spend a UTC day."""
    return {(ROLE, shadow.name): shadow.usd_per_day}


def quality_of(said: Judgement) -> float | None:
    """From 0 to 1: a judge's score, else whether the answer passed; `None` where the judge failed."""
    if said.word in NOBODY_KNOWS or said.reason is Reason.ANSWER_UNSURE:
        return None
    return said.score if said.score is not None else float(said.passed)
