"""
Persons and places as a model of names reports them, and a text with its names taken out.

A name alone decides nothing: exercises, novels and textbooks are full of them. The text around it does, with the name
replaced by what kind of name it is, so that the decision can never rest on who somebody is.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import re2

from localfleet.core.label import Finding
from localfleet.core.nobody import NOBODY

__all__ = [
    "Entity",
    "Reader",
    "address_findings",
    "address_like",
    "address_places",
    "in_order",
    "list_like",
    "listed",
    "masked",
    "private_names",
    "read_all",
    "supposed",
]

_SURE = 0.93
_LIKELY = 0.5
_PLACED = 0.8
_LISTED_COMMAS = 3
_PART = {"GIVEN_NAME": "given", "SURNAME": "sur"}
# What may stand inside one name: a space, a hyphen, an apostrophe, an initial, a small particle.
_JOINT = re.compile(r"[ \-'\u2019]|[ .]{1,2}|(?: [A-Z]\.? )|(?: (?:de|da|del|di|van|von|der|den|la|bin|al) )")
_WORD_CHAR = re.compile(r"[^\W_]|['\u2019\-](?=[^\W_])")
# One to four words with capitals that begin no sentence: what could be a name. And words after which one may follow.
_UP = r"[A-ZÀ-ÖØ-ÞĀ-ŽΑ-ΩА-Я](?:[^\W\d_]|['\u2019\-](?=[^\W\d_])){0,40}[a-zß-ÿā-žα-ωа-я]"
_CAPITALS = re.compile(
    rf"(?<=[^\W\d_][ ,;:]){_UP}(?: (?:[A-Z]\.? )?{_UP}){{0,3}}"
    rf"|(?<![^\s>\"'(*?:,;]) ?{_UP}(?: (?:[A-Z]\.? )?{_UP}){{1,3}}"
    r"|(?<![^\W\d_])[A-Z]{3,20} [A-Z]{3,20}(?![^\W\d_])"
    rf"|(?:(?<=[DM]r\. )|(?<=Ms\. )|(?<=Mrs\. )|(?<=[JS]r\. )){_UP}"
)
# The same in RE2, ten times as fast: words with a capital inside a sentence, and all else that `_CAPITALS` finds.
_INSIDE = re2.compile(r"\pL[ ,;:](\p{Lu}(?:\pL|['\x{2019}\-])*)")
# In ASCII Python's own engine is four times as fast, for it skips to the next capital; it also finds those that stand
# right behind another find, which RE2 has gone past by then.
_INSIDE_ASCII = re.compile(r"[A-Z](?<=[A-Za-z][ ,;:][A-Z])[A-Za-z'\-]*")
_OTHERS = r"\p{Lu}(?:\pL|['\x{2019}\-])* (?:[A-Z]\.? )?\p{Lu}\pL|\b(?:[DM]r|Ms|Mrs|[JS]r)\. \p{Lu}"
_VERBS = "is|was|has|had|can|could|will|would|seems|tends|never|always|works|likes"
# One word that begins a sentence of which it is the subject: a name, but for words that stand for people and things.
_SUBJECT = re.compile(
    rf"(?<![^\s\"'(])(?!(?:The|This|That|These|Those|It|There|Here|What|Who|Which|Where|When|Why|How|He|She|They|We|You|"
    rf"Everyone|Everybody|Someone|Nobody|Nothing|Everything|One|Each|Both|All|Some|Most|Many)\b){_UP}"
    rf"(?= (?:{_VERBS})\b)"
)
_SUBJECT_LIKE = rf"\p{{Lu}}\pL+ (?:{_VERBS})\b"
_CUES = r"(?i)\b(?:name is|named|i'm|i am|under|with|dear|call|mrs?\.?|ms\.?|dr\.?) "
# Asked together; the first stands in every text, so that a pass that came to no end is known.
_HINTS = ("", _OTHERS, _SUBJECT_LIKE, _CUES)
_MORE = rf"(?: (?:[A-Z]\.? )?(?:(?:van|von|de|da|del|di|der|den|la|bin|al) ){{0,2}}{_UP}){{1,2}}"
_MORE_NAME = re.compile(_MORE)
_WHOLE_NAME = re.compile(rf"(?<![^\W_])({_UP}){_MORE}")
# Four names one after the other in a text whose names were replaced.
_LISTED = re.compile(r"(?:⟨(?:full|given|sur)⟩(?: ⟨sure⟩)? {1,2},? {0,2}(?:(?:and|or|y|e|et|und|en|&) {1,2})?){4}")
_SMALL = re.compile(
    r"\b(name is|named|i'm|i am|under|with|dear|call|mrs?\.?|ms\.?|dr\.?) "
    r"(?!(?:the|my|our|your|his|her|an?|this|that|not) )[^\W\d_]{3,}(?: (?:[^\W\d_]\.? )?[^\W\d_]{3,})?",
    re.IGNORECASE,
)
# Five words and more that are listed, in any case; bounded, so that a long list costs no more than its length.
_LIST_LIKE = re.compile(r"(?:[^\W\d_]{3,20}, ){3,12}[^\W\d_]{3,20},? (?:and|or|y|e|et|und|en) ")
_NUMBERED = re.compile(r"[0-9][A-Za-z]?,? [A-ZÀ-ÖØ-ÞĀ-ŽΑ-ΩА-Я][^\W\d_]")


def _set_of(patterns: Sequence[str]) -> re2.Set:
    found = re2.Set.SearchSet()
    for pattern in patterns:
        found.Add(pattern)
    found.Compile()
    return found


_HINT_SET = _set_of(_HINTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A stretch of text that the model takes for a kind of thing, and how sure it is (0 to 1)."""

    kind: str
    start: int
    end: int
    score: float


