"""A promise in words: what a calibrated threshold keeps, how sure that is, and whether it still stands."""

from datetime import date

from localfleet.core.routing.guarantee import Claim

__all__ = ["FRESH_DAYS", "doubt", "promised", "stands"]

FRESH_DAYS = 90
"""Traffic changes: a promise that was proven longer ago is worth another look."""


def promised(claim: Claim) -> str:
    """What it promises, and on how much."""
    return (
        f"quality at least {claim.quality:.0%} of always asking the strong model, "
        f"with {claim.confidence:.0%} confidence, on {claim.prompts} outcomes"
    )


def stands(claim: Claim | None) -> bool:
    """Whether a file may route by it where nobody wrote that it should."""
    return claim is not None and not claim.refused_at


def doubt(claim: Claim, today: date) -> str:
    """Why it may not hold any more, and what to do; empty where nothing speaks against it."""
    if claim.refused_at:
        return f"refused on {claim.refused_at}: newer outcomes do not prove it; record more and calibrate again"
    try:
        days = (today - date.fromisoformat(claim.at)).days
    except ValueError:
        return "nobody wrote down when it was proven; calibrate again"
    return f"proven {days} days ago; calibrate again" if days > FRESH_DAYS else ""
