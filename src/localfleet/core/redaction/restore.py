"""
Putting values back for pseudonyms: in a text, and in a text that comes in pieces cut anywhere.

A pseudonym counts where it stands as a word or number of its own; of two that begin alike the longer one counts. What
may still become one waits for the next piece.
"""

import re
from collections.abc import Mapping

__all__ = ["Restorer", "pattern_of"]

_LETTERS = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff"
_LETTER = re.compile(f"[{_LETTERS}]")


def _edge(char: str, look: str) -> str:
    """What may not stand beside a value: more of the same number or word. Other scripts have no borders of words."""
    if "0" <= char <= "9":
        return f"(?{look}[0-9])"
    return f"(?{look}[{_LETTERS}])" if _LETTER.match(char) else ""


def pattern_of(values: Mapping[str, str]) -> re.Pattern[str]:
    """A pattern for all values, the longest of those that begin alike first; it skips to where one may begin."""
    # Values that begin with another kind of character never compete, so each kind is asked about its border once.
    groups: dict[str, list[str]] = {}
    for one in sorted(values, key=len, reverse=True):
        groups.setdefault(_edge(one[0], "<!"), []).append(re.escape(one) + _edge(one[-1], "!"))
    firsts = "".join(sorted({re.escape(one[0]) for one in values}))
    alternatives = "|".join(f"{border}(?:{'|'.join(ones)})" for border, ones in groups.items())
    return re.compile(f"(?=[{firsts}])(?:{alternatives})" if values else "(?!)")


class Restorer:
    """
    One text that comes in pieces. `pairs` are pseudonyms and what they stand for; `pattern` and `prefixes` are of them.

    Feed pieces and get text; `finish` gives what waited. Work is linear in the text, times the longest pseudonym.
    """

    __slots__ = ("_before", "_firsts", "_held", "_longest", "_pairs", "_pattern", "_prefixes")

    def __init__(self, pairs: Mapping[str, str], pattern: re.Pattern[str], prefixes: frozenset[str]) -> None:
        """Nothing has come yet."""
        self._pairs, self._pattern, self._prefixes = pairs, pattern, prefixes
        self._longest = max(map(len, pairs), default=0)
        self._firsts = frozenset(one[0] for one in pairs)
        self._held = self._before = ""

    def feed(self, piece: str) -> str:
        """The text that is certain by now."""
        self._held += piece
        return self._take(self._undecided())

    def finish(self) -> str:
        """The rest: nothing comes after it."""
        return self._take(len(self._held))

    def _undecided(self) -> int:
        """Where the first stretch begins that may be the beginning of a pseudonym, or a whole one at the very end."""
        held = self._held
        for at in range(max(0, len(held) - self._longest), len(held)):
            if held[at] in self._firsts and held[at:] in self._prefixes:
                return at
        return len(held)

    def _take(self, cut: int) -> str:
        # A character before is looked at, not written again: it says whether a number or a word goes on.
        text, shift = self._before + self._held, len(self._before)
        out, end = [], shift
        for match in self._pattern.finditer(text, shift) if self._pairs else ():
            if match.start() >= cut + shift:
                break
            out += [text[end : match.start()], self._pairs[match[0]]]
            end = match.end()
        taken = max(end, cut + shift)
        out.append(text[end:taken])
        self._before, self._held = text[taken - 1 : taken] or self._before, text[taken:]
        return "".join(out)
