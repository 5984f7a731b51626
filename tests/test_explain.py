"""`explain`: the same reading and the same law as a request, without sending anything."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.core.ask import Api, Caller
from localfleet.core.classify import FieldRule, Rules
from localfleet.core.fleet import Model
from localfleet.core.form import Form
from localfleet.core.label import Label
from localfleet.core.policy import Policy
from localfleet.errors import BadAsk, NotFound
from localfleet.explain import Explainer, api_of

APIS = frozenset(Api)
MODELS = (
    Model(name="small", tier="local", accepts=None, context_tokens=9999, apis=APIS),
    Model(name="mini", tier="low_cost", accepts=Label.INTERNAL, context_tokens=9999, apis=APIS),
)
RULE = FieldRule(name="legal", label=Label.RESTRICTED, where="metadata.team_x", values=frozenset({"legal"}))
EXPLAINER = Explainer(
    models=MODELS,
    rules=Rules(fields=(RULE,)),
    policy=Policy(),
    caller=Caller(key_id="k", name="k", default_label=Label.PUBLIC),
    fields=frozenset({"metadata", "team_x"}),
)


def line(**body: Any) -> dict[str, Any]:
    """One row of `--jsonl`."""
    return EXPLAINER.line(json.dumps(body).encode())


def test_a_plain_request_sees_every_door() -> None:
    """In order, with prices; unknown is `None`, the box costs nothing."""
    row = line(messages=[{"role": "user", "content": "hello"}])
    assert (row["label"], row["findings"], row["reason"]) == ("public", [], "cheapest_hosted")
    assert [(door["model"], door["legal"], door["cost_usd"]) for door in row["doors"]] == [
        ("mini", True, None),
        ("small", True, "0"),
    ]


def test_a_finding_shuts_the_hosted_door_and_shows_no_text() -> None:
    """Kinds and counts only."""
    row = line(messages=[{"role": "user", "content": "card 4111 1111 1111 1111"}])
    assert row["label"] == "restricted"
    assert row["findings"] == [{"kind": "card", "count": 1}]
    assert [(door["model"], door["legal"], door["why"]) for door in row["doors"]] == [
        ("small", True, "restricted_stays_local"),
        ("mini", False, "privacy_forbids"),
    ]
    assert "4111" not in json.dumps(row)


def test_operator_fields_and_unreadable_parts_count() -> None:
    """As they do in a request."""
    assert line(prompt="a", metadata={"team_x": "LEGAL"})["because"] == ["rule:legal"]
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org"}}]}]
    assert line(messages=image)["because"] == ["unreadable:image"]


@pytest.mark.parametrize(
    ("body", "api"),
    [
        ({"messages": []}, Api.CHAT), ({"messages": [], "system": "s"}, Api.MESSAGES),
        ({"prompt": "a"}, Api.COMPLETION), ({"query": "a", "documents": ["b"]}, Api.RERANK),
        ({"input": "a"}, Api.RESPONSES), ({}, Api.CHAT),
    ],
)  # fmt: skip
def test_the_api_is_told_by_its_field(body: dict[str, Any], api: Api) -> None:
    """A body alone does not say where it would have gone."""
    assert api_of(body) is api


DEEP = b'{"messages":[{"role":"user","content":' + b"[" * 300 + b"]" * 300 + b"}]}"


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b"\xff", DEEP, b'{"messages":[{"role":[]}]}', b'{"prompt":"a","metadata":{"priority":[]}}'],
)
def test_a_body_that_cannot_be_read_is_a_restricted_row(raw: bytes) -> None:
    """In `--jsonl` it takes its line; alone it is an error."""
    row = EXPLAINER.line(raw)
    assert (row["label"], row["reason"], row["doors"]) == ("restricted", "bad_request", [])
    with pytest.raises(BadAsk):
        EXPLAINER.explain(raw, {})


def test_an_unknown_model_is_named_as_such() -> None:
    """Without repeating its name."""
    assert line(prompt="a", model="qzq")["reason"] == "model_not_found"
    assert "qzq" not in json.dumps(line(prompt="a", model="qzq"))
    with pytest.raises(NotFound):
        EXPLAINER.explain(b'{"prompt":"a","model":"qzq"}', {})


def test_headers_count() -> None:
    """As on a request."""
    explained = EXPLAINER.explain(b'{"prompt":"a"}', {"x-localfleet-privacy": "restricted"})
    assert explained.verdict.because == ("header",)


def test_a_models_own_words_are_read_beside_the_callers() -> None:
    """As before a door with a `form:` is asked: harmless ones go out with the request, others keep it in."""
    body = {"messages": [{"role": "user", "content": "hello"}]}
    told = {}
    for words in ("Answer briefly.", "Bill it to card 4111 1111 1111 1111."):
        formed = replace(MODELS[1], form=Form(before=words))
        row = replace(EXPLAINER, models=(MODELS[0], formed)).line(json.dumps(body).encode())
        told[words] = row["forms"]
        assert "4111" not in json.dumps(row)
    assert list(told.values()) == [
        [{"model": "mini", "label": "public", "sent": True}],
        [{"model": "mini", "label": "restricted", "sent": False}],
    ]
    assert "forms" not in line(**body)


def test_a_task_that_the_file_does_not_have_is_told(tmp_path: Path) -> None:
    """As for a request it changes nothing; a typing error should not look like an answer."""
    facts = "version: 1\nlocal: {a: {engine: endpoint, url: 'http://127.0.0.1:1/v1'}}\ntasks: {work: {first: a}}\n"
    (tmp_path / "models.yaml").write_text(facts)
    config = ["--config", str(tmp_path / "models.yaml"), "--json"]
    for task, told in (("wrok", "its tasks: work"), ("work", "")):
        run = CliRunner().invoke(
            build_cli("explain"), ["explain", "-", "--task", task, *config], input='{"prompt": "a"}'
        )
        assert run.exit_code == 0, run.output
        assert json.loads(run.stdout)["doors"][0]["legal"]
        assert told in run.stderr
        assert bool(run.stderr) is bool(told)
