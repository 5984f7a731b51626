"""
An operator's own rules for secrets, from a file in gitleaks' TOML format, on RE2.

Read are `rules` with `id`, `regex`, `keywords`, `entropy`, `secretGroup`, and allowlists of `regexes` and `stopwords`,
of a rule and of the whole file. What looks at paths and commits has no meaning here. A rule that RE2 cannot take (it
has no look-around) is named, not dropped in silence.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import re2

from localfleet.core.classify import TextRule
from localfleet.core.detectors.guess import entropy_bits
from localfleet.core.label import Label

__all__ = ["SecretRules", "read_secret_rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRules:
    """The rules that work, and the ids of those that RE2 does not take."""

    rules: tuple[TextRule, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matcher:
    """One rule: its keywords first, they cost nothing; then pattern, entropy and allowlist."""

    pattern: re2._Regexp
    keywords: tuple[str, ...]
    entropy_bits: float
    group: int
    allowed: tuple[re2._Regexp, ...]
    stopwords: tuple[str, ...]

    def count(self, text: str) -> int:
        """How many secrets; linear in the text."""
        if self.keywords:
            low = text.lower()
            if not any(word in low for word in self.keywords):
                return 0
        return sum(self._is_secret(match) for match in self.pattern.finditer(text))

    def _is_secret(self, match: re2._Match) -> bool:
        secret = match.group(self.group) or match.group(0)
        if self.entropy_bits and entropy_bits(secret) <= self.entropy_bits:
            return False
        low = secret.lower()
        return not any(word in low for word in self.stopwords) and not any(one.search(secret) for one in self.allowed)


def read_secret_rules(file: str) -> SecretRules:
    """
    Compile a file of rules.

    Raises `OSError` where it cannot be read, `ValueError` where it is no TOML or no list of rules.
    """
    table = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    rows = table.get("rules")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise ValueError("no `[[rules]]`, each with an `id`")
    everywhere = _allowlists(table)
    rules, refused = [], []
    for row in rows:
        if not row.get("regex"):
            continue  # it looks at paths alone
        try:
            matcher = _matcher(row, everywhere)
        except re2.error:
            refused.append(str(row["id"]))
        else:
            rules.append(TextRule(name=f"secret:{row['id']}", label=Label.RESTRICTED, matcher=matcher))
    return SecretRules(rules=tuple(rules), refused=tuple(refused))


def _allowlists(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [*row.get("allowlists", ()), *([row["allowlist"]] if "allowlist" in row else [])]
    # One that looks at the line or the whole match is left out: that flags more, not less.
    return [one for one in found if one.get("regexTarget", "secret") in {"", "secret"} and "paths" not in one]


def _matcher(row: Mapping[str, Any], everywhere: Sequence[Mapping[str, Any]]) -> _Matcher:
    pattern = _compiled(str(row["regex"]))
    allowlists = [*_allowlists(row), *everywhere]
    # As gitleaks does: without a group named, the first one holds the secret.
    group = int(row.get("secretGroup", 0)) or min(pattern.groups, 1)
    return _Matcher(
        pattern=pattern,
        keywords=tuple(str(word).lower() for word in row.get("keywords", ())),
        entropy_bits=float(row.get("entropy", 0)),
        group=min(group, pattern.groups),
        allowed=tuple(_compiled(str(one)) for allow in allowlists for one in allow.get("regexes", ())),
        stopwords=tuple(str(word).lower() for allow in allowlists for word in allow.get("stopwords", ())),
    )


def _compiled(pattern: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    return re2.compile(pattern, options=options)
