"""
Recognising a conversation without keeping its words: keyed fingerprints of its prefixes.

A request with turns t1..tk has k prefix fingerprints; a restricted one is remembered by the longest. The next request
of the same conversation starts with the same turns and so meets it, whatever headers the client forgot. Keyed
(BLAKE2b, RFC 7693) and bound to the caller, so that a stolen ledger confirms no guess of a text and callers do not
taint each other.
"""

from hashlib import blake2b

__all__ = ["name_print", "prefix_prints"]

DIGEST_BYTES = 16


def prefix_prints(turns: tuple[bytes, ...], *, key: bytes, caller: str) -> tuple[bytes, ...]:
    """One 16-byte fingerprint per prefix of `turns`, shortest first."""
    running = blake2b(caller.encode(), key=key, digest_size=DIGEST_BYTES)
    prints = []
    for turn in turns:
        # The length goes first, so that no two different lists of turns feed the same bytes.
        running.update(len(turn).to_bytes(8, "big"))
        running.update(turn)
        prints.append(running.copy().digest())
    return tuple(prints)


def name_print(kind: str, name: str, *, key: bytes, caller: str) -> bytes:
    """The fingerprint of a session or of a response id: the caller's text, so only its keyed hash is kept."""
    message = f"{kind}\0{caller}\0{name}".encode()
    return blake2b(message, key=key, digest_size=DIGEST_BYTES).digest()
