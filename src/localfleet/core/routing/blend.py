"""How the opinion of a classifier and the length of a prompt become one need."""

from dataclasses import dataclass
from math import hypot

__all__ = ["Blend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """
    What each has to say; training measures it on prompts and groups that it held out (`training.share`).

    `length_share` of a need is the length's where the words are as usual, `strange_share` where they are as those of a
    group that training lacked; `usual_cover` and `strange_cover` say what share of a prompt's words was seen then.
    `kin_share` is the weight of the length among prompts of the same kind: it orders a foreign set of one kind, and
    leaves the order between kinds to the classifier. `centre` and `spread` are mean and deviation of the gain.
    `heads_share` is the linear heads' part of a chance, the forest has the rest.
    """

    heads_share: float = 0.5
    length_share: float = 0.4
    strange_share: float = 0.4
    usual_cover: float = 1.0
    strange_cover: float = 0.0
    kin_share: float = 0.0
    centre: float = 0.0
    spread: float = 1.0

    def share(self, cover: float) -> float:
        """What the length has to say beside a prompt of whose words such a share was seen."""
        usual = (cover - self.strange_cover) / max(self.usual_cover - self.strange_cover, 1e-6)
        return self.strange_share + max(0.0, min(1.0, usual)) * (self.length_share - self.strange_share)

    def need(self, gain: float, long: float, kin: float, cover: float) -> float:
        """In standard units, from the gain, the standardised length, the length among its kind, and the words seen."""
        share = self.share(cover)
        own = (gain - self.centre) / self.spread + self.kin_share * kin
        return ((1 - share) * own + share * long) / hypot(1 - share, (1 - share) * self.kin_share, share)
