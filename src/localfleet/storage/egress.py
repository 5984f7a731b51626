"""
What left, to whom, under which label: read from the chain's intents and receipts, never from the tables beside it, and
from the intents of the last moments that a router which was killed left in the journal.

Lives here: one walk over the records of a time, and two questions about it: `left` (sums) and `prove` (did anything of
a label go to a host). May not: say that the chain is whole; that is `verify.py`, and a proof holds only beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import orjson

from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.storage.batch import intents_after
from localfleet.storage.chain import Kind
from localfleet.storage.reading import journaled, open_ledger

__all__ = ["Answer", "Departure", "Left", "Span", "left", "prove", "same_host"]

_CHAIN = "SELECT seq, kind, body FROM chain WHERE kind IN ('intent', 'receipt', 'unsettled', 'dropped') ORDER BY seq"
_LOCAL = "local"
_NOT_SENT = frozenset({Reason.OVER_BUDGET, Reason.LEDGER_CLOSED, Reason.DEADLINE_PASSED, Reason.ENGINE_DOWN})
"""Ends of an attempt that never reached an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time: `since <= at < until`, Unix seconds."""

    since: float
    until: float

    def holds(self, at: float) -> bool:
        """Whether a moment is in it."""
        return self.since <= at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One attempt that may have carried text off this process: to which host, and where it is recorded."""

    seq: int
    at: float
    request_id: str
    host: str | None
    """`None` where the record does not say."""
    model: str
    tier: str
    label: Label
    key_id: str
    answered: bool = False
    redacted: bool = False
    """The request was restricted; what left was its redacted form, with the label of that."""


