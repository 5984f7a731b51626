"""
The values of one request and their pseudonyms, and the texts with the one put in place of the other.

A value is replaced wherever it stands, also where nothing beside it gives it away. A name is replaced word by word, so
that each word of it is recognised alone; its spellings in capitals and in small letters go with it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from localfleet.core.detectors.row import Row
from localfleet.core.redaction.dice import Dice
from localfleet.core.redaction.people import COMMON_WORDS, name_for
from localfleet.core.redaction.pseudonyms import stand_in
from localfleet.core.redaction.restore import pattern_of

__all__ = ["Draft", "NotRedactable", "Placed", "Values"]

LONGEST_VALUE = 400
"""Characters: a model does not echo more letter by letter, and a stream would have to hold it back."""
MOST_VALUES = 2000
MOST_WORK = 50_000_000
"""Values times characters: about a second, and the interpreter lets nobody else in while a pattern is matched."""
TRIES = 60
_NAME_WORD = re.compile(r"[^\W\d_]{2,}(?:['\u2019][^\W\d_]+)*")
_PARTICLES = frozenset(
    ("de", "da", "del", "di", "van", "von", "der", "den", "la", "bin", "al", "dr", "mr", "mrs", "ms", "prof")
)
_DIGIT = re.compile(r"[0-9]")
_LEAST_DIGITS = 7
_RUN = re.compile(r"[0-9]{5,}")
_LETTERS = re.compile(r"[^\W\d_]+")
_SPACED = frozenset({"card", "phone", "us_ssn"})


class NotRedactable(ValueError):
    """This text cannot be redacted, so it stays. The sentence is fixed and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One pseudonym: where its value stood in the joined texts of the caller, and where it stands in the new ones."""

    old_start: int
    old_end: int
    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The new texts, and the same joined by line ends, as the layers read them; every pseudonym at its place."""

    texts: tuple[str, ...]
    joined: str
    placed: tuple[Placed, ...]

    def ours(self) -> bytearray:
        """A mark for each character of `joined` that we made up."""
        marks = bytearray(len(self.joined))
        for one in self.placed:
            marks[one.start : one.end] = b"\x01" * (one.end - one.start)
        return marks

    def before(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of `joined` stood before; a pseudonym that it touches counts as a whole."""
        shift, first, last = 0, start, None
        for one in self.placed:
            if one.end <= start:
                shift = one.old_end - one.end
                first = start + shift
            elif one.start >= end:
                break
            else:
                first = min(first, one.old_start) if one.start <= start else first
                last = one.old_end if one.end >= end else None
                shift = one.old_end - one.end
        return first, end + shift if last is None else last


@dataclass(slots=True, kw_only=True)
class Values:
    """What is to be replaced in `texts`; `seed` chooses the pseudonyms, the same ones for the same values."""

    texts: tuple[str, ...]
    seed: bytes = field(repr=False)
    kinds: dict[str, str] = field(default_factory=dict)
    """Value -> kind; `given` and `sur` for the words of a name."""
    made: dict[str, str] = field(default_factory=dict)
    """Value -> pseudonym, wherever the value stands."""
    words: dict[str, str] = field(default_factory=dict)
    """Word of a name -> invented word."""
    pairs: dict[str, str] = field(default_factory=dict)
    """Pseudonym -> value, with the other spellings that an answer may use."""
    said: str = ""
    """The texts in small letters: no pseudonym may stand there already."""
    numbers: dict[str, str] = field(default_factory=dict)
    """Digits of a number that is spelt with separators -> those of its pseudonym."""
    runs: frozenset[str] = frozenset()
    """The numbers of five digits and more in the texts: none may stand in a pseudonym, not even by chance."""

    def __post_init__(self) -> None:
        """Nothing is replaced yet."""
        self.said = "\n".join(self.texts).casefold()
        self.runs = frozenset(_RUN.findall(self.said))

    def add(self, value: str, row: Row) -> None:
        """A value that a row of the tables found."""
        if value in self.made:
            return
        if not value.strip() or len(value) > LONGEST_VALUE or len(self.made) >= MOST_VALUES:
            raise NotRedactable("a value is too long, or there are too many")
        dice = (Dice(self.seed, row.kind, value, str(turn)) for turn in range(TRIES))
        alike = self._spelt_otherwise(value)
        if alike is not None:
            self.kinds[value], self.made[value] = row.kind, alike
            self.pairs[alike] = value
            return
        self._take(value, row.kind, (self._of_its_owner(value, stand_in(value, row, one)) for one in dice))
        self._add_digits(value)

    def _spelt_otherwise(self, value: str) -> str | None:
        """The pseudonym of the same number with other separators, spelt as this one: a model may compare the two."""
        made = self.numbers.get("".join(_DIGIT.findall(value)))
        if made is None or _LETTERS.search(value):
            return None
        digits = iter(made)
        spelt = _DIGIT.sub(lambda _: next(digits), value)
        free = self.pairs.get(spelt, value) == value and spelt not in self.said and not self._repeats(spelt)
        return spelt if free else None

    def _of_its_owner(self, value: str, candidate: str) -> str:
        """A mailbox that is made of replaced names is made of their pseudonyms: whose it is can still be seen."""
        name, at, _ = value.partition("@")
        words = [word.capitalize() for word in _LETTERS.findall(name)]
        if not at or not words or not all(word in self.words for word in words):
            return candidate
        tail = candidate.partition("@")
        number = "".join(_DIGIT.findall(tail[0]))
        named = _LETTERS.sub(lambda word: self.words[word[0].capitalize()].lower(), name)
        return f"{_DIGIT.sub('', named)}{number}@{tail[2]}"

    def add_name(self, name: str, part: str) -> None:
        """A private person's name: its words, of which the last is the surname where there are several."""
        found = [match for match in _NAME_WORD.finditer(name) if match[0].lower() not in _PARTICLES]
        whole, end = "", 0
        for place, match in enumerate(found):
            last = place == len(found) - 1 if len(found) > 1 else part == "sur"
            everywhere = len(found) == 1 or match[0].lower() not in COMMON_WORDS
            made = self.add_word(match[0], "sur" if last else "given", everywhere=everywhere)
            whole, end = whole + name[end : match.start()] + made, match.end()
        whole += name[end:]
        if name not in self.made and whole != name:
            self.kinds[name], self.made[name] = "name", whole
            self.pairs.setdefault(whole, name)

    def add_word(self, word: str, part: str, *, everywhere: bool = True) -> str:
        """One word of a name, in capitals and small letters too where the text has it so; its pseudonym comes back."""
        plain = word.capitalize() if word.isupper() or word.islower() else word
        if plain not in self.words:
            dice = (Dice(self.seed, "name", plain, str(turn)) for turn in range(TRIES))
            self.words[plain] = self._free(plain, (name_for(plain, part, one) for one in dice))
            self.pairs[self.words[plain]] = plain
        for dress in (str.capitalize, str.upper, str.lower):
            value, made = (
                (plain, self.words[plain]) if dress is str.capitalize else (dress(plain), dress(self.words[plain]))
            )
            # Small letters are replaced where the reader found them so, and put back wherever they come.
            if everywhere and (dress is not str.lower or value == word):
                self.kinds[value], self.made[value] = part, made
            self.pairs.setdefault(made, value)
        return (
            self.words[plain].upper()
            if word.isupper()
            else self.words[plain].lower()
            if word.islower()
            else self.words[plain]
        )

    def _take(self, value: str, kind: str, candidates: Iterator[str]) -> None:
        self.kinds[value], self.made[value] = kind, self._free(value, candidates)
        self.pairs[self.made[value]] = value

    def _free(self, value: str, candidates: Iterator[str]) -> str:
        """The first candidate that stands for nothing yet, and stands nowhere in the texts."""
        for candidate in candidates:
            taken = candidate in self.pairs or candidate == value or candidate.casefold() in self.said
            if not taken and not self._repeats(candidate):
                return candidate
        raise NotRedactable("no pseudonym is left for a value")

    def _repeats(self, candidate: str) -> bool:
        """Whether a candidate says a number of the texts, or a word of a name in them, within itself."""
        if any(word in self.words for word in map(str.capitalize, _LETTERS.findall(candidate))):
            return True
        runs = _RUN.findall(candidate) if self.runs else []
        return any(
            run[start:end] in self.runs
            for run in runs
            for start in range(len(run))
            for end in range(start + 5, len(run) + 1)
        )

    def _add_digits(self, value: str) -> None:
        """A number may come back without its separators."""
        made = self.made[value]
        bare = "".join(_DIGIT.findall(made))
        if self.kinds[value] in _SPACED:
            self.numbers["".join(_DIGIT.findall(value))] = bare
        only = not any(char.isalpha() for char in made) and self.kinds[value] in _SPACED
        if only and len(bare) >= _LEAST_DIGITS and bare not in self.pairs and bare not in self.said:
            self.pairs[bare] = "".join(_DIGIT.findall(value))

    def draft(self) -> Draft:
        """The texts as they are with everything replaced that was added."""
        if len(self.made) * len(self.said) > MOST_WORK:
            raise NotRedactable("the text is too long for so many values")
        pattern = pattern_of(self.made)
        texts: list[str] = []
        placed: list[Placed] = []
        old = new = 0
        for text in self.texts:
            texts.append(self._replaced(text, pattern, placed, old, new))
            old, new = old + len(text) + 1, new + len(texts[-1]) + 1
        return Draft(texts=tuple(texts), joined="\n".join(texts), placed=tuple(placed))

    def _replaced(self, text: str, pattern: re.Pattern[str], placed: list[Placed], old: int, new: int) -> str:
        out: list[str] = []
        end = size = 0
        for match in pattern.finditer(text) if self.made else ():
            value, made = match[0], self.made[match[0]]
            size += match.start() - end
            at = {"old_start": old + match.start(), "old_end": old + match.end()}
            placed.append(Placed(**at, start=new + size, end=new + size + len(made), kind=self.kinds[value]))
            out += [text[end : match.start()], made]
            size, end = size + len(made), match.end()
        return "".join((*out, text[end:]))
