"""
Many cases by a seeded draw that spreads evenly: every place, source of a label and fault comes round again and again.

    deck(7, 1000)          a thousand mixed cases, the same ones for the same seed
    every_fault()          each fault at each tap
    when_the_box_is_down() restricted cases of every API whose local engine refuses connections
"""

import random
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from canary_cases import DOWN, FIELDS, MODELS, OUTWARD, QUICK, STATUSES, TAPS, Case, sources_for
from canary_fields import Field
from canary_sources import PICTURES, Source
from tap_behaviour import Behaviour, Fault

from localfleet.core.ask import WORDLESS, Api

__all__ = ["BEHAVIOURS", "SAID", "deck", "every_fault", "faults_in", "plain_case", "when_the_box_is_down"]

UNRESTRICTED_PERCENT = 35
BROKEN_SHARE = 0.7
DRIP_S = 0.001
Option = TypeVar("Option", bound=Hashable)

BEHAVIOURS: tuple[Behaviour, ...] = (
    *(Behaviour(fault=Fault.STATUS, status=status) for status in STATUSES),
    *(Behaviour(fault=Fault.STATUS, status=429, retry_after=after) for after in ("0", "1", "soon")),
    *(Behaviour(fault=fault, end=end) for fault in QUICK for end in ("close", "reset") if fault is not Fault.DRIP),
    Behaviour(fault=Fault.DRIP, chunk_delay_s=DRIP_S),
    *(Behaviour(fault=Fault.REDIRECT, status=status) for status in (301, 302, 303, 307, 308)),
    Behaviour(fault=Fault.HANG),
    Behaviour(fault=Fault.HEADERS_HANG),
    Behaviour(fault=Fault.HALF_BODY, end="hang"),
    Behaviour(fault=Fault.DIE, end="hang"),
    Behaviour(delay_s=0.2),
    *(Behaviour(usage=usage, done=done) for usage in ("none", "always", "last_chunk") for done in (True, False)),
)


@dataclass(slots=True)
class Even:
    """A draw that prefers what was drawn least."""

    rng: random.Random
    drawn: Counter[Hashable] = field(default_factory=Counter)

    def draw(self, options: Sequence[Option]) -> Option:
        """One of the options that were drawn least so far."""
        least = min(self.drawn[option] for option in options)
        option = self.rng.choice([option for option in options if self.drawn[option] == least])
        self.drawn[option] += 1
        return option


@dataclass(slots=True)
class Dealer:
    """Everything a deck is drawn from."""

    rng: random.Random
    places: Even
    shares: Even
    sources: Even
    faults: Even

    def case(self) -> Case:
        """The next case."""
        rng = self.rng
        api, number = self.places.draw([(api, at) for api in Api for at in range(len(FIELDS[api]))])
        chosen = FIELDS[api][number]
        source = self._source(api, chosen)
        leaves = source is Source.NONE and not chosen.unreadable
        return Case(
            api=api,
            field=chosen,
            source=source,
            model=rng.choice(OUTWARD[api] if leaves else MODELS),
            stream=api not in WORDLESS and rng.random() < 0.5,
            escaped=rng.random() < 0.3,
            first=rng.random() < 0.5,
            lowering=rng.random() < 0.3,
            faults={tap: self._script(tap, leaves=leaves) for tap in TAPS},
            down=rng.choice(DOWN),
            lasting=rng.random() < 0.3,
            leave_after_bytes=rng.choice([None] * 7 + [0, 1, 200]),
        )

    def _source(self, api: Api, chosen: Field) -> Source:
        if self.shares.draw([(api, percent) for percent in range(0, 100, 5)])[1] < UNRESTRICTED_PERCENT:
            return Source.NONE
        return self.sources.draw([source for source in sources_for(api, chosen) if source is not Source.NONE])

    def _script(self, tap: str, *, leaves: bool) -> tuple[Behaviour, ...]:
        if self.rng.random() >= BROKEN_SHARE:
            return ()
        length = self.rng.choice((1, 1, 2, 3))
        chosen = [
            BEHAVIOURS[self.faults.draw([(tap, leaves, at) for at in range(len(BEHAVIOURS))])[2]] for _ in range(length)
        ]
        return tuple(replace(one, after=self.rng.randint(0, 5)) for one in chosen)


def deck(seed: int, number: int) -> list[Case]:
    """So many cases; the same seed gives the same ones."""
    rng = random.Random(seed)
    dealer = Dealer(rng, Even(rng), Even(rng), Even(rng), Even(rng))
    return [dealer.case() for _ in range(number)]


def plain_case(api: Api, field_name: str, source: Source, *, model: str = "auto", stream: bool = False) -> Case:
    """A case without faults, with the canary in a field given by name."""
    chosen = next(one for one in FIELDS[api] if one.name == field_name)
    return Case(
        api=api,
        field=chosen,
        source=source,
        model=model,
        stream=stream,
        escaped=False,
        first=False,
        lowering=False,
        faults={},
        down=frozenset(),
        lasting=False,
        leave_after_bytes=None,
    )


def when_the_box_is_down(seed: int, for_each: int) -> list[Case]:
    """Restricted `auto` cases, so many for each API, streaming or not, while the hosted doors stand open."""
    rng = random.Random(seed)
    sources = Even(rng)
    cases = []
    for api in Api:
        for stream in (False,) if api in WORDLESS else (False, True):
            for _ in range(for_each):
                chosen = rng.choice([one for one in FIELDS[api] if one.name in WELL_FORMED[api]])
                source = sources.draw([one for one in sources_for(api, chosen) if one is not Source.NONE])
                one = plain_case(api, chosen.name, source, stream=stream)
                cases.append(replace(one, down=frozenset({"local"})))
    return cases


def every_fault() -> list[Case]:
    """Each thing a tap can do, at each tap that serves an API, streaming and not; at the local tap restricted."""
    return [
        replace(
            plain_case(api, SAID[api], Source.KEY if tap == "local" else Source.NONE, model=model, stream=stream),
            faults={tap: (behaviour,)},
        )
        for tap, model, apis in (
            ("local", "auto", [*Api]),
            ("openai", "auto", [*Api]),
            ("anthropic", "claude", PICTURES),
        )
        for api in apis
        for behaviour in BEHAVIOURS
        for stream in ((False,) if api in WORDLESS else (False, True))
    ]


SAID: dict[Api, str] = {
    Api.CHAT: "user",
    Api.COMPLETION: "prompt",
    Api.EMBEDDING: "input",
    Api.RERANK: "document",
    Api.RESPONSES: "input message",
    Api.MESSAGES: "user",
}
"""Per API, the place of what the user says."""
WELL_FORMED: dict[Api, frozenset[str]] = {
    Api.CHAT: frozenset({"system", "user", "tool result", "metadata value", "user id", "unknown value"}),
    Api.COMPLETION: frozenset({"prompt", "suffix", "metadata value", "unknown value"}),
    Api.EMBEDDING: frozenset({"input", "input list", "metadata value", "unknown value"}),
    Api.RERANK: frozenset({"query", "document", "document object", "instruction", "metadata value", "unknown value"}),
    Api.RESPONSES: frozenset({"instructions", "input message", "call output", "metadata value"}),
    Api.MESSAGES: frozenset({"system", "user", "tool result", "metadata value", "unknown value"}),
}
"""Places in which a canary leaves the request one that a model answers."""


def faults_in(cases: Sequence[Case]) -> set[Fault]:
    """Every fault that some tap of these cases may show."""
    return {one.fault for case in cases for script in case.faults.values() for one in script}
