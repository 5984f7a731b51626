"""How the router starts and ends: a drain that cuts nobody off, a second signal that waits for nobody, clear words."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from fault_rig import CHAT, Stream, ask, open_intents, records, until
from process import Tap
from router import KEY, KEY_ENV, PROGRAM, Router, free_port
from tap_behaviour import Behaviour
from tap_fleet import local_entry, openai_entry

from localfleet.core.label import Label
from localfleet.storage.keys import create_key
from localfleet.storage.verify import verify

DONE = b"data: [DONE]\n\n"
ALL_ON_DISK = b"stopped; every record is on disk"


@pytest.fixture
def router(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> Iterator[Router]:
    """A router with one local and one hosted door."""
    with Router.start(tmp_path, _settings(local_tap, openai_tap)) as started:
        assert until(lambda: started.post(CHAT, ask("mini", max_tokens=1)).status == 200)
        yield started


def _settings(local: Tap, hosted: Tap) -> dict[str, Any]:
    return {"version": 1, "local": {"box": local_entry(local)}, "hosted": {"mini": openai_entry(hosted)}}


def _ended(router: Router, limit_s: float) -> int:
    """The exit code, once the process that was told to end has ended."""
    assert until(lambda: not router.alive(), limit_s), "the router still runs"
    return router.signal(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_drain_lets_what_is_under_way_finish(router: Router, openai_tap: Tap, number: signal.Signals) -> None:
    """A stream and a plain answer end whole, nobody new gets in, the exit code is 0 and every record is on disk."""
    openai_tap.always(Behaviour(chunk_delay_s=0.1, delay_s=0.8))
    plain: list[int] = []
    caller = threading.Thread(target=lambda: plain.append(router.post(CHAT, ask("mini")).status))
    caller.start()
    with Stream(router, ask("mini", stream=True)) as stream:
        first = stream.read()
        os.kill(router.pid, number)
        time.sleep(0.3)
        refused = router.post(CHAT, ask("local"))
        assert refused.status in {0, 503}
        assert (first + stream.rest()).endswith(DONE)
    caller.join(5)
    assert plain == [200]
    assert _ended(router, 5) == 0
    assert ALL_ON_DISK in router.output()
    outcomes = [one["outcome"] for one in records(router.home, "receipt")]
    assert outcomes.count("answered") == 3
    assert open_intents(router.home) == 0
    assert verify(router.home).ok


@pytest.mark.slow
def test_a_connection_kept_alive_hears_503_or_nothing(router: Router, openai_tap: Tap) -> None:
    """A client with an idle connection is not served after the signal: it finds it closed, or gets a 503."""
    openai_tap.always(Behaviour(chunk_delay_s=0.2))
    with Stream(router, ask("local")) as idle, Stream(router, ask("mini", stream=True)) as busy:
        assert idle.rest()
        assert busy.read()
        os.kill(router.pid, signal.SIGTERM)
        time.sleep(0.3)
        try:
            idle._connection.request("POST", CHAT, json.dumps(ask("local")))
            status = idle._connection.getresponse().status
        except ConnectionError:
            status = 503
        assert status == 503
        assert busy.rest().endswith(DONE)
    assert _ended(router, 5) == 0


@pytest.mark.slow
def test_a_second_signal_waits_for_nobody(router: Router, openai_tap: Tap, local_tap: Tap) -> None:
    """The process ends within two seconds, cuts the upstream, and what it cut off has its receipts."""
    openai_tap.always(Behaviour(chunk_delay_s=1, text="word " * 60))
    local_tap.always(Behaviour(delay_s=30))
    with Stream(router, ask("mini", stream=True)) as stream, Stream(router, ask("local")):
        assert stream.read()
        assert until(lambda: local_tap.counters()["in_flight"] == 1)
        os.kill(router.pid, signal.SIGTERM)
        time.sleep(0.3)
        assert router.alive()
        began = time.monotonic()
        os.kill(router.pid, signal.SIGTERM)
        assert _ended(router, 5) == 0
        assert time.monotonic() - began < 2
    assert ALL_ON_DISK in router.output()
    cut = [one for one in records(router.home, "receipt") if one["outcome"] != "answered"]
    assert sorted(one["model"] for one in cut) == ["box", "mini"]
    assert open_intents(router.home) == 0
    assert openai_tap.wait_for("cut", timeout_s=1)


@pytest.mark.slow
def test_the_second_router_on_a_folder_is_refused(router: Router) -> None:
    """One writer per ledger: the message says what to do, the exit code is 1, the first router does not notice."""
    second = router.run("serve", "--port", "0")
    assert second.returncode == 1
    assert b"Another router already runs on this state folder" in second.stderr
    assert b"LOCALFLEET_HOME" in second.stderr
    assert b"Traceback" not in second.stderr
    assert router.post(CHAT, ask("mini")).status == 200


@pytest.mark.slow
def test_a_port_that_is_taken_is_told(router: Router, tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """The message names the port and another way; the exit code is 1."""
    folder = tmp_path / "second"
    ended = _run(folder, _settings(local_tap, openai_tap), "serve", "--port", str(router.port))
    assert ended.returncode == 1
    assert f"127.0.0.1:{router.port}".encode() in ended.stderr
    assert b"--port" in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_network_address_needs_keys(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """Without keys the router refuses any address but loopback; with a key it binds."""
    settings = _settings(local_tap, openai_tap)
    ended = _run(tmp_path, settings, "serve", "--host", "0.0.0.0", "--port", "0")
    assert ended.returncode == 1
    assert b"keys create" in ended.stderr
    create_key(tmp_path / "state", name="app", label=Label.INTERNAL, at=time.time())
    bound = _command(tmp_path, settings, "serve", "--host", "0.0.0.0", "--port", str(free_port()))
    with subprocess.Popen(**bound, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        try:
            assert any(b"keys required" in line for line in running.stdout)  # its end, if it never says so
        finally:
            running.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["/no/such/folder/model.gguf", "no-such-model"])
def test_weights_that_are_not_there(tmp_path: Path, weights: str) -> None:
    """`up` ends before it serves, and says which model's weights it misses."""
    ended = _run(tmp_path, {"version": 1, "local": {"small": {"weights": weights}}}, "up", "--port", "0")
    assert ended.returncode == 1
    assert b"local.small." in ended.stderr
    assert b".gguf" in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_config_that_is_not_there(tmp_path: Path) -> None:
    """No models.yaml: one sentence, exit code 1."""
    ended = _run(tmp_path, None, "serve", "--port", "0")
    assert ended.returncode == 1
    assert b"localfleet init" in ended.stderr
    assert b"Traceback" not in ended.stderr


def _run(folder: Path, settings: Mapping[str, Any] | None, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command in a folder of its own to its end; `TimeoutExpired`, with the output, if it goes on."""
    return subprocess.run(**_command(folder, settings, *arguments), capture_output=True, timeout=30, check=False)


def _command(folder: Path, settings: Mapping[str, Any] | None, *arguments: str) -> dict[str, Any]:
    """What to run, where, and with what around it."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    if settings is not None:
        (folder / "models.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(settings))), encoding="utf-8")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LOCALFLEET_HOME": str(folder / "state"),
        KEY_ENV: KEY,
    }
    return {"args": [*PROGRAM, *arguments, "--config", str(folder / "models.yaml")], "env": env, "cwd": folder}
