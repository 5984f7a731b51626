"""
By session: a conversation does not fall from a strong model to the smallest one because its last line is short.

"Commit it" after a hard task needs to know what the task was. So the level of a conversation falls by one step only
after several easier requests in a row (hysteresis), and the door that served it last is kept where it is good enough:
its prefix cache knows the conversation.
"""

from dataclasses import dataclass

from localfleet.core.fleet import Model
from localfleet.core.reason import Reason
from localfleet.core.routing.asked import Asked
from localfleet.core.routing.moment import Stay

__all__ = ["SameDoor", "stay_after"]


def stay_after(before: Stay | None, *, model: str, level: int, holds: int) -> Stay:
    """
    What to remember after a request that needed `level` by itself and went to `model`.

    The level rises at once, and falls by one after `holds` easier requests in a row.
    """
    if before is None or level >= before.level:
        return Stay(model=model, level=level)
    if before.easier + 1 < holds:
        return Stay(model=model, level=before.level, easier=before.easier + 1)
    return Stay(model=model, level=before.level - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SameDoor:
    """The strategy: the door that served the conversation last."""

    name: str = "session"

    def speaks(self, asked: Asked) -> bool:
        """Only of a conversation that is known."""
        return asked.moment.stay is not None

    def rank(self, asked: Asked, model: Model) -> float:
        """0 for the door of last time."""
        stay = asked.moment.stay
        return 0 if stay is not None and stay.model == model.name else 1

    def reason(self, _asked: Asked) -> Reason:
        """Why."""
        return Reason.BY_SESSION

    def why(self, asked: Asked) -> str:
        """In words."""
        stay = asked.moment.stay
        return f"the conversation was served by {stay.model if stay else 'nobody'} last"
