"""
One grade for a month, A+ to F, with the reasons: a hundred points less what each finding takes.

A grade without its reasons would be a horoscope. Points are a judgement, printed with each reason, and never a price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.advice.work import Finding, Role, Work, total_usd

__all__ = ["Score", "score", "waste_findings"]

GRADES = ((Decimal(97), "A+"), (Decimal(90), "A"), (Decimal(80), "B"), (Decimal(70), "C"), (Decimal(60), "D"))
FALLBACK_SHARE = Decimal("0.40")
"""A published rule: a task of which 40 % falls back has a wrong first model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`grade` is `None` without traffic. `reasons` are the findings that took points, the heaviest first."""

    grade: str | None
    points: Decimal
    reasons: tuple[Finding, ...]


def score(works: Sequence[Work], findings: Sequence[Finding]) -> Score:
    """The grade of a month's work after all that was found."""
    if not any(work.requests for work in works):
        return Score(grade=None, points=Decimal(0), reasons=())
    taken = sorted((item for item in findings if item.points > 0), key=lambda item: item.points, reverse=True)
    points = max(Decimal(0), 100 - sum((item.points for item in taken), Decimal(0)))
    grade = next((name for least, name in GRADES if points >= least), "F")
    return Score(grade=grade, points=points, reasons=tuple(taken))


def waste_findings(works: Sequence[Work], *, usd_fixed: Decimal = Decimal(0)) -> tuple[Finding, ...]:
    """What is paid and gives nothing: failures, first models that are often wrong, unknown prices, an idle box."""
    return (*_failed(works), *_fallbacks(works), *_unknown(works), *_idle_box(works, usd_fixed))


def _failed(works: Sequence[Work]) -> tuple[Finding, ...]:
    requests = sum((work.requests for work in works), Decimal(0))
    failed = sum((work.failed for work in works), Decimal(0))
    if not requests or failed / requests < Decimal("0.02"):
        return ()
    return (
        Finding(
            kind="failed",
            sentence=f"{failed / requests:.1%} of the requests got no answer: see `localfleet report --by reason`",
            points=min(Decimal(20), failed / requests * 100),
        ),
    )


def _fallbacks(works: Sequence[Work]) -> tuple[Finding, ...]:
    found = []
    for task in dict.fromkeys(work.task for work in works):
        own = [work for work in works if work.task == task]
        requests = sum((work.requests for work in own), Decimal(0))
        share = sum((work.second_tries for work in own), Decimal(0)) / requests if requests else Decimal(0)
        if share >= FALLBACK_SHARE:
            found.append(
                Finding(
                    kind="fallback",
                    sentence=f"task {task}: {share:.0%} went on to a second model: its first model is the wrong one, "
                    "unless the first is so cheap that failing on it still saves",
                    points=Decimal(10),
                )
            )
    return tuple(found)


def _unknown(works: Sequence[Work]) -> tuple[Finding, ...]:
    names = sorted({work.model for work in works if work.usd is None and work.requests})
    if not names:
        return ()
    sentence = f"no price is known for {', '.join(names)}: declare `prices:` in models.yaml"
    return (Finding(kind="unknown-price", sentence=sentence, points=Decimal(10)),)


def _idle_box(works: Sequence[Work], usd_fixed: Decimal) -> tuple[Finding, ...]:
    local = sum((work.requests for work in works if work.role is Role.LOCAL), Decimal(0))
    if not usd_fixed:
        return ()
    bill = total_usd(works)
    if not local:
        sentence = f"the box costs ${usd_fixed:,.2f} a month and answered nothing: send it work or give it back"
        return (Finding(kind="idle-box", sentence=sentence, points=Decimal(30), usd_per_month=usd_fixed),)
    if bill > usd_fixed:
        sentence = (
            f"${bill:,.2f} a month goes to hosted models beside a box that is paid for (${usd_fixed:,.2f}): each "
            "request it can take costs next to nothing there"
        )
        return (Finding(kind="box-beside-bill", sentence=sentence, points=Decimal(10), usd_per_month=bill),)
    return ()
