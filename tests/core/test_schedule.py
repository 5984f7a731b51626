"""Windows of sleep: every minute of the week, and what cannot be read."""

import pytest

from localfleet.core.schedule import asleep_now, read_window

CASES: dict[str, tuple[str, list[tuple[int, str]], list[tuple[int, str]]]] = {
    "nights of workdays": (
        "mon-fri 20:00-07:00",
        [(0, "20:00"), (0, "23:59"), (1, "00:00"), (1, "06:59"), (5, "06:59")],
        [(0, "19:59"), (0, "06:59"), (1, "07:00"), (5, "20:00"), (6, "00:00")],
    ),
    "weekend": ("sat-sun", [(5, "00:00"), (6, "23:59")], [(4, "23:59"), (0, "00:00")]),
    "over the end of the week": ("sun-mon 22:00-24:00", [(6, "22:00"), (0, "23:59")], [(5, "22:30"), (1, "22:30")]),
    "one lunch": ("Wed 12:00-13:00", [(2, "12:00"), (2, "12:59")], [(2, "13:00"), (3, "12:30")]),
    "a week end night": ("fri-mon 23:30-00:30", [(4, "23:30"), (1, "00:29")], [(4, "00:10"), (1, "00:30")]),
}


def minute(text: str) -> int:
    """The minute of the day."""
    return int(text[:2]) * 60 + int(text[3:])


@pytest.mark.parametrize("name", CASES)
def test_windows_hold_their_minutes(name: str) -> None:
    """Begin inside, end outside, past midnight and past Sunday."""
    text, inside, outside = CASES[name]
    window = read_window(text)
    assert all(window.holds(day, minute(at)) for day, at in inside)
    assert not any(window.holds(day, minute(at)) for day, at in outside)


def test_a_night_has_as_many_minutes_as_it_should() -> None:
    """Counted over the whole week, nothing is lost or counted twice."""
    window = read_window("mon-fri 20:00-07:00")
    held = sum(window.holds(day, at) for day in range(7) for at in range(24 * 60))
    assert held == 5 * 11 * 60


def test_any_window_is_enough() -> None:
    """Several windows add up."""
    windows = [read_window("sat-sun"), read_window("mon-fri 20:00-07:00")]
    assert asleep_now(windows, 5, 700)
    assert asleep_now(windows, 0, 1300)
    assert not asleep_now(windows, 0, 700)
    assert not asleep_now([], 0, 0)


@pytest.mark.parametrize(
    "text", ["", "night", "mo-fr 20:00-07:00", "mon 8-9", "mon 25:00-26:00", "mon 10:00-10:00", "mon 23:61-24:00"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """The error says how a window is written."""
    with pytest.raises(ValueError, match=r"window|times"):
        read_window(text)
