"""
Hypothesis explores the wire: each lane of a rig runs a search of its own, all at once, and shrinks what it finds.

A case is judged by what it did (`wire_check.problems`) and by what it added to what lies around (`wire_watch.Watch`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from canary import traces
from canary_cases import Case
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy
from wire_check import problems
from wire_tap import HOSTED, Lane, Rig, Seen
from wire_watch import Watch

__all__ = ["CALM", "Explored", "explore", "judge"]

CALM = settings(
    database=None,  # nothing is written outside the test's folder; the seed repeats a run
    deadline=None,  # a case with a tap that hangs takes the router's whole patience, on purpose
    suppress_health_check=[
        HealthCheck.too_slow,  # for the same reason
        HealthCheck.data_too_large,  # a case with four grown places and three scripts is large, and rare
    ],
    # The explain phase runs a failing case again and again to colour its parts; the shrunk case says enough.
    phases=(Phase.generate, Phase.shrink),
    report_multiple_bugs=False,  # the first leak is the one to mend
)


@dataclass(slots=True)
class Explored:
    """What the searches drew and saw, for statements about how much was covered."""

    cases: list[Case] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    left: int = 0
    """Cases whose canary a hosted tap rightly got: the control, without which an empty tap means nothing."""
    leaks: list[BaseException] = field(default_factory=list)

    def note(self, seen: Seen) -> None:
        """Count one case."""
        self.cases.append(seen.case)
        self.statuses[seen.answer.status] += 1
        self.left += any(traces(seen.received[name], canary) for name in HOSTED for _, canary in seen.planted)

    def told(self, first_seed: int) -> str:
        """The leaks, each with its shrunk case."""
        notes = ("\n".join([str(leak), *getattr(leak, "__notes__", ())]) for leak in self.leaks)
        return f"seed {first_seed}\n" + "\n\n".join(notes)


def judge(lane: Lane, watch: Watch) -> Callable[[Case], tuple[Seen, list[str]]]:
    """Runs a case in a lane: what was seen, and all that is wrong with it."""

    def judged(case: Case) -> tuple[Seen, list[str]]:
        seen = lane.run(case)
        return seen, [*problems(seen), *watch.problems(seen)]

    return judged


def explore(rig: Rig, cases: SearchStrategy[Case], *, number: int, first_seed: int) -> Explored:
    """So many cases, shared out evenly among the lanes; the same seed and number of lanes draw the same cases."""
    share = -(-number // len(rig.lanes))

    def search(lane: Lane) -> Explored:
        found = Explored()
        try:
            _search(judge(lane, Watch(rig.router)), cases, found, number=share, own_seed=first_seed + lane.number)
        except AssertionError as leak:
            found.leaks.append(leak)
        finally:
            lane.close_tally()
        return found

    with ThreadPoolExecutor(len(rig.lanes)) as pool:
        return _together(list(pool.map(search, rig.lanes)))


def _search(
    judged: Callable[[Case], tuple[Seen, list[str]]],
    cases: SearchStrategy[Case],
    explored: Explored,
    *,
    number: int,
    own_seed: int,
) -> None:
    @seed(own_seed)
    @settings(CALM, max_examples=number)
    @given(cases)
    def nothing_leaks(case: Case) -> None:
        seen, found = judged(case)
        explored.note(seen)
        assert not found, "\n".join(found)

    nothing_leaks()


def _together(parts: Sequence[Explored]) -> Explored:
    whole = Explored()
    for part in parts:
        whole.cases += part.cases
        whole.statuses += part.statuses
        whole.left += part.left
        whole.leaks += part.leaks
    return whole
