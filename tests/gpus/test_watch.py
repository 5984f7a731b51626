"""The watch: never in anybody's way, whatever the driver does; and the watts that it keeps for `cost compare`."""

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localfleet.core.gpu import GpuReading, PowerSeen
from localfleet.gpus.nvml import DriverSilent, NoDriver
from localfleet.gpus.power_file import FILE_NAME, read_power, write_power
from localfleet.gpus.watch import GpuWatch

CARD = GpuReading(index=0, name="H100", use_share=1.0, power_w=500.0)


class Driver:
    """A driver that gives one answer after another, each `answer` as long as it stands."""

    def __init__(self, answer: tuple[GpuReading, ...] | Exception) -> None:
        """The first answer."""
        self.answer = answer
        self.hangs = threading.Event()
        self.let_go = threading.Event()
        self.asked = 0

    def read(self) -> tuple[GpuReading, ...]:
        """As `Nvml.read`."""
        self.asked += 1
        if self.hangs.is_set():
            self.let_go.wait(30)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def watch(driver: Driver, home: Path) -> GpuWatch:
    """A watch in a hurry."""
    return GpuWatch(
        read=driver.read, home=home, monotonic=time.monotonic, now=time.time, every_s=0.01, old_s=0.3, again_s=0.02
    )


def until(true: Callable[[], bool], within_s: float = 10) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


def test_no_driver_is_a_state_and_no_trouble(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Absent before and after many looks, nothing in the log, no file."""
    caplog.set_level(logging.INFO)
    driver = Driver(NoDriver())
    watched = watch(driver, tmp_path)
    assert watched.view().driver == "absent"
    watched.start()
    until(lambda: driver.asked > 5)
    assert watched.view().driver == "absent"
    watched.stop()
    assert not caplog.records
    assert not list(tmp_path.iterdir())


def test_a_driver_that_goes_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Silent while it is gone, with one line in the log for each change, however often somebody looks."""
    caplog.set_level(logging.INFO)
    driver = Driver((CARD,))
    watched = watch(driver, tmp_path)
    watched.start()
    until(lambda: watched.view().driver == "ok")
    assert watched.view().gpus == (CARD,)
    driver.answer = DriverSilent(15)
    until(lambda: watched.view().driver == "silent")
    assert watched.view().gpus == ()
    for _ in range(20):
        watched.view()
    driver.answer = (CARD,)
    until(lambda: watched.view().driver == "ok")
    watched.stop()
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]


@pytest.mark.slow
def test_a_driver_that_hangs_blocks_nobody(tmp_path: Path) -> None:
    """Views come at once and turn silent; the end comes within its second; it goes on when the driver does."""
    driver = Driver((CARD,))
    watched = watch(driver, tmp_path)
    watched.start()
    until(lambda: watched.view().driver == "ok")
    driver.hangs.set()
    until(lambda: watched.view().driver == "silent")
    began = time.monotonic()
    watched.view()
    assert time.monotonic() - began < 0.05
    driver.hangs.clear()
    driver.let_go.set()
    until(lambda: watched.view().driver == "ok")
    driver.let_go.clear()
    driver.hangs.set()
    until(lambda: watched.view().driver == "silent")
    began = time.monotonic()
    watched.stop()
    assert time.monotonic() - began < 3
    driver.let_go.set()


def test_watts_are_kept_for_the_cost_report(tmp_path: Path) -> None:
    """What was seen is in the file at the end, and the next watch goes on from it."""
    for expected_s in (0.05, 0.1):
        driver = Driver((CARD,))
        watched = watch(driver, tmp_path)
        watched.start()
        began = time.monotonic()
        until(lambda began=began: time.monotonic() - began > 0.15)  # type: ignore[misc]  # bound per turn
        watched.stop()
        seen = read_power(tmp_path)["H100"]
        assert seen.seconds > expected_s
        assert seen.joules / seen.seconds == pytest.approx(500, rel=0.01)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_the_energy_counter_goes_before_the_watts(tmp_path: Path) -> None:
    """A card with a counter is believed by its counter: watts of one moment miss what was between two looks."""
    energy = iter(range(0, 10**9, 1000))

    class Counter(Driver):
        def read(self) -> tuple[GpuReading, ...]:
            return (GpuReading(index=0, name="H100", power_w=1.0, energy_j=float(next(energy))),)

    watched = watch(Counter(NoDriver()), tmp_path)
    watched.start()
    time.sleep(0.1)
    watched.stop()
    seen = read_power(tmp_path)["H100"]
    assert seen.joules % 1000 == pytest.approx(0, abs=20) or seen.joules > 1000
    assert seen.joules / seen.seconds > 1000


def test_means_need_a_minute_and_know_busy_from_idle() -> None:
    """Nothing is claimed from a few seconds; full load, idleness and all of the time are three figures."""
    seen = PowerSeen(name="H100", until=0.0)
    for use_share, watts in ((1.0, 600.0), (0.0, 100.0), (0.5, 350.0)):
        seen = seen.plus(seconds=59, joules=59 * watts, use_share=use_share, at=1.0)
    assert (seen.busy_w, seen.idle_w) == (None, None)
    assert seen.mean_w == pytest.approx(350)
    for use_share, watts in ((1.0, 600.0), (0.0, 100.0)):
        seen = seen.plus(seconds=1, joules=watts, use_share=use_share, at=2.0)
    assert (seen.busy_w, seen.idle_w) == (600.0, 100.0)
    assert seen.until == 2.0


def test_what_is_old_fades() -> None:
    """A month of other work is outweighed by two of new: the mean moves instead of standing still for ever."""
    seen = PowerSeen(name="H100", until=0.0)
    for watts in (100.0, 600.0, 600.0):
        for _ in range(30):
            seen = seen.plus(seconds=86400, joules=86400 * watts, use_share=1.0, at=0.0)
    assert seen.mean_w is not None
    assert seen.mean_w > 500
    assert seen.seconds <= 31 * 86400


def test_the_file_holds_means_for_people_and_comes_back_as_it_was(tmp_path: Path) -> None:
    """Names, watts, seconds and a day; read again it gives the same means."""
    seen = PowerSeen(
        name="H100", until=1790000000.0, seconds=300, joules=90000, busy_s=100, busy_j=60000, idle_s=0, idle_j=0
    )
    write_power(tmp_path, {"H100": seen})
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {
        "version": 1,
        "gpus": [
            {
                "name": "H100",
                "mean_w": 300.0,
                "seconds": 300,
                "busy_w": 600.0,
                "busy_seconds": 100,
                "idle_w": None,
                "idle_seconds": 0,
                "until": "2026-09-21T14:13:20+00:00",
            }
        ],
    }
    assert read_power(tmp_path) == {"H100": seen}
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2, "gpus": []}', '{"version": 1, "gpus": [{}]}', "null"])
def test_a_spoilt_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    """It is measured anew; nothing stops because of it."""
    assert read_power(tmp_path) == {}
    (tmp_path / FILE_NAME).write_text(text)
    assert read_power(tmp_path) == {}
