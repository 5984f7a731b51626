"""An operator's own rules for secrets, in gitleaks' TOML format."""

from pathlib import Path

import pytest

from localfleet.catalogue import check_settings
from localfleet.config import parse_settings, read_settings
from localfleet.core.ask import Api, Ask, Caller, Span
from localfleet.core.classify import classify
from localfleet.core.label import Label
from localfleet.errors import ConfigError
from localfleet.price_map import read_price_map
from localfleet.rulebook import build_rules
from localfleet.secret_rules import read_secret_rules

RULES = """
title = "ours"
[[rules]]
id = "acme-key"
regex = '''(?i)acme[ =:"']{1,5}([a-z0-9]{12,20})'''
keywords = ["acme"]
entropy = 3
[[rules.allowlists]]
stopwords = ["sample"]
regexes = ['''^0000''']
[[rules]]
id = "only-a-path"
path = '''\\.pem$'''
[allowlist]
regexes = ['''^dead''']
"""
LOOKS_BEHIND = "[[rules]]\nid = 'clever'\nregex = '''(?<=x)y'''\n"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('acme = "k3x9q2m7w1z8"', 1),
        ("ACME: k3x9q2m7w1z8 and acme=p0o9i8u7y6t5", 2),
        ("other = k3x9q2m7w1z8", 0),
        ("acme=aaaaaaaaaaaa", 0),
        ("acme=samplek3x9q2m7", 0),
        ("acme=0000k3x9q2m7w1", 0),
        ("acme=deadk3x9q2m7w1", 0),
    ],
)
def test_keywords_entropy_and_allowlists_count(tmp_path: Path, text: str, count: int) -> None:
    """A rule of the file finds its secrets and leaves what the file allows."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    found = read_secret_rules(str(file))
    assert [rule.name for rule in found.rules] == ["secret:acme-key"]
    assert found.rules[0].matcher.count(text) == count


def test_the_file_is_named_in_models_yaml_and_restricts(tmp_path: Path) -> None:
    """The key reaches the classifier; the finding names the rule, in the layer `own`."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    rules = build_rules(
        parse_settings(f"version: 1\nlocal: {{m: {{weights: w}}}}\nprivacy: {{secret_rules: '{file}'}}\n".encode())
    )
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
    span = Span(where="m", text="acme k3x9q2m7w1z8")
    verdict = classify(Ask(request_id="r", api=Api.CHAT, model="auto", caller=caller, spans=(span,)), rules)
    assert verdict.because == ("rule:secret:acme-key",)


@pytest.mark.parametrize(
    ("text", "said"), [(LOOKS_BEHIND, "clever"), ("not toml", "TOML"), ("x = 1", "TOML"), (None, "TOML")]
)
def test_what_cannot_be_used_is_told(tmp_path: Path, text: str | None, said: str) -> None:
    """No rule is dropped in silence: the file does not load, and `check` says why."""
    file = tmp_path / "rules.toml"
    if text is not None:
        file.write_text(text)
    config = tmp_path / "models.yaml"
    config.write_text(f"version: 1\nlocal: {{m: {{weights: w}}}}\nprivacy:\n  secret_rules: '{file}'\n")
    settings, lines = read_settings(str(config))
    with pytest.raises(ConfigError) as caught:
        check_settings("models.yaml", settings, lines, {}, read_price_map())
    assert said in str(caught.value)
    assert caught.value.problems[0][0] == 4
