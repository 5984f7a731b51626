"""
The fallback chain (S44): after the first door, who comes next if it fails.

Cheapest fit first (that is the first door), then another provider of the same capability, then a more capable door, the
least of them first, and only then what is weaker. A person, where the task ends with one, comes after all of them.
"""

from localfleet.core.fleet import Model
from localfleet.core.routing.asked import Asked

__all__ = ["chained"]


def chained(asked: Asked, doors: list[Model]) -> list[Model]:
    """The same doors: the first stays, the rest by the step of the chain that they are; equal ones stay in order."""
    if len(doors) < 3:
        return doors
    first, level = doors[0], asked.trait(doors[0]).level

    def step(model: Model) -> tuple[int, int]:
        own = asked.trait(model).level
        if own == level:
            return (0 if model.host != first.host or model.local else 1), 0
        return (2, own) if own > level else (3, -own)

    return [first, *sorted(doors[1:], key=step)]
