"""The words and features of a text, against their plain definition: the short way must find the very same."""

import re
import zlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.meaning import BUCKETS, features, lexicon, words
from localfleet.core.names import supposed
from localfleet.readers.load import load_meaning

ROOT = Path(__file__).resolve().parents[2]
WORD = re.compile(r"⟨[a-z]+⟩|[^\W_]+|[?$€£%\n]")
OWNERS = ("my", "our", "we", "i", "his", "company", "的", "我")
TEXTS = st.text(st.sampled_from("abcdefghij MY our_-1290?$€%\n\t\r\x00'é中的⟨⟩ⅷ"), max_size=120)


def plain_words(text: str) -> list[str]:
    """As `words` is described."""
    found: list[str] = []
    for word in WORD.findall(text.lower()):
        if word.isdecimal():
            found.append("#" * min(len(word), 6))
        elif re.match("[\u3400-\u9fff\u3040-\u30ff]", word):
            found.extend(word)
        elif not word.isalpha() or len(word) > 24:
            found.append(word if word[0] == "⟨" or len(word) == 1 else "⟨code⟩")
        else:
            found.append(word)
    return found


def plain_features(window: Sequence[str]) -> Iterator[str]:
    """As `features` is described, put together as text."""
    before, owner, since = "^", "", 6
    for word in window:
        yield word
        yield f"{before} {word}"
        if len(word) > 5:
            yield f"{word[:5]}-"
        if since < 6:
            yield f"{owner}~{word[:5]}"
        if word in OWNERS:
            owner, since = word, 0
        else:
            since += 1
        before = word


@given(TEXTS)
def test_the_short_way_finds_the_same_words(text: str) -> None:
    """Plain ASCII is split by a table, anything else by the pattern."""
    assert words(text) == plain_words(text)


@given(
    st.lists(st.one_of(st.sampled_from([*OWNERS, "appointment", "⟨given⟩", "?", "####"]), st.text("abé", min_size=1)))
)
def test_buckets_are_those_of_the_features_as_text(window: list[str]) -> None:
    """A hash that goes on from the hash of the front is the hash of the whole."""
    assert features(window) == {zlib.crc32(one.encode()) % BUCKETS for one in plain_features(window)}


@given(st.lists(st.sampled_from([*OWNERS, "appointment", "letter", "⟨given⟩", "?", "####", "médecin"])), st.data())
def test_what_is_worked_out_before_changes_nothing(window: list[str], data: st.DataObject) -> None:
    """Whichever of the words are in the lexicon: the buckets are the same."""
    known = data.draw(st.sets(st.sampled_from([*OWNERS, "appointment", "letter", "⟨given⟩", "?", "médecin"])))
    assert features(window, lexicon(known)) == features(window)


def test_the_common_words_are_those_of_the_templates() -> None:
    """Made by `scripts/train_meaning.py --words` from the texts of this project, and by nothing else."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "scripts" / "meaning").glob("*.txt")]
    ships = files("localfleet").joinpath("data", "common_words.txt").read_text(encoding="utf-8").splitlines()
    assert ships == sorted({word for text in texts for word in words(text)} - {"\n"})
    assert load_meaning().common.keys() == set(ships)


def test_what_names_nobody_asks_no_model() -> None:
    """Days, countries and languages inside a sentence are no names; beside one, or unknown, they are looked at."""
    for text in (
        "Please translate the manual to French until Monday, for our office in Germany.",
        "what is the capital of France, and which river does it lie on?",
        "all in small letters, under 120 words",
    ):
        assert supposed(text) == (), text
    assert supposed("tell my colleague Jasmine that Monday is fine") == (
        "tell my colleague  ⟨given⟩ ⟨sure⟩  that Monday is fine",
        "tell my colleague  ⟨sur⟩ ⟨sure⟩  that Monday is fine",
    )
    assert supposed("the note of Jasmine Freeman, in France") == ("the note of  ⟨full⟩ ⟨sure⟩ , in France",)
    assert supposed("a letter, dear jasmine freeman, is due") == ("a letter, dear ⟨full⟩ ⟨sure⟩ , is due",)
    assert supposed("it went to Jordan yesterday") != ()
