"""Shadows of a running router, held by taps: what may be mirrored is, and nothing of a restricted request leaves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_rig import until
from process import Tap
from router import Response, Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import fleet

CANARY = "quartz-heron-7319"
RESTRICTED = f"Tell jane.doe@posteo.de of {CANARY}."
"""The address is what a detector finds."""
SHADOW = {"requests_per_hour": 1000, "judge": {"least_chars": 1}}
EXPERIMENTS: dict[str, Any] = {
    "seen": {"task": "plain", "first": "mini", "share": 1, "by": "request", "shadow": SHADOW},
    "dear": {"task": "judged", "first": "claude", "share": 1, "by": "key", "shadow": SHADOW},
}
TASKS = {
    "plain": {"first": "box"},
    "judged": {"first": "box", "fallback": ["mini"], "cascade": {"judge": {"least_chars": 2}}},
}


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]
) -> Iterator[tuple[Router, Tap, Tap, Tap]]:
    """A router whose tasks have shadows at hosted taps."""
    local, openai, anthropic = shared_taps
    file = fleet(
        local=local, openai=openai, anthropic=anthropic, tasks=TASKS, experiments=EXPERIMENTS,
        privacy={"default": "public"}, routing={"keep_features": True},
    )  # fmt: skip
    file["hosted"]["claude"]["timeout_s"] = 60  # the first call loads litellm, which takes seconds on a busy machine
    file["hosted"]["claude"]["max_output_tokens"] = 1000
    with Router.start(tmp_path_factory.mktemp("router"), file) as router:
        yield router, local, openai, anthropic


def ask(router: Router, text: str, task: str, *, stream: bool) -> Response:
    """One chat request."""
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": stream}
    answer = router.post("/v1/chat/completions", body, {"x-localfleet-task": task})
    assert (answer.status, answer.headers["x-localfleet-model"]) == (200, "box")
    return answer


def shadows(router: Router) -> int:
    """How many the books hold."""
    return sum(int(row["shadows"]) for row in json.loads(router.run("report", "--json").stdout))


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_shadows_of_restricted_requests_reach_no_tap(
    scene: tuple[Router, Tap, Tap, Tap], task: str, *, stream: bool
) -> None:
    """A public request is mirrored to a hosted tap, a restricted one to none; the books hold both shadows."""
    router, _, openai, anthropic = scene
    openai.clear()
    anthropic.clear()
    before = shadows(router)
    ask(router, f"Public words of {CANARY}", task, stream=stream)
    assert until(lambda: shadows(router) == before + 1, 30)
    (post,) = (*openai.posts(), *anthropic.posts())
    assert CANARY in post.body.decode()
    openai.clear()
    anthropic.clear()
    ask(router, RESTRICTED, task, stream=stream)
    assert until(lambda: shadows(router) == before + 2, 30)
    for tap in (openai, anthropic):
        assert CANARY.encode() not in tap.received()
        assert tap.posts() == []


@pytest.mark.slow
def test_a_router_that_ends_writes_down_what_became_of_them(tmp_path: Path, shared_taps: tuple[Tap, Tap, Tap]) -> None:
    """One that hangs at its provider is cut off, and the books are whole."""
    local, openai, anthropic = shared_taps
    privacy = {"default": "public"}
    file = fleet(local=local, openai=openai, anthropic=anthropic, tasks=TASKS, experiments=EXPERIMENTS, privacy=privacy)
    openai.reset()
    openai.script(Behaviour(fault=Fault.HANG))
    with Router.start(tmp_path, file) as router:
        ask(router, "Public words", "plain", stream=False)
        assert until(lambda: len(openai.posts()) == 1, 20)
        router.stop()
        openai.reset()
        assert shadows(router) == 1
        told = router.run("routing", "experiments").stdout.decode()
        assert "client_left x1" in " ".join(told.split())
        assert router.run("audit", "verify").returncode == 0


@pytest.mark.slow
def test_the_books_of_shadows(scene: tuple[Router, Tap, Tap, Tap], tmp_path: Path) -> None:
    """The chain is whole, callers pay no cent of theirs, all that left has an intent; features are of public words."""
    router, *_ = scene
    before = shadows(router)
    ask(router, f"Public words of {CANARY}", "plain", stream=False)
    assert until(lambda: shadows(router) == before + 1, 30)
    assert router.run("audit", "verify").returncode == 0
    rows = {row["group"]: row for row in json.loads(router.run("report", "--by", "key", "--json").stdout)}
    mine = {name: row for name, row in rows.items() if name.startswith("shadow:")}
    assert [row["requests"] for row in mine.values()] == [0] * len(mine) != []
    assert float(mine["shadow:seen"]["cost_usd"]) > 0
    assert {float(row["cost_usd"]) for name, row in rows.items() if name not in mine} == {0.0}
    export = tmp_path / "export.jsonl"
    assert router.run("audit", "export", str(export)).returncode == 0
    records = [one for one in map(json.loads, export.read_text().splitlines()) if "kind" in one]
    bodies = [
        (one["kind"], json.loads(one["body"]) if isinstance(one["body"], str) else one["body"]) for one in records
    ]
    intents = {body["request_id"] for kind, body in bodies if kind == "intent"}
    left = {
        body["request_id"] for kind, body in bodies if kind == "receipt" and body.get("tier") not in {None, "local"}
    }
    assert {one for one in left if not one.endswith("-shadow")} <= intents
    ids = [
        ask(router, text, "plain", stream=False).headers["x-localfleet-request-id"].encode()
        for text in (RESTRICTED, "Public words")
    ]
    features = router.home / "features.jsonl"
    assert until(lambda: ids[1] in features.read_bytes(), 10)
    assert ids[0] not in features.read_bytes()
    for place, found in router.at_rest().items():
        assert CANARY.encode() not in found or place.endswith("models.yaml"), place
