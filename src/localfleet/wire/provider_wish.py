"""
What a request demands of providers, from `metadata.provider_policy`: one short text, for OpenAI's metadata are texts.

    zero_data_retention, no_training, retention_days=30, jurisdictions=DE|EU, exclude_jurisdictions=CN

It is added to what the operator demands, so it can shut doors and open none. What cannot be read is refused: to guess
would be to let text go where its writer did not want it.
"""

from collections.abc import Mapping
from typing import Any

from localfleet.core.data_policy import NO_DEMAND, Demand
from localfleet.errors import BadAsk

__all__ = ["read_demand"]

MOST_CHARACTERS = 512
FLAGS = frozenset({"no_training", "zero_data_retention"})
LISTS = frozenset({"regions", "jurisdictions", "exclude_jurisdictions", "subprocessors"})


def read_demand(value: Any) -> Demand:
    """The demand that a text writes; raise `BadAsk` for any other value."""
    if value is None:
        return NO_DEMAND
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise _unread()
    parts = [part.strip().partition("=") for part in value.split(",")]
    if len({name for name, _, _ in parts}) != len(parts):
        raise _unread()
    fields: Mapping[str, Any] = {name.strip(): _read(name.strip(), said, text.strip()) for name, said, text in parts}
    return Demand(**fields)


def _read(name: str, said: str, text: str) -> bool | int | frozenset[str]:
    if name in FLAGS and not said:
        return True
    if name == "retention_days" and text.isascii() and text.isdigit() and len(text) <= 5:
        return int(text)
    words = [word.strip() for word in text.split("|")]
    if name in LISTS and said and all(words):
        return frozenset(_spelled(name, word) for word in words)
    raise _unread()


def _spelled(name: str, word: str) -> str:
    """As `models.yaml` writes it: capital letters for countries, lower case for regions, companies as they are."""
    return word if name == "subprocessors" else word.lower() if name == "regions" else word.upper()


def _unread() -> BadAsk:
    return BadAsk(
        "`metadata.provider_policy` is a text such as `zero_data_retention, retention_days=30, "
        "exclude_jurisdictions=CN`; docs/reference/http.md has the words.",
        param="metadata",
    )
