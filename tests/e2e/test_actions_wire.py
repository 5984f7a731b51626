"""Cascades, judges and pipelines of a running router, held by taps: nothing restricted leaves by any of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process import Tap
from router import Response, Router
from tap_fleet import fleet

CANARY = "quartz-heron-7319"
RESTRICTED = f"Tell jane.doe@posteo.de of {CANARY}."
"""The address is what a detector finds."""
TASKS: dict[str, Any] = {
    "short": {"first": "box", "fallback": ["mini", "claude"], "cascade": {"judge": {"least_chars": 60}}},
    "graded": {"first": "box", "fallback": ["mini"], "cascade": {"judge": {"model": {"model": "claude"}}}},
    "graded_here": {"first": "box", "fallback": ["mini"], "cascade": {"judge": {"model": {"model": "local"}}}},
}
PIPELINES: dict[str, Any] = {
    "private": {
        "stages": [
            {
                "name": "facts", "model": "local", "prompt": "Read {input}", "release": True,
                "fields": {"age": "integer", "band": ["low", "high"]},
            },
            {"name": "advice", "model": "mini", "prompt": "Advise on {facts}"},
        ]
    },
    "careless": {"stages": [{"name": "a", "model": "local", "prompt": "{input}"},
                            {"name": "b", "model": "mini", "prompt": "{a}"}]},
    "polish": {
        "stages": [
            {"name": "draft", "model": "local", "prompt": "{input}", "enough": {"least_chars": 60}},
            {"name": "better", "model": "claude", "prompt": "{input} {draft}"},
        ]
    },
    "research": {
        "stages": [
            {"name": "claims", "model": "local", "each": "documents", "prompt": "{item}"},
            {"name": "answer", "model": "mini", "prompt": "{claims}"},
        ]
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]
) -> Iterator[tuple[Router, Tap, Tap, Tap]]:
    """A router whose local model answers with the words it was asked about, and two hosted taps."""
    local, openai, anthropic = shared_taps
    local.say(json.dumps({"age": 41, "band": "high", "name": CANARY}))
    privacy = {"default": "public"}
    file = fleet(local=local, openai=openai, anthropic=anthropic, tasks=TASKS, pipelines=PIPELINES, privacy=privacy)
    file["hosted"]["claude"]["timeout_s"] = 60  # the first call loads litellm, which takes seconds on a busy machine
    with Router.start(tmp_path_factory.mktemp("router"), file) as router:
        yield router, local, openai, anthropic
    for tap in shared_taps:  # others look for what these taps say by themselves
        tap.say("The capital of France is Paris.")


def ask(
    router: Router, text: str, *, model: str = "auto", task: str = "", stream: bool = False, **more: Any
) -> Response:
    """One chat request."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}
    return router.post("/v1/chat/completions", body, {"x-localfleet-task": task} if task else {})


WAYS = [
    *({"task": task} for task in TASKS),
    *({"model": f"pipeline/{name}"} for name in PIPELINES),
]


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))
def test_nothing_restricted_leaves_by_any_way(
    scene: tuple[Router, Tap, Tap, Tap], way: dict[str, str], *, stream: bool
) -> None:
    """A restricted canary through every cascade, judge and pipeline: on the box, and at no hosted tap."""
    router, local, openai, anthropic = scene
    local.clear()
    ask(
        router,
        RESTRICTED,
        stream=stream,
        documents=[RESTRICTED, "more"],
        task=way.get("task", ""),
        model=way.get("model", "auto"),
    )
    assert CANARY.encode() in local.received()
    for tap in (openai, anthropic):
        assert CANARY.encode() not in tap.received()
        assert b"jane.doe" not in tap.received()


