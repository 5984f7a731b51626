"""
Strategies for cases: hypothesis combines what a deck deals one by one, and shrinks what leaks to the plainest case.

    endpoint x places of canaries x shape of the body x source of a label x model x streaming x faults of each tap

Each part is a strategy of its own, whose simplest value comes first: no fault, no second place, no second source.
`cases` puts them together; `calm=True` leaves the faults out, `slow=False` those that take seconds. Nothing is
filtered, so that no draw is thrown away.
"""

from collections.abc import Sequence
from dataclasses import replace

from canary_cases import BASES, DOWN, FIELDS, MODELS, OUTWARD, TAPS, Case, sources_for
from canary_deck import BEHAVIOURS
from canary_dress import Dress
from canary_fields import Field, Place
from canary_grown import grown_fields
from canary_sources import HEADERS, METADATA, Source, applies
from hypothesis import strategies as st
from tap_behaviour import Behaviour, Fault

from localfleet.core.ask import WORDLESS, Api

__all__ = ["behaviours", "beside", "cases", "cases_of", "fields", "scripts", "sources", "takes_seconds"]

Script = tuple[Behaviour, ...]
Sources = tuple[Source, tuple[Source, ...]]
TOGETHER = (*HEADERS, *METADATA, Source.KEY)
"""Sources that stand beside any other without undoing it: they touch neither turns nor texts."""
DRESSES = (*[Dress.PLAIN] * 14, *[Dress.INDENTED] * 2, *[Dress.CHUNKED] * 3, Dress.MARKED, Dress.UTF_16, Dress.GZIPPED)
"""Mostly plain: what the router refuses to read tells little of what it does with what it reads."""
LEAVES = (None, None, None, None, None, 0, 1, 200)


def takes_seconds(one: Behaviour) -> bool:
    """Whether a caller waits for its patience to end."""
    return one.fault in {Fault.HANG, Fault.HEADERS_HANG} or one.end == "hang" or one.retry_after == "1"


def fields(api: Api) -> st.SearchStrategy[Field]:
    """A place of this API: one of its tables, or one that grows."""
    return st.one_of(st.sampled_from(FIELDS[api]), grown_fields(api))


def beside(api: Api, first: Field) -> st.SearchStrategy[tuple[Field, ...]]:
    """Up to three more places that neither hide the first nor each other."""
    more = st.lists(fields(api), max_size=3)
    return st.one_of(st.just(()), more.map(lambda others: _disjoint(api, first, others)))


def _disjoint(api: Api, first: Field, others: Sequence[Field]) -> tuple[Field, ...]:
    """Those of the others that fit in: no raw text, no member, header or path twice."""
    kept: list[Field] = []
    taken = _members(first)
    for other in others:
        fits = not other.raw and not (first.raw and other.place is Place.BODY)
        if fits and not taken & _members(other) and any(sources_for(api, first, *kept, other)[1:]):
            kept.append(other)
            taken |= _members(other)
    return tuple(kept)


def _members(field: Field) -> set[str]:
    """What a field takes for itself: members of the body, headers, the path."""
    return {f"{field.place} {name.lower()}" for name in field.fragment("CANARY")}


def sources(api: Api, *places: Field) -> st.SearchStrategy[Sources]:
    """Why the request is restricted, with up to two reasons more; or that it is not."""
    possible = [source for source in sources_for(api, *places) if source is not Source.NONE]
    # Not `unique`: hypothesis would then draw by what is left to draw, and could not leave out the first of two.
    reasons = st.lists(st.sampled_from(possible), min_size=1, max_size=1 if places[0].raw else 3)
    return st.one_of(st.just([]), reasons).map(_joined)


def _joined(reasons: Sequence[Source]) -> Sources:
    """The first reason, by preference one of those that must stand alone, and what can be said beside it."""
    alone = [source for source in reasons if source not in TOGETHER]
    together = dict.fromkeys(source for source in reasons if source in TOGETHER)
    first, *others = [*alone[:1], *together] or [Source.NONE]
    kept: list[Source] = []
    body = {"metadata": dict(METADATA.get(first, {}))}
    for other in others:
        if applies(other, Api.CHAT, body, frozenset()):
            kept.append(other)
            body["metadata"].update(METADATA.get(other, {}))
    return first, tuple(kept)


def behaviours(*, slow: bool = True) -> st.SearchStrategy[Behaviour]:
    """One thing a tap does, after any number of events."""
    known = [one for one in BEHAVIOURS if slow or not takes_seconds(one)]
    return st.builds(lambda one, after: replace(one, after=after), st.sampled_from(known), st.integers(0, 9))


def scripts(*, slow: bool = True) -> st.SearchStrategy[dict[str, Script]]:
    """A script for each tap, often an empty one."""
    good: Script = ()
    script = st.one_of(st.just(good), st.lists(behaviours(slow=slow), min_size=1, max_size=3).map(tuple))
    return st.fixed_dictionaries(dict.fromkeys(TAPS, script))


@st.composite
def cases_of(draw: st.DrawFn, api: Api, field: Field, *, calm: bool = False, slow: bool = True) -> Case:
    """Cases with the first canary in this place: everything else varies."""
    more = draw(beside(api, field))
    source, also = draw(sources(api, field, *more))
    leaves = source is Source.NONE and not any(one.unreadable for one in (field, *more))
    return Case(
        api=api,
        field=field,
        beside=more,
        source=source,
        also=also,
        model=draw(st.sampled_from(OUTWARD[api] if leaves else MODELS)),
        turns=draw(st.sampled_from((0, 0, 1, 4))),
        dress=Dress.PLAIN if field.raw else draw(st.sampled_from(DRESSES)),
        stream=api not in WORDLESS and draw(st.booleans()),
        escaped=draw(st.booleans()),
        first=draw(st.booleans()),
        lowering=draw(st.booleans()),
        faults={} if calm else draw(scripts(slow=slow)),
        down=frozenset() if calm else draw(st.sampled_from(DOWN)),
        lasting=not calm and draw(st.booleans()),
        leave_after_bytes=None if calm else draw(st.sampled_from(LEAVES)),
    )


@st.composite
def cases(draw: st.DrawFn, *, calm: bool = False, slow: bool = True, apis: Sequence[Api] = tuple(BASES)) -> Case:
    """Any case."""
    api = draw(st.sampled_from(apis))
    return draw(cases_of(api, draw(fields(api)), calm=calm, slow=slow))
