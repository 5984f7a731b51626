"""Topics and names: one's own affairs against the same matters in general; a name by itself decides nothing."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.ask import Api, Ask, Caller, Span
from localfleet.core.classify import Rules, classify, named, names_to_read
from localfleet.core.label import Finding, Label, Verdict
from localfleet.core.meaning import BUCKETS, Meaning, read_heads, windows, words
from localfleet.core.names import Entity, address_findings, list_like, listed, masked, private_names, supposed
from localfleet.readers.load import load_meaning

KNOWN = frozenset({"curie", "jane austen"})
SIGNED = [at % 256 - 128 for at in range(BUCKETS)]
PACKED = zlib.compress(bytes(weight % 256 for weight in SIGNED))
ROW = {"name": "topics", "scale": 0.5, "bias": 0.25, "threshold": 0.0}
HEAD = read_heads(json.dumps({"heads": [ROW]}).encode() + b"\n" + PACKED)["topics"]


@pytest.fixture(scope="module")
def meaning() -> Meaning:
    """The shipped weights."""
    return load_meaning()


def ask(text: str) -> Ask:
    """A request of a caller whose default is public."""
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
    return Ask(request_id="r", api=Api.CHAT, model="auto", caller=caller, spans=(Span(where="m", text=text),))


@pytest.mark.parametrize(
    ("own", "general"),
    [
        ("My biopsy came back and I have lymphoma, what do I tell my kids?", "How does a biopsy detect lymphoma?"),
        ("I owe 40k on three cards, should I declare bankruptcy?", "How does bankruptcy work in Canada?"),
        ("My husband beat me and I need a restraining order.", "What is a restraining order?"),
        ("Summarise the confidential minutes of our board meeting.", "What should the minutes of a meeting contain?"),
        ("Find the bug in our internal billing service.", "Write a billing service in Go as an example."),
    ],
)
def test_ones_own_affairs_and_the_same_in_general(meaning: Meaning, own: str, general: str) -> None:
    """The pair differs in whose matter it is, not in the matter."""
    (found,) = meaning.of(own)
    assert found.kind.startswith("topic:")
    assert found.count == 1
    assert not meaning.of(general)


@pytest.mark.parametrize("text", ["", "ok", "AKIA0123456789ABCDEF", "token = 'a8f3c0'", "42", "名", "my our my"])
def test_what_says_nothing_is_not_judged(meaning: Meaning, text: str) -> None:
    """A token, a word, a number: other layers' business."""
    assert not meaning.of(text)


def test_a_statement_is_found_anywhere_in_a_long_text(meaning: Meaning) -> None:
    """Windows overlap, so no statement falls between two."""
    filler = "The river flows past the old mill and the meadow. " * 40
    own = "My doctor says that I have breast cancer and I have not told my daughter yet, what should I do? "
    assert not meaning.of(filler * 2)
    assert all(meaning.of(filler[:cut] + own + filler) for cut in (0, 500, 1333, 2000))


def test_classify_runs_topics_only_where_nothing_else_decided(meaning: Meaning) -> None:
    """Cheap layers first: a card restricts, and the topic is not asked."""
    rules = Rules(topics=meaning)
    text = "I was diagnosed with HIV last month, how do I tell my wife?"
    verdict = classify(ask(text), rules)
    assert (verdict.label, verdict.because) == (Label.RESTRICTED, ("topic:health",))
    both = classify(ask(f"{text} card 4111 1111 1111 1111"), rules)
    assert [found.kind for found in both.findings] == ["card"]
    assert classify(ask(text), Rules()).label is Label.PUBLIC


def test_words_keep_no_token_and_no_number() -> None:
    """What identifies is told by its shape, before any weight is looked up."""
    assert words("Pay 4111111111 to x9Kq2 now?") == ["pay", "######", "to", "⟨code⟩", "now", "?"]
    assert words("我们的数据") == list("我们的数据")
    assert list(windows([])) == []


def test_a_weights_file_that_is_none_is_refused() -> None:
    """Short weights would be read past their end."""
    with pytest.raises(ValueError, match="do not fit"):
        read_heads(
            b'{"heads": [{"name": "x", "scale": 1, "bias": 0, "threshold": 0}]}\n' + b"x\x9c\x03\x00\x00\x00\x00\x01"
        )
    assert BUCKETS == 32768