class Reader(Protocol):
    """A model of names. It may be slow: whoever calls it keeps it off the event loop, a batch at a time."""

    def batches(self, text: str) -> Sequence[Sequence[tuple[int, str]]]:
        """The text in overlapping windows, each with its place, so many together as are read in one go."""
        ...

    def read(self, batch: Sequence[tuple[int, str]]) -> Sequence[Entity]:
        """What is in a batch of windows; places are those of the whole text."""
        ...


def read_all(reader: Reader, text: str) -> list[Entity]:
    """What is in a text, in order, read at once by whoever may wait."""
    return in_order(entity for batch in reader.batches(text) for entity in reader.read(batch))


def in_order(entities: Iterable[Entity]) -> list[Entity]:
    """Entities by place: windows overlap, so they come twice or out of order."""
    return sorted(entities, key=lambda entity: (entity.start, entity.end))


def supposed(text: str) -> tuple[str, ...]:
    """
    The text as if all that looks like a name were one, of each kind in turn; none where nothing does.

    Where even that would not matter, the model of names need not be asked: it costs a hundred times as much.
    """
    hints = _hints(text)
    capitals = (
        _OTHERS in hints
        or any(word.lower() not in NOBODY for word in _inside(text))
        or (_SUBJECT_LIKE in hints and _SUBJECT.search(text) is not None)
    )
    small = _CUES in hints and _SMALL.search(text) is not None
    if not capitals and not small:
        return ()
    given = _supposed(text, "given") if capitals else _small_too(text)
    if given == text:
        return ()
    return (given, _supposed(text, "sur")) if "⟨given⟩" in given else (given,)


def _hints(text: str) -> Sequence[str]:
    """Which of `_HINTS` stand in the text, in one pass; all where RE2 ran out of the memory it is allowed."""
    found = _HINT_SET.Match(text.encode()) or ()
    return [_HINTS[at] for at in found] if 0 in found else _HINTS


def _inside(text: str) -> Iterable[str]:
    """Words with a capital inside a sentence."""
    return _INSIDE_ASCII.findall(text) if text.isascii() else (match[1] for match in _INSIDE.finditer(text))


def _supposed(text: str, one: str) -> str:
    """Two words and more are a full name; a single one is of the kind that is said; what names nobody stays."""

    def mask(match: re.Match[str]) -> str:
        written = match[0].split()
        if all(word.lower() in NOBODY for word in written):
            return match[0]
        return f" ⟨{'full' if len(written) > 1 else one}⟩ ⟨sure⟩ "

    return _small_too(_SUBJECT.sub(mask, _CAPITALS.sub(mask, text)))


def _small_too(text: str) -> str:
    return _SMALL.sub(lambda match: match[1] + " ⟨full⟩ ⟨sure⟩ ", text)


def address_like(text: str) -> bool:
    """Whether a number stands before a word with a capital, as house numbers do in many countries."""
    return _NUMBERED.search(text) is not None


def list_like(text: str) -> bool:
    """Whether words are listed, which may be names that somebody wrote small."""
    return text.count(", ") >= _LISTED_COMMAS and _LIST_LIKE.search(text) is not None


@dataclass(slots=True, kw_only=True)
class _Name:
    start: int
    end: int
    score: float
    first: str


def masked(text: str, entities: Sequence[Entity], known: frozenset[str]) -> tuple[str, int]:
    """
    The text with each name replaced by its kind, and how many names there are.

    Kinds: `⟨full⟩`, `⟨given⟩`, `⟨sur⟩`, `⟨public⟩` for people that everybody knows (`known`, in lower case), each
    followed by `⟨sure⟩` where the model is.
    """
    parts, end, count = [], 0, 0
    for name in _names(text, entities):
        kind = _kind(text[name.start : name.end], name, known)
        sure = " ⟨sure⟩" if name.score >= _SURE else ""
        parts += [text[end : name.start], f" ⟨{kind}⟩{sure} "]
        end = name.end
        count += kind != "public"
    return "".join([*parts, text[end:]]), count


