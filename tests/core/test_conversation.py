"""Fingerprints meet exactly where a conversation begins alike, and only for the same caller under the same key."""

from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.conversation import answer_print, name_print, prefix_prints

KEY = b"k" * 32
TURNS = st.lists(st.binary(max_size=12), max_size=6).map(tuple)


@given(TURNS, TURNS)
def test_prints_meet_exactly_in_the_common_prefix(a: tuple[bytes, ...], b: tuple[bytes, ...]) -> None:
    """One print per prefix; the n-th is shared when the first n turns are."""
    left, right = (prefix_prints(turns, key=KEY, caller="k") for turns in (a, b))
    assert len(left) == len(a)
    common = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    assert set(left) & set(right) == set(left[:common])


def test_turns_cannot_be_cut_elsewhere() -> None:
    """The same bytes in other turns are another conversation."""
    assert not set(prefix_prints((b"ab", b"c"), key=KEY, caller="k")) & set(
        prefix_prints((b"a", b"bc"), key=KEY, caller="k")
    )


def test_caller_and_key_separate() -> None:
    """Another caller's, or another router's, fingerprints say nothing here."""
    one = prefix_prints((b"a",), key=KEY, caller="k")
    assert one != prefix_prints((b"a",), key=KEY, caller="k2")
    assert one != prefix_prints((b"a",), key=b"x" * 32, caller="k")


def test_names_are_kept_apart_by_kind_and_caller() -> None:
    """A session called like a response id is something else."""
    rows = [("session", "a", "k"), ("response", "a", "k"), ("session", "a", "k2"), ("session", "b", "k")]
    prints = {name_print(kind, name, key=KEY, caller=caller) for kind, name, caller in rows}
    assert len(prints) == 4
    assert b"a" * 16 not in prints
    assert {len(one) for one in prints} == {16}


def test_answers_of_one_time_lie_together_and_are_still_told_apart() -> None:
    """Prints of our ids sort by the ids' time; another id, caller or key gives another print, however it looks."""
    ids = [f"resp_{second:012x}{'0' * 12}" for second in (1, 2, 300)]
    prints = [answer_print(one, key=KEY, caller="k") for one in ids]
    assert prints == sorted(prints)
    others = [*ids, f"resp_{1:012x}{'0' * 11}1", "resp_of somebody else", "", "resp_12 34 56 78 9a"]
    every = {
        answer_print(one, key=key, caller=who) for one in others for key in (KEY, b"x" * 32) for who in ("k", "k2")
    }
    assert len(every) == len(others) * 4
    assert {len(one) for one in every} == {16}
