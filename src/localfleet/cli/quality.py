"""`report --quality`: by week, what was escalated and tried again, what one action cost, what people said."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import console, print_json, state_home
from localfleet.core.routing.drift import PEOPLE, Drift, Fall
from localfleet.storage.quality import Grouping, Week, quality
from localfleet.storage.ratings import Rating, ratings

__all__ = ["quality_command"]

GROUPS: tuple[Grouping, ...] = ("task", "tier", "model", "arm", "key", "label", "all")
WORSE = 0.05
"""A change of a rate from one week to the next that is pointed out, where both weeks have some feedback."""
LEAST = 20
HEADINGS = (
    "week of", "requests", "escalated", "fell back", "retries", "USD/action", "said", "accepted", "corrected", "score",
)  # fmt: skip


def quality_command(by: str, *, days: float, as_json: bool, most: float = 0.05) -> None:
    """Print the weeks; raises `typer.BadParameter` for a group that has no quality of its own."""
    group: Grouping | None = next((one for one in GROUPS if one == by), None)
    if group is None:
        raise typer.BadParameter(f"with --quality: one of {', '.join(GROUPS)}", param_hint="--by")
    now = time.time()
    since = now - days * 86_400
    weeks = quality(state_home(), by=group, since=since, until=now)
    rated = ratings(state_home(), since=since, until=now)
    falls, judged = _falls(rated, most), judged_by_week(rated)
    if as_json:
        print_json([_plain(week) | _of_tier(week, by, falls, judged) for week in weeks])
    elif not weeks:
        console().print(f"no requests in the last {days:g} days")
    else:
        _print(by, weeks)
        for (tier, rated_by), fall in falls.items():
            console().print(_told(tier, rated_by, fall), markup=False)
        for (tier, monday, aspect), (mean, many) in judged.items():
            sentence = f"tier {tier}, week of {monday}: {aspect} {mean:.2f}, as judges said of {many} answers"
            console().print(sentence, markup=False)


def _falls(rated: Sequence[Rating], most: float) -> dict[tuple[str, str], Fall]:
    """Tiers with enough rated answers to tell whether their quality fell."""
    drift = Drift(most=most)
    for one in rated:
        drift.see((one.tier, one.by), one.quality)
    return drift.falls()


def judged_by_week(rated: Sequence[Rating]) -> dict[tuple[str, str, str], tuple[float, int]]:
    """(tier, Monday, what was looked at) -> the mean of what judges said of so many answers, in that order."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for one in rated:
        if one.by != PEOPLE:
            day = datetime.fromtimestamp(one.at, UTC).date()
            monday = (day - timedelta(days=day.weekday())).isoformat()
            found.setdefault((one.tier, monday, one.by.partition(":")[2] or "quality"), []).append(one.quality)
    return {of: (sum(said) / len(said), len(said)) for of, said in sorted(found.items())}


def _of_tier(
    week: Week,
    by: str,
    falls: Mapping[tuple[str, str], Fall],
    judged: Mapping[tuple[str, str, str], tuple[float, int]],
) -> dict[str, Any]:
    """With `--by tier`: whether the tier's quality fell, and what judges said in that week; else nothing."""
    if by != "tier":
        return {}
    said = {
        aspect: {"mean": mean, "answers": many}
        for (tier, monday, aspect), (mean, many) in judged.items()
        if (tier, monday) == (week.group, week.monday)
    }
    rings = any(fall.rings for (tier, _), fall in falls.items() if tier == week.group)
    return {"quality_alarm": rings, "judged": said}


def _told(tier: str, rated_by: str, fall: Fall) -> str:
    said = "ALARM: quality fell" if fall.rings else "quality"
    return (
        f"tier {tier}, rated by {rated_by}: {said}, {fall.latest:.3f} of the latest {fall.many_latest}, "
        f"{fall.before:.3f} of the {fall.many_before} before"
    )


def _plain(week: Week) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(orjson.dumps(asdict(week), default=lambda usd: f"{usd:f}"))
    return loaded


def _print(by: str, weeks: list[Week]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(by, no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", overflow="fold")
    for week in weeks:
        table.add_row(
            week.group,
            week.monday,
            str(week.requests),
            _share(week.escalated / week.requests),
            _share(week.fell_back / week.requests),
            str(week.retries),
            "-" if week.usd_per_action is None else f"{week.usd_per_action:.6f}",
            str(week.feedback),
            _share(week.accepted_rate),
            _share(week.corrected_rate),
            "-" if week.score is None else f"{week.score:.2f}",
        )
    console().print(table)
    for sentence in drift(weeks):
        console().print(sentence, markup=False)


def drift(weeks: list[Week]) -> list[str]:
    """What got worse from a group's last week but one to its last, where both have enough to say so."""
    said = []
    for group in dict.fromkeys(week.group for week in weeks):
        own = [week for week in weeks if week.group == group][-2:]
        if len(own) < 2 or min(week.requests for week in own) < LEAST:
            continue
        before, last = own
        rates = (
            ("escalated", before.escalated / before.requests, last.escalated / last.requests),
            ("corrected", *_both(before.corrected_rate, last.corrected_rate)),
            ("not accepted", *_both(_not(before.accepted_rate), _not(last.accepted_rate))),
        )
        said += [
            f"{group}: {what} rose from {then:.0%} to {now:.0%} in the week of {last.monday}"
            for what, then, now in rates
            if now - then > WORSE
        ]
    return said


def _both(then: float | None, now: float | None) -> tuple[float, float]:
    return (0.0, 0.0) if then is None or now is None else (then, now)


def _not(rate: float | None) -> float | None:
    return None if rate is None else 1 - rate


def _share(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.0%}"
