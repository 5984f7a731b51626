"""Reloads of what runs on the box: real llama.cpp processes that stay, go, come, and give each other way."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_rig import CHAT, Stream, ask, until
from reload_rig import engines, reload
from router import Response, Router

from localfleet.engines.weights import find_weights
from localfleet.run import DRAIN_S

WEIGHTS = "smollm2-135m-instruct"
DONE = b"data: [DONE]\n\n"
LONG = {"stream": True, "max_tokens": 150, "temperature": 0}


def model(**more: Any) -> dict[str, Any]:
    """The shipped model, on one thread."""
    return {"weights": WEIGHTS, "threads": 1, **more}


def fleet(**local: dict[str, Any]) -> dict[str, Any]:
    """A file with these local models."""
    return {"version": 1, "local": local}


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    """`localfleet up` with one model that is ready."""
    with Router.start(tmp_path, fleet(small=model()), verb="up") as started:
        assert until(lambda: state(started, "small") == "ready", 60)
        yield started


def state(router: Router, name: str) -> str:
    """A model's word in `/readyz`."""
    found: str = router.get("/readyz").json["models"][name]["state"]
    return found


def say(name: str, **more: Any) -> dict[str, Any]:
    """A request that a small model goes on with for a while."""
    return ask(name, "Count from one to a hundred.", **{**LONG, **more})


@pytest.mark.slow
def test_one_that_did_not_change_keeps_its_process(router: Router) -> None:
    """Same process, also where its line, life and abilities change; others come beside it and go again."""
    (pid,) = engines(router)
    told = reload(router, fleet(small=model(queue_limit=7, can=["json"], life={"sleep_after_s": 900}))).json
    assert (told["starts"], told["ends"]) == ([], [])
    assert "local.small.life.sleep_after_s" in told["changed"]
    assert engines(router) == [pid]
    told = reload(router, fleet(small=model(), other=model())).json
    assert (told["starts"], told["ends"]) == (["other"], [])
    assert until(lambda: state(router, "other") == "ready", 60)
    assert router.post(CHAT, ask("other", max_tokens=2), timeout_s=60).status == 200
    (new,) = set(engines(router)) - {pid}
    assert reload(router, fleet(small=model())).json["ends"] == ["other"]
    assert router.post(CHAT, ask("other")).status == 404
    assert until(lambda: engines(router) == [pid], 10)
    assert not Path(f"/proc/{new}").exists()
    assert router.post(CHAT, ask("small", max_tokens=2)).status == 200


@pytest.mark.slow
def test_one_that_changed_gives_way_and_nobody_is_cut_off(router: Router) -> None:
    """A stream ends whole at the old process; who comes meanwhile waits for the new one; never two at once."""
    (pid,) = engines(router)
    most, over = [1], threading.Event()

    def count() -> None:
        while not over.is_set():
            most[0] = max(most[0], len(engines(router)))
            time.sleep(0.02)

    counting = threading.Thread(target=count)
    counting.start()
    answers: list[Response] = []
    with Stream(router, say("small")) as stream:
        first = stream.read()
        told = reload(router, fleet(small=model(context_tokens=1024))).json
        assert (told["starts"], told["ends"], told["changed"]) == (
            ["small"],
            ["small"],
            ["local.small.context_tokens"],
        )
        assert engines(router) == [pid]
        late = threading.Thread(
            target=lambda: answers.append(router.post(CHAT, ask("small", max_tokens=2), timeout_s=60))
        )
        late.start()
        assert (first + stream.rest()).endswith(DONE)
    late.join(60)
    over.set()
    counting.join(5)
    assert [answer.status for answer in answers] == [200]
    assert int(answers[0].headers["x-localfleet-queue-ms"]) > 0
    assert engines(router) != [pid]
    assert most == [1]
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_one_that_is_removed_finishes_and_ends(router: Router) -> None:
    """The stream under way is whole, the next request hears 404, then the process is gone and its memory free."""
    assert reload(router, fleet(small=model(), other=model(life={"load": "on_demand"}))).status == 200
    (pid,) = engines(router)
    with Stream(router, say("small")) as stream:
        first = stream.read()
        assert reload(router, fleet(other=model(life={"load": "on_demand"}))).status == 200
        assert router.post(CHAT, ask("small")).status == 404
        assert engines(router) == [pid]
        assert (first + stream.rest()).endswith(DONE)
    assert until(lambda: not engines(router), 10)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_files_that_follow_one_another_at_once_end_with_the_last(router: Router) -> None:
    """Ten forms of one entry within a second: no process is left over, and the last form answers."""
    for tokens in range(1024, 1034):
        assert reload(router, fleet(small=model(context_tokens=tokens))).status == 200
    assert router.post(CHAT, ask("small", max_tokens=2), timeout_s=60).status == 200
    assert until(lambda: len(engines(router)) == 1 and state(router, "small") == "ready", 30)
    shown = {one["id"]: one["localfleet"] for one in router.get("/v1/models").json["data"]}
    assert shown["small"]["context_tokens"] == 1033


@pytest.mark.slow
def test_one_that_does_not_end_in_time_is_cut_off(router: Router) -> None:
    """A stream without an end holds the old process for as long as a shutdown would wait, and no longer."""
    (pid,) = engines(router)
    began = time.monotonic()
    with Stream(router, say("small", max_tokens=4000, ignore_eos=True)) as stream:
        stream.read()
        assert reload(router, fleet(small=model(context_tokens=1024))).status == 200
        assert until(lambda: not Path(f"/proc/{pid}").exists(), DRAIN_S + 15)
        assert DRAIN_S - 2 < time.monotonic() - began < DRAIN_S + 10
        assert not stream.rest().endswith(DONE)
    assert until(lambda: state(router, "small") == "ready", 60)


@pytest.mark.slow
def test_the_end_in_the_middle_of_a_reload_leaves_no_process(router: Router) -> None:
    """SIGTERM while an old process drains and a new one waits for it: all are gone, and the exit is clean."""
    (pid,) = engines(router)
    with Stream(router, say("small")) as stream:
        stream.read()
        assert reload(router, fleet(small=model(context_tokens=1024), other=model())).status == 200
        assert until(lambda: len(engines(router)) == 2, 20)
        pids = engines(router)
        os.kill(router.pid, 15)
        with contextlib.suppress(OSError):
            stream.rest()
    assert until(lambda: not router.alive(), DRAIN_S + 10)
    assert router.stop() == 0
    assert pid in pids
    assert not any(Path(f"/proc/{one}").exists() for one in pids)


@pytest.mark.slow
def test_one_that_gave_up_is_tried_again(router: Router, tmp_path: Path) -> None:
    """Weights that are no model: it stays down. Put right on disk, a reload of the same file brings it."""
    weights = tmp_path / "mine.gguf"
    weights.write_bytes(b"GGUF" + bytes(2000))
    settings = fleet(small=model(), mine={**model(), "weights": str(weights)})
    assert reload(router, settings).status == 200
    assert until(lambda: state(router, "mine") == "down", 60)
    (pid,) = engines(router)
    weights.write_bytes(find_weights(WEIGHTS).path.read_bytes())
    told = reload(router, settings).json
    assert (told["changed"], told["starts"]) == ([], ["mine"])
    assert until(lambda: state(router, "mine") == "ready", 60)
    assert pid in engines(router)
