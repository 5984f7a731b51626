"""`ledger.tree`: the edge of the Merkle tree over the chain, so that a restart need not read the whole ledger again."""

import hmac
import os
from pathlib import Path

import orjson

from localfleet.core.merkle import Tree
from localfleet.storage.chain import Link

__all__ = ["EDGE_FILE", "read_edge", "write_edge"]

EDGE_FILE = "ledger.tree"


def write_edge(home: Path, tree: Tree, last: Link, key: bytes) -> None:
    """Replace the file in one step; raises `OSError`. It need not reach the disk: without it the tree is built anew."""
    draft = home / f".{EDGE_FILE}.{os.getpid()}"
    edge = b"".join(tree.edge)
    content = {
        "size": tree.size,
        "hash": last.hash.hex(),
        "edge": edge.hex(),
        "seal": _seal(tree.size, last, edge, key),
    }
    handle = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps(content) + b"\n")
    draft.replace(home / EDGE_FILE)


def read_edge(home: Path, key: bytes) -> tuple[Tree, Link] | None:
    """The tree and the last record in it; `None` where there is none that this key sealed."""
    try:
        content = orjson.loads((home / EDGE_FILE).read_bytes())
        last, edge = Link(int(content["size"]), bytes.fromhex(content["hash"])), bytes.fromhex(content["edge"])
        tree = Tree(last.seq, [edge[at : at + 32] for at in range(0, len(edge), 32)])
        fits = hmac.compare_digest(str(content["seal"]), _seal(tree.size, last, edge, key))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return (tree, last) if fits else None


def _seal(size: int, last: Link, edge: bytes, key: bytes) -> str:
    return hmac.digest(key, b"%d:%b:%b" % (size, last.hash, edge), "sha256").hex()
