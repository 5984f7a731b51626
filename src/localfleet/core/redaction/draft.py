"""
Replacing private values until the detectors find nothing that is the caller's any more, and proving it.

A draft starts with what tables and names find, replaces it everywhere, reads the result with the same detectors, takes
what is still found, and so on. What is left after some rounds stays: a text that cannot be redacted is not redacted.
Whatever comes out is shown to be put back letter by letter before anybody sees it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from localfleet.core.ask import Ask, Span
from localfleet.core.classify import Rules, classify
from localfleet.core.detectors import find_all, fold, fold_places
from localfleet.core.detectors.row import Row
from localfleet.core.label import Finding, Label, Verdict
from localfleet.core.names import Entity, address_places, private_names
from localfleet.core.redaction.proof import Redacted
from localfleet.core.redaction.restore import Restorer, pattern_of
from localfleet.core.redaction.values import Draft, NotRedactable, Values
from localfleet.core.redaction.whole import NEVER, STREET, flats, mailbox_names, whole

__all__ = ["Kept", "draft_of", "floor_of", "proven"]

Kept = Mapping[str, str]
"""Words of names from earlier requests of a session, and which part of a name each is."""
ROUNDS = 5
Place = tuple[int, int, Row]


def floor_of(ask: Ask, rules: Rules, remembered: Label | None) -> Verdict:
    """What no redaction takes away: what key, header, task, conversation and rules say, and what cannot be read."""
    return classify(ask, replace(rules, kinds=frozenset(), topics=None, names=None), remembered)


def draft_of(values: Values, entities: Sequence[Entity], rules: Rules, kept: Kept) -> Draft:
    """
    Replace everything that the tables find, and the private names and addresses among `entities`.

    `entities` are those of the folded joined texts; `kept` is replaced wherever it stands. Raises `NotRedactable`.
    """
    joined = "\n".join(values.texts)
    for word, part in kept.items():
        if word.casefold() in values.said:
            values.add_word(word, part)
    _add_names(values, joined, entities, rules)
    places = _places(joined, rules)
    for _ in range(ROUNDS):
        for start, end, row in places:
            values.add(joined[start:end], row)
        draft = values.draft()
        places = tuple(_left(draft, rules))
        if not places:
            _put_back(values, draft)
            return draft
    raise NotRedactable("what is still found cannot be replaced")


def _add_names(values: Values, joined: str, entities: Sequence[Entity], rules: Rules) -> None:
    if rules.names is None:
        return
    folded, at = fold(joined), fold_places(joined)
    for start, end, part in private_names(folded, entities, rules.names.known):
        values.add_name(joined[at[start] : at[end - 1] + 1], part)
    for start, end in mailbox_names(folded):
        values.add_name(joined[at[start] : at[end - 1] + 1], "sur")
    for start, end in address_places(folded, entities):
        values.add(joined[at[start] : at[end - 1] + 1], STREET)


def _places(joined: str, rules: Rules) -> tuple[Place, ...]:
    """What the tables find, whole, at its places in the joined texts. What is in another dress has none there."""
    folded, at = fold(joined), fold_places(joined)
    places = []
    for find in find_all(folded, rules.kinds):
        if find.row.kind in NEVER:
            raise NotRedactable("a find of this kind is not the secret itself")
        if find.end <= len(folded):
            start, end = whole(find, folded)
            places.append((at[start], at[end - 1] + 1, find.row))
    if any(row.kind == STREET.kind for _, _, row in places):
        places += [(at[start], at[end - 1] + 1, STREET) for start, end in flats(folded)]
    return tuple(places)


def _left(draft: Draft, rules: Rules) -> Iterator[Place]:
    """What the tables still find with a letter or digit in it that is not ours, where it stood before."""
    folded, at, marks = fold(draft.joined), fold_places(draft.joined), draft.ours()
    for find in find_all(folded, rules.kinds):
        if find.end > len(folded) or find.row.kind in NEVER:
            raise NotRedactable("a value stands there in another dress as well")
        start, end = whole(find, folded)
        if any(char.isalnum() and not marks[at[start + i]] for i, char in enumerate(folded[start:end])):
            yield *draft.before(at[start], at[end - 1] + 1), find.row


def _put_back(values: Values, draft: Draft) -> None:
    pattern = pattern_of(values.pairs)
    for before, after in zip(values.texts, draft.texts, strict=True):
        back = Restorer(values.pairs, pattern, frozenset())
        if back.feed(after) + back.finish() != before:
            raise NotRedactable("a value stands where it could not be put back")


def proven(
    ask: Ask, was: Verdict, draft: Draft, *, floor: Verdict, rules: Rules, entities: Sequence[Entity]
) -> Redacted:
    """
    Read the draft again with every layer; raises `NotRedactable` where it is still restricted.

    `entities` are those of the draft's folded joined text. What lies wholly within our pseudonyms says nothing of the
    caller and does not count; everything else does. The tables have read it in `draft_of`.
    """
    again = replace(ask, spans=tuple(Span(where="", text=text) for text in draft.texts))
    verdict = classify(again, replace(rules, kinds=frozenset(), fields=()))
    findings = _named(draft, rules, entities)
    if Label.RESTRICTED in {verdict.label, floor.label, *(found.label for found in findings)}:
        raise NotRedactable("the redacted text is still restricted")
    higher = max(verdict, floor, key=lambda one: one.label)
    replaced: dict[str, int] = {}
    for one in draft.placed:
        replaced[one.kind] = replaced.get(one.kind, 0) + 1
    return Redacted(
        verdict=higher,
        was=was,
        replaced=tuple(Finding(kind=f"redacted:{k}", count=n, label=Label.PUBLIC) for k, n in replaced.items()),
        texts=draft.texts,
    )


def as_if_redacted(label: Label) -> Redacted:
    """A redaction that came out with this label, for the proof of paths: it stands for no text, and nothing is sent."""
    was = Verdict(label=Label.RESTRICTED)
    return Redacted(verdict=Verdict(label=label), was=was, replaced=(), texts=())


def _named(draft: Draft, rules: Rules, entities: Sequence[Entity]) -> tuple[Finding, ...]:
    """What the names say that are not wholly ours."""
    if rules.names is None:
        return ()
    at, marks = fold_places(draft.joined), draft.ours()
    theirs = [one for one in entities if not all(marks[at[one.start] : at[one.end - 1] + 1])]
    return rules.names.of_names(fold(draft.joined), theirs)
