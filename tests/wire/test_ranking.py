"""Rankings: what is asked, what engines of each kind answer, and what the caller gets."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.ask import Api, Ask, Caller
from localfleet.core.label import Label
from localfleet.errors import BadAsk
from localfleet.wire.parts import parts_of
from localfleet.wire.ranking import ranked, to_ranker, to_vectors
from localfleet.wire.read import Letter, read_ask

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
BODY: dict[str, Any] = {"model": "auto", "query": "a river", "documents": ["bread", {"text": "the Rhine", "id": 7}]}


HIGH, LOW = {"relevance_score": 0.7}, {"relevance_score": -2}


def read(body: dict[str, Any], api: Api = Api.RERANK) -> Letter:
    """The letter of a body, at its true size."""
    size = len(orjson.dumps(body))
    return read_ask(body, api=api, headers={}, caller=CALLER, request_id="r", size=size)


@pytest.mark.parametrize(
    "told",
    [
        {"id": "x", "results": [{"index": 1, "document": {"text": "?"}, **HIGH}, {"index": 0, "document": 7, **LOW}]},
        {"model": "x", "object": "list", "results": [{"index": 0, **LOW}, {"index": 1, **HIGH}]},
        {"object": "list", "data": [{"index": 1, **HIGH}, {"index": 0, **LOW}]},
    ],
    ids=["vLLM and Jina", "llama.cpp", "Voyage"],
)  # fmt: skip
def test_all_servers_answer_alike(told: dict[str, Any]) -> None:
    """The best first, with the caller's own words, whatever the server sends back."""
    answer = ranked(BODY, told, model="m", request_id="1")
    assert answer == {
        "id": "rerank-1",
        "model": "m",
        "results": [
            {"index": 1, "relevance_score": 0.7, "document": {"text": "the Rhine"}},
            {"index": 0, "relevance_score": -2.0, "document": {"text": "bread"}},
        ],
        "usage": None,
    }


@given(
    scores=st.lists(st.floats(-50, 50), min_size=1, max_size=12),
    top_n=st.none() | st.integers(0, 15),
    shown=st.sampled_from([None, True, False]),
    order=st.randoms(use_true_random=False),
)
def test_the_answer_is_the_best_of_all(scores: list[float], top_n: int | None, shown: Any, order: Any) -> None:
    """Each document at most once, by falling score, as many as asked for, with its own text or none."""
    body = {
        "query": "q",
        "documents": [f"d{at}" for at in range(len(scores))],
        "top_n": top_n,
        "return_documents": shown,
    }
    rows = [{"index": at, "relevance_score": score} for at, score in enumerate(scores)]
    order.shuffle(rows)
    results = ranked(body, {"results": rows}, model="m", request_id="1")["results"]
    assert [row["relevance_score"] for row in results] == sorted(scores, reverse=True)[: top_n or None]
    assert len({row["index"] for row in results}) == len(results)
    assert all(row["relevance_score"] == scores[row["index"]] for row in results)
    texts = [row.get("document", {}).get("text") for row in results]
    assert texts == [None if shown is False else f"d{row['index']}" for row in results]


