"""
Whether the tiers share the work in a healthy way: the two rules of thumb, and where they mislead.

The bands (60 to 80 % of requests on the cheap tier, 15 to 25 % in the middle, 5 to 15 % premium) and "premium over
30 % of the cost is over-provisioned" are a published habit, not a law: the table they come from breaks its own rule
with 79 %. So a breach is a reason to look, and the sentence says at what.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.advice.work import Finding, Role, Work, total_usd

__all__ = ["PREMIUM_COST_SHARE", "TierShare", "mix_findings", "tier_shares"]

PREMIUM_COST_SHARE = Decimal("0.30")
BANDS: tuple[tuple[str, frozenset[Role], Decimal, Decimal], ...] = (
    ("cheap (local or low-cost)", frozenset({Role.LOCAL, Role.LOW_COST}), Decimal("0.60"), Decimal("0.80")),
    ("balanced", frozenset({Role.BALANCED}), Decimal("0.15"), Decimal("0.25")),
    ("premium", frozenset({Role.PREMIUM}), Decimal("0.05"), Decimal("0.15")),
)
DEAR_SIDE = "premium"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierShare:
    """One role's part of the month. Shares are 0 to 1 of requests and of the known hosted bill; `None`: no bill."""

    role: Role
    requests: Decimal
    request_share: Decimal
    usd: Decimal
    usd_share: Decimal | None


def tier_shares(works: Sequence[Work]) -> tuple[TierShare, ...]:
    """Each role that had work, in the order local, low cost, balanced, premium, unnamed. Empty without traffic."""
    requests = sum((work.requests for work in works), Decimal(0))
    if requests == 0:
        return ()
    bill = total_usd(works)
    shares = []
    for role in Role:
        own = [work for work in works if work.role is role]
        count = sum((work.requests for work in own), Decimal(0))
        if own:
            shares.append(
                TierShare(
                    role=role,
                    requests=count,
                    request_share=count / requests,
                    usd=total_usd(own),
                    usd_share=total_usd(own) / bill if bill else None,
                )
            )
    return tuple(shares)


def mix_findings(works: Sequence[Work]) -> tuple[Finding, ...]:
    """What the rules of thumb say; nothing where there is no traffic or only one role to speak of."""
    shares = tier_shares(works)
    named = [share for share in shares if share.role is not Role.UNNAMED]
    if len(named) < 2:
        return ()
    return (*_premium_cost(shares), *_bands(named))


def _premium_cost(shares: Sequence[TierShare]) -> Iterable[Finding]:
    for share in shares:
        if share.role is Role.PREMIUM and share.usd_share is not None and share.usd_share > PREMIUM_COST_SHARE:
            yield Finding(
                kind="premium-cost",
                sentence=(
                    f"premium models take {share.usd_share:.0%} of the bill for {share.request_share:.0%} of the "
                    f"requests (rule of thumb: at most {PREMIUM_COST_SHARE:.0%}); look at which tasks go there. "
                    "A high share alone proves nothing: dear models are dear"
                ),
                points=min(Decimal(20), (share.usd_share - PREMIUM_COST_SHARE) * 30),
                usd_per_month=share.usd,
            )


def _bands(shares: Sequence[TierShare]) -> Iterable[Finding]:
    for name, roles, low, high in BANDS:
        part = sum((share.request_share for share in shares if share.role in roles), Decimal(0))
        dear = name == DEAR_SIDE
        if (part > high and dear) or (part < low and not dear and name != "balanced"):
            yield Finding(
                kind="tier-mix",
                sentence=f"{part:.0%} of the requests are on {name} models; a healthy mix has {low:.0%} to {high:.0%}",
                points=min(Decimal(15), abs(part - (high if dear else low)) * 30),
            )
