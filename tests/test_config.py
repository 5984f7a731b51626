"""`models.yaml` is refused rather than guessed at: every problem with its line, what is wrong and how to mend it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.config import is_loopback, load_settings, parse_settings
from localfleet.core.label import Label
from localfleet.errors import ConfigError

LOCAL = "version: 1\nlocal:\n  small: {weights: w}\n"
HOSTED = "  mini: {provider: openai, model: m, tier: t, api_key_env: K, accepts: internal}\n"
BOTH = f"{LOCAL}hosted:\n{HOSTED}"


def complaints(text: str | bytes) -> str:
    """Everything that is said about a file."""
    with pytest.raises(ConfigError) as caught:
        parse_settings(text if isinstance(text, bytes) else text.encode())
    return str(caught.value)


def test_a_small_file_is_enough() -> None:
    """One model; everything else has a default, and the default label is internal."""
    checked = parse_settings(LOCAL.encode())
    assert checked.names == {"small"}
    assert checked.default_label is Label.INTERNAL
    assert parse_settings(BOTH.encode()).names == {"small", "mini"}


@pytest.mark.parametrize(
    ("entry", "slots", "limit"),
    [
        ("weights: w.gguf", 2, 32),
        ("weights: w", 256, 512),
        ("weights: w.gguf, parallel: 100", 100, 200),
        ("weights: w, parallel: 100, queue_limit: 150", 100, 150),
        ("weights: w, engine: vllm", 256, 512),
        ("engine: endpoint, url: 'http://127.0.0.1:1/v1'", 32, 32),
        ("engine: endpoint, url: 'http://127.0.0.1:1/v1', queue_limit: 500", 500, 500),
        ("engine: endpoint, url: 'http://127.0.0.1:1/v1', parallel: 8", 8, 32),
    ],
)
def test_how_many_a_model_lets_in(entry: str, slots: int, limit: int) -> None:
    """Each engine has numbers that suit it; what the file says counts."""
    model = parse_settings(f"version: 1\nlocal:\n  m: {{{entry}}}\n".encode()).local["m"]
    assert (model.slots, model.limit) == (slots, limit)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "models.yaml:1: version: `version:` is missing"),
        ("version: 2\nlocal: {a: {weights: w}}\n", "models.yaml:1: version"),
        ("version: 1\n", "no models: add one"),
        (LOCAL + "privcy: {}\n", "models.yaml:4: privcy: unknown key `privcy`"),
        (LOCAL + "  small: {weights: v}\n", "models.yaml:4: `small` stands twice (first in line 3)"),
        ("version: 1\nlocal:\n  small:\n    weights: w\n    wieghts: w\n", "yaml:5: local.small.wieghts: unknown"),
        ("version: 1\nlocal:\n  auto: {weights: w}\n", "models.yaml:3: local.auto: `auto` is a reserved name"),
        ("version: 1\nlocal:\n  Bad Name: {weights: w}\n", "a name is short"),
        ("version: 1\nlocal:\n  small: {}\n", "say which `weights:`"),
        ("version: 1\nlocal:\n  small: {weights: w, url: http://127.0.0.1/v1}\n", "belongs to `engine: endpoint` only"),
        ("version: 1\nlocal:\n  e: {engine: endpoint}\n", "an endpoint needs `url:`"),
        ("version: 1\nlocal:\n  e: {engine: endpoint, url: 'http://10.0.0.9/v1'}\n", "set `on_premises: true`"),
        ("version: 1\nlocal:\n  e: {engine: endpoint, url: 'http://127.0.0.1:99999/v1'}\n", "Port out of range"),
        ("version: 1\nlocal:\n  e: {engine: endpoint, url: 'http://[::1/v1'}\n", "Invalid IPv6"),
        ("version: 1\nlocal:\n  e: {engine: endpoint, url: 'file:///etc/passwd'}\n", "a URL starts with http://"),
        ("version: 1\nlocal:\n  e: {engine: endpoint, url: 'http://u:p@127.0.0.1/v1'}\n", "no user, password"),
        (BOTH.replace("accepts: internal", "accepts: restricted"), "no hosted model may accept restricted text"),
        (BOTH.replace(", accepts: internal", ""), "`accepts:` is missing: every hosted model says"),
        (BOTH.replace("api_key_env: K, ", ""), "say where the provider's key is"),
        (BOTH.replace("api_key_env: K", "api_key_env: K, api_key_file: f"), "not both"),
        (BOTH.replace("tier: t", "tier: local"), "`local` is the privacy tier"),
        (BOTH.replace("mini:", "small:"), "is also the name of a local model"),
        (BOTH + "aliases: {gpt: nothing}\n", "points to `nothing`, which is no model here"),
        (BOTH + "aliases: {mini: small}\n", "is already a model's name"),
        (BOTH + "tasks: {t: {first: gone}}\n", "names `gone`, which is no model here"),
        (BOTH + "plans: {p: {models: [gone]}}\n", "names `gone`, which is no model here"),
        (BOTH + "limits: {usd_per_day: {gold: 1}}\n", "is no tier of any hosted model"),
        (BOTH + "limits: {usd_per_day: {t: -1}}\n", "greater than or equal to 0"),
        (BOTH + "limits: {usd_per_day: {t: .nan}}\n", "finite"),
        (LOCAL + "privacy: {default: secret}\n", "models.yaml:4: privacy.default"),
        (LOCAL + "privacy: {rules: [{name: a}]}\n", "exactly one of `words:`, `pattern:`, `field:`"),
        (LOCAL + "privacy: {rules: [{name: a, words: [xx], pattern: x}]}\n", "exactly one of"),
        (LOCAL + "privacy: {rules: [{name: a, field: user}]}\n", "`field:` and `equals:` go together"),
        (LOCAL + "privacy: {rules: [{name: a, field: model, equals: [x]}]}\n", "`model` is replaced"),
        (LOCAL + "privacy: {rules: [{name: a, field: 'messages[0].name', equals: [x]}]}\n", "a place is written"),
        (LOCAL + "privacy: {rules: [{name: a, words: [xx]}, {name: a, words: [yy]}]}\n", "two rules have one name"),
        (LOCAL + "hardware:\n  gpus:\n    - name: x\n      cuont: 2\n", "yaml:7: hardware.gpus.0.cuont: unknown"),
        (LOCAL + "hardware: {gpus: maybe}\n", "models.yaml:4: hardware.gpus: 'detect', or a list"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(text: str, said: str) -> None:
    """Line, place, what is wrong."""
    assert said in complaints(text)


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody likes to mend them one by one."""
    said = complaints(
        "version: 1\nlocal:\n  a: {}\n  b: {weights: w, x: 1}\nhosted:\n" + HOSTED.replace("tier: t, ", "")
    )
    assert [line.split(":")[1] for line in said.splitlines()] == ["3", "4", "6"]


