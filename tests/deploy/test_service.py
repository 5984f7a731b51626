"""deploy/localfleet.service, read by systemd's own tools; the figures that the guide states are the ones they give."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localfleet.run import DRAIN_S

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "localfleet.service"
STAYS_HOME = ROOT / "deploy" / "stays-home.conf"
GUIDE = ROOT / "docs" / "guides" / "gpu-box.md"
PROGRAM = "/opt/localfleet/current/bin/localfleet"
LIMIT = 20
"""Exposure in tenths, above which the tests fail."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here: apt-get install systemd"
)


def service() -> dict[str, str]:
    """The service section; a key that stands twice has both its values, a line each."""
    section = UNIT.read_text(encoding="utf-8").split("[Service]\n")[1].split("\n[")[0]
    told: dict[str, str] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE):
        told[key] = f"{told[key]}\n{value}" if key in told else value
    return told


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as on a machine where the program is installed: here."""
    folder = tmp_path / "units"
    folder.mkdir()
    placed = folder / UNIT.name
    here = str(Path(sys.executable).with_name("localfleet"))
    placed.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, here), encoding="utf-8")
    return placed


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """systemd-analyze, without a running systemd."""
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def exposure(unit: Path) -> str:
    """The figure at the end of `systemd-analyze security`."""
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={LIMIT}", str(unit))
    assert done.returncode == 0, done.stdout[-400:]
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None
    return found[1]


@needs_systemd
def test_systemd_understands_every_line(unit: Path) -> None:
    """No warning at all, with and without the drop-in; and a misspelt word would be one."""
    assert (analyze("verify", "--man=no", str(unit)).returncode, analyze("verify", str(unit)).stderr) == (0, "")
    drop_in = unit.parent / "localfleet.service.d"
    drop_in.mkdir()
    shutil.copy(STAYS_HOME, drop_in)
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=strickt"), encoding="utf-8")
    assert "strickt" in analyze("verify", "--man=no", str(unit)).stderr


@needs_systemd
def test_its_exposure_is_low_and_what_the_guide_says(unit: Path) -> None:
    """The figure is under the limit and the one that the guide states for this systemd; the drop-in lowers it."""
    plain = exposure(unit)
    drop_in = unit.parent / "localfleet.service.d"
    drop_in.mkdir()
    shutil.copy(STAYS_HOME, drop_in)
    closed = exposure(unit)
    assert float(closed) < float(plain) <= LIMIT / 10
    release = analyze("--version").stdout.split()[1]
    stated = re.search(
        r"exposure of ([\d.]+) \(([\d.]+) with `stays-home.conf`\) under systemd (\d+)", GUIDE.read_text("utf-8")
    )
    assert stated is not None
    if stated[3] == release:
        assert (plain, closed) == (stated[1], stated[2])


def test_a_drain_has_the_time_it_needs() -> None:
    """SIGTERM reaches the router alone, and systemd waits longer than drain and engines take."""
    told = service()
    assert told["KillMode"] == "mixed"
    assert int(told["TimeoutStopSec"]) >= DRAIN_S + 30
    assert told["Type"] == "notify"
    assert told["NotifyAccess"] == "main"
    assert int(told["WatchdogSec"]) >= 30
    assert told["OOMPolicy"] == "continue", "an engine that is killed must not take the router along"


def test_a_reload_is_a_signal_that_the_router_knows() -> None:
    """`systemctl reload` sends SIGHUP to the router alone; the router itself says when it is done."""
    told = service()
    assert told["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert "SIGHUP" in (ROOT / "src" / "localfleet" / "run.py").read_text(encoding="utf-8")


def test_it_is_shut_in() -> None:
    """No privilege to gain, nothing to write but state and cache, only NVIDIA's devices, no core dump."""
    told = service()
    for word in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "ProtectKernelModules", "RestrictNamespaces"):
        assert told[word] == "yes"
    assert told["ProtectSystem"] == "strict"
    assert told["CapabilityBoundingSet"] == ""
    assert (told["DevicePolicy"], told["DeviceAllow"]) == ("closed", "char-nvidia* rwm")
    assert told["LimitCORE"] == "0"
    assert told["StateDirectory"] == "localfleet localfleet/run"
    assert told["StateDirectoryMode"] == told["CacheDirectoryMode"] == "0700"
    assert "ReadWritePaths" not in told
    assert not told.get("MemoryDenyWriteExecute"), "Triton and PyTorch write machine code and run it"


def test_keys_come_as_credentials_and_never_by_the_environment() -> None:
    """A folder that root alone reads, handed over by systemd; the guide and the unit name the same place."""
    told = service()
    assert told["LoadCredential"] == "keys:/etc/localfleet/keys"
    assert not re.search(r"(?i)(api_key|token|secret)", told["Environment"])
    for file in (UNIT, GUIDE):
        assert "/run/credentials/localfleet.service/keys_openai" in file.read_text(encoding="utf-8")


def test_where_it_listens_can_be_changed_without_touching_the_unit() -> None:
    """Loopback by default; a file of the operator's goes over it."""
    told = service()
    assert "LOCALFLEET_HOST=127.0.0.1 LOCALFLEET_PORT=8080" in told["Environment"].splitlines()
    assert told["EnvironmentFile"] == "-/etc/localfleet/localfleet.env"
    assert told["ExecStart"] == (
        f"{PROGRAM} up --config /etc/localfleet/models.yaml --host ${{LOCALFLEET_HOST}} --port ${{LOCALFLEET_PORT}}"
    )