ROWS = [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": 2}]


@pytest.mark.parametrize(
    "told",
    [
        {}, {"results": None}, {"results": {}}, {"results": "ab"}, {"results": ROWS[:1]}, {"results": [*ROWS, ROWS[0]]},
        {"results": [ROWS[0], {"index": 2, "relevance_score": 1}]}, {"results": [ROWS[0], {"index": 1}]},
        {"results": [ROWS[0], {"index": -1, **HIGH}]}, {"results": [ROWS[0], {"index": [], **HIGH}]},
        {"results": [ROWS[0], {"index": 1, "relevance_score": "high"}]},
        {"results": [ROWS[0], {"index": 1, "relevance_score": None}]},
        {"results": [ROWS[0], {"index": 1, "relevance_score": 10**400}]}, {"results": [ROWS[0], 7]},
        {"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}]},
        {"data": [{"index": at, "embedding": [1] * (at + 1)} for at in range(3)]},
        {"data": [{"index": at, "embedding": "AAAA"} for at in range(3)]},
        {"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}, {"index": 2, "relevance_score": 1}]},
    ],
)  # fmt: skip
def test_what_leaves_a_document_out_is_no_answer(told: dict[str, Any]) -> None:
    """Nor is one with a place too many, or without a number."""
    with pytest.raises(ValueError, match=r"score|length|could not convert|invalid literal"):
        ranked(BODY, told, model="m", request_id="1")


def test_cosines_are_the_scores_of_vectors() -> None:
    """The first vector is the query's; one without a length is near to nothing."""
    body = {"query": "q", "documents": ["a", "b", "c"]}
    rows = [{"index": at, "embedding": one} for at, one in enumerate(([2, 0], [0, 0], [-3, 0], [1, 1]))]
    results = ranked(body, {"data": rows[::-1]}, model="m", request_id="1")["results"]
    assert [(row["index"], round(row["relevance_score"], 3)) for row in results] == [(2, 0.707), (0, 0.0), (1, -1.0)]


def test_what_engines_are_sent() -> None:
    """Texts, and the caller's own options; what is asked of the answer is done here."""
    body = {**BODY, "top_n": 1, "return_documents": False, "instruction": "i"}
    assert to_ranker(body) == {
        "model": "auto",
        "query": "a river",
        "documents": ["bread", "the Rhine"],
        "instruction": "i",
    }
    assert to_vectors(body) == {"input": ["a river", "bread", "the Rhine"]}


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"query": ""}, "query"), ({"query": None}, "query"), ({"query": {"text": "a"}}, "query"),
        ({"query": ["a"]}, "query"), ({"documents": []}, "documents"), ({"documents": "a"}, "documents"),
        ({"documents": None}, "documents"), ({"documents": ["a", ""]}, "documents"),
        ({"documents": ["a", 7]}, "documents"), ({"documents": [["a"]]}, "documents"),
        ({"documents": [{"title": "a"}]}, "documents"), ({"documents": [{"text": ["a"]}]}, "documents"),
        ({"documents": [{"image": "https://example.org/a.png"}]}, "documents"),
        ({"top_n": -1}, "top_n"), ({"top_n": "2"}, "top_n"), ({"top_n": True}, "top_n"),
        ({"return_documents": 1}, "return_documents"), ({"stream": True}, "stream"),
    ],
)  # fmt: skip
def test_what_cannot_be_ranked(changed: dict[str, Any], param: str) -> None:
    """It is refused by the name of its field."""
    with pytest.raises(BadAsk) as caught:
        read({**BODY, **changed})
    assert caught.value.param == param


def test_all_of_a_document_is_read_and_its_text_alone_is_sent() -> None:
    """Another field of a document may say how sensitive it is; it leads nowhere."""
    letter = read(
        {**BODY, "documents": ["bread", {"text": "the Rhine", "note": "bluebird", "localfleet_label": "restricted"}]}
    )
    said = {(span.where, span.text) for span in letter.ask.spans}
    assert {("query", "a river"), ("documents[]", "bread"), ("documents[].text", "the Rhine")} <= said
    assert any("bluebird" in text for _, text in said)
    assert letter.body["documents"] == ["bread", "the Rhine"]
    assert (letter.ask.declared, letter.ask.labelled) == (Label.RESTRICTED, ("the Rhine", "bluebird"))
    assert letter.ask.unreadable == ()


def test_the_query_is_paid_for_with_each_document() -> None:
    """A server reads it again each time; what must fit its context is the longest pair."""
    query, documents = "q" * 400, ["d" * 40] * 99 + ["d" * 800]
    ask = read({"model": "auto", "query": query, "documents": documents}).ask
    assert ask.input_bytes >= sum(len(query) + len(one) + 4 for one in documents)
    assert ask.input_tokens > 100 * 100
    assert 300 <= ask.longest_tokens < 320
    plain = read({"model": "auto", "messages": [{"role": "user", "content": query}]}, Api.CHAT).ask
    assert plain.longest_tokens == plain.input_tokens
    texts = read({"model": "auto", "input": documents}, Api.EMBEDDING).ask
    assert 200 <= texts.longest_tokens < 220 < texts.input_tokens


def test_the_query_is_what_asks() -> None:
    """And the documents count as such, for strategies that look at length."""
    ask: Ask = read(BODY).ask
    parts, said = parts_of(ask, read(BODY).body)
    assert said == "a river"
    assert parts.documents > 0
    assert parts.history == 0
