"""Redaction in the core: what is replaced, by what, what stays, and that all is put back wherever a text is cut."""

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from private_talk import talk

from localfleet.core.ask import Api, Ask, Caller, Span
from localfleet.core.classify import Rules, classify
from localfleet.core.detectors import KINDS, find_all, fold, fold_places
from localfleet.core.detectors.checksums import luhn
from localfleet.core.label import Label, Verdict
from localfleet.core.names import Entity
from localfleet.core.redaction.draft import draft_of, floor_of, proven
from localfleet.core.redaction.proof import Redacted
from localfleet.core.redaction.restore import Restorer, pattern_of
from localfleet.core.redaction.values import Draft, NotRedactable, Values
from localfleet.readers.load import load_meaning

SEED = b"s" * 16
RULES = Rules()


def drafted(*texts: str, entities: tuple[Entity, ...] = (), rules: Rules = RULES) -> tuple[Values, Draft]:
    """The texts with everything replaced."""
    values = Values(texts=texts, seed=SEED)
    return values, draft_of(values, entities, rules, {})


def restorer(values: Values) -> Restorer:
    """One text to be put back."""
    prefixes = frozenset(made[:end] for made in values.pairs for end in range(1, len(made) + 1))
    return Restorer(values.pairs, pattern_of(values.pairs), prefixes)


def asked(*texts: str) -> Ask:
    """A request of a caller whose default is internal."""
    caller = Caller(key_id="k", name="k", default_label=Label.INTERNAL)
    spans = tuple(Span(where="m", text=text) for text in texts)
    return Ask(request_id="r", api=Api.CHAT, model="auto", caller=caller, spans=spans)


def test_no_unit_of_a_conversation_survives_and_all_come_back() -> None:
    """Sixty conversations: none of their values is in the draft, and putting back gives the texts letter by letter."""
    units = 0
    for seed in range(60):
        said = talk(seed)
        values, draft = drafted(*said.turns)
        for unit in said.units:
            units += 1
            assert unit not in draft.joined
        for before, after in zip(said.turns, draft.texts, strict=True):
            back = restorer(values)
            assert back.feed(after) + back.finish() == before
    assert units > 200


def test_an_answer_cut_anywhere_comes_back_whole() -> None:
    """Every way to cut a draft in two, and in single characters, gives what the whole gives."""
    said = talk(3)
    values, draft = drafted(*said.turns)
    for before, after in zip(said.turns, draft.texts, strict=True):
        for cut in range(len(after) + 1):
            back = restorer(values)
            assert back.feed(after[:cut]) + back.feed(after[cut:]) + back.finish() == before
        back = restorer(values)
        assert "".join(map(back.feed, after)) + back.finish() == before


@given(st.lists(st.sampled_from("ab ."), max_size=24), st.lists(st.integers(0, 24), max_size=4))
def test_pieces_give_what_the_whole_gives(letters: list[str], cuts: list[int]) -> None:
    """With pseudonyms that begin alike, any text in any pieces is restored as if it had come at once."""
    pairs = {"ab": "X", "ab.a": "YY", "b b": "Z", "aba": "WW"}
    prefixes = frozenset(made[:end] for made in pairs for end in range(1, len(made) + 1))
    text = "".join(letters)
    whole = Restorer(pairs, pattern_of(pairs), prefixes)
    pieces = Restorer(pairs, pattern_of(pairs), prefixes)
    at = sorted({min(cut, len(text)) for cut in cuts})
    parts = [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]
    assert "".join(map(pieces.feed, parts)) + pieces.finish() == whole.feed(text) + whole.finish()


def test_stand_ins_come_from_where_nobody_is() -> None:
    """Cards pass Luhn under a prefix of no network, IBANs pass modulo 97 in no country, and so on for each kind."""
    _, draft = drafted(
        "card 4111 1111 1111 1111", "IBAN DE89 3704 0044 0532 0130 00", "SSN: 123-45-6789", "call +1 415-222-7788",
        "ring 07911 123456 on the phone", "mail joe@firm.io", "at 10.1.2.3 now", "mac 3c:22:fb:aa:bb:cc",
        "tel 01 42 68 53 00",
    )  # fmt: skip
    card, iban, ssn, phone, mobile, mail, host, mac, paris = draft.texts
    digits = re.sub(r"\D", "", card)
    assert luhn(digits)
    assert digits.startswith("9999")
    compact = iban.removeprefix("IBAN ").replace(" ", "")
    assert compact.startswith("XX")
    assert int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1
    assert re.fullmatch(r"SSN: 9\d\d-[1-4]\d-\d{4}", ssn)
    assert re.fullmatch(r"call \+1 \d{3}-555-01\d\d", phone)
    assert re.fullmatch(r"ring 07700 900\d{3} on the phone", mobile)
    assert re.fullmatch(r"mail [a-z._]+\d\d@example\.(?:com|org|net)", mail)
    assert re.fullmatch(r"at (?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d+ now", host)
    assert re.fullmatch(r"mac 00:00:5e:00:53:[0-9a-f]{2}", mac)
    assert re.fullmatch(r"tel 01 99 00 \d\d \d\d", paris)


