"""Redaction around the core: the policy's proof, the guard at the door, sessions, the dry run, what `check` says."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from here import run_here

from localfleet.core.ask import WORDLESS, Api, Caller
from localfleet.core.classify import Rules, classify
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import Policy, decide
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, LocalRoute
from localfleet.redacting import Redaction, Redactor, Sessions, body_for, redact_aside, redact_now
from localfleet.wire.read import Letter, read_ask

CALLER = Caller(key_id="k", name="k", default_label=Label.INTERNAL)
MAIL = "write to joe.doe@firm.io"
BOX = Model(name="box", tier="local", accepts=None, context_tokens=9999, apis=frozenset(Api))
MINI = replace(BOX, name="mini", tier="low", accepts=Label.INTERNAL)
BEST = replace(MINI, name="best", accepts=Label.PUBLIC)
MODELS = (BOX, MINI, BEST)
FLEET = Fleet(models=MODELS, states={one.name: EngineState(readiness=Readiness.READY) for one in MODELS})


def letter(text: str, **body: Any) -> Letter:
    """A chat request."""
    whole = {"model": "auto", "messages": [{"role": "user", "content": text}], **body}
    return read_ask(whole, api=Api.CHAT, headers={}, caller=CALLER, request_id="r", size=99)


def redactor() -> Redactor:
    """Tables only; its clock stands still."""
    return Redactor(key=b"k" * 32, sessions=Sessions(now=lambda: 0.0))


def redacted(text: str, made: Redactor | None = None, **body: Any) -> tuple[Letter, Verdict, Redaction | None]:
    """The letter, its verdict, and its redaction."""
    asked = letter(text, **body)
    was = classify(asked.ask, Rules())
    return asked, was, redact_now((made or redactor()).steps(asked, was, Rules()), lambda _: ())


def test_a_proof_opens_hosted_doors_by_the_label_of_the_redacted_text() -> None:
    """Without it only the box; with it the door that accepts the new label, not the stricter one; for its verdict."""
    asked, was, made = redacted(MAIL)
    assert made is not None
    assert [type(route) for route in decide(asked.ask, was, FLEET, Policy()).routes] == [LocalRoute] * 2
    decision = decide(asked.ask, was, FLEET, Policy(), made.proof)
    assert [route.model for route in decision.routes] == ["mini", "mini", "box", "box"]
    assert (decision.reason, decision.label) == (Reason.REDACTED, Label.RESTRICTED)
    hosted = decision.routes[0]
    assert isinstance(hosted, HostedRoute)
    assert (hosted.redacted, hosted.label) == (True, Label.INTERNAL)
    with pytest.raises(ValueError, match="made for"):
        decide(asked.ask, Verdict(label=Label.RESTRICTED), FLEET, Policy(), made.proof)


def test_a_hosted_door_never_gets_the_words_of_a_restricted_request() -> None:
    """The last guard: the redacted body for the hosted route, the caller's for the box, an error for anything else."""
    asked, was, made = redacted(MAIL)
    assert made is not None
    hosted, local = decide(asked.ask, was, FLEET, Policy(), made.proof).routes[::2]
    assert body_for(local, asked, was, made) is asked.body
    assert "joe" not in json.dumps(body_for(hosted, asked, was, made))
    assert isinstance(hosted, HostedRoute)
    for route, with_ in ((hosted, None), (replace(hosted, redacted=False), made)):
        with pytest.raises(TypeError):
            body_for(route, asked, was, with_)


