"""
Secrets that a sentence or a command line gives away: "the key is ...", `mysql -p...`, "el password es ...".

The words that name a secret are those of some twenty languages; the value decides, so that talk about passwords is only
talk.
"""

import re

from localfleet.core.detectors.guess import entropy_bits, looks_like_password, looks_random, placeholder
from localfleet.core.detectors.row import Row

__all__ = ["PASSWORD_WORDS", "ROWS", "is_token"]

PASSWORD_WORDS = (
    *("password", "passcode", "passphrase", "passwort", "kennwort", "contraseña", "mot de passe", "senha"),
    *("palavra-passe", "wachtwoord", "hasło", "lösenord", "passord", "adgangskode", "salasana", "heslo", "şifre"),
    *("parola", "jelszó", "пароль", "パスワード", "密码", "密碼", "口令", "비밀번호"),
)
_TRAILING = ".,;:!?"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PORT = re.compile(r"[@/]|[0-9]{2,5}/")
_APP_PASSWORD = re.compile(r"(?:[a-z]{4} ){3}[a-z]{4}")

_PASSWORD_SAID = re.compile(
    rf"(?:{'|'.join(PASSWORD_WORDS)})[^\n]{{0,48}}?"
    r"(?:\b(?:is|ist|lautet|es|est|é|è|jest|är|er|on|je|to)(?: set to| now| currently)?:?|[:=]|は|是|为|為|은|는)"
    r" {0,2}[\"'`「]?(?P<v>[^\s\"'`,、。」]{8,64})"
)
_BOTH_SAID = re.compile(
    r"(?:\blogins?|\bzugang|\bcredentials|\bidentifiants|\bacceso)\b[^\n]{0,40}?"
    r"(?:\b(?:is|are|ist|son|sont)|[:=]) {0,2}[^\s/|]{2,40} ?[/|] ?(?P<v>[^\s\"'`]{6,64})"
)
_TOKEN_SAID = re.compile(
    r"(?:key|token|secret|credentials?|webhook)[\"'`)]?(?: [a-z]{1,12}){0,3}(?:[:=]| )[ \"'`(]{0,2}"
    r"(?P<v>[a-z0-9+/=_.~\-:]{16,400}+)(?![\w(\[{@#*])"
)
# What a long word after these is: an object's name and no key to anything.
_NAMES_A_THING = re.compile(
    r"(?:commit|sha-?[0-9]{0,3}|md5|hash|digest|checksum|rev|revision|fingerprint|e-?tag|branch|tag|version|build|image|"
    r"file|path|blob|tree|uuid|guid|id|trace|span|request|order|public|primary|foreign|cache|partition|sort|object|row)"
    r"(?:[ _\-]key)?[ \"'`(:=#]{1,4}(?:is |was |of )?[\"'`(]?$"
)
_MYSQL = re.compile(r"\bmysql(?:dump|admin|import|show|check|pump|sh)?\b[^\n|;]{0,80}? -p(?P<v>[^\s\"'$]{6,64})")
_OPTION = re.compile(
    r"(?:(?:\b(?:docker|podman|helm|oras|nerdctl|az|oc|cf|argocd)\b[^\n]{0,60}?\blogin\b[^\n]{0,80}?|\bsshpass) -p"
    r"|\bredis-cli\b[^\n]{0,60}? -a|--(?:[a-z]{1,12}-){0,3}(?:password|passwd|pass|pwd)"
    r"|net use [^\n]{0,80}?/user:\S{1,60})"
    r"[ =]{1,2}[\"']?(?P<v>[^\s\"']{6,64})"
)
_TOKEN_OPTION = re.compile(
    r"--(?:[a-z]{1,12}-){0,3}(?:token|secret|key)(?:-[a-z]{1,8})? {1,2}[\"']?"
    r"(?P<v>[a-z0-9+/=_.~\-:]{16,400}+)(?![\w(\[{@#*])"
)
_SAMBA = re.compile(r" -u [\"']?[^\s%\"']{1,40}%(?P<v>[^\s\"']{6,64})")
_LOGIN_CALL = re.compile(r"\.login\(\s{0,4}[\"'][^\"'\n]{1,80}[\"'],\s{0,4}[\"'](?P<v>[^\"'\n]{8,64})[\"']")
_COOKIE = re.compile(
    r"cookie[\"']?\s{0,2}[:=][^\n]{0,200}?(?:sess|sid|auth|token|jwt|remember)[\w.\-]{0,24}=(?P<v>[^\s;\"',]{20,400})"
)
# Twelve to twenty-four small words behind a wallet's word (BIP 39).
_SEED = re.compile(
    r"(?:\bseed|\bmnemonic|\brecovery phrase|\bsecret phrase)[^\n:=]{0,24}[:=]\s{0,2}[\"'`]?"
    r"(?P<v>(?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8})(?![a-z])"
)
_PROSE = frozenset(
    [
        "the",
        "and",
        "for",
        "are",
        "with",
        "was",
        "not",
        "but",
        "how",
        "which",
        "can",
        "has",
        "from",
        "will",
        "into",
        "your",
    ]
)
_CODE_WORD = r"\b(?:pin|(?:door|gate|alarm|entry|safe|lock|garage|access|keypad)[ \-](?:code|pin))\b"
_CODE = re.compile(
    _CODE_WORD + r"(?! code)[^\n.?!]{0,32}?"
    r"(?:\b(?:is|ist|es|est|to)\b|[:=]) {0,2}(?P<v>#?[0-9]{4,8}#?)(?![0-9.,/]?[0-9])(?! (?:digits|characters|times))"
)
_SIX = re.compile(r"#?([0-9])\1+#?")


