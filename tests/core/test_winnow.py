"""Documents known again by parts: eleven shared words are enough, fewer than eight never are."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.ask import Api, Ask, Caller, Span
from localfleet.core.classify import Rules, classify
from localfleet.core.label import Label
from localfleet.core.winnow import SHINGLE_WORDS, WINDOW, Documents, DocumentSet, fingerprints, gathered, shingles

KEY = b"k" * 32
DICE = random.Random(5)
VOCABULARY = ["".join(DICE.choices("abcdefghij", k=5)) for _ in range(4000)]


def words(count: int, seed: int) -> list[str]:
    """So many words in no order, the same for the same seed."""
    return random.Random(seed).choices(VOCABULARY, k=count)


def known(*texts: str, label: Label = Label.RESTRICTED) -> Documents:
    """These texts, registered."""
    one = DocumentSet(name="plans", label=label, documents=len(texts))
    return gathered(KEY, [(one, [fingerprints(text, KEY) for text in texts])])


@given(st.integers(0, 400), st.integers(0, 60), st.integers(0, 60))
def test_a_shared_run_is_always_seen(at: int, before: int, after: int) -> None:
    """Wherever in both texts it stands, a run of w + k - 1 words shares a fingerprint (Schleimer et al., 2003)."""
    document = words(500, 1)
    run = document[at : at + SHINGLE_WORDS + WINDOW - 1]
    other = [*words(before, 2), *run, *words(after, 3)]
    assert fingerprints(" ".join(document), KEY) & set(shingles(" ".join(other), KEY))


def test_an_excerpt_of_a_document_is_found_and_other_text_is_not() -> None:
    """Thirty words from the middle in another dress count as one document; no other text does."""
    document = " ".join(words(400, 7))
    documents = known(document, " ".join(words(300, 8)))
    excerpt = ", ".join(document.split()[150:180]).upper().replace(" ", "\n ")
    assert [(one.kind, one.count) for one in documents.found(f"Please summarise: {excerpt}")] == [("document:plans", 1)]
    assert documents.found(" ".join(words(5000, 9))) == ()
    assert documents.found(" ".join(document.split()[150 : 150 + SHINGLE_WORDS - 1])) == ()


def test_a_short_document_is_found_whole() -> None:
    """A sentence of nine words has few fingerprints, and is known by them."""
    sentence = "The merger with Northwind closes on the ninth of May"
    assert known(sentence).found(f"Translate: {sentence}.")
    assert not known(sentence).found("The merger of two queues takes logarithmic time in the size of both")


def test_text_without_spaces_is_known_again() -> None:
    """Chinese is read character by character."""
    text = "".join(map(chr, range(0x6211, 0x6211 + 60, 3)))
    assert known(text).found(f"{chr(0x7FFB)}{chr(0x8BD1)}: {text}")


def test_another_key_knows_nothing() -> None:
    """The same text has other fingerprints under another key: a stolen file confirms no guess."""
    text = " ".join(words(50, 4))
    assert fingerprints(text, KEY).isdisjoint(shingles(text, b"x" * 32))


def test_fingerprints_are_few() -> None:
    """Two in five of the shingles are kept, as the window of four says; repeats give no more."""
    text = words(20_000, 11)
    assert 0.35 < len(fingerprints(" ".join(text), KEY)) / len(text) < 0.45
    assert len(fingerprints("again " * 5000, KEY)) == 1


@pytest.mark.parametrize("label", [Label.INTERNAL, Label.RESTRICTED])
def test_a_registered_document_raises_the_label(label: Label) -> None:
    """The finding names the set, and the verdict has its label."""
    text = " ".join(words(60, 12))
    rules = Rules(documents=known(text, label=label))
    caller = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
    spans = (Span(where="m", text="Summarise this:"), Span(where="m", text=" ".join(text.split()[10:45])))
    verdict = classify(Ask(request_id="r", api=Api.CHAT, model="auto", caller=caller, spans=spans), rules)
    assert (verdict.label, verdict.because) == (label, ("document:plans",))
