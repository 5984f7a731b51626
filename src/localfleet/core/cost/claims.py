"""
A published savings table against its own prices: can any numbers of tokens give it, and what would be consistent?

Both sides of a saving are taken to see the same tokens: a row's tokens are unknown, but they are one number in and one
out wherever they are priced. That makes each printed figure a linear equation, and *impossible* a proof. It does not
hold between models whose tokenizers or answers differ in length; such a claim has to say by how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from localfleet.core.amount import require
from localfleet.core.cost.linear import Bound, least

__all__ = ["Band", "Claim", "Priced", "TableVerdict", "Tokens", "check_table"]

MTOK = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of some work in a month, in millions; `None` is unknown. One name is one pair of numbers everywhere."""

    name: str
    mtok_in: Decimal | None = None
    mtok_out: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse negative tokens."""
        for field, value in (("mtok_in", self.mtok_in), ("mtok_out", self.mtok_out)):
            if value is not None:
                require(f"{field} of {self.name}", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A share of some tokens (0 to 1, all of them by default) at one model's price."""

    tokens: str
    usd_per_mtok_in: Decimal
    usd_per_mtok_out: Decimal
    share: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """
    A printed figure: the sum of its parts is `usd`, give or take what it was rounded by.

    `given` figures are taken as they are (the bill before, say), and the others are held against them.
    """

    name: str
    usd: Decimal
    parts: tuple[Priced, ...]
    rounded_by: Decimal = Decimal("0.005")
    given: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no sum of money."""
        require(f"usd of {self.name}", self.usd)
        require(f"rounded_by of {self.name}", self.rounded_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What a figure can be beside the given ones; `high` of `None` has no end. `holds`: the claim lies in it."""

    name: str
    usd: Decimal
    low: Decimal
    high: Decimal | None
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableVerdict:
    """
    `possible`: some tokens give the whole table; `example` holds such (name, millions in, millions out).

    Where it is impossible: `culprits` are the figures of which leaving out any one makes the rest possible, and
    `nearest` the consistent figures that change least, as a share of what was printed; given ones do not move.
    """

    possible: bool
    bands: tuple[Band, ...]
    culprits: tuple[str, ...]
    nearest: tuple[tuple[str, Decimal], ...]
    example: tuple[tuple[str, Decimal, Decimal], ...]

    def band(self, name: str) -> Band:
        """The band of this figure."""
        return next(band for band in self.bands if band.name == name)


def check_table(tokens: Sequence[Tokens], claims: Sequence[Claim]) -> TableVerdict:
    """
    Hold all figures of a table against one another.

    Raises `ValueError` naming a claim whose parts speak of tokens that are not listed, and for given figures that
    contradict each other. Where none is given, a band is what all other figures allow, if they are possible together.
    """
    place = {each.name: number for number, each in enumerate(tokens)}
    rows = [_weights(claim, place) for claim in claims]
    known = _known(tokens)
    kept = [_bound(claim, row) for claim, row in zip(claims, rows, strict=True)]
    nothing = [Fraction(0)] * (2 * len(tokens))
    whole = least(nothing, [*known, *kept])
    given = [*known, *(bound for claim, bound in zip(claims, kept, strict=True) if claim.given)]
    if least(nothing, given) is None:
        raise ValueError("given: the figures and tokens that are given contradict each other; nothing can be proved")
    some = any(claim.given for claim in claims)
    bands = tuple(
        _band(claim, rows[at], given if some else _others(at, known, kept)) for at, claim in enumerate(claims)
    )
    nearest = _nearest(claims, rows, kept, known)
    return TableVerdict(
        possible=whole is not None,
        bands=bands,
        culprits=() if whole else _culprits(claims, kept, known),
        nearest=tuple((claim.name, value) for claim, value in zip(claims, nearest, strict=True)),
        example=()
        if whole is None
        else tuple(
            (each.name, _decimal(whole.amounts[2 * at]), _decimal(whole.amounts[2 * at + 1]))
            for at, each in enumerate(tokens)
        ),
    )


