"""A plan's tokens of a minute, through a running router."""

import time
from pathlib import Path

from knowing_model import KnowingModel
from router import Router

from localfleet.core.label import Label
from localfleet.storage.keys import create_key

BODY = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def test_who_used_the_tokens_of_the_minute_waits(tmp_path: Path) -> None:
    """110 tokens an answer, 60 a minute: the second request hears 429 with a time; a key of another plan does not."""
    with KnowingModel({}) as model:
        plans = {"few": {"tokens_per_minute": 60}, "many": {}}
        file = {"version": 1, "local": {"box": model.local()}, "plans": plans}
        (tmp_path / "state").mkdir(mode=0o700)
        keys = {}
        for plan in plans:
            _, token = create_key(tmp_path / "state", name=plan, label=Label.PUBLIC, at=time.time(), plan=plan)
            keys[plan] = {"authorization": f"Bearer {token}"}
        with Router.start(tmp_path, file) as router:
            answers = [router.post("/v1/chat/completions", BODY, keys[plan]) for plan in ("few", "few", "many", "many")]
    assert [answer.status for answer in answers] == [200, 429, 200, 200]
    assert 45 <= int(answers[1].headers["retry-after"]) <= 52