def entity(text: str, part: str, kind: str, score: float = 0.99) -> Entity:
    """An entity where `part` stands in `text`."""
    return Entity(kind=kind, start=text.index(part), end=text.index(part) + len(part), score=score)


def test_pieces_of_a_name_become_one_name_without_its_letters() -> None:
    """Word pieces, initials and particles join; what everybody knows is told apart; the name itself is gone."""
    text = "Ask Yuridia V. de la Torre-Gal about Curie."
    entities = [
        entity(text, "Yuri", "GIVEN_NAME"),
        entity(text, "dia", "GIVEN_NAME"),
        entity(text, "Torre", "SURNAME"),
        entity(text, "Gal", "SURNAME"),
        entity(text, "Curie", "SURNAME", 0.7),
        entity(text, "Ask", "SURNAME", 0.3),
    ]
    plain, count = masked(text, entities, KNOWN)
    assert "Torre" not in plain
    assert "⟨public⟩" in plain
    assert "Curie" not in plain
    assert plain.startswith("Ask  ⟨")
    assert count >= 1


def test_a_name_is_whole_where_the_reader_saw_half_of_it_or_one_of_two() -> None:
    """Capitals that touch a name are of it; a sure given name before a capital is one that was not seen."""
    text = "You can tell that Osgood was a fan of Osgood Brynjarsson. Osgood said so to Mira Kettlewell."
    entities = [entity(text, "Osgood", "GIVEN_NAME"), entity(text, "Mira", "GIVEN_NAME", 0.6)]
    plain, count = masked(text, entities, KNOWN)
    assert plain == "You can tell that  ⟨given⟩ ⟨sure⟩  was a fan of  ⟨full⟩ ⟨sure⟩ . Osgood said so to  ⟨full⟩ ."
    assert count == 3
    assert [text[start:end] for start, end, _ in private_names(text, entities, KNOWN)] == [
        "Osgood", "Osgood Brynjarsson", "Mira Kettlewell",
    ]  # fmt: skip


def test_a_list_of_names_is_somebody_s_and_two_in_an_exercise_are_not(meaning: Meaning) -> None:
    """Four in a row are a class, a team, a family; the reader is asked about small letters too."""
    said = "They had five: Wiebke, Odo, Tamsin, Ludo and Perpetua."
    few = "Wiebke has 12 pears and gives Odo and Tamsin 3 each. How many are left?"

    def found(text: str) -> tuple[Finding, ...]:
        names = [word.strip(".,:?") for word in text.split()]
        parts = [word for word in names if word in {"Wiebke", "Odo", "Tamsin", "Ludo", "Perpetua"}]
        return meaning.of_names(text, [entity(text, part, "GIVEN_NAME") for part in parts])

    assert [(one.kind, one.count) for one in found(said)] == [("name:person", 5)]
    assert found(few) == ()
    assert not listed("⟨given⟩ ⟨sure⟩ ,  ⟨given⟩ ⟨sure⟩  and  ⟨given⟩ ⟨sure⟩ ")
    assert meaning.names_matter(said)
    assert meaning.names_matter(said.lower())
    assert not list_like("salt, pepper, thyme and oil")


def test_a_full_name_needs_less_around_it_than_a_given_one(meaning: Meaning) -> None:
    """Exercises and fiction make do with half of a name, so the bar is lower for a whole one."""
    text = "The lamp was made by {} in brass."
    whole, half = text.format("Ottilie Brandvold"), text.format("Ottilie")
    full = [entity(whole, "Ottilie", "GIVEN_NAME"), entity(whole, "Brandvold", "SURNAME")]
    given_ = [entity(half, "Ottilie", "GIVEN_NAME")]
    assert below(meaning, whole, full).of_names(whole, full)
    assert not below(meaning, half, given_).of_names(half, given_)


def below(meaning: Meaning, text: str, entities: Sequence[Entity]) -> Meaning:
    """The weights, with the bar half a step above what they say of this text."""
    named_ = meaning.named
    over = named_.margin(words(masked(text, entities, KNOWN)[0])) + 0.5
    return replace(meaning, named=replace(named_, threshold=named_.threshold + over))


