"""
The ladder: in which order doors are tried, given how they are right now. It adds no door and drops none.

| rung | a door that ...                                        | among themselves                            |
|------|--------------------------------------------------------|---------------------------------------------|
| 1    | has room now, or a line shorter than the patience      | as wanted                                   |
| 2    | works, with a longer line that ends before the deadline| the shortest wait first                     |
| 3    | sleeps or loads, and is ready before the deadline      | the soonest first, those of unknown time last |
| 4    | works, but its line is full                            | as wanted                                   |
| 5    | cannot be ready before the deadline                    | the soonest first                           |
| 6    | is stalled or draining                                 | as wanted                                   |

So unrestricted work finds an open hosted door before a long local line. Restricted work, whose legal doors are all on
this box, goes down from the model it wants to a smaller one with room, to the lines, to a sleeper, and then hears 503.
A sleeper comes after the lines: to wake it for one request may put to sleep what others are using.
"""

from math import inf

from localfleet.core.fleet import EngineState, Fleet, Model, Readiness

__all__ = ["climb", "stands_open"]

PUT_LAST = frozenset({Readiness.STALLED, Readiness.DRAINING, Readiness.DOWN})


def climb(wanted: list[Model], fleet: Fleet, *, patience_s: float, deadline_s: float | None) -> list[Model]:
    """Sort `wanted` (in the order of preference) by rung; `deadline_s` is what the caller has left."""

    def rank(model: Model) -> tuple[int, float]:
        return _rung(model, fleet.state(model.name), patience_s, inf if deadline_s is None else deadline_s)

    return sorted(wanted, key=rank) if len(wanted) > 1 else wanted


def stands_open(model: Model, fleet: Fleet, *, patience_s: float) -> bool:
    """Whether the door is on the first rung: somebody who comes now is worked on now, or soon enough."""
    return _rung(model, fleet.state(model.name), patience_s, inf)[0] == 1


def _rung(model: Model, state: EngineState, patience_s: float, deadline_s: float) -> tuple[int, float]:
    if state.readiness in PUT_LAST:
        return 6, 0.0
    if not state.readiness.takes_work:
        soon_s = inf if state.ready_in_s is None else state.ready_in_s
        late = state.ready_in_s is not None and state.ready_in_s >= deadline_s
        return (5 if late else 3), soon_s
    if model.queue_limit is not None and state.in_flight + state.waiting >= model.queue_limit:
        return 4, 0.0
    if state.wait_s <= patience_s:
        return 1, 0.0
    return (5 if state.wait_s >= deadline_s else 2), state.wait_s
