"""One answer's text made like other models' answers, piece by piece, however it was cut."""

import re
from typing import NamedTuple

from localfleet.core.form import AnswerForm

__all__ = ["Cleaned", "Cleaner"]

OPENS, CLOSES = "<think>", "</think>"
FENCE = re.compile(r"```[A-Za-z0-9_+-]*[ \t]*\r?\n")
MAYBE_FENCE = re.compile(r"`{1,3}|```[A-Za-z0-9_+-]*[ \t]*\r?")
LAST_FENCE = re.compile(r"\s*```\s*\Z")
LONGEST_TAIL = 4096
"""White space beyond which nobody waits for a closing fence."""


class Cleaned(NamedTuple):
    """What is shown of a piece, and what of it was thought."""

    text: str = ""
    thought: str = ""


class Cleaner:
    """Of one choice: `feed` pieces, then `end`. Work is linear in the text; at most a tag or a fence is held back."""

    __slots__ = ("_bare", "_fenced", "_form", "_held", "_json", "_state")

    def __init__(self, form: AnswerForm, *, json: bool) -> None:
        """`json`: the caller asked for JSON."""
        self._form, self._json = form, json and form.unfence
        self._held = ""
        self._bare = False
        self._fenced = False
        thinks = form.thinking != "keep"
        self._state = ("inside" if form.starts_inside else "opening") if thinks else "start"

    def feed(self, piece: str) -> Cleaned:
        """Read one piece."""
        return self._read(self._held + piece, over=False)

    def end(self) -> Cleaned:
        """What was held back."""
        return self._read(self._held, over=True)

    def _read(self, text: str, *, over: bool) -> Cleaned:
        self._held, thought = "", ""
        if self._state == "opening":
            text = self._opening(text, over=over)
        if self._state == "inside":
            text, thought = self._inside(text, over=over)
        if self._state == "start":
            text = self._start(text, over=over)
        if self._state == "fence":
            text = self._fence(text, over=over)
        if self._state == "text":
            text = self._text(text, over=over)
        return Cleaned(text, thought if self._form.thinking == "apart" else "")

    def _opening(self, text: str, *, over: bool) -> str:
        said = text.lstrip()
        if said.startswith(OPENS):
            self._state = "inside"
            return said[len(OPENS) :]
        if not over and OPENS.startswith(said):
            return self._hold(text)
        self._state = "start"
        return text

    def _inside(self, text: str, *, over: bool) -> tuple[str, str]:
        thought, closed, rest = text.partition(CLOSES)
        if closed:
            self._state, self._bare = "start", True
            return rest, thought
        held = 0 if over else _overlap(text, CLOSES)
        self._hold(text[len(text) - held :])
        return "", text[: len(text) - held]

    def _start(self, text: str, *, over: bool) -> str:
        text = text.lstrip() if self._bare else text
        said, prefixes = text.lstrip(), self._form.prefixes
        if not over and (_begins(said, prefixes) or (not said and (self._bare or prefixes))):
            return self._hold(text)
        found = next((one for one in prefixes if said[: len(one)].casefold() == one.casefold()), None)
        self._state, self._bare = "fence", self._bare or found is not None
        return text if found is None else said[len(found) :]

    def _fence(self, text: str, *, over: bool) -> str:
        text = text.lstrip() if self._bare else text
        said = text.lstrip()
        if not over and ((self._bare and not said) or (self._json and (not said or MAYBE_FENCE.fullmatch(said)))):
            return self._hold(text)
        fence = FENCE.match(said) if self._json else None
        self._state, self._fenced = "text", fence is not None
        return text if fence is None else said[fence.end() :]

    def _text(self, text: str, *, over: bool) -> str:
        if not self._fenced:
            return text
        if over:
            return LAST_FENCE.sub("", text)
        end = text[-LONGEST_TAIL:]
        tail = len(end) - len(end.rstrip().rstrip("`").rstrip())
        self._hold(text[len(text) - tail :])
        return text[: len(text) - tail]

    def _hold(self, text: str) -> str:
        self._held = text
        return ""


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)


def _begins(said: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a text so far is the beginning of a prefix, and no whole one."""
    low = said.casefold()
    return any(len(low) < len(one) and one.casefold().startswith(low) for one in prefixes)
