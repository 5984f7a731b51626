"""
Stand-ins of the same type and shape for what the tables find.

Where a standard sets numbers aside, they come from there, with a checksum that is right: cards under a prefix that no
network issues (ISO/IEC 7812: 9 is for national use), IBANs of the user-assigned country XX (ISO 3166), social security
numbers from the area 9xx and group 10 to 49 (never issued), telephone numbers of the fiction ranges (NANPA 555-01xx,
Ofcom, ARCEP), addresses of RFC 2606, 5737, 3849 and 7042. Where none does, the stand-in has the shape, and a checksum
that is wrong: it can be nobody's number.
"""

import re
from collections.abc import Callable

from localfleet.core.detectors import SECRET_KINDS
from localfleet.core.detectors.checksums import luhn
from localfleet.core.detectors.row import Row
from localfleet.core.redaction.dice import Dice

__all__ = ["stand_in"]

_DIGIT = re.compile(r"[0-9]")
_RUN = re.compile(r"[0-9]+|[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_PREFIX = re.compile(r"[A-Za-z]{1,7}(?:[_-][a-z]{2,8})?[_\-.]")
_HEX = re.compile(r"[0-9a-fA-F:\-]+")
_TRIES = 40
_AREAS = ("202", "212", "303", "404", "512", "617", "702", "804", "916", "971")
_PHONE_SHAPES = (
    (re.compile(r"(?:\+?44|0044)[ ()0\-]{0,4}7"), ("44", "7700900", 3)),
    (re.compile(r"07[0-9]{3}"), ("0", "7700900", 3)),
    (re.compile(r"(?:\+33|0033)"), ("33", "19900", 4)),
    (re.compile(r"0[1-9]([ .\-])[0-9]{2}(?:\1[0-9]{2}){3}$"), ("0", "19900", 4)),
)
_CODE = re.compile(r"(?:\+|00)(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[2-9][0-9]{2})(?![0-9]{13})")
_MAIL_NAMES = ("alex", "chris", "dana", "jamie", "kim", "lee", "morgan", "robin", "sam", "taylor", "jordan", "casey")
_MAIL_HOSTS = ("example.com", "example.org", "example.net")
_STREETS = (
    *("Linden", "Maple", "Cedar", "Willow", "Juniper", "Chestnut", "Sycamore", "Hawthorn", "Laurel", "Magnolia"),
    *("Aspen", "Alder", "Poplar", "Hazel", "Rowan", "Larch"),
)
_STREET_WORDS = frozenset(
    """
    street st avenue ave road rd lane ln drive dr boulevard blvd court ct terrace ter square sq highway hwy parkway pkwy
    place pl way crescent close mews circle cir trail turnpike alley row gardens grove apt apartment suite ste unit flat
    rue avenida avda av calle via viale piazza corso rua travessa praça ul ulica plaza paseo chemin allée impasse quai
    de del della di da do dos la le les du des l d n s e w po p o box apo fpo dpo aa ae ap bis the of and north south
    east west floor room building
    """.split()  # noqa: SIM905  # a list of quoted words of this length reads worse
)
_STREET_TAIL = re.compile(
    r"(?:straße|strasse|str|gasse|weg|platz|allee|straat|laan|plein|gatan|vägen|veien|gata|vej|gade|katu|tie)$"
)


def stand_in(value: str, row: Row, dice: Dice) -> str:
    """One candidate in place of `value`, which `row` found; the caller throws away what is taken or was said before."""
    kind = row.kind
    made = _MAKERS.get(kind)
    if made is not None:
        return made(value, dice)
    if kind in SECRET_KINDS:
        head = _PREFIX.match(value)
        kept = head.end() if head is not None and head.end() < len(value) - 6 else 0
        return value[:kept] + _shaped(value[kept:], dice)
    # What no checksum tells apart ends with the last try, which is as good as any.
    for _ in range(_TRIES):
        candidate = _shaped(value, dice)
        if not row.accept(candidate):
            break
    return candidate


def _shaped(value: str, dice: Dice) -> str:
    """Digits for digits, letters for letters of the same case; all else stays."""
    low, high = ("abcdef", "ABCDEF") if _HEX.fullmatch(value) else _ALPHABETS
    out: list[str] = []
    for char in value:
        if char.isdigit():
            out.append(str(dice.below(10)) if char != "0" or out else "0")
        elif char.isalpha():
            out.append(dice.one_of(high if char.isupper() else low))
        else:
            out.append(char)
    return "".join(out)


_ALPHABETS = ("abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ")


def _filled(value: str, digits: str) -> str:
    """The separators of `value` with other digits."""
    rest = iter(digits)
    return _DIGIT.sub(lambda match: next(rest, match[0]), value)


def _count(value: str) -> int:
    return len(_DIGIT.findall(value))


def _card(value: str, dice: Dice) -> str:
    body = "9999" + dice.digits(_count(value) - 5)
    return _filled(value, body + next(digit for digit in "0123456789" if luhn(body + digit)))


def _iban(value: str, dice: Dice) -> str:
    """Country XX, digits that pass modulo 97, and the rest in the shape it had."""
    letters = [char for char in value if char.isalnum()]
    rest = _shaped("".join(letters[4:]), dice).upper()
    number = int("".join(str(int(char, 36)) for char in rest + "XX00"))
    compact = iter(f"XX{98 - number % 97:02}{rest}")
    return "".join(next(compact) if char.isalnum() else char for char in value)


def _ssn(value: str, dice: Dice) -> str:
    return _filled(value, f"9{dice.digits(2)}{10 + dice.below(40)}{dice.digits(4)}")


def _phone(value: str, dice: Dice) -> str:
    for shape, (code, fiction, digits) in _PHONE_SHAPES:
        if shape.match(value):
            made = code + fiction + dice.digits(digits)
            zeros = "00" if value.startswith("00") else ""
            return _filled(value, (zeros + made).ljust(_count(value), "0"))
    digits_of = "".join(_DIGIT.findall(value))
    if not value.startswith(("+", "00")) or digits_of.startswith("1"):
        national = digits_of[1:] if len(digits_of) >= 11 and digits_of[0] == "1" else digits_of
        if len(national) >= 10 and national[0] in "23456789":
            made = f"{dice.one_of(_AREAS)}55501{dice.digits(2)}"
            return _filled(value, digits_of[: len(digits_of) - len(national)] + made + dice.digits(len(national) - 10))
    head = _CODE.match(value)
    kept = 1 if head is None else _count(head[0])
    # No plan gives out subscriber numbers that begin with two zeros after the country's code or the trunk digit.
    return _filled(value, digits_of[:kept] + "00" + dice.digits(max(0, len(digits_of) - kept - 2)))


def _email(_value: str, dice: Dice) -> str:
    name = dice.one_of(_MAIL_NAMES) + dice.one_of((".", "_", "")) + dice.one_of(_MAIL_NAMES)
    return f"{name}{dice.below(90) + 10}@{dice.one_of(_MAIL_HOSTS)}"


def _ip(value: str, dice: Dice) -> str:
    address, slash, prefix = value.partition("/")
    if ":" in address:
        return f"2001:db8:{dice.below(1 << 16):x}:{dice.below(1 << 16):x}::{dice.below(1 << 16):x}{slash}{prefix}"
    network = dice.one_of(("192.0.2", "198.51.100", "203.0.113"))
    return f"{network}.{1 + dice.below(254)}{slash}{prefix}"


def _mac(value: str, dice: Dice) -> str:
    joint = "-" if "-" in value else ":"
    made = f"00:00:5E:00:53:{dice.below(256):02X}".replace(":", joint)
    return made if value.upper() == value else made.lower()


def _birth_date(value: str, dice: Dice) -> str:
    """Another day, and month where it is a number, of the same year: ages stay nearly right."""
    numbers = list(re.finditer(r"[0-9]+", value))
    year = next((number for number in numbers if len(number[0]) == 4), numbers[-1])
    out: list[str] = []
    end = 0
    for number in numbers:
        made = number[0] if number is year else str(1 + dice.below(12)).zfill(len(number[0]))
        out += [value[end : number.start()], made]
        end = number.end()
    return "".join((*out, value[end:]))


def _coordinates(value: str, dice: Dice) -> str:
    """Digits after the points: the shape stays, the place is another one, not far around the zero of the map."""

    def made(match: re.Match[str]) -> str:
        whole, _, part = match[0].partition(".")
        return f"{dice.below(10 ** min(len(whole), 1))}.{dice.digits(len(part))}"

    return re.sub(r"[0-9]+\.[0-9]+", made, value)


def _street(value: str, dice: Dice) -> str:
    """Another number and another name on the same kind of street; five digits are a code that no post office has."""

    def made(match: re.Match[str]) -> str:
        word = match[0]
        if word.isdigit():
            return (
                "00" + dice.digits(len(word) - 2)
                if len(word) == 5
                else str(1 + dice.below(9)) + dice.digits(len(word) - 1)
            )
        low = word.lower()
        if low in _STREET_WORDS or (len(word) == 2 and word.isupper()):
            return word
        tail = _STREET_TAIL.search(low)
        name = dice.one_of(_STREETS) + (tail[0] if tail is not None and tail.start() > 0 else "")
        return name.upper() if word.isupper() and len(word) > 1 else name.lower() if word.islower() else name

    return _RUN.sub(made, value)


def _bank_code(value: str, dice: Dice) -> str:
    made = _shaped(value, dice)
    return f"{made[:4]}XX{made[6:]}"


_MAKERS: dict[str, Callable[[str, Dice], str]] = {
    "card": _card,
    "iban": _iban,
    "us_ssn": _ssn,
    "phone": _phone,
    "email": _email,
    "ip_address": _ip,
    "mac_address": _mac,
    "birth_date": _birth_date,
    "coordinates": _coordinates,
    "street_address": _street,
    "bank_code": _bank_code,
}
