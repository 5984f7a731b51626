"""Values for bench/fresh_grammar.py: identifiers with checksums, credentials in documented shapes, disguises. CC0."""

import base64
import hashlib
import random
import string
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.cn import ric
from stdnum.es import dni
from stdnum.fr import nir
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale

__all__ = ["BLANKS", "DRESSES", "MAKERS"]

Make = Callable[[random.Random], str]
ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"
WORDS = {
    name: ways.split(" | ")
    for name, is_word, ways in (
        line.partition(" = ")
        for line in (Path(__file__).resolve().parent / "grammar/values.txt").read_text(encoding="utf-8").splitlines()
    )
    if is_word
}
CLASSES = {
    "?": ALNUM,
    "!": URLSAFE,
    "#": string.digits,
    "%": "0123456789abcdef",
    "^": string.ascii_uppercase + "234567",
}
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def run(rng: random.Random, chars: str, many: int) -> str:
    """Characters of a class, any of them as likely."""
    return "".join(rng.choice(chars) for _ in range(many))


def digits(rng: random.Random, many: int) -> str:
    """A number that does not begin with nought."""
    return rng.choice("123456789") + run(rng, string.digits, many - 1)


def shaped(rng: random.Random, shape: str) -> str:
    """A token: each mark of `CLASSES` with a count is so many characters, all else stands for itself."""
    made, at = "", 0
    while at < len(shape):
        end = at + 1
        while end < len(shape) and shape[end].isdigit():
            end += 1
        if shape[at] in CLASSES and end > at + 1:
            made, at = made + run(rng, CLASSES[shape[at]], int(shape[at + 1 : end])), end
        else:
            made, at = made + shape[at], at + 1
    return made


def phone(rng: random.Random) -> str:
    """A telephone number of one of many plans."""
    return "".join(rng.choice(string.digits) if char == "#" else char for char in rng.choice(WORDS["PHONES"]))


def email(rng: random.Random) -> str:
    """An address of somebody."""
    one, two = rng.choice(WORDS["FIRST"]).lower(), rng.choice(WORDS["LAST"]).lower()
    name = rng.choice([f"{one}.{two}", f"{one[0]}{two}", f"{two}{rng.randrange(60, 99)}", f"{one}_{two}"])
    return f"{name}@{rng.choice(WORDS['HOSTS'])}"


def account(rng: random.Random) -> str:
    """An IBAN of one of five countries, with and without spaces."""
    country, length = rng.choice([("DE", 18), ("NL", 0), ("BE", 12), ("AT", 16), ("CH", 17)])
    body = digits(rng, length) if length else rng.choice(["ABNA", "INGB"]) + digits(rng, 10)
    if country == "BE":
        body = body[:10] + f"{int(body[:10]) % 97 or 97:02d}"
    made = country + iban.calc_check_digits(country + "00" + body) + body
    return rng.choice([made, " ".join(made[at : at + 4] for at in range(0, len(made), 4))])


def card(rng: random.Random) -> str:
    """A card of one of three makes."""
    start, length = rng.choice([("4", 16), ("52", 16), ("37", 15)])
    body = start + run(rng, string.digits, length - len(start) - 1)
    made = body + luhn.calc_check_digit(body)
    groups = (made[:4], made[4:10], made[10:]) if length == 15 else tuple(made[at : at + 4] for at in range(0, 16, 4))
    return rng.choice(["", " ", "-"]).join(groups)


def date(rng: random.Random) -> str:
    """A date in one of four manners."""
    day, month, year = rng.randrange(1, 29), rng.randrange(1, 13), rng.randrange(1938, 2006)
    return rng.choice(
        [f"{day:02d}.{month:02d}.{year}", f"{year}-{month:02d}-{day:02d}", f"{month:02d}/{day:02d}/{year}"]
    )


def born(rng: random.Random, form: str) -> str:
    """A date of birth as numbers of states begin."""
    return form.format(y=rng.randrange(50, 99), m=rng.randrange(1, 13), d=rng.randrange(1, 29))


def tax_code(rng: random.Random) -> str:
    """Italy's."""
    names = run(rng, "BCDFGLMNPRSTV", 6)
    body = names + f"{rng.randrange(50, 99)}{rng.choice('ABCDEHLMPRST')}{rng.randrange(1, 29):02d}"
    body += rng.choice(["H501", "F205", "L219"])
    return body + codicefiscale.calc_check_digit(body)


def weighted(body: str, weights: tuple[int, ...], modulus: int) -> int:
    """A sum of digits times weights."""
    return sum(int(digit) * weight for digit, weight in zip(body, weights, strict=False)) % modulus


def valid(make: Make, check: Callable[[str], str]) -> Make:
    """The first body whose check digit is one digit, with it."""

    def made(rng: random.Random) -> str:
        while True:
            body = make(rng)
            last = check(body)
            if len(last) == 1:
                return body + last

    return made


def vin(rng: random.Random) -> str:
    """A vehicle's number with its check digit at place nine."""
    chars = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
    body = "WVW" + run(rng, chars, 14)
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = (
        sum(
            (values.get(char) or int(char) if not char.isdigit() else int(char)) * w
            for char, w in zip(body, weights, strict=True)
        )
        % 11
    )
    return body[:8] + ("X" if total == 10 else str(total)) + body[9:]


def wallet(rng: random.Random) -> str:
    """A pay-to-hash address."""
    raw = b"\0" + rng.randbytes(20)
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, made = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        made = BASE58[rest] + made
    return "1" + made


