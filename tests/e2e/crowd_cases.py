"""
The cases of a crowd: every place of every API with every source of a label, each by some way through the router.

What is covered, and asserted by `Deck.covered`:

- API x place x source: the whole product, 10,644 cells, each at least once where the deck has so many cases;
- way x API, way x source, and way x weather, each pair that can be;
- for the router that redacts: API x place with a private value in it, and API x said label.

A *way* is what happens between the request and the engines: nothing more, a cascade, a judge, a pipeline, a trial or a
shadow of an experiment, a person at the end, a line of a batch.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache

from canary_cases import FIELDS, Case, sources_for
from canary_deck import Even, plain_case
from canary_fields import Field, Place
from canary_sources import PICTURES, Source
from crowd_words import Family, Words

from localfleet.core.ask import WORDLESS, Api

__all__ = ["TASKS", "TASK_MODEL", "Dealt", "House", "Way", "Weather", "cells", "deal", "pairs"]


class House(StrEnum):
    """Which router: one where restricted text stays, one where it may leave redacted."""

    STAYS = "stays"
    REDACTS = "redacts"


class Way(StrEnum):
    """What happens between the request and the engines."""

    PLAIN = "plain"
    CASCADE = "cascade"
    JUDGED = "hosted judge"
    TRIAL = "trial of an experiment"
    SHADOW = "shadow of an experiment"
    PERSON = "person at the end"
    CARELESS = "pipeline, hosted second stage"
    POLISH = "pipeline, hosted polish"
    RESEARCH = "pipeline, each document"
    RELEASE = "pipeline, released structure"
    LOOKUP = "pipeline, search"
    BATCH = "line of a batch"


class Weather(StrEnum):
    """How the taps behave in a wave of cases."""

    CALM = "calm"
    BOX_ILL = "local faults"
    BOX_DOWN = "local engine down"
    STREET_ILL = "hosted faults"
    ALL_ILL = "faults everywhere"


TASKS = {Way.CASCADE: "short", Way.JUDGED: "graded", Way.TRIAL: "tried", Way.SHADOW: "seen", Way.PERSON: "care"}
PIPELINES = {
    Way.CARELESS: "careless", Way.POLISH: "polish", Way.RESEARCH: "research", Way.RELEASE: "private",
    Way.LOOKUP: "lookup",
}  # fmt: skip
TASK_MODEL = "task/"
"""A task by the name of a model, for clients without headers."""
TASK_NAMED = frozenset({Source.TASK, Source.TASK_METADATA})
SAID = (
    Source.HEADER,
    Source.METADATA,
    Source.KEY,
    Source.TASK,
    Source.RULE_WORDS,
    Source.SESSION,
    Source.PICTURE,
    Source.CHUNK,
    Source.KNOWN_CHUNK,
)
"""Labels that redaction does not lift."""
IN_BATCH = frozenset(
    {Source.SESSION, Source.CONVERSATION, Source.PREVIOUS_RESPONSE, Source.HEADER_TWICE, Source.KNOWN_CHUNK}
)
"""Sources that need a request before, or a header that no batch keeps: not in a line."""
NAMED_MODELS = (*["auto"] * 6, "local", "box", "mini", "claude")
REDACTED_SHARE = 0.2
FREE_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """One case of the crowd. `value` is the shape of a private value around the word, in the router that redacts."""

    number: int
    case: Case
    way: Way
    house: House
    value: str = "%s"

    @property
    def family(self) -> Family:
        """Where its word may be seen."""
        if self.case.field.place is not Place.BODY:
            return Family.HEAD
        return Family.FREE if not self.case.restricted and self.value == "%s" else Family.HOME

    @property
    def stays(self) -> bool:
        """Whether no byte of the request may reach a hosted tap: restricted, and nothing of it released."""
        return self.case.restricted and self.way is not Way.RELEASE

    def planted(self, words: Words) -> str:
        """What stands in the place."""
        word = words.word(self.family, self.number)
        return self.value % (word.lower() if "@" in self.value else word)

    @property
    def title(self) -> str:
        """One line for a failure."""
        return f"case {self.number}, {self.house}, {self.way}: {self.case.title}, value {self.value!r}"


VALUES = ("%s@firm.io", "ghp_%sQq73")
"""A private value that holds the word, and that the tables find wherever it stands: an address, a token."""


@cache
def possible(api: Api, number: int) -> tuple[Source, ...]:
    """The sources that can be added to a request with its word in this place."""
    return tuple(sources_for(api, FIELDS[api][number]))


def cells() -> list[tuple[Api, int, Source]]:
    """The whole product of API, place and source."""
    return [(api, at, source) for api in Api for at in range(len(FIELDS[api])) for source in possible(api, at)]


def ways_for(case: Case, house: House) -> list[Way]:
    """The ways that can be added without undoing the case's own place or source."""
    ways = [Way.PLAIN]
    names = {name.lower() for name in case.field.fragment("c")} if case.field.place is Place.HEADER else set()
    # A path that leads elsewhere, and a second task, are cases of their own.
    if case.field.place is not Place.PATH and case.source not in TASK_NAMED and "x-localfleet-task" not in names:
        ways += TASKS
    if case.api in PICTURES and case.field.place is not Place.PATH and not case.field.raw:
        ways += PIPELINES
    single = case.field.place is Place.BODY and not case.field.raw and "stream" not in case.field.fragment("c")
    if single and case.source not in IN_BATCH and house is House.STAYS:
        ways.append(Way.BATCH)
    return ways


