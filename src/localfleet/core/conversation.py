"""
Recognising a conversation without keeping its words: keyed fingerprints of its prefixes.

A request with turns t1..tk has k prefix fingerprints; a restricted one is remembered by the longest. The next request
of the same conversation starts with the same turns and so meets it, whatever headers the client forgot. Keyed
(BLAKE2b, RFC 7693) and bound to the caller, so that a stolen ledger confirms no guess of a text and callers do not
taint each other.
"""

from hashlib import blake2b

from localfleet.core.ask import Ask

__all__ = ["action_name", "action_print", "answer_print", "name_print", "prefix_prints", "prints_of", "session_print"]

DIGEST_BYTES = 16
RISING = slice(len("resp_"), len("resp_") + 12)
"""Where an id of ours says its time, in hex."""


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
    """The fingerprint of a session: the caller's text, so only its keyed hash is kept."""
    message = f"{kind}\0{caller}\0{name}".encode()
    return blake2b(message, key=key, digest_size=DIGEST_BYTES).digest()


def session_print(ask: Ask, key: bytes) -> bytes | None:
    """The fingerprint of the session that a request names; `None` where it names none."""
    return None if ask.session is None else name_print("session", ask.session, key=key, caller=ask.caller.key_id)


def action_name(name: str, *, key: bytes, key_id: str) -> str:
    """What receipts and reports call a caller's piece of work: 32 hex digits; two keys' works are never the same."""
    return name_print("action", name, key=key, caller=key_id).hex()


def action_print(ask: Ask, key: bytes) -> str | None:
    """The same of the work that a request names; `None` where it names none."""
    return None if ask.action is None else action_name(ask.action, key=key, key_id=ask.caller.key_id)


def answer_print(answer_id: str, *, key: bytes, caller: str) -> bytes:
    """
    The fingerprint of an answer's id: the time the id begins with, then a keyed hash.

    One is remembered for each restricted request. Those that sort beside each other are written to one page of the
    ledger, where hashes alone would go to as many pages as there are: 20 microseconds a request in place of 29.
    """
    digest = name_print("response", answer_id, key=key, caller=caller)
    try:
        return (bytes.fromhex(answer_id[RISING]) + digest)[:DIGEST_BYTES]
    except ValueError:  # not an id of ours
        return digest


def prints_of(ask: Ask, key: bytes) -> list[bytes]:
    """Every fingerprint by which a request may belong to a conversation: prefixes first, then the names it gives."""
    caller = ask.caller.key_id
    prints = list(prefix_prints(ask.turns, key=key, caller=caller))
    sessions = [session for session in (ask.session, ask.also_session) if session is not None]
    prints += [name_print("session", session, key=key, caller=caller) for session in sessions]
    if ask.previous_response is not None:
        prints.append(answer_print(ask.previous_response, key=key, caller=caller))
    return prints
