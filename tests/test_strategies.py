"""`routing:` in models.yaml, from the file to the first door: compiled, explained, refused with advice, and quick."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localfleet.catalogue import anyone, build_models, build_policy
from localfleet.config import Settings, parse_settings
from localfleet.core.ask import Api
from localfleet.core.fleet import Fleet
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import decide
from localfleet.errors import ConfigError
from localfleet.explain import READY, Explainer
from localfleet.price_map import PriceMap, read_price_map
from localfleet.rulebook import build_rules
from localfleet.steering import moment_of
from localfleet.strategies import build_finder, build_table, check_strategies
from localfleet.wire.read import read_ask
from localfleet.wire.yaml_lines import Lines

FILE = (Path(__file__).parents[1] / "bench/decision.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def prices() -> PriceMap:
    """The shipped price map."""
    return read_price_map()


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The file above."""
    return parse_settings(FILE.encode())


@pytest.fixture(scope="module")
def explainer(settings: Settings, prices: PriceMap) -> Explainer:
    """As the command builds it."""
    return Explainer(
        models=build_models(settings, prices, datetime.now(UTC).date()),
        rules=build_rules(settings),
        policy=build_policy(settings, build_table(settings)),
        finder=build_finder(settings),
        caller=anyone(settings),
    )


def row(explainer: Explainer, text: str, **more: Any) -> dict[str, Any]:
    """What `explain --json` says of one question."""
    return explainer.line(json.dumps({"messages": [{"role": "user", "content": text}], **more}).encode())


@pytest.mark.parametrize(
    ("text", "task", "level", "door"),
    [
        ("hello", None, 2, ("mini", "cheapest_hosted")),
        ("Prove that two is prime", None, 5, ("best", "by_keywords")),
        ("what are the trade-offs?", None, 3, ("haiku", "by_keywords")),
        ("lorem ipsum " * 200, None, 3, ("haiku", "by_length")),
        (f"<context>{'x ' * 2000}</context>what is it?", None, 3, ("haiku", "by_context")),
        ("please do a code review", "review", 2, ("best", "by_quality")),
        ("Summarise this", "sums", 2, ("small", "volume_stays_local")),
    ],
)
def test_the_first_door_and_why(
    explainer: Explainer, text: str, task: str | None, level: int, door: tuple[str, str]
) -> None:
    """The whole way from the words of a request to its first door."""
    found = row(explainer, text)
    assert (found["task"], found["level"]) == (task, level)
    assert (found["doors"][0]["model"], found["reason"]) == door


def test_explain_says_which_strategy_moved_which_door_and_never_a_word(explainer: Explainer) -> None:
    """Strongest first, with places from and to, and reasons in words; the request's own words stand nowhere."""
    found = row(explainer, "Prove zanzibarian conjectures")
    told = {one["strategy"]: one for one in found["strategies"]}
    assert list(told) == ["difficulty", "objective"]
    assert {"model": "best", "from": 4, "to": 1} in told["difficulty"]["moved"]
    assert "level 5 of 5, by keywords" in told["difficulty"]["why"]
    assert found["tokens"]["user"] > 0
    assert "zanzibarian" not in json.dumps(found)


def test_a_task_that_is_named_is_not_guessed(explainer: Explainer) -> None:
    """Declared beats words."""
    found = row(explainer, "please do a code review", metadata={"task": "table"})
    assert (found["task"], found["doors"][0]["model"], found["reason"]) == ("table", "haiku", "task_rule")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("routing: {order: [task, task]}", "names a strategy twice"),
        ("routing: {difficulty: {length: {3: 9}}}", "`difficulty:` has no say: add `difficulty` to `order:`"),
        ("routing: {order: standard, difficulty: {length: {3: 9, 4: 5}}}", "a higher level needs a higher figure"),
        ("routing: {order: standard, difficulty: {grade: {model: mini}}}", "is no model under `local:`"),
        ("tasks: {t: {quality: 0.9}}", "has no say: add `quality` to `routing.order:`"),
        ("tasks: {t: {words: [x]}}", "set `routing.infer_task: true`"),
        ("tasks: {t: {kind: gardening}}", "is one of summarisation, translation"),
        ("tasks: {t: {fallback: [mini]}}", "say which model comes first"),
        ("plans: {p: {tiers: [gold]}}\nrouting: {order: standard}", "names `gold`, which is no tier here"),
        ("plans: {p: {tiers: [local]}}", "has no say: add `plan`"),
        ("routing: {infer_task: true}\ntasks: {t: {kind: intent}, u: {kind: intent}}", "two tasks claim the kind"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_advice(change: str, sentence: str) -> None:
    """Keys that would be read by nobody are errors, not surprises."""
    head = FILE.split("privacy:", maxsplit=1)[0]
    with pytest.raises(ConfigError) as refused:
        parse_settings((head + change).encode())
    assert sentence in str(refused.value.message)


def test_a_classifier_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The check says which command makes one; so does a file that is none."""
    head = FILE.split("privacy:", maxsplit=1)[0]
    broken = tmp_path / "broken"
    broken.write_bytes(b"nothing")
    for file, sentence in ((tmp_path / "none", "`localfleet routing train` writes one"), (broken, "cannot be used")):
        text = head + f"routing: {{order: [difficulty], difficulty: {{classifier: {{file: {file}}}}}}}"
        with pytest.raises(ConfigError) as refused:
            check_strategies("models.yaml", parse_settings(text.encode()), Lines({}))
        assert sentence in str(refused.value.message)


def test_without_an_order_nothing_is_built() -> None:
    """A file that names no strategy pays for none."""
    assert build_table(parse_settings(FILE.split("tiers:", maxsplit=1)[0].encode())) is None


def test_a_decision_with_everything_on_is_quick(explainer: Explainer, settings: Settings) -> None:
    """Parts, signals, task, strategies and the law for 4,000 tokens; CPU time, three times what was measured."""
    turns = [{"role": ("user", "assistant")[n % 2], "content": "some words of a conversation " * 28} for n in range(19)]
    letter = read_ask(
        {"model": "auto", "messages": turns}, api=Api.CHAT, headers={}, caller=anyone(settings),
        request_id="r", size=16_000,
    )  # fmt: skip
    table, finder = explainer.policy.preference.table, explainer.finder
    assert table is not None
    assert finder is not None
    states = {model.name: READY for model in explainer.models}

    def once() -> float:
        began = time.process_time()
        finder.find(letter)
        moment = table.judged(letter.ask, moment_of(letter))
        fleet = Fleet(models=explainer.models, states=states, moment=moment)
        decide(letter.ask, Verdict(label=Label.PUBLIC), fleet, explainer.policy)
        return time.process_time() - began

    times = sorted(once() for _ in range(300))
    assert times[150] < 900e-6
