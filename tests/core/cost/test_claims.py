"""Savings tables held against their own prices: what is impossible, by proof, and what would be consistent."""

from decimal import Decimal
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from localfleet.core.cost.claims import Claim, Priced, Tokens, check_table
from localfleet.core.cost.linear import Bound, least

OPUS, HAIKU, MINI, FLASH = ("5", "25"), ("1", "5"), ("0.15", "0.60"), ("0.10", "0.40")
"""Input and output dollars per million tokens, as the table that is checked printed them in 2026."""
WORK = tuple(Tokens(name=name) for name in ("classify", "generate", "complex"))


def priced(tokens: str, price: tuple[str, str], share: str = "1") -> Priced:
    """Tokens at a price."""
    usd_in, usd_out = map(Decimal, price)
    return Priced(tokens=tokens, usd_per_mtok_in=usd_in, usd_per_mtok_out=usd_out, share=Decimal(share))


def claim(name: str, usd: str, *parts: Priced, given: bool = False) -> Claim:
    """A figure printed to the cent; a given one is exact."""
    off = Decimal(0) if given else Decimal("0.005")
    return Claim(name=name, usd=Decimal(usd), parts=parts, rounded_by=off, given=given)


SINGLE = (
    claim("classify before", "2.25", priced("classify", OPUS), given=True),
    claim("generate before", "22.50", priced("generate", OPUS), given=True),
    claim("complex before", "17.50", priced("complex", OPUS), given=True),
)
ROUTED = (priced("classify", FLASH), priced("generate", MINI), priced("complex", HAIKU))


def test_v14_a_published_table_that_no_tokens_give() -> None:
    """$.003, $.54 and $2.00 after $2.25, $22.50 and $17.50: bands .036 to .045, .54 to .675, 3.50; so not $2.54."""
    rows = zip(("classify", "generate", "complex"), ("0.003", "0.54", "2.00"), ROUTED, strict=True)
    verdict = check_table(
        WORK, [*SINGLE, *(claim(name, usd, part) for name, usd, part in rows), claim("total", "2.54", *ROUTED)]
    )
    bands = {band.name: (float(band.low), float(band.high or 0), band.holds) for band in verdict.bands}
    assert not verdict.possible
    assert bands["classify"] == pytest.approx((0.036, 0.045, False))
    assert bands["generate"] == pytest.approx((0.54, 0.675, True))
    assert bands["complex"] == pytest.approx((3.5, 3.5, False))
    assert bands["total"] == pytest.approx((4.076, 4.22, False))
    assert verdict.culprits == ()
    nearest = dict(verdict.nearest)
    assert nearest["classify before"] == Decimal("2.25")
    assert nearest["complex"] == Decimal("3.5")
    assert nearest["total"] == sum(nearest[each.name] for each in WORK)


def test_v14_the_thousand_requests_behind_it() -> None:
    """1,000 requests of 200/50, 0/900 and 1,000/500 tokens are $42.25 before and $4.08 after: 90.34 % saved."""
    shapes = {"classify": ("0.2", "0.05"), "generate": ("0", "0.9"), "complex": ("1", "0.5")}
    known = [Tokens(name=name, mtok_in=Decimal(a), mtok_out=Decimal(b)) for name, (a, b) in shapes.items()]
    before = claim("before", "42.25", *(priced(name, OPUS) for name in shapes))
    verdict = check_table(known, [before, claim("after", "4.08", *ROUTED)])
    assert verdict.possible
    assert verdict.band("after").low == verdict.band("after").high == Decimal("4.08")
    assert 1 - float(verdict.band("after").low) / 42.25 == pytest.approx(0.9034319526627219, rel=1e-9)


def test_v14_two_tables_of_one_mix() -> None:
    """30,000 requests of 1,000/500: $225 before; 40/40/20 gives $54.00 as printed, but $108.60 where $67.50 is."""
    month = [Tokens(name="month", mtok_in=Decimal(30), mtok_out=Decimal(15))]

    def mix(name: str, usd: str, *parts: tuple[tuple[str, str], str]) -> Claim:
        return claim(name, usd, *(priced("month", price, share) for price, share in parts))

    large, sonnet = ("2.50", "10"), ("3", "15")
    claims = [
        mix("single", "225", (large, "1")),
        mix("mini and 4o", "54.00", (FLASH, "0.4"), (MINI, "0.4"), (large, "0.2")),
        mix("haiku and sonnet", "67.50", (FLASH, "0.4"), (HAIKU, "0.4"), (sonnet, "0.2")),
    ]
    verdict = check_table(month, claims)
    assert verdict.culprits == ("haiku and sonnet",)
    assert dict(verdict.nearest) == {
        "single": Decimal(225),
        "mini and 4o": Decimal("54.00"),
        "haiku and sonnet": Decimal("108.6"),
    }
    other = [
        mix("haiku and sonnet", "68.40", (FLASH, "0.6"), (HAIKU, "0.3"), (sonnet, "0.1")),
        mix("mini and 4o", "31.95", (FLASH, "0.6"), (MINI, "0.3"), (large, "0.1")),
    ]
    assert check_table(month, other).possible


