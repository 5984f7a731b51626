"""Files are known to be where they were opened, also where nothing but their folder is asked."""

import os
import time
from pathlib import Path

import pytest

from localfleet.storage.place import TICK_NS, Place


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a folder that has not changed for a while."""
    path = tmp_path / "home" / "file"
    path.parent.mkdir()
    path.write_bytes(b"one")
    time.sleep(2 * TICK_NS / 1e9)
    return path


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"another")
    other.replace(path)


@pytest.mark.parametrize("looks", [0, 1, 3])
def test_a_file_that_was_replaced_is_noticed(file: Path, looks: int) -> None:
    """However often it was looked for before."""
    place = Place([file])
    assert all(place.holds() for _ in range(looks))
    _replace(file)
    assert not place.holds()
    assert not place.holds()


@pytest.mark.parametrize("looks", [0, 1, 3])
def test_a_file_that_was_removed_is_noticed(file: Path, looks: int) -> None:
    """Removed, moved, or gone with its folder: the error says so."""
    place = Place([file])
    assert all(place.holds() for _ in range(looks))
    file.rename(file.with_name("moved"))
    with pytest.raises(FileNotFoundError):
        place.holds()
    file.with_name("moved").rename(file)
    assert place.holds()
    file.parent.rename(file.parent.with_name("away"))
    with pytest.raises(FileNotFoundError):
        place.holds()


def test_one_of_several_files_is_enough(file: Path) -> None:
    """The log beside a ledger counts as the ledger does."""
    log = file.with_name("log")
    log.touch()
    place = Place([file, log])
    assert place.holds()
    _replace(log)
    assert not place.holds()


def test_other_files_may_come_and_go(file: Path) -> None:
    """What is not ours is nobody's business."""
    place = Place([file])
    for number in range(5):
        file.with_name(f"other{number}").touch()
        assert place.holds()


def test_a_folder_in_the_place_of_the_folder_is_noticed(file: Path) -> None:
    """A copy of everything put in its place is not what was opened."""
    place = Place([file])
    assert place.holds()
    home = file.parent
    home.rename(home.with_name("away"))
    home.mkdir()
    file.write_bytes(b"one")
    assert not place.holds()


def test_two_changes_in_one_tick_of_the_clock_are_two(file: Path) -> None:
    """A folder that changed just now is not trusted to show the next change: its files are asked."""
    place = Place([file])
    file.with_name("other").touch()
    just_now = file.parent.stat().st_mtime_ns
    assert place.holds()
    _replace(file)
    os.utime(file.parent, ns=(just_now, just_now))
    assert not place.holds()


def test_a_clock_that_was_set_back_is_no_reason_to_trust(file: Path) -> None:
    """A folder that changed in the future is asked for its files each time."""
    later = time.time_ns() + 3_600 * 10**9
    os.utime(file.parent, ns=(later, later))
    place = Place([file])
    assert place.holds()
    _replace(file)
    os.utime(file.parent, ns=(later, later))
    assert not place.holds()


def test_whoever_puts_the_folder_s_time_back_is_noticed_by_a_sure_look(file: Path) -> None:
    """The quick look believes the folder; the sure one, once a second, asks the files."""
    settled = file.parent.stat().st_mtime_ns
    place = Place([file])
    assert place.holds()
    _replace(file)
    os.utime(file.parent, ns=(settled, settled))
    assert place.holds()
    assert not place.holds(surely=True)
    assert not place.holds()