@dataclass(slots=True, kw_only=True)
class Left:
    """Sums for one host, model and label. `attempts` may be more than `requests`; each may have carried the text."""

    host: str
    model: str
    tier: str
    label: str
    attempts: int = 0
    requests: int = 0
    answered: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    keys: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    `proven`: nothing of the label went there. `refuted`: it did, in the records named. `open`: the records cannot tell,
    and `why` says what is missing.
    """

    answer: Literal["proven", "refuted", "open"]
    against: tuple[Departure, ...]
    to_host: int
    """Attempts of any label to this host in that time."""
    why: tuple[str, ...] = ()
    redacted: int = 0
    """Of `to_host`, those that carried a restricted request with its values replaced."""


def left(home: Path, span: Span) -> list[Left]:
    """One row for each host, model and label that text went to in that time, most attempts first; `LedgerFault`."""
    groups: dict[tuple[str, str, Label], list[Departure]] = {}
    for one in _walked(home, span).departures:
        groups.setdefault((one.host if one.host is not None else "unknown", one.model, one.label), []).append(one)
    rows = [_summed(host, model, label, ones) for (host, model, label), ones in groups.items()]
    return sorted(rows, key=lambda row: (-row.attempts, row.host, row.model, row.label))


def _summed(host: str, model: str, label: Label, ones: Sequence[Departure]) -> Left:
    return Left(
        host=host,
        model=model,
        tier=ones[0].tier,
        label=label.word,
        attempts=len(ones),
        requests=len({one.request_id for one in ones}),
        answered=len({one.request_id for one in ones if one.answered}),
        first_at=min(one.at for one in ones),
        last_at=max(one.at for one in ones),
        keys=sorted({one.key_id for one in ones}),
    )


def prove(home: Path, host: str, span: Span, label: Label, *, local_hosts: frozenset[str] = frozenset()) -> Answer:
    """
    Whether text of `label` or above went to `host` in that time, as far as the records tell; `LedgerFault`.

    `local_hosts` are the hosts of local endpoints, from the configuration: attempts there have no intent.
    """
    walk = _walked(home, span)
    there = [one for one in walk.departures if one.host is not None and same_host(one.host, host)]
    against = tuple(one for one in there if one.label >= label)
    local = any(one.tier == _LOCAL for one in there) or any(same_host(known, host) for known in local_hosts)
    why = tuple(_missing(walk, local=local))
    return Answer(
        answer="refuted" if against else "open" if why else "proven",
        against=against,
        to_host=len(there),
        why=why,
        redacted=sum(one.redacted for one in there),
    )


def same_host(recorded: str, asked: str) -> bool:
    """Whether a recorded host is the one asked for: with its port, or, where none is asked for, with any."""
    recorded, asked = recorded.lower(), asked.strip().lower().rstrip(".")
    bare = recorded.rpartition(":")[0] if ":" in recorded.rpartition("]")[2] else recorded
    return asked in {recorded, bare}


def _missing(walk: "_Walk", *, local: bool) -> Iterator[str]:
    """What the records cannot tell. A hosted attempt has its intent on disk first; a local one has a receipt, after."""
    unsaid = sum(one.host is None for one in walk.departures)
    if unsaid:
        yield f"{unsaid} attempts of that time were recorded by a release that did not write the host"
    if local:
        yield "this host serves a local model, whose requests are recorded when they end: a killed router loses some"
    if local and walk.lost:
        yield f"{walk.lost} receipts were lost while the disk was away"


@dataclass(slots=True)
class _Walk:
    """What the records of a time tell, one after the other."""

    span: Span
    departures: list[Departure] = field(default_factory=list)
    lost: int = 0
    intents: dict[str, dict[int, int]] = field(default_factory=dict)
    """Request -> attempt -> its place in `departures`, or -1 where it is of another time; until the receipt comes."""

    def follow(self, seq: int, kind: str, body: dict[str, Any]) -> None:
        """Take in one record."""
        if kind == Kind.DROPPED:
            # By when they were lost is known, not since when.
            self.lost += body["count"] if body["at"] >= self.span.since else 0
        elif kind == Kind.INTENT:
            self._intent(seq, body)
        else:
            self._receipt(seq, body)

    def _intent(self, seq: int, body: dict[str, Any]) -> None:
        place = -1
        if self.span.holds(body["at"]):
            place = len(self.departures)
            self.departures.append(_departure(seq, body, body["model"], body["tier"], body.get("host")))
        self.intents.setdefault(body["request_id"], {})[body["attempt"]] = place

    def _receipt(self, seq: int, body: dict[str, Any]) -> None:
        """Tell how attempts ended, and find those without an intent: local ones, and any that should have had one."""
        if body.get("parts"):
            return  # an action of several calls: each of them has its own intents and receipt
        known = self.intents.pop(body["request_id"], {})
        ended = body["at"] + (body["total_ms"] or 0) / 1000
        in_time = body["at"] < self.span.until and ended >= self.span.since
        for attempt, (model, tier, reason, _, _, *host) in enumerate(body.get("tried") or ()):
            place = known.get(attempt)
            if place is not None and place >= 0 and reason == Reason.ANSWERED:
                self.departures[place] = replace(self.departures[place], answered=True)
            if place is None and in_time and reason not in _NOT_SENT and (not host or host[0]):
                there = _departure(seq, body, model, tier, host[0] if host else None)
                self.departures.append(replace(there, answered=reason == Reason.ANSWERED))


def _departure(seq: int, body: dict[str, Any], model: str, tier: str, host: str | None) -> Departure:
    return Departure(
        seq=seq,
        at=body["at"],
        request_id=body["request_id"],
        host=host,
        model=model,
        tier=tier,
        label=Label(body["label"]),
        key_id=body["key_id"],
        redacted="redacted" in body.get("because", ()),
    )


def _walked(home: Path, span: Span) -> _Walk:
    after, waiting = journaled(home)
    walk = _Walk(span)
    seq = 0
    with open_ledger(home) as database, database.snapshot():
        with database.stream(_CHAIN) as records:
            for seq, kind, body in records:
                walk.follow(seq, kind, orjson.loads(body))
        known = intents_after(database, after) if waiting else set()
    for number, body in enumerate((body for body in waiting if body not in known), seq + 1):
        walk.follow(number, Kind.INTENT, orjson.loads(body))
    return walk
