"""`models.yaml` changes while the router runs: the real process, real requests under way, taps as engines."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fault_rig import CHAT, Stream, ask, memory_mb, receipt, records, until
from process import Tap
from reload_rig import admin, descriptors, holds, log_lines, reload, told_by_signal, write
from router import Response, Router
from tap_behaviour import Behaviour, Fault, Tokens
from tap_fleet import anthropic_entry, local_entry, openai_entry

from localfleet.storage.verify import verify

DONE = b"data: [DONE]\n\n"
SLOW = Behaviour(chunk_delay_s=0.1, text="word " * 20)
RULE = {"name": "projects", "words": ["bluebird"]}
BLUEBIRD = "What became of Bluebird?"
PASTED_KEY = """version: 1
hosted:
  m: {provider: openai, model: gpt-4o-mini, tier: t, accepts: internal, api_key_env: skABCdefsecret}
"""
MANY = 50


@pytest.fixture
def settings(local_tap: Tap, openai_tap: Tap) -> dict[str, Any]:
    """One local and one hosted door."""
    return {"version": 1, "local": {"box": local_entry(local_tap)}, "hosted": {"mini": openai_entry(openai_tap)}}


@pytest.fixture
def router(tmp_path: Path, settings: dict[str, Any]) -> Iterator[Router]:
    """A router on it, whose hosted door is open."""
    with Router.start(tmp_path, settings) as started:
        assert until(lambda: started.post(CHAT, ask("mini", max_tokens=1)).status == 200)
        yield started


@contextmanager
def crowd(router: Router, body: dict[str, Any], threads: int = 4) -> Iterator[list[Response]]:
    """Several clients that ask the same again and again; what they got."""
    over, answers = threading.Event(), list[Response]()

    def work() -> None:
        while not over.is_set():
            answers.append(router.post(CHAT, body))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for one in workers:
        one.start()
    try:
        yield answers
    finally:
        over.set()
        for one in workers:
            one.join(30)


def model_names(router: Router) -> set[str]:
    """What `/v1/models` lists."""
    return {model["id"] for model in router.get("/v1/models").json["data"]}


@pytest.mark.slow
def test_a_rule_that_comes_by_a_signal_holds_for_the_next_request(router: Router, settings: dict[str, Any]) -> None:
    """SIGHUP: what was internal is restricted from then on; log and chain name the rule, neither names its words."""
    before = holds(router)
    assert router.post(CHAT, ask("auto", BLUEBIRD)).headers["x-localfleet-privacy"] == "internal"
    told_by_signal(router, {**settings, "privacy": {"rules": [RULE]}})
    answer = router.post(CHAT, ask("auto", BLUEBIRD))
    assert (answer.headers["x-localfleet-privacy"], answer.headers["x-localfleet-tier"]) == ("restricted", "local")
    (line,) = log_lines(router)
    assert (line["added"], line["privacy"]) == (["privacy.rules.projects"], ["privacy.rules.projects"])
    digest = hashlib.sha256((router.folder / "models.yaml").read_bytes()).hexdigest()
    assert (holds(router), line["sha256"], line["was"]) == (digest, digest, before)
    assert until(lambda: len(records(router.home, "reload")) == 1)
    (record,) = records(router.home, "reload")
    assert (record["sha256"], record["was"], record["added"]) == (digest, before, ["privacy.rules.projects"])
    assert b"bluebird" not in router.output().lower()
    assert router.run("audit", "verify").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "path", "cure"),
    [
        ("version: 1\nlocal: {box: {engine: [\n", "", "is not valid YAML"),
        ("version: 1\nlocal: {box: {engine: endpoint}}\n", "local.box", "an endpoint needs `url:`"),
        (PASTED_KEY, "hosted.m.api_key_env", "is not set; export it"),
    ],
)
def test_a_broken_file_changes_nothing(
    router: Router, settings: dict[str, Any], text: str, path: str, cure: str
) -> None:
    """By API and by signal: the problem is told with line, path and cure, and all goes on as it was."""
    before = holds(router)
    answer = reload(router, text)
    assert (answer.status, answer.json["error"]["code"]) == (422, "config_error")
    (problem,) = answer.json["error"]["problems"]
    assert (problem["path"], cure in problem["sentence"]) == (path, True)
    assert problem["line"] >= 1
    told_by_signal(router, text)
    last = log_lines(router)[-1]
    assert (last["level"], last["path"], last["line"], cure in last["why"]) == ("error", path, problem["line"], True)
    assert holds(router) == before
    assert router.post(CHAT, ask("mini")).status == 200
    assert b"skABCdefsecret" not in router.output() + answer.body
    assert not records(router.home, "reload")


@pytest.mark.slow
def test_a_file_that_is_gone_changes_nothing(router: Router) -> None:
    """Moved away for a moment by an editor: one sentence, and the router goes on."""
    (router.folder / "models.yaml").unlink()
    answer = router.post("/api/reload", {}, admin(router))
    assert (answer.status, "cannot be read" in answer.json["error"]["message"]) == (422, True)
    assert router.post(CHAT, ask("mini")).status == 200


@pytest.mark.slow
def test_only_the_console_token_reloads(router: Router) -> None:
    """Without the token 401, and nothing is read."""
    assert router.post("/api/reload", {}).status == 401
    assert router.post("/api/reload", {}, {"authorization": "Bearer lf_wrong"}).status == 401
    assert not log_lines(router)


@pytest.mark.slow
def test_a_hosted_model_comes_and_goes_under_a_stream(
    router: Router, settings: dict[str, Any], openai_tap: Tap, anthropic_tap: Tap
) -> None:
    """The stream that began ends whole with its receipt; the next request does not go there; a new one is used."""
    openai_tap.always(SLOW)
    with Stream(router, ask("mini", stream=True)) as stream:
        first = stream.read()
        told = reload(router, {**settings, "hosted": {"claude": anthropic_entry(anthropic_tap)}}).json
        assert (told["added"], told["removed"]) == (["hosted.claude"], ["hosted.mini"])
        posts = len(openai_tap.posts())
        assert router.post(CHAT, ask("mini")).status == 404
        assert model_names(router) == {"auto", "local", "box", "claude"}
        assert until(lambda: router.post(CHAT, ask("claude")).status == 200)
        assert (first + stream.rest()).endswith(DONE)
        assert len(openai_tap.posts()) == posts
        request_id = stream.answer.headers["x-localfleet-request-id"]
    assert (found := receipt(router, request_id))["outcome"] == "answered"
    assert found["model"] == "mini"
    openai_tap.always(Behaviour())
    assert reload(router, settings).status == 200
    assert router.post(CHAT, ask("mini")).status == 200
    assert verify(router.home).ok


@pytest.mark.slow
def test_a_door_that_was_decided_before_stays_open_to_that_request(
    router: Router, settings: dict[str, Any], openai_tap: Tap, local_tap: Tap
) -> None:
    """Law 4: a request whose first door fails after the reload still goes to its second, which the file lost."""
    both = {**settings, "tasks": {"talk": {"first": "mini", "fallback": ["box"]}}, "routing": {"retries_per_door": 0}}
    assert reload(router, both).status == 200
    openai_tap.script(Behaviour(delay_s=1.0, status=500, fault=Fault.STATUS))
    answers: list[Response] = []
    body = ask("auto", metadata={"task": "talk"})
    caller = threading.Thread(target=lambda: answers.append(router.post(CHAT, body)))
    caller.start()
    assert until(lambda: openai_tap.counters()["in_flight"] == 1)
    assert reload(router, {"version": 1, "hosted": settings["hosted"]}).status == 200
    assert model_names(router) == {"auto", "local", "mini"}
    caller.join(20)
    assert [(one.status, one.headers["x-localfleet-model"]) for one in answers] == [(200, "box")]
    assert len(local_tap.posts()) == 1


@pytest.mark.slow
def test_an_alias_moves_under_load_and_nobody_notices(
    router: Router, settings: dict[str, Any], local_tap: Tap, openai_tap: Tap
) -> None:
    """Switching models is a change of the file: no request fails, and after the reload all go to the new one."""
    assert reload(router, {**settings, "aliases": {"smart": "mini"}}).status == 200
    with crowd(router, ask("smart")) as answers:
        assert until(lambda: len(answers) > 20)
        assert reload(router, {**settings, "aliases": {"smart": "box"}}).status == 200
        hosted = len(openai_tap.posts())
        seen = len(answers)
        assert until(lambda: len(answers) > seen + 20)
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["x-localfleet-model"] for answer in answers} == {"mini", "box"}
    assert len(openai_tap.posts()) - hosted <= 4, "only those under way may still have gone there"
    assert local_tap.posts()


@pytest.mark.slow
def test_an_engine_whose_entry_is_the_same_keeps_what_it_knows(
    router: Router, settings: dict[str, Any], openai_tap: Tap
) -> None:
    """A shut breaker stays shut where only what decisions look at has changed; another time limit is a new start."""
    openai_tap.always(Behaviour(fault=Fault.STATUS, status=429, retry_after="30"))
    assert router.post(CHAT, ask("mini")).status == 429
    assert _state(router, "mini") == "loading"
    mini = settings["hosted"]["mini"]
    changed = {**settings, "hosted": {"mini": {**mini, "tier": "other", "accepts": "public"}}}
    assert reload(router, changed).json["changed"] == ["hosted.mini.accepts", "hosted.mini.tier"]
    assert _state(router, "mini") == "loading"
    assert reload(router, {**settings, "hosted": {"mini": {**mini, "timeout_s": 4}}}).status == 200
    assert _state(router, "mini") == "ready"


def _state(router: Router, name: str) -> str:
    found: str = router.get("/readyz").json["models"][name]["state"]
    return found


@pytest.mark.slow
def test_a_budget_that_comes_later_counts_what_was_spent(
    router: Router, settings: dict[str, Any], openai_tap: Tap
) -> None:
    """A tier without a limit spends; switched on, its budget knows, also of an answer that was then under way."""
    openai_tap.always(Behaviour(tokens=Tokens(input=0, output=1000)))
    assert router.post(CHAT, ask("mini", max_tokens=1000)).status == 200
    openai_tap.always(Behaviour(tokens=Tokens(input=0, output=1000), chunk_delay_s=0.1, text="word " * 10))
    with Stream(router, ask("mini", stream=True, max_tokens=1000)) as stream:
        stream.read()
        # 1000 tokens cost 0.0006; two answers are paid for by the time the stream ends.
        limited = {**settings, "limits": {"usd_per_day": {"low_cost": "0.0018"}}}
        assert reload(router, limited).status == 200
        stream.rest()
    assert router.post(CHAT, ask("mini", max_tokens=1)).status == 200
    refused = router.post(CHAT, ask("mini", max_tokens=1000))
    assert (refused.status, refused.json["error"]["code"]) == (402, "over_budget")
    assert router.post(CHAT, ask("auto", max_tokens=1000)).headers["x-localfleet-tier"] == "local"


@pytest.mark.slow
def test_a_tier_of_an_earlier_life_is_known_when_it_comes_back(
    router: Router, settings: dict[str, Any], openai_tap: Tap
) -> None:
    """Spent before a restart, gone from the file, back by a reload with a budget: what it spent today counts."""
    openai_tap.always(Behaviour(tokens=Tokens(input=0, output=1000)))
    answer = router.post(CHAT, ask("mini", max_tokens=1000))
    receipt(router, answer.headers["x-localfleet-request-id"])
    write(router, {"version": 1, "local": settings["local"]})
    router.stop()
    router.restart()
    assert model_names(router) == {"auto", "local", "box"}
    assert reload(router, {**settings, "limits": {"usd_per_day": {"low_cost": "0.0011"}}}).status == 200
    assert router.post(CHAT, ask("mini", max_tokens=1000)).status == 402


@pytest.mark.slow
def test_what_only_a_restart_can_change_is_said(router: Router, settings: dict[str, Any]) -> None:
    """The days that a conversation is remembered are read when the ledger opens."""
    told = reload(router, {**settings, "privacy": {"remember_days": 9}}).json
    assert (told["need_restart"], told["changed"]) == (["privacy.remember_days"],) * 2


def test_a_restricted_conversation_stays_so(router: Router, settings: dict[str, Any]) -> None:
    """The rule that made it restricted is gone; the conversation is remembered all the same."""
    assert reload(router, {**settings, "privacy": {"rules": [RULE]}}).status == 200
    session = {"x-localfleet-session": "s1"}
    assert router.post(CHAT, ask("auto", BLUEBIRD), session).headers["x-localfleet-privacy"] == "restricted"
    assert reload(router, settings).status == 200
    assert router.post(CHAT, ask("auto", "And then?"), session).headers["x-localfleet-privacy"] == "restricted"
    assert router.post(CHAT, ask("auto", BLUEBIRD)).headers["x-localfleet-privacy"] == "restricted"
    assert router.post(CHAT, ask("auto", "Who is that?")).headers["x-localfleet-privacy"] == "internal"


@pytest.mark.slow
def test_the_label_of_a_request_under_way_does_not_change(
    router: Router, settings: dict[str, Any], local_tap: Tap, openai_tap: Tap
) -> None:
    """Its rule goes and another door opens while it waits for its answer, which then fails: it stays at home."""
    strict = {**settings, "privacy": {"rules": [RULE]}, "routing": {"prefer": "local", "retries_per_door": 1}}
    assert reload(router, strict).status == 200
    posts = len(openai_tap.posts())
    local_tap.script(Behaviour(delay_s=1.0, fault=Fault.STATUS, status=500))
    answers: list[Response] = []
    caller = threading.Thread(target=lambda: answers.append(router.post(CHAT, ask("auto", BLUEBIRD))))
    caller.start()
    assert until(lambda: local_tap.counters()["in_flight"] == 1)
    assert reload(router, {**strict, "privacy": {"default": "public"}}).status == 200
    caller.join(20)
    assert [(one.status, one.headers["x-localfleet-privacy"]) for one in answers] == [(200, "restricted")]
    assert len(local_tap.posts()) == 2
    assert len(openai_tap.posts()) == posts


@pytest.mark.slow
def test_no_reload_while_it_drains(router: Router, settings: dict[str, Any], openai_tap: Tap) -> None:
    """After SIGTERM a SIGHUP changes nothing and ends nothing: the stream under way is whole."""
    openai_tap.always(SLOW)
    with Stream(router, ask("mini", stream=True)) as stream:
        first = stream.read()
        os.kill(router.pid, 15)
        time.sleep(0.2)
        told_by_signal(router, {"version": 1, "local": settings["local"]})
        assert "drains" in log_lines(router)[-1]["why"]
        assert (first + stream.rest()).endswith(DONE)
    assert until(lambda: not router.alive(), 10)
    assert not records(router.home, "reload")


@pytest.mark.slow
def test_restricted_stays_at_home_while_the_file_changes_without_end(
    router: Router, settings: dict[str, Any], openai_tap: Tap, anthropic_tap: Tap
) -> None:
    """Names swap sides, labels, tiers and aliases move, in a loop: no restricted word reaches a hosted tap."""
    other = {
        "version": 1,
        "local": {"mini": settings["local"]["box"]},
        "hosted": {"box": openai_entry(openai_tap, accepts="public"), "claude": anthropic_entry(anthropic_tap)},
        "aliases": {"smart": "box"},
        "routing": {"prefer": "local"},
    }
    first = {**settings, "aliases": {"smart": "mini"}}
    secret = ask("auto", "Bluebird is ours.", metadata={"privacy": "restricted"})
    bodies = [secret, {**secret, "model": "smart"}, {**secret, "model": "box", "stream": True}]
    with crowd(router, bodies[0], 2) as one, crowd(router, bodies[1], 2) as two, crowd(router, bodies[2], 2) as three:
        for turn in range(MANY):
            assert reload(router, (other, first)[turn % 2]).status == 200
    for tap in (openai_tap, anthropic_tap):
        assert b"Bluebird" not in tap.received()
    answers = [*one, *two, *three]
    assert {answer.status for answer in one} == {200}
    assert {answer.status for answer in answers} <= {200, 404, 409}
    assert all(answer.headers["x-localfleet-privacy"] == "restricted" for answer in answers)
    assert verify(router.home).ok


@pytest.mark.slow
def test_fifty_reloads_under_load_leave_nothing_behind(
    router: Router, settings: dict[str, Any], openai_tap: Tap
) -> None:
    """Every entry is built anew each time; files, sockets, threads and memory stay where they were; nobody fails."""

    def form(turn: int) -> dict[str, Any]:
        changed = {**settings["hosted"]["mini"], "timeout_s": 5 + turn}
        local = {"box": {**settings["local"]["box"], "timeout_s": 10 + turn}}
        rules = [{"name": f"r{i}", "pattern": f"x{i}y{turn}"} for i in range(20)]
        return {**settings, "local": local, "hosted": {"mini": changed}, "privacy": {"rules": rules}}

    with crowd(router, ask("auto", stream=True)) as answers:
        for turn in range(10):
            assert reload(router, form(turn)).status == 200
        time.sleep(1)
        before, threads = (descriptors(router), memory_mb(router.pid)), _threads(router)
        for turn in range(10, 10 + MANY):
            assert reload(router, form(turn)).status == 200
        time.sleep(1)
        after = (descriptors(router), memory_mb(router.pid))
    assert {(answer.status, answer.broken) for answer in answers} == {(200, False)}
    assert after[0] <= before[0] + 8
    assert after[1] <= before[1] + 12
    assert _threads(router) <= threads + 2
    assert len(records(router.home, "reload")) >= MANY


def _threads(router: Router) -> int:
    return len(list(Path(f"/proc/{router.pid}/task").iterdir()))
