"""What differs between two models.yaml, and which engines may go on."""

import pytest

from localfleet.config import HostedModel, LocalModel, differences, parse_settings, runs_on
from localfleet.config.diff import DECIDED_BY
from localfleet.core.changes import Changes

BASE = """
version: 1
local:
  box: {engine: endpoint, url: "http://127.0.0.1:1/v1"}
  small: {weights: smollm2-135m-instruct}
hosted:
  mini: {provider: openai, model: gpt-4o-mini, tier: low, api_key_env: KEY, accepts: internal}
aliases: {smart: mini}
privacy: {rules: [{name: a, words: [one, two]}, {name: b, pattern: x+}]}
tasks: {talk: {first: mini, label: internal}}
limits: {usd_per_day: {low: 1}}
plans: {free: {models: [box]}}
"""


def changes(old: str, new: str) -> Changes:
    """The base, and the base with one text in the place of another."""
    assert old in BASE
    return differences(parse_settings(BASE.encode()), parse_settings(BASE.replace(old, new).encode()))


@pytest.mark.parametrize(
    ("old", "new", "added", "removed", "changed"),
    [
        ("smart: mini", "smart: mini", (), (), ()),
        ("smart: mini", "smart: box", (), (), ("aliases.smart",)),
        ("smart: mini", "other: box", ("aliases.other",), ("aliases.smart",), ()),
        ("{weights", "{context_tokens: 1024, weights", (), (), ("local.small.context_tokens",)),
        ("{weights", "{life: {unload_after_s: 9}, weights", (), (), ("local.small.life.unload_after_s",)),
        ("  small:", "  tiny:", ("local.tiny",), ("local.small",), ()),
        ("[one, two]", "[one]", (), (), ("privacy.rules.a.words",)),
        ("accepts: internal", "accepts: public", (), (), ("hosted.mini.accepts",)),
        ("{low: 1}", "{low: 1.0}", (), (), ()),
        ("{low: 1}", "{}", (), ("limits.usd_per_day.low",), ()),
        ("models: [box]", "models: [box, mini]", (), (), ("plans.free.models",)),
        (
            "[{name: a, words: [one, two]}, {name: b, pattern: x+}]",
            "[{name: b, pattern: x+}, {name: a, words: [one, two]}]",
            *((), (), ()),
        ),
        ("{name: b, pattern: x+}", "{name: c, pattern: x+}", ("privacy.rules.c",), ("privacy.rules.b",), ()),
    ],
)
def test_what_differs(
    old: str, new: str, added: tuple[str, ...], removed: tuple[str, ...], changed: tuple[str, ...]
) -> None:
    """Paths of keys, the nearest that came, went or changed; what is written otherwise and means the same is none."""
    assert changes(old, new) == Changes(added=added, removed=removed, changed=changed)


@pytest.mark.parametrize(
    ("old", "new", "privacy"),
    [
        ("accepts: internal", "accepts: public", 1),
        ("[one, two]", "[one]", 1),
        ("privacy: {", "privacy: {default: public, detectors: [email], ", 2),
        ("label: internal", "label: restricted", 1),
        (", label: internal", "", 1),
        ('/v1"}', '/v1", on_premises: true}', 1),
        ("{low: 1}", "{low: 2}", 0),
        ("{weights", "{can: [json], weights", 0),
    ],
)
def test_what_changes_who_may_see_what(old: str, new: str, privacy: int) -> None:
    """Labels, detectors, rules, `accepts` and vouched servers are named apart."""
    assert len(changes(old, new).privacy) == privacy


def test_a_hosted_model_that_comes_is_named_too() -> None:
    """One more door to the street."""
    other = "hosted:\n  new: {provider: openai, model: gpt-4o, tier: t, api_key_env: K, accepts: public}"
    assert changes("hosted:", other).privacy == ("hosted.new",)


def test_what_needs_a_restart() -> None:
    """Only what is read when the ledger opens."""
    assert changes("privacy: {", "privacy: {remember_days: 3, ").need_restart == ("privacy.remember_days",)
    assert changes("privacy: {", "privacy: {default: public, ").need_restart == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "same"),
    [
        ("small", "{weights", "{can: [json], max_output_tokens: 9, queue_limit: 3, queue_tokens: 9, weights", True),
        ("small", "{weights", "{life: {load: always}, weights", True),
        ("small", "{weights", "{context_tokens: 1024, weights", False),
        ("small", "{weights", "{threads: 1, weights", False),
        ("small", "{weights", "{parallel: 3, weights", False),
        ("small", "{weights", "{timeout_s: 3, weights", False),
        ("mini", "accepts: internal", "accepts: public, context_tokens: 999", True),
        ("mini", "model: gpt-4o-mini", "model: gpt-4o", False),
        ("mini", "api_key_env: KEY", "api_key_env: OTHER", False),
        ("mini", "api_key_env: KEY", "api_key_env: KEY, base_url: 'https://a.example/v1'", False),
        ("box", ":1/v1", ":2/v1", False),
    ],
)
def test_which_engines_go_on(name: str, old: str, new: str, same: bool) -> None:
    """What only decisions, line and residents look at leaves the engine alone; all else makes a new one."""
    before, after = (parse_settings(text.encode()) for text in (BASE, BASE.replace(old, new)))
    old_entry, new_entry = (one.local.get(name) or one.hosted[name] for one in (before, after))
    assert runs_on(old_entry, new_entry) is same


def test_a_name_that_changes_sides_is_another_engine() -> None:
    """What was on the box and is now hosted has nothing in common but the name."""
    settings = parse_settings(BASE.encode())
    assert not runs_on(settings.local["box"], settings.hosted["mini"])


def test_every_key_is_on_one_side() -> None:
    """The keys that leave an engine alone exist; a key that is renamed must not slip through."""
    assert DECIDED_BY[LocalModel] <= set(LocalModel.model_fields)
    assert DECIDED_BY[HostedModel] <= set(HostedModel.model_fields)
