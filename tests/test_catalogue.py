"""Settings become models, rules and a policy; what only the environment can tell is wrong is told with its line."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from localfleet.catalogue import build_models, build_policy, check_settings, secret_of
from localfleet.config import Settings, parse_settings
from localfleet.core.ask import Api, Need
from localfleet.core.label import Label
from localfleet.errors import ConfigError
from localfleet.price_map import PriceMap
from localfleet.rulebook import build_rules, field_names
from localfleet.wire.yaml_lines import read_yaml

EMPTY = PriceMap(entries={}, version="test")
TODAY = date(2026, 1, 1)
HEAD = "version: 1\nlocal:\n  small: {weights: w, queue_limit: 3, can: [tools]}\n"
MINI = "  mini: {provider: openai, model: m, tier: t, api_key_env: K, accepts: internal, context_tokens: 999%s}\n"
PRICE = "usd_per_mtok_in: 1, usd_per_mtok_out: 2, source: s"


def read(text: str) -> Settings:
    """Checked settings."""
    return parse_settings(text.encode())


def complaints(text: str, env: dict[str, str]) -> str:
    """What the environment says is wrong; empty if nothing."""
    try:
        check_settings("models.yaml", read(text), read_yaml(text.encode())[1], env, EMPTY)
    except ConfigError as exc:
        return str(exc)
    return ""


def rule(text: str) -> Settings:
    """Settings with one rule."""
    return read(f"{HEAD}privacy:\n  rules:\n    - {{name: r, {text}}}\n")


def counts(settings: Settings, text: str) -> int:
    """How often the only text rule matches."""
    return build_rules(settings).texts[0].matcher.count(text)


def test_a_hosted_model_s_own_words_are_read_before_any_request_comes() -> None:
    """Words that it does not accept are told with their place; harmless ones, and those of a local model, are not."""
    form = ", form: {before: %s}"
    private, plain = "My own SSN is 581-83-5989.", "Answer in one sentence."
    said = complaints(HEAD + "hosted:\n" + MINI % (form % private), {"K": "k"})
    assert "hosted.mini.form" in said
    assert "581-83" not in said
    assert "hosted.mini.form" not in complaints(HEAD + "hosted:\n" + MINI % (form % plain), {"K": "k"})
    local = HEAD.replace("can: [tools]", "can: [tools]" + form % private)
    assert "form" not in complaints(local, {})


def test_models_as_a_decision_sees_them() -> None:
    """Local ones first and without `accepts`; a hosted one with its label, abilities and the price of the day."""
    prices = f", prices: [{{since: 2025-01-01, {PRICE}}}, {{since: 2027-01-01, {PRICE.replace('1', '9', 1)}}}]"
    small, mini = build_models(read(HEAD + "hosted:\n" + MINI % prices), EMPTY, TODAY)
    assert (small.name, small.local, small.accepts, small.queue_limit) == ("small", True, None, 3)
    assert small.can == {Need.TOOLS}
    assert (mini.name, mini.local, mini.accepts, mini.tier) == ("mini", False, Label.INTERNAL, "t")
    assert mini.apis == {Api.CHAT, Api.MESSAGES, Api.RESPONSES}
    assert mini.price is not None
    assert mini.price.usd_per_mtok_in == Decimal(1)
    (_, unpriced) = build_models(read(HEAD + "hosted:\n" + MINI % ""), EMPTY, TODAY)
    assert unpriced.price is None


def test_the_policy_is_the_file() -> None:
    """Tasks, preference, limits, aliases."""
    policy = build_policy(read(HEAD + "tasks: {t: {first: local, fallback: [small]}}\nrouting: {prefer: local}\n"))
    assert dict(policy.preference.tasks) == {"t": ("local", "small")}
    assert policy.preference.prefer == "local"
    limited = read(HEAD + "limits: {fallbacks_per_request: 0}\naliases: {gpt-4: auto}\n")
    assert (build_policy(limited).fallbacks_per_request, build_policy(limited).aliases) == (0, {"gpt-4": "auto"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("about Bluebird.", True), ("BLUEBIRD", True), ("the bluebirds", False), ("xbluebird", False),
        ("(bluebird)", True), ("blue\nbird", False), ("project  falcon", True), ("Project\nFalcon", True),
        ("projectfalcon", False), ("a+b", True), ("aab", False), ("Straße", True), ("Straßen", False),
        ("bluebird_x", False), ("éBluebird", False),
    ],
)  # fmt: skip
def test_words_match_whole_words(text: str, *, found: bool) -> None:
    """Any case, any script, phrases across white space; signs in a word are signs."""
    assert bool(counts(rule("words: [bluebird, Project Falcon, a+b, straße]"), text)) is found


def test_a_pattern_is_linear() -> None:
    """RE2: what would take another engine forever."""
    assert counts(rule("pattern: '(a+)+$'"), "a" * 30_000 + "!") == 0
    assert counts(rule(r"pattern: 'CASE-\d+'"), "CASE-1 and CASE-22") == 2


def test_field_rules_and_task_labels() -> None:
    """Values are compared without case; names of places are known to the reader."""
    settings = rule("field: 'metadata.cost_center[]', equals: [' Legal ']")
    (field,) = build_rules(settings).fields
    assert field.where == "metadata.cost_center[]"
    assert field.values == {"legal"}
    assert field_names(settings) == {"metadata", "cost_center"}
    labelled = read(HEAD + "tasks: {t: {first: small, label: restricted}, u: {first: small}}\n")
    assert build_rules(labelled).tasks == {"t": Label.RESTRICTED}


def test_what_only_the_environment_can_tell(tmp_path: Path) -> None:
    """Keys that are missing, empty, unreadable or impossible, rules that do not compile, models nobody knows."""
    hosted = HEAD + "hosted:\n" + MINI % ""
    assert complaints(hosted, {"K": "sk-1"}) == ""
    assert "models.yaml:5: hosted.mini.api_key_env: the variable K is not set" in complaints(hosted, {})
    assert "holds spaces or control characters" in complaints(hosted, {"K": "sk\n1"})
    key_file = tmp_path / "key"
    from_file = hosted.replace("api_key_env: K", f"api_key_file: {key_file}")
    assert "cannot be read" in complaints(from_file, {})
    for content, said in ((b"\xff\xfe", "cannot be read"), (b"\n", "holds no key"), (b"sk-1\n", "")):
        key_file.write_bytes(content)
        assert said in complaints(from_file, {})
    assert secret_of(read(from_file).hosted["mini"], {}) == "sk-1"
    assert "is no valid RE2 expression" in complaints(HEAD + "privacy: {rules: [{name: r, pattern: '(?=x)'}]}\n", {})
    assert "`nope` is no detector" in complaints(HEAD + "privacy: {detectors: [nope]}\n", {})
    assert "say its `context_tokens:`" in complaints(hosted.replace(", context_tokens: 999", ""), {"K": "x"})


def test_a_complaint_never_holds_the_secret() -> None:
    """Nor a part of it."""
    assert "hunter" not in complaints(HEAD + "hosted:\n" + MINI % "", {"K": "hunter two"})


def test_adapters_are_specialised_models_beside_their_own() -> None:
    """They have the base's abilities and limits, and `auto` does not mean them."""
    text = HEAD.replace("weights: w", "engine: vllm, weights: w, vllm: {lora: {legal: /legal}}")
    base, adapter = build_models(read(text), EMPTY, TODAY)
    assert (base.name, base.specialised) == ("small", False)
    assert adapter == replace(base, name="legal", specialised=True)