def is_token(value: str) -> bool:
    """Whether a value reads like a generated token, the mark after the sentence aside."""
    bare = value.rstrip(_TRAILING)
    return looks_random(bare) or (_UUID.fullmatch(bare) is not None and len(set(bare)) > 6)


def _is_said_password(value: str) -> bool:
    """In a sentence the bar is higher: a digit, a letter, and a symbol or both cases; words and dates fall through."""
    bare = value.rstrip(_TRAILING)
    digit = any(char.isdigit() for char in bare)
    odd = any(not char.isalnum() for char in bare) or bare.lower() != bare != bare.upper()
    code = "(" in bare or "://" in bare or _PORT.match(bare) is not None
    return digit and odd and not code and looks_like_password(bare)


def _is_option(value: str) -> bool:
    """Whether an option's value is a password and no other option, path or variable."""
    return value[0] not in "-/.%{" and looks_like_password(value)


def _is_login(value: str) -> bool:
    """Whether the second argument is a password, or four groups of four letters as mail providers give them out."""
    return looks_like_password(value) or _APP_PASSWORD.fullmatch(value) is not None


def _is_cookie(value: str) -> bool:
    return looks_random(value) or (entropy_bits(value) >= 4.0 and not placeholder(value))


def _is_seed(value: str) -> bool:
    """Whether words say nothing together: a sentence has little words, and hardly repeats none."""
    words = value.replace(",", " ").split()
    return _PROSE.isdisjoint(words) and len(set(words)) >= len(words) - 2


def _is_code(value: str) -> bool:
    """Whether a number opens a door: not one digit over and over, not counted up, no year."""
    bare = value.strip("#")
    return _SIX.fullmatch(value) is None and bare not in "0123456789" and bare[:2] not in {"19", "20"}


ROWS = (
    Row(kind="private_key", needs=("seed", "mnemonic", "phrase"), pattern=_SEED, lowered=True, accept=_is_seed),
    Row(kind="assigned_secret", needs=("cookie",), pattern=_COOKIE, lowered=True, accept=_is_cookie),
    Row(kind="password", needs=("mysql",), pattern=_MYSQL, lowered=True, accept=_is_option),
    Row(
        kind="password",
        shape=r"--[a-z\-]*(?:pass|pwd)|\blogin[^\n]* -p |\bsshpass|\bredis-cli|net use",
        pattern=_OPTION,
        lowered=True,
        accept=_is_option,
    ),
    Row(
        kind="assigned_secret",
        shape=r"--[a-z\-]*(?:token|secret|key)",
        pattern=_TOKEN_OPTION,
        lowered=True,
        accept=is_token,
    ),
    Row(kind="password", needs=(" -u ",), pattern=_SAMBA, lowered=True, accept=_is_option),
    Row(kind="password", needs=(".login(",), pattern=_LOGIN_CALL, accept=_is_login),
    Row(kind="password", needs=PASSWORD_WORDS, pattern=_PASSWORD_SAID, lowered=True, accept=_is_said_password),
    Row(
        kind="password",
        needs=("login", "zugang", "credentials", "identifiants", "acceso"),
        pattern=_BOTH_SAID,
        lowered=True,
        accept=_is_said_password,
    ),
    Row(
        kind="assigned_secret",
        needs=("key", "token", "secret", "credential", "webhook"),
        pattern=_TOKEN_SAID,
        unless=_NAMES_A_THING,
        lowered=True,
        accept=is_token,
    ),
    Row(kind="password", shape=_CODE_WORD, pattern=_CODE, lowered=True, accept=_is_code),
)