def pairs(house: House) -> set[tuple[Way, str]]:
    """Every pair of a way with an API, and of a way with a source, that can be."""
    found: set[tuple[Way, str]] = set()
    for api, at, source in cells():
        case = _case(api, FIELDS[api][at], source)
        for way in ways_for(case, house):
            found |= {(way, api.value), (way, source.value)}
    return found


def _case(api: Api, place: Field, source: Source) -> Case:
    return replace(plain_case(api, FIELDS[api][0].name, source), field=place)


@dataclass(slots=True)
class Deck:
    """Everything a crowd is drawn from."""

    rng: random.Random
    ways: Even
    queue: list[tuple[Api, int, Source]] = field(default_factory=list)
    redacted: list[tuple[Api, int, Source | None]] = field(default_factory=list)

    def next(self, number: int) -> Dealt:
        """The next case."""
        draw = self.rng.random()
        if draw < REDACTED_SHARE:
            return self._redacted(number)
        if draw < REDACTED_SHARE + FREE_SHARE:
            api = self.rng.choice([*Api])
            readable = [at for at, one in enumerate(FIELDS[api]) if not one.unreadable and one.place is Place.BODY]
            return self._dealt(number, api, self.rng.choice(readable), Source.NONE)
        if not self.queue:
            self.queue = cells()
            self.rng.shuffle(self.queue)
        return self._dealt(number, *self.queue.pop())

    def _dealt(self, number: int, api: Api, at: int, source: Source) -> Dealt:
        return self._by_a_way(number, _case(api, FIELDS[api][at], source), House.STAYS, "%s")

    def _redacted(self, number: int) -> Dealt:
        if not self.redacted:
            places = [(api, at) for api in Api for at, one in enumerate(FIELDS[api]) if one.place is Place.BODY]
            valued: list[tuple[Api, int, Source | None]] = [(api, at, None) for api, at in places]
            said = [(api, at, source) for api, at in places for source in SAID if source in possible(api, at)]
            self.redacted = [*valued, *self.rng.sample(said, len(valued) // 2)]
            self.rng.shuffle(self.redacted)
        api, at, source = self.redacted.pop()
        case = _case(api, FIELDS[api][at], source or Source.NONE)
        value = self.rng.choice(VALUES) if source is None else "%s"
        return self._by_a_way(number, case, House.REDACTS, value)

    def _by_a_way(self, number: int, case: Case, house: House, value: str) -> Dealt:
        options = [(way, case.api, case.source) for way in ways_for(case, house)]
        way = self.ways.draw(options)[0]
        rng = self.rng
        model = f"pipeline/{PIPELINES[way]}" if way in PIPELINES else rng.choice(NAMED_MODELS)
        if way in TASKS:
            model = rng.choice(("auto", f"{TASK_MODEL}{TASKS[way]}"))
        case = replace(
            case,
            model=model,
            stream=case.api not in WORDLESS and way is not Way.BATCH and rng.random() < 0.4,
            escaped=rng.random() < 0.3,
            first=rng.random() < 0.5,
            lowering=rng.random() < 0.3 and way is not Way.BATCH,
            leave_after_bytes=rng.choice([None] * 14 + [0, 1]) if way is Way.PLAIN else None,
        )
        return Dealt(number=number, case=case, way=way, house=house, value=value)


def deal(seed: int, number: int) -> Iterator[Dealt]:
    """So many cases, the same ones for the same seed."""
    rng = random.Random(seed)
    deck = Deck(rng, Even(rng))
    return (deck.next(at) for at in range(number))


def uncovered(dealt: Sequence[tuple[Dealt, Weather]]) -> list[str]:
    """Every cell of what this module promises that no case hit."""
    stays = [one for one, _ in dealt if one.house is House.STAYS]
    names = {(one.case.api, one.case.field.name, one.case.source) for one in stays}
    missing = [
        f"{(api, FIELDS[api][at].name, source)}"
        for api, at, source in cells()
        if (api, FIELDS[api][at].name, source) not in names
    ]
    for house in House:
        own = [one for one, _ in dealt if one.house is house]
        hit = {pair for one in own for pair in ((one.way, one.case.api.value), (one.way, one.case.source.value))}
        wanted = pairs(house)
        if house is House.REDACTS:
            wanted = {pair for pair in wanted if pair[1] in {*Api}}
        missing += [f"{house}: {pair}" for pair in sorted(wanted - hit)]
    redacts = {
        (one.case.api, one.case.field.name) for one, _ in dealt if one.house is House.REDACTS and one.value != "%s"
    }
    missing += [
        f"redacted value in {api} {one.name}"
        for api in Api
        for one in FIELDS[api]
        if one.place is Place.BODY and (api, one.name) not in redacts
    ]
    met = Counter((one.way, weather) for one, weather in dealt)
    calm_only = {Way.BATCH}
    missing += [
        f"{way} in {weather}"
        for way in Way
        for weather in Weather
        if not met[way, weather] and (way not in calm_only or weather is Weather.CALM)
    ]
    return missing