def _weights(claim: Claim, place: dict[str, int]) -> tuple[Fraction, ...]:
    row = [Fraction(0)] * (2 * len(place))
    for part in claim.parts:
        if part.tokens not in place:
            msg = f"{claim.name}: no tokens of the name {part.tokens} are listed"
            raise ValueError(msg)
        for field in ("share", "usd_per_mtok_in", "usd_per_mtok_out"):
            require(f"{claim.name}: {field} of {part.tokens}", getattr(part, field))
        at = 2 * place[part.tokens]
        row[at] += Fraction(part.share) * Fraction(part.usd_per_mtok_in)
        row[at + 1] += Fraction(part.share) * Fraction(part.usd_per_mtok_out)
    return tuple(row)


def _bound(claim: Claim, row: tuple[Fraction, ...]) -> Bound:
    usd, off = Fraction(claim.usd), Fraction(claim.rounded_by)
    return Bound(weights=row, low=usd - off, high=usd + off)


def _known(tokens: Sequence[Tokens]) -> list[Bound]:
    amounts = [amount for each in tokens for amount in (each.mtok_in, each.mtok_out)]
    return [
        Bound(weights=_unit(len(amounts), at), low=Fraction(amount), high=Fraction(amount))
        for at, amount in enumerate(amounts)
        if amount is not None
    ]


def _unit(many: int, at: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(int(each == at)) for each in range(many))


def _others(at: int, known: list[Bound], kept: list[Bound]) -> list[Bound]:
    """What holds without one figure: all others, or only the known tokens where those contradict each other."""
    others = [*known, *kept[:at], *kept[at + 1 :]]
    return others if least([Fraction(0)] * len(kept[at].weights), others) else known


def _band(claim: Claim, row: tuple[Fraction, ...], bounds: list[Bound]) -> Band:
    low, high = least(row, bounds), least([-each for each in row], bounds)
    bottom = low.value if low and low.value is not None else Fraction(0)
    top = None if high is None or high.value is None else -high.value
    usd, off = Fraction(claim.usd), Fraction(claim.rounded_by)
    return Band(
        name=claim.name,
        usd=claim.usd,
        low=_decimal(bottom),
        high=None if top is None else _decimal(top),
        holds=usd + off >= bottom and (top is None or usd - off <= top),
    )


def _culprits(claims: Sequence[Claim], kept: list[Bound], known: list[Bound]) -> tuple[str, ...]:
    nothing = [Fraction(0)] * len(kept[0].weights)
    return tuple(
        claim.name
        for at, claim in enumerate(claims)
        if not claim.given and least(nothing, [*known, *kept[:at], *kept[at + 1 :]])
    )


def _nearest(
    claims: Sequence[Claim], rows: Sequence[tuple[Fraction, ...]], kept: Sequence[Bound], known: Sequence[Bound]
) -> list[Decimal]:
    """Least sum of relative changes: for each figure two more amounts, how far it goes up and how far down."""
    moves, width = 2 * len(claims), len(rows[0])
    costs = [Fraction(0)] * width
    bounds = [Bound(weights=(*each.weights, *[Fraction(0)] * moves), low=each.low, high=each.high) for each in known]
    for at, (claim, row) in enumerate(zip(claims, rows, strict=True)):
        costs += [1 / Fraction(claim.usd) if claim.usd > 0 else Fraction(MTOK)] * 2
        free = 0 if claim.given else 1
        steps = [Fraction(free * ((each == 2 * at + 1) - (each == 2 * at))) for each in range(moves)]
        bounds.append(Bound(weights=(*row, *steps), low=kept[at].low, high=kept[at].high))
    found = least(costs, bounds)
    if found is None:
        raise ValueError("tokens: the known amounts contradict each other")
    return [
        _decimal(sum((a * b for a, b in zip(row, found.amounts[:width], strict=True)), Fraction(0))) for row in rows
    ]


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
