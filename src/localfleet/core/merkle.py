"""
A Merkle tree that only grows, as RFC 6962 defines it: one hash stands for all records up to a number.

It needs no key, so whoever holds a root can check an export without being able to write another history. Only the right
edge of the tree is kept: as many hashes as the size has bits set.
"""

import hashlib
from collections.abc import Iterable

__all__ = ["Tree", "leaf_of"]


def leaf_of(seq: int, kind: str, body: bytes, seal: bytes) -> bytes:
    """What a record puts into the tree: its number, its kind, its body as it was sealed, and the seal."""
    name = kind.encode("utf-8", "surrogatepass")
    return b"%b%c%b%b%b" % (seq.to_bytes(8, "big"), len(name), name, body, seal)


class Tree:
    """The tree so far: `size` leaves, and the roots of its complete parts, largest first."""

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """Go on from a tree whose edge was kept; raise `ValueError` where the two cannot belong together."""
        self.size = size
        self.edge = [*edge]
        if len(self.edge) != size.bit_count() or any(len(part) != 32 for part in self.edge):
            raise ValueError("this edge is not of a tree of that size")

    def add(self, leaf: bytes) -> None:
        """One leaf more."""
        top, size = hashlib.sha256(b"\x00" + leaf).digest(), self.size
        while size & 1:
            top = _above(self.edge.pop(), top)
            size >>= 1
        self.edge.append(top)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The hash that stands for all leaves; of an empty tree, the hash of nothing."""
        if not self.edge:
            return hashlib.sha256(b"").digest()
        top = self.edge[-1]
        for part in reversed(self.edge[:-1]):
            top = _above(part, top)
        return top


def _above(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
