"""What systemd would hear: a real datagram socket in the place of its own."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from process import Tap
from router import PROGRAM, Router
from tap_behaviour import Behaviour
from tap_fleet import local_entry

from localfleet.notify import Herald

NAME_ITSELF = "import os, sys; os.environ['WATCHDOG_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"
THROUGH_EXEC = (sys.executable, "-c", NAME_ITSELF)
"""As systemd starts a service: the variable names the process that the program then is."""


class Manager:
    """A service manager that writes down what it hears."""

    def __init__(self, address: str) -> None:
        """Listen at a path or an abstract `@name`."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.settimeout(10)

    def hear(self) -> str:
        """The next datagram; within ten seconds."""
        return self.socket.recv(4096).decode()

    def hear_until(self, wanted: str) -> list[str]:
        """All up to the first that holds a line."""
        heard = [self.hear()]
        while wanted not in heard[-1].splitlines():
            heard.append(self.hear())
        return heard


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A manager at a path."""
    listening = Manager(str(tmp_path / "notify"))
    yield listening
    listening.socket.close()


@pytest.mark.slow
def test_the_life_of_a_service(tmp_path: Path, manager: Manager, local_tap: Tap) -> None:
    """READY once and with a door open, a watchdog that hears us, STOPPING before the drain, all in fixed words."""
    settings = {"version": 1, "local": {"box": local_entry(local_tap)}}
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
    with Router.start(tmp_path / "r", settings, env=env, program=(*THROUGH_EXEC, *PROGRAM)) as router:
        heard = manager.hear_until("READY=1")
        assert heard[-1] == "READY=1\nSTATUS=serving: box ready"
        assert router.get("/readyz").status == 200
        began = time.monotonic()
        beats = [manager.hear() for _ in range(5)]
        assert beats == ["WATCHDOG=1"] * 5
        assert time.monotonic() - began < 1.5
        local_tap.always(Behaviour(chunk_delay_s=0.1))
        router.signal(signal.SIGTERM)
        heard = manager.hear_until("STOPPING=1")
        assert heard[-1] == "STOPPING=1\nSTATUS=draining: requests under way finish, new ones are refused"
    assert sum("READY=1" in line for line in heard) == 0, "it was said once already"


def test_a_reload_is_told_from_its_beginning_to_its_end(tmp_path: Path, manager: Manager, local_tap: Tap) -> None:
    """RELOADING with the monotonic time, then READY: after a file that was taken, and after one that was not."""
    settings = {"version": 1, "local": {"box": local_entry(local_tap)}}
    with Router.start(tmp_path / "r", settings, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as router:
        manager.hear_until("READY=1")
        for text in (None, "version: 7\n"):
            if text is not None:
                (router.folder / "models.yaml").write_text(text)
            before_us = time.monotonic_ns() // 1000
            os.kill(router.pid, signal.SIGHUP)
            begun = manager.hear_until("RELOADING=1")[-1].splitlines()
            assert before_us <= int(begun[1].removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
            assert manager.hear_until("READY=1")[-1] == "READY=1\nSTATUS=serving: box ready"


def test_ready_waits_for_a_door(tmp_path: Path, manager: Manager) -> None:
    """`serve` with an embedded model has no door: alive, but never READY, and the status says why not."""
    settings = {"version": 1, "local": {"small": {"weights": "smollm2-135m-instruct"}}}
    with Router.start(tmp_path / "r", settings, env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as router:
        assert manager.hear() == "STATUS=no door is open yet: small down"
        assert router.get("/readyz").status == 503
        router.signal(signal.SIGTERM)
        assert manager.hear().startswith("STOPPING=1\n")


def test_abstract_addresses(tmp_path: Path) -> None:
    """`@name` is a socket without a file."""
    name = f"@localfleet-test-{tmp_path.name}-{time.time_ns()}"
    listening = Manager(name)
    Herald(address=name).ready("serving")
    assert listening.hear() == "READY=1\nSTATUS=serving"
    listening.socket.close()


def test_nobody_listens(tmp_path: Path) -> None:
    """No variable, a foreign kind of address, a socket that is gone: nothing happens, and nothing breaks."""
    assert not Herald.find({}, pid=1).listens
    assert not Herald.find({"NOTIFY_SOCKET": "vsock:2:1234"}, pid=1).listens
    Herald(address=str(tmp_path / "gone")).stopping("draining")
    Herald().alive()


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_the_process_it_names(env: dict[str, str], seconds: float | None) -> None:
    """sd_watchdog_enabled(3): a variable meant for another process, or without a sensible number, is none."""
    assert Herald.find({"NOTIFY_SOCKET": "/run/x", **env}, pid=7).watchdog_s == seconds


def test_children_do_not_inherit_the_socket() -> None:
    """An engine must not be able to speak for the router: its environment is an allow-list."""
    from localfleet.engines.launch import clean_environment

    env = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1", "PATH": "/bin"}
    assert clean_environment(env) == {"PATH": "/bin"}
