"""GPU telemetry from the driver's library to the outside: metrics, admin API, `doctor`, the file for the cost model."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from fake_nvml import GIB, H100, RTX_4090, FakeDriver
from process import Tap
from prometheus_client.parser import text_string_to_metric_families
from router import Router
from tap_fleet import local_entry


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> FakeDriver:
    """The stand-in for NVIDIA's library, built once."""
    return FakeDriver.build(tmp_path_factory.mktemp("nvml"))


def settings(tap: Tap) -> dict[str, Any]:
    """One local door."""
    return {"version": 1, "local": {"box": local_entry(tap)}}


def series(router: Router) -> dict[tuple[str, ...], float]:
    """The GPU part of /metrics by name and label values."""
    text = router.get("/metrics").body.decode()
    return {
        (sample.name.removeprefix("localfleet_gpu_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("localfleet_gpu_")
    }


def status(router: Router) -> dict[str, Any]:
    """What the console reads of the GPUs."""
    found = re.search(rb"#token=(\S+)", router.output())
    assert found is not None
    answer = router.get("/api/status", {"authorization": f"Bearer {found[1].decode()}"})
    gpus: dict[str, Any] = answer.json["gpus"]
    return gpus


def eventually(router: Router, driver: str) -> None:
    """Wait until the admin API shows this state of the driver."""
    deadline = time.monotonic() + 30
    while status(router)["driver"] != driver:
        assert time.monotonic() < deadline, f"the driver is not {driver}"
        time.sleep(0.05)


@pytest.mark.slow
def test_figures_reach_metrics_and_the_admin_api(tmp_path: Path, driver: FakeDriver, local_tap: Tap) -> None:
    """Every figure of every card under its index and name; what a card does not tell has no series."""
    driver.says(H100 | RTX_4090)
    with Router.start(tmp_path, settings(local_tap), env=driver.env) as router:
        eventually(router, "ok")
        found = series(router)
        big, small = ("0", "NVIDIA H100 80GB HBM3"), ("1", "NVIDIA GeForce RTX 4090")
        assert found["driver_ok",] == 1
        assert found["use_ratio", *big] == 0.97
        assert found["memory_used_bytes", *big] == 70 * GIB
        assert found["memory_total_bytes", *small] == 24 * GIB
        assert (found["power_watts", *big], found["power_limit_watts", *big]) == (512, 700)
        assert found["temperature_celsius", *small] == 38
        assert found["energy_joules_total", *big] == 1000
        assert (found["processes", *big], found["process_memory_bytes", *big]) == (2, 60 * GIB)
        assert found["slowed", *big, "power_cap"] == 1
        assert not {("power_limit_watts", *small), ("energy_joules_total", *small)} & set(found)
        shown = status(router)["gpus"]
        assert [gpu["name"] for gpu in shown] == [big[1], small[1]]
        assert shown[0]["processes"][0] == {"pid": 4711, "memory_bytes": 60 * GIB}


@pytest.mark.slow
def test_what_the_cards_used_is_kept_for_the_cost_report(tmp_path: Path, driver: FakeDriver, local_tap: Tap) -> None:
    """By the card's own energy counter, from one look to the next; written when the router ends."""
    driver.says(H100)
    with Router.start(tmp_path, settings(local_tap), env=driver.env) as router:
        eventually(router, "ok")
        driver.says(H100 | {"0.energy": "3000000"})
        deadline = time.monotonic() + 10
        while status(router)["gpus"][0]["energy_j"] != 3000:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    (kept,) = json.loads((router.home / "gpu_power.json").read_text())["gpus"]
    assert kept["name"] == "NVIDIA H100 80GB HBM3"
    assert kept["busy_seconds"] == kept["seconds"] > 1
    assert kept["mean_w"] * kept["seconds"] == pytest.approx(2000, rel=0.05)


@pytest.mark.slow
def test_a_driver_that_hangs_takes_nothing_with_it(tmp_path: Path, driver: FakeDriver, local_tap: Tap) -> None:
    """Requests are answered at once, the figures turn to `silent`, and the router ends when it is told to."""
    driver.says(H100)
    with Router.start(tmp_path, settings(local_tap), env=driver.env) as router:
        eventually(router, "ok")
        driver.says(H100 | {"hangs.nvmlDeviceGetCount_v2": "1"})
        eventually(router, "silent")
        began = time.monotonic()
        body = {"model": "box", "messages": [{"role": "user", "content": "hello"}]}
        assert router.post("/v1/chat/completions", body).status == 200
        assert series(router) == {("driver_ok",): 0}
        assert time.monotonic() - began < 2
        began = time.monotonic()
        assert router.stop() == 0
        assert time.monotonic() - began < 10
    assert router.output().count(b"the NVIDIA driver does not answer") == 1
    driver.says({})


def test_a_box_without_a_driver_has_no_gpu_anything(tmp_path: Path, local_tap: Tap) -> None:
    """No series, an empty list, no line in the log, no file."""
    with Router.start(tmp_path, settings(local_tap)) as router:
        assert series(router) == {}
        assert status(router) == {"driver": "absent", "gpus": []}
    assert b"NVIDIA" not in router.output()
    assert not (router.home / "gpu_power.json").exists()


@pytest.mark.slow
def test_doctor_looks_at_the_cards(tmp_path: Path, driver: FakeDriver, local_tap: Tap) -> None:
    """Well, too hot, lost, silent: one row, with what to do; without a driver no row."""

    def row() -> tuple[str, str, str]:
        done = router.run("doctor", "--json")
        (found,) = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "gpu health"]
        return found["state"], found["says"], found["mend"]

    driver.says(H100)
    with Router.start(tmp_path, settings(local_tap), env=driver.env) as router:
        well = "GPU 0 NVIDIA H100 80GB HBM3, 70.0 of 80.0 GiB, 512 W, 61 °C, slowed by power_cap"
        assert row() == ("ok", well, "")
        driver.says(H100 | {"0.reasons": "0x40"})
        assert row()[0] == "warn"
        assert "fans" in row()[2]
        driver.says(H100 | {"0.fails.nvmlDeviceGetHandleByIndex_v2": "15"})
        assert row()[:2] == ("warn", "GPU 0 is lost")
        driver.says(H100 | {"fails.nvmlInitWithFlags": "18"})
        assert row()[:2] == ("warn", "the driver answers with an error (NVML 18)")
        driver.says({})
