"""`POST /api/feedback`: any caller may say how its answers turned out, in a form that takes no words."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from localfleet.core.ask import Caller
from localfleet.core.conversation import action_name
from localfleet.core.feedback import Feedback
from localfleet.core.label import Label
from localfleet.errors import BadAsk, FleetError
from localfleet.ports import LedgerHealth
from localfleet.server.auth import Doorkeeper
from localfleet.server.feedback import action_of, add_feedback
from localfleet.server.metrics import Metrics

CALLER = Caller(key_id="k1", name="k1", default_label=Label.PUBLIC)
ID = "0123456789abcdef01234567"


class Desk:
    """The endpoint in an application of its own, asked without a network."""

    def __init__(self, *, ok: bool = True) -> None:
        """A router with one key, `lf_one`."""
        self.kept: list[Feedback] = []
        self.app = FastAPI()
        keeper = Doorkeeper(
            lookup=lambda token: CALLER if token == "lf_one" else None,
            has_keys=lambda: True,
            anyone=CALLER,
            monotonic=lambda: 0.0,
        )

        @self.app.exception_handler(FleetError)
        async def told(_: Request, exc: FleetError) -> Response:
            return Response(exc.message, status_code=exc.status)

        add_feedback(
            self.app,
            doorkeeper=lambda: keeper,
            health=lambda: LedgerHealth(ok=ok),
            keep=self.kept.append,
            admin_token="console",
            now=lambda: 7.0,
            print_key=lambda: b"k" * 32,
        )

    def post(self, body: Any, token: str = "lf_one") -> int:
        """Post once; the status."""
        seen: list[dict[str, Any]] = []
        data = json.dumps(body).encode()
        scope = {
            "type": "http", "method": "POST", "path": "/api/feedback", "raw_path": b"", "query_string": b"",
            "root_path": "", "scheme": "http", "http_version": "1.1", "server": ("localhost", 1), "client": ("c", 1),
            "headers": [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")],
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data}

        async def send(message: Any) -> None:
            seen.append(message)

        asyncio.run(self.app(scope, receive, send))
        return int(seen[0]["status"])


def test_a_word_is_kept_with_who_said_it() -> None:
    """A key speaks for itself, the console token for the operator."""
    desk = Desk()
    assert desk.post({"request_id": ID, "accepted": True, "score": 0.5}) == 202
    assert desk.post({"request_id": ID, "corrected": True}, token="console") == 202
    assert desk.kept == [
        Feedback(request_id=ID, at=7.0, key_id="k1", accepted=True, score=0.5),
        Feedback(request_id=ID, at=7.0, key_id=None, corrected=True),
    ]


def test_a_piece_of_work_is_spoken_of_by_its_name_or_its_hash() -> None:
    """A key says its own name for it, which is kept as its requests were; the operator says what the report shows."""
    desk, name = Desk(), action_name("Case of Jane", key=b"k" * 32, key_id="k1")
    assert desk.post({"action": "Case of Jane", "accepted": True}) == 202
    assert desk.post({"action": name, "corrected": True}, token="console") == 202
    assert [one.request_id for one in desk.kept] == [name, name]
    assert desk.post({"action": "Case of Jane", "accepted": True}, token="console") == 400


@pytest.mark.parametrize(
    "body",
    [
        {"request_id": ID},
        {"accepted": True},
        {"request_id": ID, "action": "x", "accepted": True},
        {"action": "", "accepted": True},
        {"request_id": "x", "accepted": True},
        {"request_id": ID, "score": 2},
        {"request_id": ID, "accepted": "yes"},
        {"request_id": ID, "accepted": True, "comment": "words of a person"},
        [],
    ],
)
def test_what_is_no_feedback_is_refused(body: Any) -> None:
    """Nothing said, odd values, and any field for words."""
    desk = Desk()
    assert desk.post(body) == 422
    assert desk.kept == []


def test_strangers_and_a_closed_ledger_are_told() -> None:
    """An unknown key says nothing; what cannot be kept is not taken."""
    assert Desk().post({"request_id": ID, "accepted": True}, token="lf_other") == 401
    desk = Desk(ok=False)
    assert desk.post({"request_id": ID, "accepted": True}) == 503
    assert desk.kept == []


def test_feedback_is_counted() -> None:
    """The metrics tell how much of it is good."""
    metrics = Metrics()
    for said in ({"accepted": True}, {"accepted": False, "corrected": True}, {"score": 0.1}):
        metrics.count_feedback(Feedback(request_id=ID, at=0.0, key_id=None, **said))
    page = metrics.page({}, LedgerHealth(ok=True)).decode()
    for word in ("accepted", "rejected", "corrected", "scored"):
        assert f'localfleet_feedback_total{{said="{word}"}} 1.0' in page
    metrics.count_feedback(Feedback(request_id="0" * 32, at=0.0, key_id=None, accepted=True))
    page = metrics.page({}, LedgerHealth(ok=True)).decode()
    assert 'localfleet_action_feedback_total{said="accepted"} 1.0' in page


def test_the_operator_is_told_where_the_digits_of_an_action_are() -> None:
    """The report's table shows twelve of them, which name nothing; the sentence says where all thirty-two are."""
    with pytest.raises(BadAsk, match=r"32 digits.*x-localfleet-action.*--by action --json"):
        action_of("61234808d9ad", None, b"k" * 32)
