"""SIGHUP has two meanings: read the file again, or, where the router ran in a terminal that is gone, go too."""

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from fault_rig import until
from process import Tap
from router import KEY, KEY_ENV, PROGRAM, free_port
from tap_fleet import local_entry

from localfleet.storage.verify import verify


@pytest.fixture
def command(tmp_path: Path, local_tap: Tap) -> list[str]:
    """`localfleet serve` on a tap."""
    file = tmp_path / "models.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "local": {"box": local_entry(local_tap)}}), encoding="utf-8")
    return [*PROGRAM, "serve", "--config", str(file), "--port", str(free_port())]


def test_a_terminal_that_is_closed_ends_the_router_and_one_that_is_there_does_not(
    tmp_path: Path, command: list[str]
) -> None:
    """With its terminal it takes SIGHUP as a reload; when the terminal is gone it drains and ends."""
    ours, theirs = pty.openpty()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LOCALFLEET_HOME": str(tmp_path / "s"), KEY_ENV: KEY}
    with (tmp_path / "log").open("wb") as log:
        router = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=log, env=env, cwd=tmp_path, start_new_session=True
        )
    os.close(theirs)
    try:
        assert until(lambda: b"console" in _read(ours), 30)
        router.send_signal(signal.SIGHUP)
        assert until(lambda: b"was read again" in (tmp_path / "log").read_bytes(), 20)
        assert router.poll() is None
        os.close(ours)
        router.send_signal(signal.SIGHUP)
        # 120: Python had a line left for the terminal that is gone.
        assert router.wait(15) in {0, 120}
        assert verify(tmp_path / "s").ok
        assert b"Traceback" not in (tmp_path / "log").read_bytes()
    finally:
        router.kill()
        router.wait()


def _read(terminal: int) -> bytes:
    return os.read(terminal, 65_536)
