"""
When a model may sleep although somebody could ask: windows of the week, such as `mon-fri 20:00-07:00` or `sat-sun`.

Pure: a moment is a weekday (Monday is 0) and a minute of the day, in the local time of the box.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Window", "asleep_now", "read_window"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES = 24 * 60
SHAPE = re.compile(r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?(?:\s+(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `begin` to `end`, minutes of the day, on each of `days`; an end before the begin is on the next day."""

    days: frozenset[int]
    begin: int = 0
    end: int = MINUTES

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether a moment lies inside; the end does not."""
        if self.begin < self.end:
            return weekday in self.days and self.begin <= minute < self.end
        yesterday = (weekday - 1) % 7
        return (weekday in self.days and minute >= self.begin) or (yesterday in self.days and minute < self.end)


def read_window(text: str) -> Window:
    """Read `mon-fri 20:00-07:00`, `sat-sun` or `wed 12:00-13:00`; raise `ValueError` with the right form."""
    found = SHAPE.fullmatch(text.strip().lower())
    first, last = (found["first"], found["last"] or found["first"]) if found else ("", "")
    if first not in DAYS or last not in DAYS:
        msg = "a window is days and times, such as `mon-fri 20:00-07:00`, or days alone, such as `sat-sun`"
        raise ValueError(msg)
    assert found is not None
    begin, end = (0, MINUTES) if found["begin"] is None else (_minute(found["begin"]), _minute(found["end"]))
    if begin == end:
        msg = "a window that begins when it ends is empty; for a whole day leave out the times"
        raise ValueError(msg)
    return Window(days=_days(DAYS.index(first), DAYS.index(last)), begin=begin, end=end)


def asleep_now(windows: Iterable[Window], weekday: int, minute: int) -> bool:
    """Whether any window holds the moment."""
    return any(window.holds(weekday, minute) for window in windows)


def _days(first: int, last: int) -> frozenset[int]:
    return frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))


def _minute(text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if hours > 24 or minutes > 59 or hours * 60 + minutes > MINUTES:
        msg = "times go from 00:00 to 24:00"
        raise ValueError(msg)
    return hours * 60 + minutes
