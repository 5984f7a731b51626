"""Demands on providers, against the running router: what shuts, what the caller hears, what the taps see."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_rig import CHAT, ask
from process import Tap
from router import Router
from tap_fleet import local_entry, openai_entry

FACTS = {"jurisdiction": "DE", "zero_data_retention": True, "source": "example", "checked": "2026-01-01"}
ASKED: dict[str, Any] = {"metadata": {"privacy": "public", "provider_policy": "exclude_jurisdictions=CN"}}


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]) -> Iterator[Router]:
    """One hosted model of which facts are stated, one of which nothing is known; internal text demands no retention."""
    local_tap, openai_tap, anthropic_tap = shared_taps
    settings: dict[str, Any] = {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {
            "known": openai_entry(openai_tap, data_policy=FACTS),
            "unknown": openai_entry(anthropic_tap, tier="premium"),
        },
        "privacy": {"default": "public", "providers": {"internal": {"zero_data_retention": True}}},
    }
    with Router.start(tmp_path_factory.mktemp("demands"), settings) as started:
        yield started


def test_a_demand_shuts_a_provider_and_the_header_says_why(router: Router) -> None:
    """By label and by the request's own word the unknown provider is refused with the reason; the known one answers."""
    rows: tuple[tuple[dict[str, Any], str, int], ...] = (
        ({}, "unknown", 200),
        ({"metadata": {"privacy": "internal"}}, "unknown", 409),
        ({"metadata": {"privacy": "internal"}}, "known", 200),
        (ASKED, "unknown", 409),
        (ASKED, "known", 200),
        ({"metadata": {"provider_policy": "jurisdictions=US"}}, "known", 409),
        ({"metadata": {"provider_policy": "be nice"}}, "known", 400),
        ({"metadata": {"provider_policy": 7}}, "known", 400),
    )
    for more, model, status in rows:
        answer = router.post(CHAT, ask(model, **more))
        assert answer.status == status, (more, model)
        if status == 409:
            assert answer.headers["x-localfleet-reason"] == "provider_policy_forbids"
    kept = router.post(CHAT, ask("auto", metadata={"provider_policy": "jurisdictions=US"}))
    assert kept.headers["x-localfleet-model"] == "box"


@pytest.mark.slow
def test_explain_names_the_shut_door(router: Router) -> None:
    """Before anything is sent: the unknown provider is shut for internal text, and why."""
    (router.folder / "work" / "ask.json").write_text(json.dumps(ask("auto", metadata={"privacy": "internal"})))
    told = json.loads(router.run("explain", "ask.json", "--json").stdout)
    doors = {door["model"]: (door["legal"], door["why"]) for door in told["doors"]}
    assert doors["unknown"] == (False, "provider_policy_forbids")
    assert doors["known"][0]


def test_the_demand_stays_here(router: Router, openai_tap: Tap) -> None:
    """It is localfleet's own word, so no provider sees it."""
    assert router.post(CHAT, ask("known", **ASKED)).status == 200
    assert openai_tap.posts()
    assert b"provider_policy" not in openai_tap.received()


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["serve", "up"])
def test_a_router_with_a_broken_policy_does_not_start(
    tmp_path: Path, local_tap: Tap, openai_tap: Tap, verb: str
) -> None:
    """The lint runs at each start with the policy that is built in, and refuses; `check` says the same."""
    settings = {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {"mini": openai_entry(openai_tap)},
    }
    broken = (sys.executable, str(Path(__file__).with_name("broken_router.py")))
    with pytest.raises(RuntimeError, match="the router ended with 1") as caught:
        Router.start(tmp_path, settings, verb=verb, program=broken)
    assert "restricted text could reach 127.0.0.1" in str(caught.value)
    assert "restricted text may go to no hosted model" in str(caught.value)
    assert not (tmp_path / "state" / "ledger.db").exists()
    assert openai_tap.received() == b""


@pytest.mark.slow
def test_the_command_lists_what_is_left(router: Router) -> None:
    """`check --paths --json`: internal text reaches the stated provider only, and nothing is forbidden."""
    done = router.run("check", "--paths", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (0, True)
    street = {(way["label"], way["path"]) for way in told["ways"] if way["place"] == "street"}
    assert street == {("public", "hosted.known"), ("public", "hosted.unknown"), ("internal", "hosted.known")}
