"""
Secrets known by the name they are given: `password: ...`, `api_key = "..."`, `Authorization: ...`, `curl -u ...`.

The name says that a secret follows; `guess` says whether the value is one or a stand-in.
"""

import re

from localfleet.core.detectors.guess import entropy_bits, looks_like_password, looks_random, placeholder
from localfleet.core.detectors.row import Row
from localfleet.core.detectors.said import is_token

__all__ = ["ROWS"]

_QUOTE = "[\"'`]"
_TOKEN_NAMES = ("token", "secret", "apikey", "api_key", "api-key", "_key", "key", "credential", "auth")
_ASSIGN = rf"[\w.\-]{{0,24}}(?:\\?{_QUOTE}|\))?(?: (?:string|str))? {{0,3}}(?:=>|:=|\?=|=|:|,(?= ?{_QUOTE})|>)\s{{0,8}}"
_TOKEN_ASSIGNED = re.compile(
    rf"(?:token|secret|key|credential|auth){_ASSIGN}(?:\\?{_QUOTE})?(?P<v>[a-z0-9+/=_.~\-:]{{16,400}}+)(?![\w(\[{{@#*])"
)
_TOKEN_QUOTED = re.compile(
    rf"(?i:token|secret|key|credential|auth){_ASSIGN}\\?(?P<q>{_QUOTE})(?P<v>[^\s\"'`<>(){{}}]{{16,200}})(?P=q)"
)
_PASSWORD_QUOTED = re.compile(
    rf"(?:passw(?:or)?d|passphrase|pwd|pass){_ASSIGN}\\?{_QUOTE}(?P<v>[^\"'`\n\\]{{6,100}})\\?{_QUOTE}"
)
_PASSWORD_PLAIN = re.compile(
    r"(?:passw(?:or)?d|passphrase|passcode|pwd|passwort|contraseña|[_&?]pass)(?: {0,2}[:=]{1,2} {0,2})"
    r"(?P<v>[^\s\"'`<>;,()\[\]{}]{6,100})(?![\w(\[{])"
)
_AUTHORIZATION = re.compile(
    rf"(?:authorization|x-api-key|api-?key|api-token|x-auth-token|private-token|access-token){_QUOTE}?\s{{0,3}}[:=]\s{{0,3}}{_QUOTE}?"
    r"(?:(?:bearer|basic|token|apikey|api-token|digest) {1,3})?(?P<v>[a-z0-9._~+/=\-]{10,2000})(?![\w(\[{])"
)
_NETRC = re.compile(r"\blogin\s{1,4}\S{1,64}\s{1,4}password\s{1,4}(?P<v>\S{4,100})")
_ATTRIBUTE = re.compile(
    rf"(?:key|name)={_QUOTE}[\w.\-:]{{0,40}}(?:token|secret|key|passw(?:or)?d|pwd|credential|auth)[\w.\-]{{0,24}}{_QUOTE}"
    rf"\s{{1,4}}value={_QUOTE}(?P<v>[^\s\"'`<>]{{8,400}}){_QUOTE}"
)
# Keys that open nothing: of tables, caches, pairs.
_NO_SECRET = re.compile(
    r"(?:public|primary|foreign|cache|partition|sort|shard|row|object|unique|dedup|idempotency|routing)"
    rf"[_\-. ]?key\w{{0,8}}{_QUOTE}?\s{{0,3}}(?:=>|:=|=|:)\s{{0,3}}{_QUOTE}?$"
)
_CURL_USER = re.compile(
    r"(?:\s-u|--user|--proxy-user)[ =]{0,2}[\"']?[^\s\"':]{0,64}[\"']?:[\"']?(?P<v>[^\s\"']{3,100})"
)
_DOTTED_WORDS = re.compile(r"[a-zA-Z]\w{0,40}\.[a-zA-Z]\w{0,40}")
_THREE_DIGITS = re.compile(r"[0-9]{3}")


def _is_odd_token(value: str) -> bool:
    """Whether a quoted value of any alphabet is in no order: as a token, and with much in it."""
    return looks_random(value) and entropy_bits(value) >= 3.7 and "," not in value


def _is_attribute(value: str) -> bool:
    """Whether a setting's value is a credential: a token or a password."""
    return is_token(value) or looks_like_password(value)


def _is_quoted_password(value: str) -> bool:
    """Whether it could be one; two words with a dot are a variable's name, but not in quotes with digits behind."""
    dotted = _DOTTED_WORDS.fullmatch(value) is not None and _THREE_DIGITS.search(value) is not None
    return looks_like_password(value) or (dotted and looks_like_password(value.replace(".", "")))


def _is_header_value(value: str) -> bool:
    """Whether a header's value is a credential and not the name of a scheme or variable."""
    return not placeholder(value) and any(char.isdigit() or char == "=" for char in value)


def _is_curl_password(value: str) -> bool:
    value = value.strip("{}")
    if placeholder(value):
        return False
    return looks_like_password(value) or (len(value) >= 8 and value.lower() != value != value.upper())


ROWS = (
    Row(
        kind="authorization",
        needs=("authorization", "api-key", "apikey", "-token"),
        pattern=_AUTHORIZATION,
        lowered=True,
        accept=_is_header_value,
    ),
    Row(kind="assigned_secret", needs=("value=",), pattern=_ATTRIBUTE, lowered=True, accept=_is_attribute),
    Row(kind="password", needs=("login",), pattern=_NETRC, lowered=True, accept=looks_like_password),
    Row(kind="password", needs=("curl ",), pattern=_CURL_USER, accept=_is_curl_password),
    Row(
        kind="assigned_secret",
        needs=("token", "secret", "key", "credential", "auth"),
        pattern=_TOKEN_ASSIGNED,
        unless=_NO_SECRET,
        lowered=True,
        accept=is_token,
    ),
    Row(
        kind="assigned_secret",
        needs=("token", "secret", "key", "credential", "auth"),
        pattern=_TOKEN_QUOTED,
        unless=_NO_SECRET,
        accept=_is_odd_token,
    ),
    Row(kind="password", needs=("pass", "pwd"), pattern=_PASSWORD_QUOTED, lowered=True, accept=_is_quoted_password),
    Row(
        kind="password",
        needs=("passw", "passphrase", "passcode", "pwd", "contraseña", "_pass", "&pass", "?pass"),
        pattern=_PASSWORD_PLAIN,
        lowered=True,
        accept=looks_like_password,
    ),
)
