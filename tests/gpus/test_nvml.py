"""NVIDIA's own bindings against a shared library that says what a driver says, errors included."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_nvml import GIB, H100, RTX_4090, FakeDriver

READ = """
import json, sys
from dataclasses import asdict
from localfleet.gpus.nvml import DriverSilent, NoDriver, Nvml
line = Nvml()
for _ in range(int(sys.argv[1])):
    try:
        print(json.dumps([asdict(gpu) for gpu in line.read()]))
    except NoDriver:
        print(json.dumps("absent"))
    except DriverSilent as exc:
        print(json.dumps(exc.code))
print(json.dumps("pynvml" in sys.modules))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    """The stand-in, built once."""
    return FakeDriver.build(tmp_path_factory.mktemp("nvml"))


def read(env: Mapping[str, str], times: int = 1) -> list[Any]:
    """What so many readings of one process give, and whether the bindings were loaded."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(times)], env=dict(env), capture_output=True, check=True, timeout=30
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_card_that_tells_everything(driver: FakeDriver) -> None:
    """Every figure arrives in our units, and each process with its memory where the driver tells it."""
    driver.says(H100)
    ((gpu,), _) = read(driver.env)
    assert gpu == {
        "index": 0,
        "name": "NVIDIA H100 80GB HBM3",
        "use_share": 0.97,
        "memory_used_bytes": 70 * GIB,
        "memory_total_bytes": 80 * GIB,
        "power_w": 512.0,
        "power_limit_w": 700.0,
        "temperature_c": 61,
        "energy_j": 1000.0,
        "slowed_by": ["power_cap"],
        "processes": [{"pid": 4711, "memory_bytes": 60 * GIB}, {"pid": 4712, "memory_bytes": None}],
        "lost": False,
    }


def test_what_a_card_does_not_tell_is_unknown_and_no_error(driver: FakeDriver) -> None:
    """No energy counter, no limit: unknown, not zero. Idleness holds no clock down. The first card is not touched."""
    driver.says(H100 | RTX_4090)
    ((h100, rtx), _) = read(driver.env)
    assert h100["power_w"] == 512.0
    assert (rtx["index"], rtx["power_w"], rtx["use_share"]) == (1, 31.0, 0.0)
    assert rtx["energy_j"] is rtx["power_limit_w"] is None
    assert rtx["slowed_by"] == rtx["processes"] == []


def test_an_old_driver_lacks_functions(driver: FakeDriver) -> None:
    """The old way to ask for the temperature is tried where the new one is not there."""
    driver.says(H100 | {"fails.nvmlDeviceGetTemperatureV": "13", "fails.nvmlDeviceGetCurrentClocksEventReasons": "13"})
    ((gpu,), _) = read(driver.env)
    assert gpu["temperature_c"] == 61
    assert gpu["slowed_by"] == []


def test_every_reason_for_a_slow_clock_has_a_word(driver: FakeDriver) -> None:
    """Bits that mean held down, and no others."""
    driver.says(H100 | {"0.reasons": "0x7ff"})
    ((gpu,), _) = read(driver.env)
    assert gpu["slowed_by"] == [
        "power_cap", "hardware_slowdown", "heat_software", "heat_hardware", "power_brake", "board_limit", "reliability",
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetPowerUsage"])
def test_one_card_that_fell_off_the_bus_does_not_hide_the_other(driver: FakeDriver, where: str) -> None:
    """`lost`, with nothing else claimed of it; its neighbour still tells."""
    driver.says(H100 | RTX_4090 | {f"0.fails.{where}": "15"})
    ((lost, rtx), _) = read(driver.env)
    assert lost["lost"] is True
    assert lost["power_w"] is lost["use_share"] is lost["memory_used_bytes"] is None
    assert rtx["power_w"] == 31.0


@pytest.mark.parametrize("code", [9, 18, 999])
@pytest.mark.parametrize("where", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2"])
def test_a_driver_that_is_there_and_fails_is_silent(driver: FakeDriver, where: str, code: int) -> None:
    """Not loaded, of another version than the library (after an update), unknown: silent, with NVML's number."""
    driver.says(H100 | {f"fails.{where}": str(code)})
    assert read(driver.env)[0] == code


def test_a_silent_driver_is_asked_again(driver: FakeDriver) -> None:
    """Each reading after an error opens anew, and a shutdown that fails too does not get in the way."""
    driver.says(H100 | {"fails.nvmlDeviceGetCount_v2": "15", "fails.nvmlShutdown": "1"})
    assert read(driver.env, times=3)[:3] == [15, 15, 15]


def test_a_box_without_a_driver_does_not_even_load_the_bindings(tmp_path: Path) -> None:
    """No library: absent, each time, and no memory spent."""
    assert read({"LD_LIBRARY_PATH": str(tmp_path)}, times=2) == ["absent", "absent", False]


def test_a_name_is_plain_text(driver: FakeDriver) -> None:
    """What a metric, a page or YAML could misread is replaced."""
    driver.says(H100 | {"0.name": 'A "b" {c}'})
    ((gpu,), _) = read(driver.env)
    assert gpu["name"] == "A -b- -c-"
