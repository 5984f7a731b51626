"""A piece is known by its sentences, whatever stands around them, and nothing else is."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.label import Label
from localfleet.core.pieces import any_piece, as_found, known_pieces, piece_prints

KEY = b"k" * 32
FIRST = "The board agreed to sell the northern plant to its largest rival."
SECOND = "Nobody outside this room may hear of the price before the first of May."
SENTENCES = st.lists(st.sampled_from([FIRST, SECOND, "Short.", "Other words that nobody has ever heard of, all new."]))
GLUE = st.sampled_from([" ", "\n", "\n\n- ", '", "text": "', "\\n", "  \t "])


def prints(*texts: str, caller: str = "k") -> list[bytes]:
    """Under the one key."""
    return piece_prints(texts, key=KEY, caller=caller)


@given(SENTENCES, SENTENCES, GLUE, GLUE)
def test_sentences_are_known_wherever_they_stand(one: list[str], other: list[str], a: str, b: str) -> None:
    """Two texts share as many fingerprints as long sentences, however those are strung together."""
    shared = {said for said in one if said in other and len(said) >= 40}
    assert len(set(prints(a.join(one))) & set(prints(b.join(other)))) == len(shared)


def test_dress_does_not_hide_a_sentence() -> None:
    """Case, bullets, line feeds, invisible and wide characters."""
    (known,) = prints(FIRST)
    assert known in prints("* " + FIRST.upper().replace(" ", "  "))
    assert known in prints(FIRST.replace("plant", "pl\u200bant"))
    assert known in prints(f"Answer from this context: \u201c{FIRST}\u201d")


def test_short_sentences_say_nothing() -> None:
    """Thanks, greetings and numbers are everybody's."""
    assert prints("Thank you very much! Best regards, the team.", "ok", "", "42") == []
    assert len(prints("\u3053" * 14)) == 1


def test_caller_and_key_separate() -> None:
    """Another caller's, or another router's, fingerprints say nothing here; no letter is in one."""
    assert not set(prints(FIRST)) & set(prints(FIRST, caller="k2"))
    assert prints(FIRST) != piece_prints([FIRST], key=b"x" * 32, caller="k")
    assert {len(one) for one in prints(FIRST, SECOND)} == {20}
    assert len({one[16:] for one in prints(FIRST, SECOND)} | {any_piece(key=KEY, caller="k")[16:]}) == 1
    assert any_piece(key=KEY, caller="k") != any_piece(key=KEY, caller="k2")


def test_a_labelled_piece_is_known_by_one_sentence_and_another_by_two() -> None:
    """A phrase that all results of a tool share does not restrict them all."""
    labelled, found = dict.fromkeys(prints(FIRST)), dict.fromkeys(as_found(prints(FIRST, SECOND)))

    def asked(kept: dict[bytes, None], *texts: str) -> Label | None:
        def recall(some: Sequence[bytes]) -> Label | None:
            return Label.RESTRICTED if any(one in kept for one in some) else None

        return known_pieces(prints(*texts), recall)

    assert asked(labelled, FIRST) is Label.RESTRICTED
    assert asked(labelled, SECOND) is None
    assert asked(found, FIRST) is None
    assert asked(found, SECOND, FIRST) is Label.RESTRICTED
    assert asked(found, FIRST, FIRST) is None
