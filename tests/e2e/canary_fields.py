"""
A place of a request in which words can stand (`Field`), and the places that all APIs share: headers, query, path.

The places of each API are in `canary_chat.py`, `canary_openai.py` and `canary_messages.py`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Field", "Json", "Place", "Wire", "escaped", "fields_of", "transport_fields", "words"]

Json = dict[str, Any]
Fragment = Callable[[str], Json]


class Place(StrEnum):
    """Where on the wire a field is. Only the body may travel on; headers, query and path never do."""

    BODY = "body"
    HEADER = "header"
    PATH = "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One request as it goes out. `key` names the API key to use: `plain` or `restricted`."""

    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    key: str = "plain"

    @property
    def everything(self) -> bytes:
        """All bytes that carry the caller's words."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return f"{self.path}\r\n{head}\r\n".encode("latin-1") + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    One place for a canary.

    `fragment` gives the top-level members of a body (or the headers, or `{"path": ...}`) with the canary in its place.
    `unreadable` fields hold what nobody can read, so law 2 makes the request restricted. `answered` fields may come
    back in a good answer (a schema's property names, a tool's name). `raw` fields give the whole body as JSON text.
    """

    name: str
    fragment: Fragment
    place: Place = Place.BODY
    unreadable: bool = False
    answered: bool = False
    raw: bool = False

    def put(self, base: Mapping[str, Any], canary: str) -> Json:
        """A body with the canary planted; for headers and paths the body as it was."""
        return {**base, **self.fragment(canary)} if self.place is Place.BODY and not self.raw else dict(base)


def fields_of(
    table: Mapping[str, Fragment], *, unreadable: Sequence[str] = (), answered: Sequence[str] = ()
) -> tuple[Field, ...]:
    """Fields from a table of names and fragments; the two lists name prefixes of those that are special."""
    return tuple(
        Field(
            name=name,
            fragment=fragment,
            unreadable=name.startswith(tuple(unreadable)),
            answered=name.startswith(tuple(answered)),
        )
        for name, fragment in table.items()
    )


def words(canary: str) -> str:
    """A sentence with the canary in it."""
    return f"Please remember the word {canary} until tomorrow."


def escaped(value: Any) -> str:
    r"""JSON text in which every letter of every string is a `\u` escape: the same value, other bytes."""
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass")
        return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)) + '"'
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{escaped(str(key))}:{escaped(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(escaped(inner) for inner in value) + "]"
    return json.dumps(value)


HEADERS = (
    "user-agent",
    "x-request-id",
    "x-custom",
    "x-api-key",
    "api-key",
    "cookie",
    "referer",
    "accept-language",
    "traceparent",
    "baggage",
    "x-forwarded-for",
    "forwarded",
    "via",
    "idempotency-key",
    "openai-organization",
    "openai-project",
    "openai-beta",
    "anthropic-beta",
    "anthropic-version",
    "x-stainless-helper-method",
    "x-localfleet-session",
    "x-localfleet-action",
    "x-localfleet-task",
    "x-localfleet-request-id",
    "x-localfleet-unknown",
    "x-localfleet-max-cost-usd",
    "x-localfleet-deadline-ms",
    "x-localfleet-priority",
    "x-litellm-api-key",
    "trailer",
)


def transport_fields(path: str) -> tuple[Field, ...]:
    """The places outside the body of a POST to `path`."""
    headers = [Field(name=f"header {name}", fragment=_header(name), place=Place.HEADER) for name in HEADERS]
    name_field = Field(name="header name", fragment=lambda c: {f"x-{c.lower()}": "1"}, place=Place.HEADER)
    content_type = Field(
        name="header content-type parameter",
        fragment=lambda c: {"content-type": f"application/json; note={c}"},
        place=Place.HEADER,
    )
    paths: dict[str, Fragment] = {
        "query value": lambda c: {"path": f"{path}?note={c}"},
        "query key": lambda c: {"path": f"{path}?{c}=1"},
        "path below": lambda c: {"path": f"{path}/{c}"},
        "path beside": lambda c: {"path": f"/v1/{c}"},
        "path escaped": lambda c: {"path": f"/v1/%43{c}"},
    }
    bent = [Field(name=name, fragment=fragment, place=Place.PATH) for name, fragment in paths.items()]
    return (*headers, name_field, content_type, *bent)


def _header(name: str) -> Fragment:
    return lambda canary: {name: canary}
