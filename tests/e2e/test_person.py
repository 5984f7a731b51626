"""The end of the fallback chain: no model answers, so a person does, against the running router."""

from pathlib import Path
from typing import Any

import pytest
from fault_rig import CHAT
from process import Tap
from reload_rig import admin
from router import Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import local_entry, openai_entry

SECRET = "card 4111 1111 1111 1111"


@pytest.fixture
def settings(local_tap: Tap, openai_tap: Tap) -> dict[str, Any]:
    """Two doors that both fail, and a task that ends with a person."""
    for tap in (local_tap, openai_tap):
        tap.always(Behaviour(fault=Fault.STATUS, status=500))
    return {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {"mini": openai_entry(openai_tap)},
        "tasks": {"care": {"first": "mini", "fallback": ["local"], "person": True}, "other": {"first": "local"}},
    }


def test_a_person_answers_what_no_model_did(tmp_path: Path, settings: dict[str, Any]) -> None:
    """The caller hears who has it, somebody takes and answers it, the caller reads it; other tasks fail as before."""
    body = {"model": "auto", "messages": [{"role": "user", "content": SECRET}]}
    with Router.start(tmp_path, settings) as router:
        refused = router.post(CHAT, body, {"x-localfleet-task": "care"})
        assert (refused.status, refused.json["error"]["code"]) == (503, "waits_for_person")
        assert refused.headers["x-localfleet-reason"] == "waits_for_person"
        ticket = refused.headers["x-localfleet-request-id"]
        assert router.get(f"/api/tickets/{ticket}").json["state"] == "waiting"
        assert router.get("/api/tickets").status == 401
        people = admin(router)
        listed = router.get("/api/tickets", people).json
        assert (listed["durable"], [one["id"] for one in listed["tickets"]]) == (False, [ticket])
        assert "4111" not in str(listed)
        taken = router.post(f"/api/tickets/{ticket}/take", {"who": "ann"}, people).json
        assert taken["body"]["messages"][0]["content"] == SECRET
        assert router.post(f"/api/tickets/{ticket}/answer", {"text": "Call us."}, people).status == 200
        assert router.get(f"/api/tickets/{ticket}").json["answer"] == "Call us."
        other = router.post(CHAT, body, {"x-localfleet-task": "other"})
        assert other.json["error"]["code"] != "waits_for_person"
        assert not [name for name, held in router.at_rest().items() if b"4111 1111" in held]
