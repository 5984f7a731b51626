"""
Validators: what can be seen of an answer without a model (S31).

Each is a `Check`. Those that need the end of an answer say nothing of a first part (`Spoken.whole` false).
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from localfleet.core.judges.language import language_of
from localfleet.core.judges.schema import fits
from localfleet.core.judges.spoken import PASSED, Judgement, Spoken
from localfleet.core.reason import Reason

__all__ = ["Json", "Language", "Length", "Matcher", "NotCutOff", "Pattern", "Refusal", "Repetition", "ToolCalls"]

FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
REFUSALS = re.compile(
    r"\A[\s\"'*>]*(?:(?:i'?m|i am) (?:really |very |so )?sorry\b.{0,40}?\b(?:can(?:'?t|not)|unable|won'?t)"
    r"|(?:sorry|unfortunately|apologies),? (?:but )?i (?:can(?:'?t|not)|am unable|am not able|won'?t)"
    r"|i (?:can(?:'?t|not)|am not able to|am unable to|won'?t|must decline to) (?:help|assist|answer|provide|do|fulfil|"
    r"comply|discuss|continue|engage)"
    r"|as an ai\b.{0,60}?\b(?:can(?:'?t|not)|unable|don'?t|do not)"
    r"|(?:es tut mir leid|leider kann ich|je suis désolée?|désolée?, (?:mais )?je ne|lo siento|mi dispiace)\b)",
    re.IGNORECASE,
)
APOSTROPHES = str.maketrans("\u2019\u02bc", "''")
LEAST_WORDS = 12
LOOP = 4
"""So many words in a row that come again and again are a loop."""


def _invalid(word: str) -> Judgement:
    return Judgement(word=word, reason=Reason.ANSWER_INVALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Between so many characters; an answer that is all tool calls has no text to measure."""

    least_chars: int = 1
    most_chars: int | None = None

    def judge(self, spoken: Spoken) -> Judgement:
        """Too short, too long, or fine."""
        size = len(spoken.text.strip())
        if self.most_chars is not None and size > self.most_chars:
            return _invalid("too_long")
        if spoken.whole and not spoken.calls and size < self.least_chars:
            return _invalid("too_short")
        return PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCutOff:
    """The engine came to an end of its own, not to its limit of tokens."""

    def judge(self, spoken: Spoken) -> Judgement:
        """Cut off, or fine."""
        return _invalid("cut_off") if spoken.whole and spoken.cut_off else PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The model did the work: it neither says by its API that it refuses, nor begins with words that do."""

    def judge(self, spoken: Spoken) -> Judgement:
        """Refused, or fine."""
        begins = spoken.text[:200].translate(APOSTROPHES)
        return _invalid("refused") if spoken.refused or REFUSALS.match(begins) else PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """No loop: of the runs of four words, at most this share stood there before."""

    most: float = 0.5

    def judge(self, spoken: Spoken) -> Judgement:
        """A loop, or fine."""
        words = spoken.text.split()
        if len(words) < LEAST_WORDS:
            return PASSED
        runs = Counter(tuple(words[i : i + LOOP]) for i in range(len(words) - LOOP + 1))
        again = 1 - len(runs) / runs.total()
        return _invalid("repeats_itself") if again > self.most else PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalls:
    """Each call names a tool that was offered, and its arguments are a JSON object."""

    def judge(self, spoken: Spoken) -> Judgement:
        """Unparsable, unknown, or fine."""
        if not spoken.whole:
            return PASSED
        for call in spoken.calls:
            if call.name not in spoken.offered:
                return _invalid("unknown_tool")
            if not isinstance(_loaded(call.arguments or "{}"), dict):
                return _invalid("unparsable_tool_call")
        return PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Json:
    """
    JSON where JSON was asked for, by the request or here (`always`), and after a schema where one was given.

    A fence of Markdown around it is looked through for what the file asks; who asks by `response_format` gets JSON.
    """

    always: bool = False
    schema: Mapping[str, Any] | None = None

    def judge(self, spoken: Spoken) -> Judgement:
        """Not JSON, not after the schema, or fine."""
        if not spoken.whole or spoken.calls or not (self.always or self.schema is not None or spoken.asked_json):
            return PASSED
        fenced = None if spoken.asked_json else FENCE.match(spoken.text)
        found = _loaded(fenced.group(1) if fenced else spoken.text)
        if found is NOTHING:
            return _invalid("not_json")
        schemas = [schema for schema in (self.schema, spoken.schema) if schema is not None]
        return PASSED if all(fits(found, schema) for schema in schemas) else _invalid("not_after_schema")


class Matcher(Protocol):
    """An operator's pattern, compiled at the edge; linear in the text."""

    def count(self, text: str) -> int:
        """How often it matches."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern that the answer must hold somewhere; anchors make it the whole."""

    matcher: Matcher

    def judge(self, spoken: Spoken) -> Judgement:
        """Without it, or fine."""
        return PASSED if not spoken.whole or self.matcher.count(spoken.text) else _invalid("pattern_missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The answer's language, by its script and its commonest words; where those do not tell, it passes."""

    wanted: str

    def judge(self, spoken: Spoken) -> Judgement:
        """Another language, or fine."""
        found = language_of(spoken.text)
        return PASSED if found in {None, self.wanted} else _invalid("other_language")


NOTHING = object()


def _loaded(text: str) -> Any:
    """The JSON value of a text, or `NOTHING`; NaN and infinities are no JSON."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return NOTHING


def _no_constant(_: str) -> None:
    raise ValueError("JSON has no such number")
