"""`POST /v1/rerank` of a running router: engines of each kind, the law, the price, the records."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from here import run_here
from process import Tap
from router import Router
from tap_fleet import local_entry, openai_entry
from tiny_bert import tiny_bert

PATH = "/v1/rerank"
RIVER, BREAD, CATS = "the town lies on the river", "bread is baked at night", "cats sleep in boxes"
BODY = {"model": "local", "query": "which river", "documents": [BREAD, {"text": RIVER}, CATS]}
CARD = "My card is 4111 1111 1111 1111, please book."


def tiny(folder: Path, pooling: int) -> dict[str, Any]:
    """A file of weights, as an embedded model that ranks."""
    weights = folder / f"pooling-{pooling}.gguf"
    weights.write_bytes(tiny_bert(pooling))
    return {"engine": "llamacpp", "weights": str(weights), "context_tokens": 128, "apis": ["rerank"]}


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]) -> Iterator[Router]:
    """Two embedded models, an endpoint, a hosted one that ranks and one that does not."""
    local_tap, openai_tap, _ = shared_taps
    folder = tmp_path_factory.mktemp("rerank")
    facts = {
        "version": 1,
        "local": {
            "nearby": {**tiny(folder, 1), "specialised": ["search"]},
            "ranker": {**tiny(folder, 4), "specialised": ["search"]},
            "box": local_entry(local_tap),
        },
        "hosted": {"mini": openai_entry(openai_tap), "wordy": openai_entry(openai_tap, apis=["chat"])},
    }
    with Router.start(folder, facts, verb="up") as running:
        yield running


@pytest.mark.slow
def test_every_engine_ranks(router: Router, openai_tap: Tap) -> None:
    """By vectors, by scores, and by what the server says; the answer has one form."""
    for model in ("nearby", "ranker", "box", "mini"):
        answer = router.post(PATH, {**BODY, "model": model})
        assert (answer.status, answer.headers["x-localfleet-model"]) == (200, model), answer.body
        results = answer.json["results"]
        assert {row["index"] for row in results} == {0, 1, 2}
        assert [row["relevance_score"] for row in results] == sorted(
            (r["relevance_score"] for r in results), reverse=True
        )
        assert all(row["document"]["text"] == [BREAD, RIVER, CATS][row["index"]] for row in results)
        if model != "ranker":
            assert results[0]["index"] == 1
    (best,) = router.post(PATH, {**BODY, "top_n": 1, "return_documents": False}).json["results"]
    assert best.keys() == {"index", "relevance_score"}
    sent = json.loads(openai_tap.posts()[-1].body)
    assert (sent["documents"], "top_n" in sent, "return_documents" in sent) == ([BREAD, RIVER, CATS], False, False)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["query", "document", "other field"])
def test_what_is_private_stays(router: Router, openai_tap: Tap, place: str) -> None:
    """A card number in the query, a document or beside its text: the box ranks, and nobody else hears of it."""
    word = f"Zq{secrets.token_hex(6)}"
    private = f"{CARD} {word}"
    places: dict[str, dict[str, Any]] = {
        "query": {"query": private},
        "document": {"documents": [BREAD, private]},
        "other field": {"documents": [BREAD, {"text": RIVER, "note": private}]},
    }
    changed = places[place]
    answer = router.post(PATH, {**BODY, "model": "auto", **changed})
    assert (answer.status, answer.headers["x-localfleet-privacy"]) == (200, "restricted")
    assert answer.headers["x-localfleet-tier"] == "local"
    assert router.post(PATH, {**BODY, "model": "mini", **changed}).status == 409
    assert all(word.encode() not in one.body for one in openai_tap.posts())


@pytest.mark.slow
def test_what_cannot_rank_is_told_so(router: Router) -> None:
    """A model of words has no door for it; a body without documents has none at all."""
    refused = router.post(PATH, {**BODY, "model": "wordy"})
    assert (refused.status, refused.headers["x-localfleet-reason"]) == (422, "cannot_serve_api"), refused.body
    bad = router.post(PATH, {"model": "auto", "query": "a"})
    assert (bad.status, bad.json["error"]["param"]) == (400, "documents")


@pytest.mark.slow
def test_it_is_recorded_and_paid_for(router: Router) -> None:
    """The receipt names the API; a hosted ranking pays for its input and nothing else."""
    answer = router.post(PATH, {**BODY, "model": "mini"})
    usage = answer.json["usage"]
    assert float(answer.headers["x-localfleet-cost-usd"]) == pytest.approx(0.15e-6 * usage["prompt_tokens"])
    metrics = router.get("/metrics").body.decode()
    assert 'api="rerank"' in metrics
    told = router.run("report", "--by", "api", "--json")
    assert b'"rerank"' in told.stdout, told.stderr


def test_explain_knows_it(tmp_path: Path) -> None:
    """A body with a query and documents is one; a model of words is shut for it."""
    (tmp_path / "models.yaml").write_text(
        "version: 1\nlocal:\n"
        "  box: {engine: endpoint, url: 'http://127.0.0.1:1/v1', apis: [rerank]}\n"
        "  words: {engine: endpoint, url: 'http://127.0.0.1:1/v1'}\n"
    )
    told = run_here("explain", "-", "--json", folder=tmp_path, env={}, stdin=json.dumps({**BODY, "model": "auto"}))
    doors = {door["model"]: (door["legal"], door["why"]) for door in json.loads(told.stdout)["doors"]}
    assert doors["box"][0]
    assert doors["words"] == (False, "cannot_serve_api")
