"""
What can make a request restricted (`Source`), and how to put it into any body of any API.

`SECTIONS` are the parts of `models.yaml` that the rules and tasks here need; `EVIDENCE` is what detectors must find.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from canary_fields import Json, Wire

from localfleet.core.ask import WORDLESS, Api

__all__ = [
    "EVIDENCE",
    "HEADERS",
    "LISTS",
    "METADATA",
    "PICTURES",
    "SECTIONS",
    "Source",
    "applies",
    "asked_for",
    "followed_up",
    "head_of",
    "restricted",
    "session_of",
    "with_chunk",
    "with_picture",
    "with_source",
    "with_text",
]

SECTIONS: Json = {
    "privacy": {
        "default": "internal",
        "rules": [
            {"name": "bluebird", "words": ["bluebird"]},
            {"name": "case_number", "pattern": "CASE-[0-9]{6}"},
            {"name": "legal", "field": "metadata.department", "equals": ["legal"]},
        ],
    },
    "tasks": {
        "payroll": {"first": "local", "fallback": ["mini"], "label": "restricted"},
        "smalltalk": {"first": "mini", "fallback": ["claude", "local"]},
    },
}


class Source(StrEnum):
    """One way for a request to be restricted; `NONE` is the request that may leave."""

    NONE = "none"
    HEADER = "header"
    HEADER_SHOUTED = "header in capitals"
    HEADER_TWICE = "header twice, public first"
    HEADER_UNKNOWN = "header with an unknown label"
    METADATA = "metadata"
    KEY = "key default"
    TASK = "task by header"
    TASK_METADATA = "task by metadata"
    RULE_WORDS = "operator rule, words"
    RULE_PATTERN = "operator rule, pattern"
    RULE_FIELD = "operator rule, field"
    CARD = "card number"
    EMAIL = "e-mail address"
    IBAN = "bank account"
    PRIVATE_KEY = "private key"
    CLOUD_KEY = "cloud credential"
    SESSION = "session"
    CONVERSATION = "conversation"
    PREVIOUS_RESPONSE = "previous response"
    PICTURE = "unreadable picture"
    CHUNK = "labelled chunk"
    KNOWN_CHUNK = "chunk that was labelled in another conversation"


EVIDENCE: Mapping[Source, str] = {
    Source.RULE_WORDS: "The name of the project is Bluebird.",
    Source.RULE_PATTERN: "See CASE-204417 for more.",
    Source.CARD: "My card is 4111 1111 1111 1111, please book.",
    Source.EMAIL: "Write to anna.schmidt@kundenbank.de today.",
    Source.IBAN: "Pay to DE89 3704 0044 0532 0130 00 at once.",
    Source.PRIVATE_KEY: (
        "-----BEGIN RSA PRIVATE KEY-----\n"
        "MIIEpAIBAAKCAQEAy8Dbv8prpJ/0kKhlGeJYozo2t60EG8L0561g13R29LvMR5hy\n"
        "-----END RSA PRIVATE KEY-----"
    ),
    Source.CLOUD_KEY: "aws_access_key_id = AKIAQYLPMN5HHHFPZAM2",
}
CHUNK = "The memo about the capital of France lies in the third drawer of the old cabinet."
"""`asked_for` gives each case a capital, and so a chunk, of its own."""
HEADERS: Mapping[Source, tuple[tuple[str, str], ...]] = {
    Source.HEADER: (("x-localfleet-privacy", "restricted"),),
    Source.HEADER_SHOUTED: (("X-LocalFleet-Privacy", " RESTRICTED "),),
    Source.HEADER_TWICE: (("x-localfleet-privacy", "public"), ("x-localfleet-privacy", "restricted")),
    Source.HEADER_UNKNOWN: (("x-localfleet-privacy", "top-secret"),),
    Source.TASK: (("x-localfleet-task", "payroll"),),
}
METADATA: Mapping[Source, Json] = {
    Source.METADATA: {"privacy": "restricted"},
    Source.TASK_METADATA: {"task": "payroll"},
    Source.RULE_FIELD: {"department": "legal"},
}
LISTS: Mapping[Api, str] = {
    Api.CHAT: "messages",
    Api.MESSAGES: "messages",
    Api.RESPONSES: "input",
    Api.COMPLETION: "prompt",
    Api.EMBEDDING: "input",
    Api.RERANK: "documents",
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
PICTURES: Mapping[Api, Json] = {
    Api.CHAT: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    Api.RESPONSES: {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
    Api.MESSAGES: {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
}


def applies(source: Source, api: Api, body: Mapping[str, Any], header_names: frozenset[str]) -> bool:
    """Whether this source can be added to a body without undoing the canary's own place in it."""
    if header_names & {name.lower() for name, _ in head_of(source, "")}:
        return False
    if source in METADATA:
        present = body.get("metadata", {})
        return isinstance(present, Mapping) and not present.keys() & METADATA[source].keys()
    if source is Source.PREVIOUS_RESPONSE:
        return api is Api.RESPONSES and "previous_response_id" not in body and "conversation" not in body
    if source in {Source.CONVERSATION, Source.PICTURE}:
        return api in PICTURES and isinstance(body.get(LISTS[api]), list)
    return True


