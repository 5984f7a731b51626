"""Strategies and their limits against the running router: shares under concurrency, conversations, plans, alarms."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fault_rig import CHAT, ask, receipt, records, until
from process import Tap
from router import Response, Router
from tap_behaviour import Behaviour
from tap_fleet import local_entry, openai_entry

from localfleet.core.label import Label
from localfleet.storage.keys import create_key


@pytest.fixture
def settings(local_tap: Tap, openai_tap: Tap, anthropic_tap: Tap) -> dict[str, Any]:
    """A box and two hosted tiers, with levels, words and shares."""
    price = {"since": "2025-01-01", "usd_per_mtok_in": "1", "usd_per_mtok_out": "1", "source": "test"}
    return {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {
            "mini": openai_entry(openai_tap, prices=[price]),
            "best": openai_entry(anthropic_tap, tier="premium", prices=[{**price, "usd_per_mtok_in": "9"}]),
        },
        "tiers": {"local": {"level": 1}, "low_cost": {"level": 2}, "premium": {"level": 5}},
        "tasks": {"hard": {"level": 5, "tier_share": {"premium": 0.25}}},
        "routing": {"order": "standard", "difficulty": {"keywords": {5: ["prove"], 1: ["hello"]}, "usual": 1}},
        "plans": {"free": {"tier_share": {"premium": 0}, "tiers": ["low_cost"]}},
    }


def said(router: Router, text: str, *before: dict[str, str], **headers: str) -> Response:
    """Ask one thing, after what was said before."""
    body = {"model": "auto", "messages": [*before, {"role": "user", "content": text}], "max_tokens": 5}
    named = {f"x-localfleet-{name}": value for name, value in headers.items()}
    return router.post(CHAT, body, named)


def went(answer: Response) -> tuple[str, str]:
    """Which door and why."""
    return answer.headers["x-localfleet-model"], answer.headers["x-localfleet-reason"]


def test_strategies_shares_and_conversations(
    tmp_path: Path, settings: dict[str, Any], openai_tap: Tap, anthropic_tap: Tap
) -> None:
    """
    Words move a request up and its receipt says so; "commit it" stays up; of twenty at once a quarter may go up.

    A restart remembers the share.
    """
    with Router.start(tmp_path, settings) as router:
        assert went(said(router, "hello there")) == ("box", "by_cost")
        hard = said(router, "prove it")
        assert went(hard) == ("best", "by_keywords")
        kept = receipt(router, hard.headers["x-localfleet-request-id"])
        assert (kept["level"], kept["context"]["user"]) == (5, 2)
        turns = ({"role": "user", "content": "prove it"}, {"role": "assistant", "content": "done"})
        assert went(said(router, "commit it", *turns)) == ("best", "by_session")
        assert went(said(router, "commit it")) == ("box", "by_cost")
        calls = len(anthropic_tap.posts())
        for tap in (openai_tap, anthropic_tap):
            tap.always(Behaviour(delay_s=0.2))
        with ThreadPoolExecutor(20) as pool:
            doors = Counter(went(one) for one in pool.map(lambda _: said(router, "go", task="hard"), range(20)))
        premium = sum(many for (model, _), many in doors.items() if model == "best")
        assert 1 <= premium <= 5
        assert len(anthropic_tap.posts()) - calls == premium
        page = router.get("/metrics").body.decode()
        assert 'localfleet_escalations_total{reason="by_keywords",task="none"} 1.0' in page
        assert 'localfleet_escalation_share{task="hard"}' in page
        assert until(lambda: len(records(router.home, "receipt")) == 24)
        router.kill()
        router.restart()
        after = [went(said(router, "go", task="hard"))[0] for _ in range(4)]
        assert after.count("best") <= 6 - premium


@pytest.mark.slow
def test_a_low_plan_never_eats_premium(tmp_path: Path, settings: dict[str, Any], anthropic_tap: Tap) -> None:
    """S57: a share of nothing shuts the tier to the plan, by `auto` as by name."""
    with Router.start(tmp_path, settings) as router:
        _, token = create_key(router.home, name="app", label=Label.PUBLIC, at=time.time(), plan="free")
        key = {"authorization": f"Bearer {token}"}
        assert until(lambda: router.get("/v1/models").status == 401)
        answer = router.post(CHAT, ask("auto", messages=[{"role": "user", "content": "prove it"}]), key)
        assert went(answer)[0] == "mini"
        refused = router.post(CHAT, ask("best"), key)
        assert (refused.status, refused.json["error"]["code"]) == (429, "tier_share")
        assert not anthropic_tap.posts()
