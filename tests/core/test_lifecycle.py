"""The life of an engine: every state and event, and the few walks that matter."""

from itertools import product

import pytest

from localfleet.core.fleet import Readiness
from localfleet.core.lifecycle import NEXT, Event, after

WALKS = {
    "a start": (Readiness.DOWN, "started healthy answered", Readiness.READY),
    "a crash and the next start": (Readiness.READY, "exited started healthy answered", Readiness.READY),
    "a crash loop that ends": (Readiness.LOADING, "exited started gave_up", Readiness.DOWN),
    "a bad minute": (Readiness.READY, "struggled recovered", Readiness.READY),
    "stuck, then killed": (Readiness.DEGRADED, "stuck exited started", Readiness.LOADING),
    "stuck, but it was only slow": (Readiness.READY, "stuck recovered", Readiness.READY),
    "a nap": (Readiness.READY, "slept woke answered", Readiness.READY),
    "makes room": (Readiness.READY, "yielded unloaded", Readiness.ASLEEP),
    "makes room and comes again": (Readiness.READY, "yielded slept woke answered", Readiness.READY),
    "loaded when somebody asks": (Readiness.ASLEEP, "started healthy answered", Readiness.READY),
    "the end": (Readiness.READY, "stopped", Readiness.DOWN),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_ends_where_it_should(name: str) -> None:
    """Events in a row lead through the table to the state that people expect."""
    state, events, end = WALKS[name]
    for event in events.split():
        state = after(state, Event(event))
    assert state is end


@pytest.mark.parametrize(("state", "event"), list(product(Readiness, Event)))
def test_every_event_leads_somewhere(state: Readiness, event: Event) -> None:
    """Each of all pairs gives a state, and an event that means nothing changes nothing."""
    assert after(state, event) is NEXT[state].get(event, state)


@pytest.mark.parametrize("state", Readiness)
def test_work_is_taken_only_after_an_answer(state: Readiness) -> None:
    """No event but an answer, a recovery or the end of a detour brings an engine to take work."""
    into = {event for event in Event if after(state, event).takes_work and not state.takes_work}
    assert into <= {Event.ANSWERED, Event.RECOVERED}


def test_nothing_wakes_a_sleeper_but_a_wake() -> None:
    """Health, probes and vital signs leave a sleeper asleep."""
    leads_away = {event for event in Event if after(Readiness.ASLEEP, event) is not Readiness.ASLEEP}
    assert leads_away == {Event.STARTED, Event.WOKE, Event.EXITED, Event.GAVE_UP, Event.STOPPED}


def test_every_state_can_be_left_and_reached() -> None:
    """No state is a trap, and none is only a word."""
    reached = {end for ways in NEXT.values() for end in ways.values()}
    assert reached == set(Readiness)
    assert all(set(ways.values()) - {state} for state, ways in NEXT.items())
