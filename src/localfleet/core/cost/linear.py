"""
A small linear program, exactly: which amounts from 0 up keep all bounds and make a sum least?

Fractions, so that "impossible" is a proof and not a rounding. Made for a dozen amounts; Bland's rule keeps it from
going round in circles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Bound", "Solution", "least"]

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """`low <= sum of weight x amount <= high`; `None` is no bound on that side."""

    weights: tuple[Fraction, ...]
    low: Fraction | None = None
    high: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Amounts that keep the bounds, and the least sum; `value` of `None`: it has no least, it falls without end."""

    amounts: tuple[Fraction, ...]
    value: Fraction | None


def least(costs: Sequence[Fraction], bounds: Sequence[Bound]) -> Solution | None:
    """The amounts (each at least 0) with the least sum of cost x amount; `None` where no amounts keep the bounds."""
    table = _Table.of(len(costs), bounds)
    if not table.feasible():
        return None
    ends = table.improve([*costs, *[ZERO] * (table.columns - len(costs))])
    amounts = table.amounts(len(costs))
    value = sum((cost * amount for cost, amount in zip(costs, amounts, strict=True)), ZERO) if ends else None
    return Solution(amounts=amounts, value=value)


class _Table:
    """Equations `row . x = right` with a basis: one column for each row that stands in it alone."""

    def __init__(self, rows: list[list[Fraction]], rights: list[Fraction]) -> None:
        """Rights are at least 0; one artificial column is added for each row and makes the first basis."""
        self.columns = len(rows[0]) if rows else 0
        self.rights = rights
        self.rows = [
            [*row, *(ONE if at == place else ZERO for at in range(len(rows)))] for place, row in enumerate(rows)
        ]
        self.basis = [self.columns + place for place in range(len(rows))]

    @classmethod
    def of(cls, amounts: int, bounds: Sequence[Bound]) -> "_Table":
        """Each finite side becomes an equation with a slack; a bound that is a point becomes one without."""
        sides: list[tuple[tuple[Fraction, ...], Fraction, Fraction]] = []
        for bound in bounds:
            if bound.low is not None and bound.low == bound.high:
                sides.append((bound.weights, bound.low, ZERO))
                continue
            if bound.high is not None:
                sides.append((bound.weights, bound.high, ONE))
            if bound.low is not None:
                sides.append((bound.weights, bound.low, -ONE))
        rows, rights = [], []
        for place, (weights, right, slack) in enumerate(sides):
            sign = -ONE if right < 0 else ONE
            slacks = [slack if at == place else ZERO for at in range(len(sides))]
            rows.append([sign * each for each in (*weights, *slacks)])
            rights.append(sign * right)
        return cls(rows or [[ZERO] * amounts], rights or [ZERO])

    def feasible(self) -> bool:
        """Drive the artificial columns to zero."""
        total = len(self.rows[0])
        self.improve([ZERO] * self.columns + [ONE] * (total - self.columns))
        if any(right > 0 for at, right in zip(self.basis, self.rights, strict=True) if at >= self.columns):
            return False
        for place, at in enumerate(self.basis):
            if at >= self.columns:
                entering = next((column for column in range(self.columns) if self.rows[place][column]), None)
                if entering is not None:
                    self._pivot(place, entering)
        return True

    def improve(self, costs: list[Fraction]) -> bool:
        """Pivot until no column lowers the cost; false where one lowers it without end."""
        width = len(costs)
        while True:
            prices = [costs[at] if at < width else ZERO for at in self.basis]
            entering = next(
                (
                    column
                    for column in range(width)
                    if costs[column] < sum((p * row[column] for p, row in zip(prices, self.rows, strict=True)), ZERO)
                ),
                None,
            )
            if entering is None:
                return True
            ratios = [
                (self.rights[place] / row[entering], self.basis[place], place)
                for place, row in enumerate(self.rows)
                if row[entering] > 0
            ]
            if not ratios:
                return False
            self._pivot(min(ratios)[2], entering)

    def amounts(self, many: int) -> tuple[Fraction, ...]:
        """The values of the first columns."""
        held = dict(zip(self.basis, self.rights, strict=True))
        return tuple(held.get(column, ZERO) for column in range(many))

    def _pivot(self, leaving: int, entering: int) -> None:
        factor = self.rows[leaving][entering]
        self.rows[leaving] = [each / factor for each in self.rows[leaving]]
        self.rights[leaving] /= factor
        for place, row in enumerate(self.rows):
            if place != leaving and row[entering]:
                times = row[entering]
                self.rows[place] = [a - times * b for a, b in zip(row, self.rows[leaving], strict=True)]
                self.rights[place] -= times * self.rights[leaving]
        self.basis[leaving] = entering
