"""A pipeline that searches, on the wire: the law, the money and the books of a search endpoint."""

import json
from pathlib import Path
from typing import Any

import pytest
from fault_rig import records, until
from process import Tap
from router import Response, Router
from search_server import SearchServer
from tap_fleet import NATIVE, fleet

QUESTION = "What of the town of Wells?"
PRIVATE = "Ask jane.doe@posteo.de, quartz-heron-7319."
PAGES = [
    {"title": "Wells", "url": "https://a.example/1", "content": "Nine wells."},
    {"title": "Lake", "url": "https://a.example/2", "content": "One lake."},
]
STAGES = [
    {"name": "found", "model": "web", "prompt": "{input}"},
    {"name": "answer", "model": "mini", "prompt": "From {found} answer {input}"},
]


def asked(router: Router, text: str, **more: Any) -> Response:
    """One request to the pipeline."""
    body = {"model": "pipeline/research", "messages": [{"role": "user", "content": text}], **more}
    return router.post("/v1/chat/completions", body)


def receipts(router: Router, request_id: str) -> list[dict[str, Any]]:
    """Those of one action, once its own is on disk."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [one for one in records(router.home, "receipt") if one["request_id"].startswith(request_id)]
        return any("parts" in one for one in found)

    assert until(there, 5)
    return found


@pytest.mark.slow
def test_research_over_a_search_endpoint(tmp_path: Path, shared_taps: tuple[Tap, Tap, Tap]) -> None:
    """S42: found pages reach the next stage; the stage has its door, intent and price; restricted text stays."""
    local, openai, anthropic = shared_taps
    for tap in shared_taps:
        tap.reset()
    with SearchServer(PAGES) as web:
        search = {"web": {"url": web.url, "accepts": "internal", "usd_per_query": 0.005}}
        sections: dict[str, Any] = {"pipelines": {"research": {"stages": STAGES}}, "search": search}
        file = fleet(local=local, openai=openai, anthropic=anthropic, claude=NATIVE, **sections)
        with Router.start(tmp_path, file) as router:
            answer = asked(router, QUESTION)
            assert answer.status == 200, answer.body
            assert web.queries == [QUESTION]
            (post,) = openai.posts()
            for page in PAGES:
                assert page["content"] in post.json["messages"][0]["content"]
            books = receipts(router, answer.headers["x-localfleet-request-id"])
            (part,) = (one for one in books if one.get("role") == "stage:found")
            assert (part["model"], part["tier"], part["cost_usd"]) == ("web", "search", "0.005")
            assert float(answer.headers["x-localfleet-cost-usd"]) > 0.005
            intents = {one["host"]: one["seq"] for one in records(router.home, "intent")}
            assert intents[web.url.split("/")[2]] < part["seq"]

            web.queries.clear()
            openai.clear()
            refused = asked(router, PRIVATE)
            assert (refused.status, web.queries, openai.posts()) == (409, [], [])
            web.results = [{"title": "Town hall", "content": PRIVATE}]
            assert asked(router, QUESTION).status == 409
            assert (len(web.queries), openai.posts()) == (1, [])

            web.status = 403
            broken = asked(router, QUESTION)
            assert broken.status == 502
            assert "search.formats" in broken.json["error"]["message"]
            proof = json.loads(router.run("check", "--paths", "--json").stdout)
            ways = {(way["kind"], way["label"]) for way in proof["ways"] if way["host"] == web.url.split("/")[2]}
            assert ways == {(kind, label) for kind in ("search", "stage") for label in ("public", "internal")}
            for place, found in router.at_rest().items():
                assert b"quartz-heron" not in found or place.endswith("models.yaml"), place