def pem(rng: random.Random) -> str:
    """A private key's block."""
    body = base64.b64encode(rng.randbytes(240)).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    kind = rng.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY"])
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"


def password(rng: random.Random) -> str:
    """As people and generators make them."""
    words = ["Kestrel", "walnut", "Tango", "brisket", "Oslo"]
    made = [rng.choice(words) + rng.choice("!#%&") + digits(rng, 4), run(rng, ALNUM + "!#%&+", 14)]
    return rng.choice(made)


def dsn(rng: random.Random) -> str:
    """A connection string."""
    scheme = rng.choice(["postgresql", "mysql", "amqp", "mongodb+srv", "redis"])
    user = rng.choice(["app", "svc_web", "reader"])
    return f"{scheme}://{user}:{run(rng, ALNUM, 16)}@db{rng.randrange(9)}.prod.lan/core"


def either(text: str) -> Make:
    """One of several words."""
    words = text.split("|")
    return lambda rng: rng.choice(words)


def number(many: int) -> Make:
    """So many digits."""
    return lambda rng: digits(rng, many)


def hexes(many: int) -> Make:
    """So many hexadecimal digits."""
    return lambda rng: run(rng, CLASSES["%"], many)


def spoken(text: str) -> str:
    """Digits as words."""
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return " ".join(names[int(char)] for char in text if char.isdigit())


MAKERS: dict[str, Make] = {
    "FIRST": lambda rng: rng.choice(WORDS["FIRST"]),
    "LAST": lambda rng: rng.choice(WORDS["LAST"]),
    "FIRM": lambda rng: rng.choice(WORDS["FIRM"]),
    "EMAIL": email,
    "PHONE": phone,
    "ADDRESS": lambda rng: rng.choice(WORDS["STREET"]).replace("{n}", str(rng.randrange(2, 240))),
    "IBAN": account,
    "CARD": card,
    "DATE": date,
    "SSN": lambda rng: f"{rng.randrange(101, 665)}-{rng.randrange(10, 99)}-{rng.randrange(1001, 9999)}",
    "PASSPORT": lambda rng: run(rng, "BCFGHJKLMNPR", 2) + digits(rng, 7),
    "NHS": valid(number(9), lambda body: str((11 - weighted(body, tuple(range(10, 1, -1)), 11)) % 11)),
    "DNI": lambda rng: (body := digits(rng, 8)) + dni.calc_check_digit(body),
    "CPF": lambda rng: (body := digits(rng, 9)) + cpf._calc_check_digits(body),  # noqa: SLF001  # it has no other name
    "CF": tax_code,
    "NIR": lambda rng: (b := born(rng, "2{y}{m:02d}75") + digits(rng, 6)) + nir.calc_check_digits(b),
    "BSN": valid(number(8), lambda body: str(weighted(body, tuple(range(9, 1, -1)), 11))),
    "PESEL": valid(
        lambda rng: born(rng, "{y}{m:02d}{d:02d}") + digits(rng, 4),
        lambda body: str(-weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), 10) % 10),
    ),
    "PNR": lambda rng: (
        b := born(rng, "{y}{m:02d}{d:02d}"),
        n := digits(rng, 3),
        f"{b}-{n}{luhn.calc_check_digit(b + n)}",
    )[2],
    "CNID": lambda rng: (
        (b := "110105" + born(rng, "19{y}{m:02d}{d:02d}") + digits(rng, 3)) + ric.calc_check_digit(b + "0")
    ),
    "AADHAAR": lambda rng: (b := rng.choice("23456789") + digits(rng, 10)) + aadhaar.verhoeff.calc_check_digit(b),
    "SIN": lambda rng: (b := rng.choice("1245679") + digits(rng, 7)) + luhn.calc_check_digit(b),
    "VIN": vin,
    "BTC": wallet,
    "IPV4": lambda rng: (
        f"{rng.choice([81, 93, 142, 185])}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    ),
    "TOKEN": lambda rng: shaped(rng, rng.choice(WORDS["TOKENS"])),
    "ENVNAME": either("API_TOKEN|STRIPE_SECRET_KEY|GH_TOKEN|OPENAI_API_KEY|DB_PASSWORD|SLACK_BOT_TOKEN|JWT_SECRET"),
    "PASSWORD": password,
    "DSN": dsn,
    "PEM": pem,
    "N1": number(1),
    "N2": number(2),
    "N3": number(3),
    "HEX16": hexes(16),
    "HEX32": hexes(32),
    "HEX40": hexes(40),
    "HEX64": hexes(64),
    "UUID": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "B64RAW": lambda rng: base64.b64encode(rng.randbytes(64)).decode(),
    "B64SHORT": lambda rng: base64.b64encode(rng.randbytes(32)).decode()[:43],
}
BLANKS = {
    "FIRST": ["[NAME]", "<NAME>", "[REDACTED]", "PERSON_1"],
    "LAST": ["[SURNAME]", "[REDACTED]", "XXXX"],
    "FIRM": ["[COMPANY]", "<ORG>", "[REDACTED]"],
    "EMAIL": ["[EMAIL]", "name@example.com"],
}
DRESSES: dict[str, Callable[[str], str]] = {
    "B64": lambda text: base64.b64encode(text.encode()).decode(),
    "SPOKEN": spoken,
    "SPACED": lambda text: " ".join(text.replace(" ", "")),
    "ATDOT": lambda text: text.replace("@", " at ").replace(".", " dot "),
    "URL": lambda text: quote(text, safe=""),
    "WIDE": lambda text: "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in text),
    "ESCAPED": lambda text: text.replace("@", "\\u0040"),
}