@pytest.mark.parametrize("blank", ["[NAME]", "<name>", "PERSON_1", "[REDACTED]", "{last_name}"])
def test_a_person_whose_name_was_blanked_is_nobody(meaning: Meaning, blank: str) -> None:
    """What somebody told is that person's matter, without the name nobody's; one's own illness stays."""
    told = "My sister {} told me in confidence that she is gay, what do I say?"
    letter = "Write a recommendation for my student {} from Utrecht, who wants to study chemistry."
    ill = "I have been treated for leukaemia since March and {} does not know, how do I tell my boss?"
    assert [one.kind for one in meaning.of(told.format("Ottilie"))] == ["topic:person"]
    assert [meaning.of(text.format(blank)) for text in (told, letter)] == [(), ()]
    assert meaning.of(ill.format(blank))


def test_a_sentence_s_subject_may_be_a_name(meaning: Meaning) -> None:
    """A single word with a capital at the beginning asks the reader where the sentence speaks of a person."""
    assert supposed("Ottilie is patient and gets on with everybody.")[0].startswith(" ⟨given⟩ ⟨sure⟩  is")
    assert supposed("This is the end of the river. The valve was open.") == ()
    assert meaning.names_matter("Ottilie is patient and gets on with everybody.")


@pytest.mark.parametrize(
    ("kinds", "count"),
    [
        (("BUILDING_NUMBER", "STREET_NAME"), 1),
        (("STREET_NAME", "CITY", "ZIP_CODE"), 1),
        (("STREET_NAME",), 0),
        (("CITY", "ZIP_CODE", "BUILDING_NUMBER"), 0),
    ],
)
def test_a_street_needs_company_to_be_an_address(kinds: Sequence[str], count: int) -> None:
    """A street's name alone is geography."""
    entities = [Entity(kind=kind, start=10 * at, end=10 * at + 5, score=0.9) for at, kind in enumerate(kinds)]
    assert sum(found.count for found in address_findings(entities)) == count


def test_names_are_asked_for_only_where_they_would_matter(meaning: Meaning) -> None:
    """Nothing name-like, an exercise, a restricted verdict: the model of names is spared."""
    rules, public = Rules(names=meaning), Verdict(label=Label.PUBLIC)
    private = "Write a reminder to Ilse Okonjo that her rent is late."
    assert names_to_read(private, public, rules) == (private,)
    for text in ("what is the boiling point of water", "Explain how HTTP works.", "What is the capital of France?"):
        assert names_to_read(text, public, rules) == ()
    assert names_to_read(private, Verdict(label=Label.RESTRICTED), rules) == ()
    assert names_to_read(private, public, Rules()) == ()
    assert supposed("no capitals here") == ()


def test_of_a_long_text_only_the_pieces_about_somebody_are_read(meaning: Meaning) -> None:
    """Wherever it stands in a long text, the private sentence is in a piece, and little else is."""
    private = (
        "Write a reminder to our tenant Ilse Okonjo that her rent is late again, and that she owes us 300 dollars. "
    )
    filler = "the height of the wall is nine metres and its colour does not matter at all here. "
    for before in range(0, 60, 7):
        text = filler * before + private + filler * 40
        pieces = meaning.to_read(text)
        assert any("Ilse Okonjo" in piece for piece in pieces), before
        assert sum(map(len, pieces)) <= 2000, before
        assert meaning.to_read(text + filler * 30)[: len(pieces)] == pieces, before
    everywhere = private * 100
    assert max(map(len, meaning.to_read(everywhere))) <= 1400
    assert sum(map(len, meaning.to_read(everywhere))) >= len(everywhere)


def test_what_names_add_only_raises(meaning: Meaning) -> None:
    """A private person makes the text restricted and says so; no entity leaves the verdict as it was."""
    text = "Write a performance review for Ilse Okonjo, who missed two deadlines."
    rules, before = Rules(names=meaning), Verdict(label=Label.INTERNAL, because=("key_default",))
    entities = [entity(text, "Ilse", "GIVEN_NAME"), entity(text, "Okonjo", "SURNAME")]
    after = named(before, rules, text, entities)
    assert (after.label, after.because) == (Label.RESTRICTED, ("name:person",))
    assert after.findings == (Finding(kind="name:person", count=1),)
    assert named(before, rules, text, []) is before


@given(st.lists(st.integers(0, BUCKETS - 1), min_size=1, max_size=40).map(frozenset))
def test_a_score_is_the_sum_of_its_weights(buckets: frozenset[int]) -> None:
    """Each bucket counts once, bucket 0 only where it is asked for, and weights keep their sign in the file's bytes."""
    expected = 0.25 + 0.5 * sum(SIGNED[bucket] for bucket in buckets) / sqrt(len(buckets))
    assert HEAD.score(set(buckets)) == pytest.approx(expected)