def test_prices_go_from_old_to_new() -> None:
    """History is append-only."""
    price = {"usd_per_mtok_in": "1", "usd_per_mtok_out": "1", "source": "s"}
    entry = {"provider": "openai", "model": "m", "tier": "t", "api_key_env": "K", "accepts": "public"}
    entry["prices"] = [{"since": "2025-02-01", **price}, {"since": "2025-01-01", **price}]  # type: ignore[assignment]  # mixed values
    assert "from the oldest to the newest" in complaints(yaml.safe_dump({"version": 1, "hosted": {"mini": entry}}))


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True), ("http://localhost/v1", True), ("http://LOCALHOST/v1", True),
        ("http://[::1]:80/v1", True), ("http://127.8.8.8/v1", True), ("http://10.0.0.1/v1", False),
        ("http://localhost.evil.com/v1", False), ("http://127.0.0.1.evil.com/v1", False), ("http://0.0.0.0/v1", False),
        ("http://2130706433/v1", False), ("http://127.1/v1", False), ("http://[::ffff:10.0.0.1]/v1", False),
        ("http://evil/127.0.0.1", False), ("http://localhost@evil/v1", False),
    ],
)  # fmt: skip
def test_what_counts_as_this_machine(url: str, *, here: bool) -> None:
    """A local model sees restricted text: only plain loopback names pass without a vow."""
    assert is_loopback(url) is here


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Says what makes one."""
    with pytest.raises(ConfigError, match="localfleet init"):
        load_settings(str(tmp_path / "models.yaml"))


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=8), inner, max_size=2)),
    max_leaves=4,
)
SECTIONS = ["version", "hardware", "local", "hosted", "aliases", "privacy", "tasks", "routing", "limits", "plans", "x"]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(SECTIONS), VALUES, max_size=4), st.sampled_from(["local", "hosted"]))
def test_any_values_are_settings_or_complaints(sections: dict[str, Any], inside: str) -> None:
    """No file, however odd, ends in a traceback."""
    for shape in (sections, {"version": 1, inside: {"m": sections}}):
        try:
            names = parse_settings(yaml.safe_dump(shape, allow_unicode=True).encode("utf-8", "replace")).names
        except ConfigError as exc:
            names = frozenset({"refused"})
            text = str(exc)
        else:
            text = "models.yaml:"
        assert names
        assert text.startswith("models.yaml:")


@pytest.mark.parametrize(
    ("url", "fine"),
    [("https://models.example/v1", True), ("http://127.0.0.1:9/v1", True), ("http://models.example/v1", False)],
)
def test_keys_do_not_travel_in_clear(url: str, *, fine: bool) -> None:
    """A hosted model over plain http is refused, unless it is on this machine."""
    text = (
        "version: 1\nhosted:\n  mini:\n    {provider: openai, model: m, tier: t, api_key_env: K, accepts: public, "
        f'base_url: "{url}"}}\n'
    )
    if fine:
        assert parse_settings(text.encode()).hosted["mini"].base_url == url
    else:
        with pytest.raises(ConfigError, match="use https"):
            parse_settings(text.encode())