def test_a_session_goes_on_about_the_people_it_has_named() -> None:
    """The words of a replaced name are known to its session for an hour, to no other one, and to nobody after it."""
    clock = [0.0]
    made = Redactor(key=b"k" * 32, sessions=Sessions(now=lambda: clock[0]))
    asked = letter(MAIL, metadata={"session": "s"})
    other = letter(MAIL, metadata={"session": "t"})
    was = classify(asked.ask, Rules())
    found = redact_now(made.steps(asked, was, Rules()), lambda _: ())
    assert found is not None
    session = next(iter(made.sessions.kept))
    made.sessions.kept[session] = (0.0, {"Hollis": "sur"})
    later = letter("What did Hollis say?", metadata={"session": "s"})
    assert made.speaks_of(later.ask)
    assert not made.speaks_of(replace(later.ask, session=other.ask.session))
    again = redact_now(made.steps(later, Verdict(label=Label.RESTRICTED), Rules()), lambda _: ())
    assert again is not None
    assert "Hollis" not in json.dumps(again.body)
    clock[0] = 3601.0
    assert not made.speaks_of(later.ask)


def test_a_reader_of_names_that_is_late_leaves_nothing_redacted() -> None:
    """What takes longer than the budget stays restricted."""

    class Late:
        async def read(self, text: str, budget_s: float, *, whose: str) -> list[Any]:
            await asyncio.sleep(60)
            return [text, budget_s]

    asked = letter(MAIL)
    was = classify(asked.ask, Rules())
    assert asyncio.run(redact_aside(redactor().steps(asked, was, Rules()), Late(), 0.02, whose="k")) is None
    assert asyncio.run(redact_aside(redactor().steps(asked, was, Rules()), None, 5, whose="k")) is not None


@pytest.mark.parametrize("api", sorted(WORDLESS))
def test_an_embedding_is_never_of_other_words(api: Api) -> None:
    """Vectors and ranks of pseudonyms are not those of the text: such requests stay."""
    body = {"model": "auto", "input": MAIL, "query": MAIL, "documents": [MAIL]}
    asked = read_ask(body, api=api, headers={}, caller=CALLER, request_id="r", size=9)
    steps = redactor().steps(asked, classify(asked.ask, Rules()), Rules())
    assert redact_now(steps, lambda _: ()) is None


def run(folder: Path, *arguments: str, text: str = "") -> str:
    """A command in a folder with a models.yaml that redacts."""
    hosted = (
        "{provider: openai, model: gpt-4o-mini, tier: low, accepts: internal, api_key_env: K, context_tokens: 9999}"
    )
    file = (
        f"version: 1\nhosted:\n  mini: {hosted}\nprivacy: {{on_restricted: redact, layers: [own, secrets, patterns]}}\n"
    )
    (folder / "models.yaml").write_text(file, encoding="utf-8")
    env = {"K": "sk-test-0000", "PATH": "/usr/bin", "HOME": str(folder)}
    return run_here(*arguments, folder=folder, env=env, stdin=text).stdout


def test_the_dry_run_says_what_would_be_replaced(tmp_path: Path) -> None:
    """`explain` shows label, kinds and counts of what would leave, and the open door; no value of either text."""
    body = json.dumps({"messages": [{"role": "user", "content": MAIL}]})
    told = json.loads(run(tmp_path, "explain", "-", "--json", text=body))
    assert told["redacted"] == {"label": "internal", "replaced": [{"kind": "email", "count": 1}]}
    assert (told["label"], told["reason"], told["doors"][0]["legal"]) == ("restricted", "redacted", True)
    shown = run(tmp_path, "explain", "-", text=body)
    assert "redacted  internal (replaced: email x1)" in shown
    assert "joe.doe" not in shown
    assert "example." not in shown


def test_check_says_what_redacting_means(tmp_path: Path) -> None:
    """A warning that what nothing finds leaves too, and which layers do not read; the paths say it of the door."""
    said = run(tmp_path, "check")
    assert "what no layer finds in a restricted text leaves with it; topics and names are not read" in said
    ways = json.loads(run(tmp_path, "check", "--paths", "--json"))["ways"]
    told = {(way["label"], way["carries"], "pseudonyms" in way["rule"]) for way in ways if way["path"] == "hosted.mini"}
    assert ("restricted", "redacted", True) in told
    assert {(carries, said) for label, carries, said in told if label != "restricted"} == {("text", False)}
    assert {carries for label, carries, _ in told if label == "restricted"} == {"redacted"}