@pytest.mark.slow
def test_what_may_leave_does_escalate(scene: tuple[Router, Tap, Tap, Tap]) -> None:
    """The same ways with a public text reach the hosted taps: the test above holds because of the label."""
    router, local, openai, anthropic = scene
    local.say("no")
    said = "a hosted answer that is long enough for every judge that looks at how long it is"
    openai.say(said)
    anthropic.say("5")
    for way in ({"task": "short"}, {"task": "graded_here"}, {"model": "pipeline/careless"}):
        openai.clear()
        answer = ask(router, f"Public words of {CANARY}", task=way.get("task", ""), model=way.get("model", "auto"))
        assert answer.status == 200
        assert answer.json["choices"][0]["message"]["content"] == said
        assert answer.headers["x-localfleet-model"] == "mini"
        assert openai.posts(), way
    answer = ask(router, "Public words", task="short")
    assert answer.headers["x-localfleet-reason"] == "answer_invalid"
    assert answer.headers["x-localfleet-attempts"] == "2"
    assert float(answer.headers["x-localfleet-cost-usd"]) > 0
    answer = ask(router, "Public words", task="graded")
    assert (answer.headers["x-localfleet-model"], len(anthropic.posts())) == ("box", 1)
    answer = ask(router, "Public words", task="short", stream=True)
    assert answer.headers["x-localfleet-model"] == "mini"
    assert answer.body.rstrip().endswith(b"data: [DONE]")
    local.say(json.dumps({"age": 41, "band": "high", "name": CANARY}))


@pytest.mark.slow
def test_a_clean_structure_of_a_restricted_text_is_reasoned_over_elsewhere(
    scene: tuple[Router, Tap, Tap, Tap],
) -> None:
    """S40 on the wire: what the hosted model gets is the operator's prompt, keys and words, and a number."""
    router, _, openai, _ = scene
    openai.clear()
    answer = ask(router, RESTRICTED + " Again, with other words.", model="pipeline/private")
    assert answer.status == 200
    assert answer.headers["x-localfleet-privacy"] == "restricted"
    (post,) = openai.posts()
    (turn,) = post.json["messages"]
    assert re.fullmatch(r'Advise on \{"age": \d+, "band": "(low|high)"\}', turn["content"])


@pytest.mark.slow
def test_the_books_hold_every_part_and_no_word(scene: tuple[Router, Tap, Tap, Tap], tmp_path: Path) -> None:
    """The chain is whole, a request counts once, its parts are listed, and no canary is at rest."""
    router, *_ = scene
    ask(router, RESTRICTED, model="pipeline/private")
    verified = router.run("audit", "verify")
    assert verified.returncode == 0, verified.stdout
    export = tmp_path / "export.jsonl"
    assert router.run("audit", "export", str(export)).returncode == 0
    records = [json.loads(line) for line in export.read_text().splitlines()]
    receipts = [one.get("body", one) for one in records if one.get("kind") == "receipt"]
    bodies = [json.loads(one) if isinstance(one, str) else one for one in receipts]
    roots = {one["request_id"]: one for one in bodies if "parts" in one}
    parts = [one for one in bodies if "action" in one]
    assert roots
    assert {one["action"] for one in parts} <= set(roots)
    assert all(sum(part["action"] == name for part in parts) == len(root["parts"]) for name, root in roots.items())
    report = json.loads(router.run("report", "--by", "label", "--json").stdout)
    assert sum(row["requests"] for row in report) == len([one for one in bodies if "action" not in one])
    for place, found in router.at_rest().items():
        assert CANARY.encode() not in found or place.endswith("models.yaml"), place


@pytest.mark.slow
def test_pipelines_are_models_to_clients(scene: tuple[Router, Tap, Tap, Tap]) -> None:
    """`GET /v1/models` lists them, and the other APIs answer by them too."""
    router, *_ = scene
    listed = {one["id"] for one in router.get("/v1/models").json["data"]}
    assert {f"pipeline/{name}" for name in PIPELINES} <= listed
    body = {"model": "pipeline/careless", "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 9}
    assert router.post("/v1/messages", body).json["type"] == "message"
    assert router.post("/v1/responses", {"model": "pipeline/careless", "input": "Hello."}).json["object"] == "response"
    proof = json.loads(router.run("check", "--paths", "--json").stdout)
    kinds = {(way["kind"], way["label"], way["carries"]) for way in proof["ways"]}
    assert ("stage", "restricted", "structure") in kinds
    assert ("judge", "public", "text") in kinds
    assert proof["ok"]