def test_a_checksum_that_no_range_covers_is_wrong_on_purpose() -> None:
    """A tax number's stand-in has its shape and passes no check: it is nobody's."""
    _, draft = drafted("CPF 529.982.247-25 for the form")
    assert re.fullmatch(r"CPF \d{3}\.\d{3}\.\d{3}-\d\d for the form", draft.joined)
    assert "529.982.247-25" not in draft.joined
    assert find_all(draft.joined) == []


def test_the_same_value_has_the_same_stand_in_and_another_seed_another() -> None:
    """Within a conversation pseudonyms are consistent; two conversations cannot be joined by them."""
    one = drafted("write to joe@firm.io", "again: joe@firm.io, and 4111 1111 1111 1111")[1]
    more = drafted("write to joe@firm.io", "again: joe@firm.io, and 4111 1111 1111 1111", "and sue@firm.io")[1]
    assert one.texts == more.texts[:2]
    assert one.texts[0].removeprefix("write to ") in one.texts[1]
    other = Values(texts=("write to joe@firm.io",), seed=b"t" * 16)
    assert draft_of(other, (), RULES, {}).texts[0] != one.texts[0]


def test_no_stand_in_says_another_value_by_chance() -> None:
    """A code of five digits is in no invented account number, and nobody's given name in an invented address."""
    said = "Ship it to 488 Birch Street, Fairview, TX 71813; bank account number 8070045987."
    account = next(find.row for find in find_all(said, RULES.kinds) if find.row.kind == "bank_account")
    # The seed 11441 makes 5718133924 first: one in ten thousand does.
    for turn in range(11_400, 11_500):
        values = Values(texts=(said,), seed=turn.to_bytes(16, "big"))
        values.add("8070045987", account)
        assert "71813" not in values.made["8070045987"]
    for turn in range(50):
        values = Values(texts=("Sam, write to joe.doe@firm.io",), seed=turn.to_bytes(16, "big"))
        values.add_word("Sam", "given")
        draft_of(values, (), RULES, {})
        assert "sam" not in re.findall(r"[a-z]+", values.draft().joined)


def test_a_value_is_replaced_where_nothing_gives_it_away() -> None:
    """An account found by its word once is replaced in the sentence without the word too."""
    _, draft = drafted("my account number is 83302911", "so 83302911 it is")
    assert "83302911" not in draft.joined


def test_folded_and_unfolded_places_agree() -> None:
    """A value behind invisible and wide characters is replaced where it stands, and put back with them."""
    text = "caf\u00e9\u200b \u2013 card \uff14111 1111\u00a01111 1111 \u200band e\u00f1e"
    assert [text[at] for at in fold_places(text)[:3]] == list(text[:3])
    values, draft = drafted(text)
    assert "1111" not in fold(draft.joined)
    back = restorer(values)
    assert back.feed(draft.joined) + back.finish() == text


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0B" * 4 + "\n-----END PRIVATE KEY-----",
        "see am9lLmRvZUBmaXJtLmlvIGlzIGhpcyBhZGRyZXNz for it",
        "my number is four one five two two two seven seven eight eight, call me on the phone",
    ],
)
def test_what_cannot_be_replaced_is_not_redacted(text: str) -> None:
    """Private keys, encoded values, spoken numbers: a draft is made of all or of nothing."""
    assert classify(asked(text), RULES).label is Label.RESTRICTED
    with pytest.raises(NotRedactable):
        drafted(text)


def test_names_are_replaced_word_by_word_and_public_ones_stay() -> None:
    """Julia Smith, then Smith alone and in capitals: one invented name; Marie Curie stays as she is."""
    rules = Rules(names=load_meaning())
    text = "Ask Julia Smith. Ms Smith knows. JULIA, as Marie Curie said."
    at = {word: text.index(word) for word in ("Julia", "Smith", "Marie", "Curie")}
    kinds = {"Julia": "GIVEN_NAME", "Smith": "SURNAME", "Marie": "GIVEN_NAME", "Curie": "SURNAME"}
    entities = tuple(
        Entity(kind=kinds[word], start=start, end=start + len(word), score=0.99) for word, start in at.items()
    )
    values, draft = drafted(text, entities=entities, rules=rules)
    assert "Julia" not in draft.joined
    assert "JULIA" not in draft.joined
    assert "Smith" not in draft.joined
    assert "Marie Curie" in draft.joined
    sur = values.words["Smith"]
    assert f"Ms {sur} knows" in draft.joined
    back = restorer(values)
    assert back.feed(f"Dear {sur.upper()}, {sur.lower()}") + back.finish() == "Dear SMITH, smith"