def head_of(source: Source, canary: str) -> tuple[tuple[str, str], ...]:
    """The headers this source adds."""
    if source is Source.SESSION:
        return (("x-localfleet-session", session_of(canary)),)
    return HEADERS.get(source, ())


def session_of(canary: str) -> str:
    """A session name of this case, without a letter of the canary."""
    return f"session-{hashlib.sha256(canary.encode()).hexdigest()[:12]}"


def asked_for(canary: str, text: str) -> str:
    """
    The JSON text of a body, asking for the capital of a country of this case's own.

    The same question in two cases would be one conversation, and restricted for good once one of them was.
    """
    digest = hashlib.sha256(b"country" + canary.encode()).digest()
    country = "".join(chr(ord("a") + byte % 26) for byte in digest[:10]).capitalize()
    return text.replace("capital of France", f"capital of {country}")


def with_source(source: Source, api: Api, body: Json, *, first: bool) -> Json:
    """The body with what this source adds; evidence stands before or after the caller's own words."""
    if source in METADATA:
        return {**body, "metadata": {**body.get("metadata", {}), **METADATA[source]}}
    if source in EVIDENCE:
        return with_text(api, body, EVIDENCE[source], first=first)
    if source is Source.PICTURE:
        return with_picture(api, body)
    if source is Source.CHUNK:
        return with_chunk(body)
    if source is Source.KNOWN_CHUNK:
        return with_text(api, body, CHUNK, first=first)
    return body


def with_chunk(body: Json) -> Json:
    """The body with a chunk beside it that says itself how sensitive it is."""
    return {**body, "x_chunks": [{"text": CHUNK, "localfleet_label": "restricted"}]}


def with_text(api: Api, body: Json, text: str, *, first: bool = False) -> Json:
    """The body with one more text: a turn, a prompt or an input; where there is no place, an unknown field."""
    name = LISTS[api]
    present = body.get(name)
    single = api in {Api.COMPLETION, *WORDLESS}
    if isinstance(present, str) and (single or api is Api.RESPONSES):
        return {**body, name: f"{text}\n{present}" if first else f"{present}\n{text}"}
    if isinstance(present, list):
        added: Any = text if single else {"role": "user", "content": text}
        return {**body, name: [added, *present] if first else [*present, added]}
    return {**body, "x_extra": text}


def with_picture(api: Api, body: Json) -> Json:
    """The body with one more turn, which is a picture."""
    turn = {"role": "user", "content": [PICTURES[api]]}
    return {**body, LISTS[api]: [*body[LISTS[api]], turn]}


def followed_up(api: Api, body: Json, answer: str) -> Json:
    """The next request of the same conversation: the same turns, the answer, and a harmless question."""
    turns = [{"role": "assistant", "content": answer}, {"role": "user", "content": "Thanks. And of Italy?"}]
    return {**body, LISTS[api]: [*body[LISTS[api]], *turns]}


def restricted(wire: Wire) -> Wire:
    """The same request, labelled restricted by its header."""
    kept = [pair for pair in wire.headers if pair[0].lower() != "x-localfleet-privacy"]
    headers = (*kept, ("x-localfleet-privacy", "restricted"))
    return Wire(path=wire.path, headers=headers, body=wire.body, key=wire.key)