def private_names(text: str, entities: Sequence[Entity], known: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    """Where each private person's name stands, and whether one word of it is a `given` or a `sur` name."""
    for name in _names(text, entities):
        if _kind(text[name.start : name.end], name, known) != "public":
            yield name.start, name.end, name.first


def listed(plain: str) -> bool:
    """Whether a text whose names were replaced lists four or more: exercises share among two or three."""
    return _LISTED.search(plain) is not None


def _kind(written: str, name: _Name, known: frozenset[str]) -> str:
    found = written.lower().removesuffix("'s").removesuffix("\u2019s")
    if found in known or found.split()[-1] in known:
        return "public"
    return "full" if len(found.split()) > 1 else name.first


def _names(text: str, entities: Sequence[Entity]) -> list[_Name]:
    """
    Whole names in order: the reader at times sees the half of one, and of two mentions only one.

    Capitals that touch a name belong to it; a sure given name before a capital is a name wherever it stands.
    """
    found = list(_pieces_joined(text, entities))
    for name in found:
        more = _MORE_NAME.match(text, name.end)
        name.end = name.end if more is None else more.end()
    firsts = {text[name.start : name.end].split(maxsplit=1)[0] for name in found if name.score >= _SURE}
    if firsts:
        again = (match for match in _WHOLE_NAME.finditer(text) if match[1] in firsts)
        found += [_Name(start=m.start(), end=m.end(), score=_SURE, first="given") for m in again]
        found.sort(key=lambda name: (name.start, -name.end))
    return list(_apart(found))


def _apart(names: Iterable[_Name]) -> Iterator[_Name]:
    """Names in order, without those that begin inside an earlier one."""
    end = 0
    for name in names:
        if name.start >= end:
            yield name
            end = name.end


def _pieces_joined(text: str, entities: Sequence[Entity]) -> Iterator[_Name]:
    """Pieces of names joined to names, at the borders of words."""
    current: _Name | None = None
    for entity in entities:
        if entity.kind not in _PART or entity.score < _LIKELY:
            continue
        start, end = _whole_words(text, entity.start, entity.end)
        if current is not None and (start < current.end or _JOINT.fullmatch(text, current.end, start)):
            current.end, current.score = max(current.end, end), max(current.score, entity.score)
            continue
        if current is not None:
            yield current
        current = _Name(start=start, end=end, score=entity.score, first=_PART[entity.kind])
    if current is not None:
        yield current


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start > 0 and _WORD_CHAR.match(text, start - 1) and text[start - 1] not in "'\u2019-":
        start -= 1
    while end < len(text) and _WORD_CHAR.match(text, end):
        end += 1
    return start, end


def address_findings(entities: Sequence[Entity]) -> tuple[Finding, ...]:
    """A street with its number, or with its town and code, close together: an address without the need of a pattern."""
    count, last = 0, -100
    for street in (entity for entity in entities if entity.kind == "STREET_NAME" and entity.score >= _PLACED):
        near = {e.kind for e in entities if e.score >= _PLACED and abs(e.start - street.start) < 60}
        placed = "BUILDING_NUMBER" in near or {"CITY", "ZIP_CODE"} <= near
        if placed and street.start - last > 60:
            count, last = count + 1, street.start
    return (Finding(kind="name:address", count=count),) if count else ()


def address_places(text: str, entities: Sequence[Entity]) -> Iterator[tuple[int, int]]:
    """Where streets stand, with the numbers that touch them, and postal codes near one."""
    parts = [
        e for e in entities if e.kind in {"STREET_NAME", "BUILDING_NUMBER", "SECONDARY_ADDRESS"} and e.score >= _LIKELY
    ]
    streets = [e for e in parts if e.kind == "STREET_NAME"]
    run: list[Entity] = []
    for part in [*parts, None]:
        if run and (
            part is None or any(map(str.isalnum, text[run[-1].end : part.start])) or part.start - run[-1].end > 3
        ):
            if any(e.kind == "STREET_NAME" for e in run):
                yield _whole_words(text, run[0].start, max(e.end for e in run))
            run = []
        if part is not None:
            run.append(part)
    for code in (e for e in entities if e.kind == "ZIP_CODE" and e.score >= _LIKELY):
        if any(abs(code.start - street.start) < 80 for street in streets):
            yield _whole_words(text, code.start, code.end)
