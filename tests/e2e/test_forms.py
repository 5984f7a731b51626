"""Tasks by a model's name, specialised models, own words and the price of a busy hour, through a running router."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from process import Tap
from reload_rig import reload
from router import Router
from tap_fleet import local_entry, openai_entry

from localfleet.core.routing.bid import HOURS_PER_WEEK, hour_of_week

CHAT = "/v1/chat/completions"
WORDS = "Answer as our lawyers would."


def prices(file: Path, busy: set[int]) -> str:
    """A file as `cost export-router` writes it, with these hours of the week busy."""
    today = datetime.now(UTC).date()
    shadow = [1.0 if hour in busy else 0.0 for hour in range(HOURS_PER_WEEK)]
    facts = {
        "format": "localfleet-router-prices-2",
        "model": "box",
        "wait_budget_s": 2.0,
        "seconds_per_request": 1.0,
        "made": today.isoformat(),
        "valid_until": (today + timedelta(days=9)).isoformat(),
        "usd_per_replica_s_highest": 1.0,
        "usd_per_replica_s_shadow": shadow,
    }
    file.write_text(json.dumps(facts))
    return str(file)


def test_a_busy_hour_goes_out_and_a_task_has_a_name(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """The idle box gives way in an hour that is usually full, and not in others; a task is asked for like a model."""
    now = hour_of_week(time.time())
    busy, quiet = {now, (now + 1) % HOURS_PER_WEEK}, {(now + 50) % HOURS_PER_WEEK}
    law = openai_entry(openai_tap, specialised=["advice"], form={"before": WORDS})
    facts: dict[str, Any] = {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {"mini": openai_entry(openai_tap), "law": law},
        "tasks": {"extract": {"first": "box"}, "law": {"first": "law"}},
        "aliases": {"gpt-4o-extract": "task/extract"},
        "routing": {"prefer": "local", "order": ["task", "objective"], "objective": "cost"},
    }
    body = {"messages": [{"role": "user", "content": "Name a river."}]}
    files = {
        first: {**facts, "routing": {**facts["routing"], "marginal_prices": prices(tmp_path / f"{first}.json", hours)}}
        for hours, first in ((busy, "mini"), (quiet, "box"))
    }
    with Router.start(tmp_path / "router", files["mini"]) as router:
        for first, file in files.items():
            assert reload(router, file).status == 200
            doors = {}
            for model in ("auto", "task/extract", "task:law", "law", "task/none", "gpt-4o-extract"):
                answer = router.post(CHAT, {"model": model, **body})
                doors[model] = answer.headers.get("x-localfleet-model", str(answer.status))
            expected = {"auto": first, "task/extract": "box", "task:law": "law", "law": "law", "task/none": "none"}
            assert doors == {**expected, "gpt-4o-extract": "box"}
            odd = router.post(CHAT, {"model": "task/law", **body}, headers={"x-localfleet-task": "extract"})
            assert odd.status == 400
            listed = {row["id"] for row in router.get("/v1/models").json["data"]}
            assert {"task/extract", "task/law"} <= listed
    assert sum(WORDS.encode() in heard.body for heard in openai_tap.requests()) == 4