def test_v14_what_a_total_leaves_open() -> None:
    """$5.50 after $42.25 is possible only if the work for Haiku was 59 to 62 % of the spend before."""
    before = claim("before", "42.25", *(priced(each.name, OPUS) for each in WORK), given=True)
    after = claim("after", "5.50", *ROUTED, given=True)
    verdict = check_table(WORK, [before, after, claim("haiku's part before", "20", priced("complex", OPUS))])
    band = verdict.band("haiku's part before")
    assert band.high is not None
    assert (float(band.low) / 42.25, float(band.high) / 42.25) == pytest.approx((0.589, 0.6205), abs=0.001)


def test_ratios_of_prices_bound_every_mix() -> None:
    """Opus 4.7 over Haiku 4.5 is 5 at any mix, 4o over mini 16.7."""
    for large, small, ratio in ((OPUS, HAIKU, 5.0), (("2.50", "10"), MINI, 16.67)):
        given = claim("large", "100", priced("a", large), given=True)
        band = check_table([Tokens(name="a")], [given, claim("small", "20", priced("a", small))]).band("small")
        assert band.high is not None
        assert (100 / float(band.low), 100 / float(band.high)) == pytest.approx((ratio, ratio), abs=0.01)


prices = some.tuples(some.integers(1, 90), some.integers(1, 90)).map(lambda pair: (str(pair[0]), str(pair[1])))


@settings(deadline=None, max_examples=60)
@given(tokens=some.tuples(some.integers(0, 50), some.integers(0, 50)), before=prices, after=prices)
def test_what_tokens_gave_is_possible(tokens: tuple[int, int], before: tuple[str, str], after: tuple[str, str]) -> None:
    """Figures computed from any tokens are never called impossible, and are their own nearest."""
    assume(sum(tokens))
    usd = [str(tokens[0] * int(price[0]) + tokens[1] * int(price[1])) for price in (before, after)]
    claims = [claim("before", usd[0], priced("a", before), given=True), claim("after", usd[1], priced("a", after))]
    verdict = check_table([Tokens(name="a")], claims)
    assert verdict.possible
    assert verdict.band("after").holds
    assert [value for _, value in verdict.nearest] == [
        pytest.approx(Decimal(usd[0])),
        pytest.approx(Decimal(usd[1]), abs=Decimal("0.0051")),
    ]


@settings(deadline=None, max_examples=60)
@given(
    costs=some.lists(some.integers(-9, 9), min_size=2, max_size=2),
    rows=some.lists(
        some.tuples(some.integers(1, 9), some.integers(1, 9), some.integers(0, 40)), min_size=1, max_size=4
    ),
)
def test_the_least_lies_in_a_corner(costs: list[int], rows: list[tuple[int, int, int]]) -> None:
    """The program finds what trying all corners of the region finds, exactly."""
    bounds = [Bound(weights=(Fraction(a), Fraction(b)), high=Fraction(limit)) for a, b, limit in rows]
    found = least([Fraction(cost) for cost in costs], bounds)
    lines = [*((a, b, limit) for a, b, limit in rows), (1, 0, 0), (0, 1, 0)]
    corners = []
    for (a, b, e), (c, d, f) in combinations(lines, 2):
        if (whole := a * d - b * c) == 0:
            continue
        x, y = Fraction(e * d - b * f, whole), Fraction(a * f - e * c, whole)
        if x >= 0 and y >= 0 and all(a * x + b * y <= limit for a, b, limit in rows):
            corners.append(costs[0] * x + costs[1] * y)
    assert found is not None
    assert found.value == min(corners)


def test_a_program_without_end_or_without_answer_says_so() -> None:
    """No least where the sum falls for ever; nothing where two bounds exclude each other."""
    one = (Fraction(1),)
    endless = least([Fraction(-1)], [Bound(weights=one, low=Fraction(1))])
    assert endless is not None
    assert endless.value is None
    assert least([Fraction(1)], [Bound(weights=one, low=Fraction(2)), Bound(weights=one, high=Fraction(1))]) is None


def test_bad_tables_are_refused_by_name() -> None:
    """Unknown tokens, negative prices and given figures at odds each name themselves."""
    with pytest.raises(ValueError, match="after: no tokens of the name b are listed"):
        check_table([Tokens(name="a")], [claim("after", "1", priced("b", OPUS))])
    with pytest.raises(ValueError, match="after: usd_per_mtok_in of a must be at least 0"):
        check_table([Tokens(name="a")], [claim("after", "1", priced("a", ("-1", "1")))])
    with pytest.raises(ValueError, match=r"given: .* contradict each other"):
        check_table(
            [Tokens(name="a")],
            [claim("x", "1", priced("a", OPUS), given=True), claim("y", "1", priced("a", HAIKU), given=True)],
        )
    with pytest.raises(ValueError, match="mtok_in of a"):
        Tokens(name="a", mtok_in=Decimal("NaN"))
