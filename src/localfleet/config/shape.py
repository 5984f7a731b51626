"""What every section of `models.yaml` is made of: the strict base class, and the types that several sections share."""

import ipaddress
import re
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "RESERVED",
    "LabelWord",
    "ModelRef",
    "Name",
    "Place",
    "Shape",
    "Usd",
    "check_outside_url",
    "check_url",
    "is_loopback",
    "shown_variable",
]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="a short lower-case name")]
Place = Annotated[str, Field(pattern=r"^[^\s.\[\]]+(?:\[\])*(?:\.[^\s.\[\]]+(?:\[\])*)*$")]
ModelRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$")]
Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
LabelWord = Literal["public", "internal", "restricted"]
RESERVED = frozenset({"auto", "local"})
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
"""How variables are usually named, and keys hardly ever."""


class Shape(BaseModel):
    """Every section: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine by a loopback address or `localhost`."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str) -> None:
    """Raise `ValueError` for a URL that is not a plain base URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "a URL starts with http:// or https:// and names a host"
        raise ValueError(msg)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "a URL here has no user, password, query or fragment; keys go to `api_key_env:`"
        raise ValueError(msg)
    if parts.port == 0:  # reading it refuses any other impossible port
        msg = "port 0 is no port to connect to"
        raise ValueError(msg)


def check_outside_url(url: str, risk: str) -> None:
    """`check_url`, and raise `ValueError` with the `risk` for plain http to anywhere but this machine."""
    check_url(url)
    if url.startswith("http:") and not is_loopback(url):
        msg = f"over plain http {risk}: use https"
        raise ValueError(msg)


def shown_variable(name: str) -> str:
    """The name, for messages; not where it looks like a key that was written where its variable's name belongs."""
    return name if VARIABLE.fullmatch(name) else "named here"
