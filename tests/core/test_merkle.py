"""The tree that only grows: RFC 6962's own definition, and that every change shows."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.merkle import Tree, leaf_of

LEAVES = st.lists(st.binary(max_size=8), max_size=40)


def _by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _by_definition(leaves[:split]) + _by_definition(leaves[split:])).digest()


def _grown(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree


@given(leaves=LEAVES)
def test_the_root_is_the_one_that_rfc_6962_defines(leaves: list[bytes]) -> None:
    """Grown leaf by leaf, with only the edge kept, it is what the recursive definition says."""
    assert _grown(leaves).root == _by_definition(leaves)


@given(leaves=LEAVES, more=LEAVES)
def test_a_kept_edge_goes_on_where_it_was(leaves: list[bytes], more: list[bytes]) -> None:
    """A tree made anew from size and edge grows like the one that was never put away."""
    kept = _grown(leaves)
    again = Tree(kept.size, kept.edge)
    for leaf in more:
        again.add(leaf)
    assert again.root == _by_definition([*leaves, *more])


@pytest.mark.parametrize(("size", "edge"), [(1, []), (3, [bytes(32)]), (0, [bytes(32)]), (1, [b"short"])])
def test_an_edge_of_another_size_is_refused(size: int, edge: list[bytes]) -> None:
    """A file that was edited must not become a tree."""
    with pytest.raises(ValueError, match="not of a tree"):
        Tree(size, edge)


@given(st.tuples(st.integers(1, 9), st.sampled_from(["a", "ab"]), st.binary(max_size=4)), st.integers(1, 9))
def test_no_two_records_are_one_leaf(record: tuple[int, str, bytes], other: int) -> None:
    """Number, kind, body and seal cannot be shifted into each other."""
    seq, kind, body = record
    assert leaf_of(seq, kind, body, bytes(32)) != leaf_of(seq, kind + "x", body, bytes(32))
    assert (leaf_of(seq, kind, body, bytes(32)) == leaf_of(other, kind, body, bytes(32))) == (seq == other)
