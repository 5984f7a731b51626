"""
Check an export of localfleet's ledger, far from the box: `verify_export.py EXPORT [--key KEYS] [--heads FILE ...]`.
Needs Python 3.11 and nothing else. Exit code 0: whole; 1: the first bad record is named; 2: used wrongly.
"""

import argparse
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RuntimeError)


class Head(NamedTuple):
    """How far the chain went at one moment, and two hashes that stand for all of it."""

    origin: str
    seq: int
    hash: bytes
    root: bytes
    at: str
    seal: bytes

    def sealed_with(self, key: bytes) -> bool:
        """Whether this router made it."""
        lines = (self.origin, self.seq, b64encode(self.root).decode(), f"hash {self.hash.hex()}", f"time {self.at}", "")
        return hmac.compare_digest(hmac.digest(key, "\n".join(map(str, lines)).encode(), "sha256"), self.seal)


def heads_in(text: str) -> Iterator[Head]:
    """Lines of JSON, alone or inside other text, and checkpoints of seven lines."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if '{"origin"' in line:
            row = json.loads(line[line.index('{"origin"') :])
            yield Head(**(row | {name: bytes.fromhex(row[name]) for name in ("hash", "root", "seal")}))
        elif line.startswith("\u2014 ") and i >= 6 and lines[i - 3].startswith("hash "):
            origin, seq, root, hash_, at = lines[i - 6 : i - 1]
            parts = (bytes.fromhex(hash_[5:]), b64decode(root), at[5:], b64decode(line.rpartition(" ")[2])[4:])
            yield Head(origin, int(seq), *parts)


def grow(edge: list[bytes], size: int, leaf: bytes) -> bytes:
    """Put a leaf into the tree of RFC 6962 whose complete parts are in `edge`; the new root."""
    top = sha256(b"\x00" + leaf).digest()
    while size & 1:
        top, size = sha256(b"\x01" + edge.pop() + top).digest(), size >> 1
    edge.append(top)
    for part in reversed(edge[:-1]):
        top = sha256(b"\x01" + part + top).digest()
    return top


def check(lines: list[bytes], keys: dict[str, str], given: list[Head]) -> Iterator[tuple[int, str]]:
    """What is wrong, the first record first."""
    origin, key = json.loads(lines[0])["origin"], bytes.fromhex(keys.get("chain", ""))
    end = next(heads_in(lines[-1].decode()))
    heads = [*(head for head in given if head.origin == origin), end]
    if {end.origin, keys.get("origin", origin)} != {origin} or (given and len(heads) == 1):
        yield 0, "the export, its last line, the keys and the heads are not of one router"
    if keys and not all(head.sealed_with(bytes.fromhex(keys["notes"])) for head in heads):
        yield 0, "a head, or the last line of the export, was not sealed by this router"
    edge, before, good = list[bytes](), bytes(32), 0
    for seq, row in enumerate(map(json.loads, lines[1:-1]), 1):
        kind, body, seal = row["kind"].encode(), row["body"].encode(), bytes.fromhex(row["hash"])
        record = b"%b%c%b%b" % (seq.to_bytes(8, "big"), len(kind), kind, body)
        if row["seq"] != seq:
            yield seq, "the record is missing, or stands in another place"
        if key and hmac.digest(key, before + record, "sha256") != seal:
            yield seq, "the record was edited, moved or put in: its seal does not fit"
        before, root = seal, grow(edge, seq - 1, record + seal)
        for head in (head for head in heads if head.seq == seq):
            if (head.hash, head.root) != (seal, root):
                yield good + 1, f"records {good + 1} to {seq} are not those that the head of {head.at} names"
            good = good if head is end else seq
    if (last := max(heads, key=lambda head: head.seq)).seq > (count := len(lines) - 2) or end.seq != count:
        yield min(end.seq, count) + 1, f"the end is missing: the head of {last.at} names record {last.seq}"
    print(f"{count} records of {origin} are whole; heads kept elsewhere vouch for {good or 'none'} of them")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check an export of localfleet's ledger.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--key", type=Path, help="what `localfleet audit key` wrote")
    parser.add_argument("--heads", nargs="*", type=Path, default=[], help="heads that were kept elsewhere")
    asked = parser.parse_args()
    if not asked.key and not asked.heads:
        parser.error("give --key, --heads or both: without them nothing ties the file to a router")
    known = json.loads(asked.key.read_text("utf-8")) if asked.key else {}
    try:
        noted = [head for file in asked.heads for head in heads_in(file.read_text("utf-8", "replace"))]
        bad = next(check(asked.export.read_bytes().splitlines(), known, noted), None)
    except UNREADABLE:
        bad = (0, "this is no whole export with its heads, or a line of it is no record")
    raise SystemExit(f"record {bad[0]}: {bad[1]}" if bad else 0)
