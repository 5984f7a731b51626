"""
The budget worksheet: each workflow's cost per completed action, and the same work routed in other ways.

A retry is paid again on the first tier; what falls back pays both tiers. Unknown prices stay unknown. Work on the box
is on the *allocated* basis: its part, by tokens, of what the box costs whether used or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from localfleet.core.cost.action import Attempts, escalation_limit_share, usd_per_action

__all__ = ["FALLBACK_SMELL", "Line", "Priced", "Scenario", "priced", "scenarios"]

FALLBACK_SMELL = Decimal("0.40")
"""A published rule: where 40 % of simple work falls back, the rule is wrong. A smell, not a bound on cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    One workflow of a month. Tokens are means per request; shares are 0 to 1.

    `usd_first` and `usd_fallback` are one call, US dollars; `None` is unknown. `fallback` is empty where there is none.
    """

    workflow: str
    first_tier: str
    fallback: str
    requests: Decimal
    input_tokens: Decimal
    output_tokens: Decimal
    fallback_share: Decimal
    retry_share: Decimal
    usd_first: Decimal | None
    usd_fallback: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """
    A line with its answer. `usd_per_action` and `usd_per_month` are `None` where a price is unknown.

    `limit_share` is the fallback share up to which trying the first tier pays; `None` without two known prices.
    """

    line: Line
    usd_per_action: Decimal | None
    usd_per_month: Decimal | None
    limit_share: Decimal | None
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The whole month in one way; `None` where a price is unknown."""

    name: str
    usd_per_month: Decimal | None


def priced(line: Line) -> Priced:
    """One workflow worked out, assuming that every request ends in a completed action."""
    each = _usd(line)
    limit = _limit(line)
    return Priced(
        line=line,
        usd_per_action=each,
        usd_per_month=None if each is None else each * line.requests,
        limit_share=limit,
        advice=_advice(line, limit),
    )


def scenarios(lines: Sequence[Line]) -> tuple[Scenario, ...]:
    """As written; nothing falls back; at the smell's share; everything at once where it would fall back to."""
    with_second = [line for line in lines if line.fallback]
    ways: Mapping[str, Sequence[Line]] = {
        "as written": lines,
        "nothing falls back": [replace(line, fallback_share=Decimal(0)) for line in lines],
        f"{FALLBACK_SMELL:.0%} falls back": [
            replace(line, fallback_share=max(FALLBACK_SMELL, line.fallback_share)) if line.fallback else line
            for line in lines
        ],
        "everything starts at the fallback": [_at_once(line) if line.fallback else line for line in lines],
    }
    shown = ways if with_second else {"as written": lines}
    return tuple(Scenario(name=name, usd_per_month=_month(way)) for name, way in shown.items())


def _usd(line: Line) -> Decimal | None:
    if line.usd_first is None or (line.fallback_share and line.usd_fallback is None):
        return None
    first = Attempts(usd_per_call=line.usd_first, success_share=1 - line.retry_share, most=2)
    done = usd_per_action(first)
    second = line.fallback_share * (line.usd_fallback or Decimal(0))
    return done.usd_first + second


def _limit(line: Line) -> Decimal | None:
    if line.usd_first is None or not line.usd_fallback:
        return None
    return escalation_limit_share(usd_first=line.usd_first * (1 + line.retry_share), usd_second=line.usd_fallback)


def _advice(line: Line, limit: Decimal | None) -> str:
    if limit is not None and line.fallback_share > limit:
        return f"start on {line.fallback}: {line.first_tier} first pays up to {max(limit, Decimal(0)):.0%} fallbacks"
    if line.fallback_share >= FALLBACK_SMELL:
        return f"{line.fallback_share:.0%} falls back: look at the rule, though the money still favours trying"
    return ""


def _at_once(line: Line) -> Line:
    return replace(
        line,
        first_tier=line.fallback,
        usd_first=line.usd_fallback,
        fallback="",
        fallback_share=Decimal(0),
        usd_fallback=None,
    )


def _month(lines: Sequence[Line]) -> Decimal | None:
    found = [priced(line).usd_per_month for line in lines]
    known = [usd for usd in found if usd is not None]
    return sum(known, Decimal(0)) if len(known) == len(found) else None
