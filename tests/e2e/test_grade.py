"""S28 for real: the model that ships grades each request in the request path, and the grade moves the door."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from fault_rig import records, until
from process import Tap
from router import Router
from tap_fleet import openai_entry

LEVELS = Path(__file__).resolve().parents[2] / "bench" / "grade" / "levels.jsonl"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]) -> Iterator[Router]:
    """The shipped model grades and answers what is easy; a tap stands for a door that is good for all."""
    small = {"engine": "llamacpp", "weights": "smollm2-135m-instruct", "context_tokens": 4096, "threads": 1, "level": 2}
    difficulty = {"usual": 1, "grade": {"model": "small", "deadline_ms": 20_000}}
    file: dict[str, Any] = {
        "version": 1,
        "local": {"small": small},
        "hosted": {"best": openai_entry(shared_taps[1], level=5)},
        "privacy": {"default": "public"},
        "routing": {"order": ["difficulty"], "difficulty": difficulty, "prefer": "local"},
    }
    with Router.start(tmp_path_factory.mktemp("grade"), file, verb="up", ready_s=120) as running:
        deadline = time.monotonic() + 120
        while running.get("/readyz").json["models"]["small"]["state"] != "ready":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield running


def test_a_real_grade_moves_the_door(router: Router) -> None:
    """Every request is graded once before its doors are fixed; above the small model's level it goes to the strong."""
    rows = [json.loads(line) for line in LEVELS.read_text(encoding="utf-8").splitlines()][1::2]
    doors: dict[str, tuple[str, str]] = {}
    for row in rows:
        body = {"model": "auto", "messages": [{"role": "user", "content": row["text"]}], "max_tokens": 1}
        answer = router.post("/v1/chat/completions", body, timeout_s=60)
        assert answer.status == 200, answer.body
        told = answer.headers
        doors[told["x-localfleet-request-id"]] = (told["x-localfleet-model"], told["x-localfleet-reason"])
    assert until(lambda: len(records(router.home, "receipt")) == len(rows))
    receipts = {one["request_id"]: one for one in records(router.home, "receipt")}
    levels = {name: one["level"] for name, one in receipts.items()}
    print("\nlevels:", dict(Counter(levels.values())), "doors:", dict(Counter(model for model, _ in doors.values())))
    assert {*levels.values()} - {1}, "a grade that never moves anything tells nothing"
    for name, (model, reason) in doors.items():
        assert (model, reason == "by_grade") == (("best", True) if levels[name] > 2 else ("small", levels[name] > 1))
    times = [(one["route_ms"], one["classify_ms"]) for one in receipts.values()]
    print("ms to route, to classify:", times)
    route_ms, classify_ms = (median(column) for column in zip(*times, strict=True))
    assert route_ms > 10 * classify_ms, "a grade is waited for"


def test_a_restricted_request_is_graded_and_stays(router: Router, shared_taps: tuple[Tap, Tap, Tap]) -> None:
    """However hard it is graded: the grade orders legal doors, and here there is one."""
    shared_taps[1].clear()
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": "Prove it to jane.doe@posteo.de."}],
        "max_tokens": 1,
    }
    answer = router.post("/v1/chat/completions", body, timeout_s=60)
    assert (answer.status, answer.headers["x-localfleet-tier"]) == (200, "local")
    assert b"jane" not in shared_taps[1].received()
