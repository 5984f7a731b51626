"""
A forest over the shape of a prompt: many small trees, each leaf with every model's chance of a good answer.

It sees what a line through the features cannot: that length means one thing for a sum and another for a case.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LEAF", "Forest"]

LEAF = 255
"""In the place of a feature's number: here stands a leaf."""
_MOST_BYTE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """
    All trees in one list of nodes; below a node comes its left branch, and `jump` tells where its right one starts.

    At a leaf, `jump` is the row of `chances`: a byte for each model, in 255ths.
    """

    roots: Sequence[int]
    feature: memoryview
    threshold: Sequence[float]
    jump: memoryview
    chances: memoryview
    models: int

    def of(self, shape: Sequence[float]) -> list[float]:
        """Each model's chance, the mean over the trees."""
        feature, threshold, jump, models = self.feature, self.threshold, self.jump, self.models
        totals = [0] * models
        for root in self.roots:
            at = root
            while (which := feature[at]) != LEAF:
                at = at + 1 if shape[which] <= threshold[at] else jump[at]
            start = jump[at] * models
            for model in range(models):
                totals[model] += self.chances[start + model]
        return [total / (_MOST_BYTE * len(self.roots)) for total in totals]
