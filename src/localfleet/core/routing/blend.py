"""How the opinion of a classifier and the length of a prompt become one need."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

__all__ = ["Blend", "Kind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """
    What the classifier may say among the prompts around one home, where the data names no groups.

    `mean` and `spread` are those of its opinion there, in standard units; the length has `length_share` of the order
    within the kind, and none of the order between kinds.
    """

    mean: float
    spread: float
    length_share: float

    def within(self, own: float, kin: float) -> float:
        """The classifier's opinion, with the length's part in the order of this kind's prompts."""
        return self.mean + (1 - self.length_share) * (own - self.mean) + self.length_share * self.spread * kin


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """
    What each has to say; training measures it on prompts and groups that it held out (`training.share`).

    `length_share` of a need is the length's where the words are as usual, `strange_share` where they are as those of a
    group that training lacked; `usual_cover` and `strange_cover` say what share of a prompt's words was seen then.
    `kinds` has one for each home, or is empty. `centre` and `spread` are mean and deviation of the gain.
    `heads_share` is the linear heads' part of a chance, the forest has the rest.
    """

    heads_share: float = 0.5
    length_share: float = 0.4
    strange_share: float = 0.4
    usual_cover: float = 1.0
    strange_cover: float = 0.0
    kinds: Sequence[Kind] = ()
    centre: float = 0.0
    spread: float = 1.0

    def share(self, cover: float) -> float:
        """What the length has to say beside a prompt of whose words such a share was seen."""
        usual = (cover - self.strange_cover) / max(self.usual_cover - self.strange_cover, 1e-6)
        return self.strange_share + max(0.0, min(1.0, usual)) * (self.length_share - self.strange_share)

    def need(self, gain: float, long: float, kin: float, home: int, cover: float) -> float:
        """In standard units, from the gain, the standardised length, the same among its kind, and the words seen."""
        share = self.share(cover)
        own = (gain - self.centre) / self.spread
        if self.kinds:
            own = self.kinds[home].within(own, kin)
        return ((1 - share) * own + share * long) / hypot(1 - share, share)
