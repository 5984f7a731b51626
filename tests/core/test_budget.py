"""Law 9: money is reserved before it is spent, whatever the order in which requests come and go."""

from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from localfleet.core.budget import Purses, Scope, day_of, month_of

NOON = 1_763_812_800.0  # 22 November 2025, 12:00 UTC
DAY = 86_400.0
KEY: Scope = ("key", "k")
TIER: Scope = ("tier", "low_cost")
LIMITS = {KEY: Decimal(5), TIER: Decimal(2)}
CENTS = st.integers(0, 300).map(lambda cents: Decimal(cents) / 100)


@dataclass
class Held:
    """One request under way."""

    scopes: dict[Scope, Decimal]
    usd: Decimal


@dataclass
class Model:
    """The same books kept the slow way: every payment with its period."""

    held: list[Held] = field(default_factory=list)
    paid: list[tuple[Scope, str, Decimal]] = field(default_factory=list)

    def taken(self, scope: Scope, now: float) -> Decimal:
        """Spent in the period, and reserved."""
        period = month_of(now) if scope[0] == "key" else day_of(now)
        spent = sum((usd for who, when, usd in self.paid if (who, when) == (scope, period)), Decimal(0))
        return spent + sum((one.usd for one in self.held if scope in one.scopes), Decimal(0))


class Rush(RuleBasedStateMachine):
    """Requests of one key on one tier, or of the key alone, reserving and settling in any order over weeks."""

    def __init__(self) -> None:
        """Start with empty purses."""
        super().__init__()
        self.purses, self.model, self.now = Purses(), Model(), NOON

    @rule(usd=CENTS, scopes=st.sampled_from([(KEY,), (TIER,), (KEY, TIER), ()]))
    def reserve(self, usd: Decimal, scopes: tuple[Scope, ...]) -> None:
        """Granted exactly where every limit has room; all scopes or none."""
        limits = {scope: LIMITS[scope] for scope in scopes}
        room = all(LIMITS[scope] - self.model.taken(scope, self.now) >= usd for scope in scopes)
        assert self.purses.reserve(limits, usd, self.now) is (room or not limits)
        if room:
            self.model.held.append(Held(limits, usd))

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """Any request ends, at no more than it reserved."""
        one = self.model.held.pop(data.draw(st.integers(0, len(self.model.held) - 1)))
        spent = data.draw(st.sampled_from([Decimal(0), one.usd / 2, one.usd]))
        self.purses.settle(one.scopes, reserved=one.usd, spent=spent, now=self.now)
        period = {"key": month_of(self.now), "tier": day_of(self.now)}
        self.model.paid += [(scope, period[scope[0]], spent) for scope in one.scopes]

    @rule(days=st.sampled_from([0.25, 1.0, 9.0, 31.0]))
    def time_passes(self, days: float) -> None:
        """A day, or a month, rolls over."""
        self.now += days * DAY

    @invariant()
    def no_purse_is_overdrawn(self) -> None:
        """What is spent and reserved never passes the limit, and what is left is what the slow books say."""
        for scope, limit in LIMITS.items():
            taken = self.model.taken(scope, self.now)
            assert taken <= limit
            assert self.purses.left(scope, limit, self.now) == limit - taken


TestRush = Rush.TestCase
TestRush.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_new_period_starts_empty_but_keeps_reservations() -> None:
    """Tiers by the UTC day, keys by the UTC month."""
    purses = Purses()
    midnight = NOON + DAY / 2
    purses.book(TIER, Decimal(2), midnight - 1)
    purses.book(KEY, Decimal(5), midnight - 1)
    assert purses.left(TIER, Decimal(2), midnight - 1) == 0
    assert purses.left(TIER, Decimal(2), midnight) == 2
    assert purses.left(KEY, Decimal(5), midnight) == 0
    assert purses.left(KEY, Decimal(5), NOON + 20 * DAY) == 5
    assert purses.reserve({TIER: Decimal(2)}, Decimal(2), midnight)
    assert purses.left(TIER, Decimal(2), midnight + DAY) == 0


def test_an_answer_dearer_than_its_reservation_leaves_nothing_and_no_debt() -> None:
    """`left` is never negative, so that nothing is reserved against a debt."""
    purses = Purses()
    assert purses.reserve(LIMITS, Decimal(2), NOON)
    purses.settle(LIMITS, reserved=Decimal(2), spent=Decimal(7), now=NOON)
    assert purses.left(KEY, LIMITS[KEY], NOON) == 0
    assert not purses.reserve(LIMITS, Decimal("0.01"), NOON)


def test_periods_are_utc() -> None:
    """The last second of a month and the first of the next."""
    last = 1_764_547_199.0
    assert (month_of(last), day_of(last)) == ("2025-11", "2025-11-30")
    assert (month_of(last + 1), day_of(last + 1)) == ("2025-12", "2025-12-01")