def test_the_proof_reads_every_layer_again() -> None:
    """A topic stays restricted however well its numbers are replaced; without it the proof has the caller's label."""
    rules = Rules(topics=load_meaning())
    own = "My biopsy came back and I have lymphoma, call me at +1 415-222-7788, what do I tell my kids?"
    plain = "Fix the commas: you can call the shop at +1 415-222-7788 after five."
    for text, passes in ((own, False), (plain, True)):
        ask = asked(text)
        was = classify(ask, rules)
        _, draft = drafted(text, rules=rules)
        if passes:
            proof = proven(ask, was, draft, floor=floor_of(ask, rules, None), rules=rules, entities=())
            assert proof.label is Label.INTERNAL
            assert [(one.kind, one.count) for one in proof.replaced] == [("redacted:phone", 1)]
        else:
            with pytest.raises(NotRedactable):
                proven(ask, was, draft, floor=floor_of(ask, rules, None), rules=rules, entities=())


def test_a_name_that_is_not_ours_still_counts() -> None:
    """The second reading drops what lies wholly within a pseudonym, and nothing else."""
    rules = Rules(names=load_meaning())
    text = "Please call our tenant Martha Hollis at +1 415-222-7788, she owes us rent."
    ask = asked(text)
    was = classify(ask, rules)
    _, draft = drafted(text, rules=rules)
    start = draft.joined.index("Martha")
    seen = (
        Entity(kind="GIVEN_NAME", start=start, end=start + 6, score=0.99),
        Entity(kind="SURNAME", start=start + 7, end=start + 13, score=0.99),
    )
    with pytest.raises(NotRedactable):
        proven(ask, was, draft, floor=floor_of(ask, rules, None), rules=rules, entities=seen)


def test_a_proof_refuses_to_be_one() -> None:
    """Law 1: restricted text makes no proof, nor does text that never was restricted."""
    high, low = Verdict(label=Label.RESTRICTED), Verdict(label=Label.PUBLIC)
    for verdict, was in ((high, high), (low, low), (high, low)):
        with pytest.raises(ValueError, match="redacted"):
            Redacted(verdict=verdict, was=was, replaced=(), texts=())


def test_finds_with_places_are_those_that_are_counted() -> None:
    """The path with places finds what the counting path finds, on shuffled conversations of every kind of value."""
    dice = random.Random(4)
    for seed in range(20):
        turns = talk(seed).turns
        dice.shuffle(turns)
        text = "\n".join(turns)
        counted = {found.kind: found.count for found in classify(asked(text), RULES).findings}
        placed = [find.row.kind for find in find_all(fold(text))]
        assert {kind: placed.count(kind) for kind in KINDS if kind in placed} == counted


def test_a_long_text_of_many_values_is_no_way_to_stop_the_router() -> None:
    """Three hundred values in 150,000 characters are a fraction of a second of work; beyond a bound there is none."""
    dice = random.Random(1)
    prose = "and so on, about nothing at all, " * 14
    lines = [f"write to u{dice.randrange(10**6)}@firm{at}.io {prose}" for at in range(300)]
    began = time.process_time()
    values, draft = drafted(" ".join(lines))
    assert len(values.made) == 300
    assert "@firm" not in draft.joined
    assert time.process_time() - began < 3
    with pytest.raises(NotRedactable, match="too long"):
        drafted(" ".join([*lines, "x" * 200_000]))


def test_a_number_spelt_in_two_ways_has_one_pseudonym() -> None:
    """With separators and without, in either order: the same digits, so a model can turn one into the other."""
    for first, second in (
        ("+1 442-798-8883", "14427988883"),
        ("14427988883", "+1 442-798-8883"),
        ("4111 1111 1111 1111", "4111-1111-1111-1111"),
    ):
        values, draft = drafted(f"Phone or card: {first}. Again, phone or card: {second}.")
        made = [values.made[one] for one in (first, second)]
        assert len({"".join(re.findall("[0-9]", one)) for one in made}) == 1, made
        assert [re.sub("[0-9]", "0", one) for one in made] == [re.sub("[0-9]", "0", one) for one in (first, second)]
        back = restorer(values)
        assert back.feed(draft.joined) + back.finish() == f"Phone or card: {first}. Again, phone or card: {second}."


def test_a_mailbox_of_a_replaced_name_says_its_pseudonym() -> None:
    """`anton.brandt28@firm.io` of Anton Brandt becomes the invented person's mailbox, in the same order of words."""
    text = "My name is Anton Brandt, write to anton.brandt28@firm.io."
    entities = (
        Entity(start=11, end=16, kind="GIVEN_NAME", score=0.99),
        Entity(start=17, end=23, kind="SURNAME", score=0.99),
    )
    values, draft = drafted(text, entities=entities, rules=Rules(names=load_meaning()))
    given, surname = values.words["Anton"].lower(), values.words["Brandt"].lower()
    assert re.fullmatch(rf"{given}\.{surname}[0-9]+@example\.(com|org|net)", values.made["anton.brandt28@firm.io"])
    back = restorer(values)
    assert back.feed(draft.joined) + back.finish() == text
