"""
The arithmetic that tells a real number from a look-alike.

Every function takes the bare characters (no spaces, no dashes, capitals) of one candidate and says whether it holds
together. Lengths and alphabets are the callers' patterns' business; nothing here searches text.
"""

import re
from collections.abc import Sequence
from datetime import date
from hashlib import sha256

__all__ = [
    "aadhaar",
    "aba_routing",
    "au_medicare",
    "au_tfn",
    "base58check",
    "be_national",
    "bech32",
    "bsn",
    "cn_resident",
    "codice_fiscale",
    "cpf",
    "curp",
    "day_exists",
    "dk_cpr",
    "dni",
    "fodselsnummer",
    "hetu",
    "iban",
    "id_date",
    "kr_rrn",
    "luhn",
    "my_number",
    "nhs",
    "nif",
    "nir",
    "nric",
    "pesel",
    "steuer_id",
    "tckn",
    "vin",
]

# ISO 13616 registry: characters in an IBAN, by country.
_IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        "([A-Z]{2})=([0-9]{2})",
        "AD=24 AE=23 AL=28 AT=20 AZ=28 BA=20 BE=16 BG=22 BH=22 BI=27 BR=29 BY=28 CH=21 CR=22 CY=28 CZ=24 "
        "DE=22 DJ=27 DK=18 DO=28 EE=20 EG=29 ES=24 FI=18 FK=18 FO=18 FR=27 GB=22 GE=22 GI=23 GL=18 GR=27 "
        "GT=28 HN=28 HR=21 HU=28 IE=22 IL=23 IQ=23 IS=26 IT=27 JO=30 KW=30 KZ=20 LB=28 LC=32 LI=21 LT=20 "
        "LU=20 LV=21 LY=25 MC=27 MD=24 ME=22 MK=19 MN=20 MR=27 MT=31 MU=30 NI=28 NL=18 NO=15 OM=23 PK=24 "
        "PL=28 PS=29 PT=25 QA=29 RO=24 RS=22 RU=33 SA=24 SC=31 SD=18 SE=24 SI=19 SK=24 SM=27 SO=23 ST=25 "
        "SV=28 TL=23 TN=24 TR=26 UA=29 VA=22 VG=24 XK=20 YE=30",
    )
}


def _digits(text: str) -> list[int]:
    return [int(char) for char in text]


def _weighted(text: str, weights: Sequence[int]) -> int:
    """The sum of digit times weight, over the shorter of the two."""
    return sum(int(char) * weight for char, weight in zip(text, weights, strict=False))


def day_exists(year: int, month: int, day: int) -> bool:
    """Whether the calendar has this day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def id_date(year: str, month: str, day: str) -> bool:
    """Whether two-digit year, month and day are a date; the century is unknown, so 29 February passes in any."""
    return day_exists(2000 if (month, day) == ("02", "29") else 1900 + int(year), int(month), int(day))


_DOUBLED = str.maketrans("0123456789", "0246813579")
"""A digit doubled, nines cast out."""


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1: double every second digit from the right, cast out nines, sum to a multiple of ten."""
    plain, doubled = number[::-1][::2], number[::-1][1::2].translate(_DOUBLED)
    return sum(map(int, plain + doubled)) % 10 == 0 and len(set(number)) > 1


def iban(compact: str) -> bool:
    """ISO 13616: the country's length, and the rearranged number modulo 97 is one."""
    if _IBAN_LENGTHS.get(compact[:2]) != len(compact) or not compact[2:4].isdigit():
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


_VERHOEFF_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _dihedral(left: int, right: int) -> int:
    """Multiply in the dihedral group of the pentagon: 0 to 4 rotations, 5 to 9 reflections."""
    turn = right % 5 if left < 5 else -(right % 5)
    mirrored = (left < 5) != (right < 5)
    return (left % 5 + turn) % 5 + 5 * mirrored


def _verhoeff(number: str) -> bool:
    """Verhoeff's check over the dihedral group; the check digit is the last."""
    check = 0
    for place, digit in enumerate(reversed(_digits(number))):
        turned = digit
        for _ in range(place % 8):
            turned = _VERHOEFF_PERMUTATION[turned]
        check = _dihedral(check, turned)
    return check == 0


def aadhaar(number: str) -> bool:
    """India: twelve digits, the first 2 to 9, Verhoeff; no palindromes (UIDAI issues none)."""
    return number[0] not in "01" and number != number[::-1] and _verhoeff(number)


def nhs(number: str) -> bool:
    """United Kingdom: ten digits, modulo 11."""
    return (11 - _weighted(number[:9], range(10, 1, -1)) % 11) % 11 == int(number[9])


def steuer_id(number: str) -> bool:
    """Germany: eleven digits; of the first ten exactly one value repeats, two or three times; ISO 7064 mod 11,10."""
    counts = sorted(number[:10].count(digit) for digit in set(number[:10]))
    if number[0] == "0" or counts[-1] not in {2, 3} or counts[-2] != 1:
        return False
    product = 10
    for digit in _digits(number[:10]):
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(number[10])


def nir(compact: str) -> bool:
    """France: thirteen characters (Corsica's 2A and 2B count as 19 and 18) and 97 minus their remainder."""
    body = compact[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(body) % 97 == int(compact[13:])


def dni(compact: str) -> bool:
    """Spain: DNI (eight digits) or NIE (X, Y, Z for 0, 1, 2, then seven), and a letter modulo 23."""
    number = compact[:8].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == compact[8]


_CODICE_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def codice_fiscale(compact: str) -> bool:
    """Italy: fifteen characters weighted by odd and even place, and a letter modulo 26."""
    places = [int(char, 36) - (0 if char.isdigit() else 10) for char in compact[:15]]
    total = sum(value if place % 2 else _CODICE_ODD[value] for place, value in enumerate(places))
    return chr(ord("A") + total % 26) == compact[15]


def bsn(number: str) -> bool:
    """Netherlands: nine digits, the elevens proof with weight -1 for the last."""
    return _weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(number)) > 1


def be_national(number: str) -> bool:
    """Belgium: birth date, serial, and 97 minus the remainder; a leading 2 is put before births from 2000 on."""
    born = number[2:4] == "00" or number[4:6] == "00" or id_date(number[:2], number[2:4], number[4:6])
    check = int(number[9:])
    return born and check in {97 - int(number[:9]) % 97, 97 - int("2" + number[:9]) % 97}


def pesel(number: str) -> bool:
    """Poland: birth date (the month carries the century), serial, and a digit modulo ten."""
    month = int(number[2:4]) % 20
    return id_date(number[:2], f"{month:02}", number[4:6]) and (
        _weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    )


def fodselsnummer(number: str) -> bool:
    """Norway: birth date (D-numbers add 40 to the day), serial, and two digits modulo 11."""
    day = int(number[:2]) % 40
    first = _weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    second = _weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11
    return first == second == 0 and id_date(number[4:6], number[2:4], f"{day:02}")


def dk_cpr(number: str) -> bool:
    """Denmark: birth date and modulo 11. Numbers given since 2007 may lack the checksum: ask for a context word."""
    return id_date(number[4:6], number[2:4], number[:2]) and (
        _weighted(number, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def hetu(compact: str) -> bool:
    """Finland: birth date, a century sign, serial, and a character modulo 31."""
    number = int(compact[:6] + compact[7:10])
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == compact[10] and (
        id_date(compact[4:6], compact[2:4], compact[:2])
    )


def nif(number: str) -> bool:
    """Portugal: nine digits, modulo 11."""
    return (11 - _weighted(number[:8], range(9, 1, -1)) % 11) % 11 % 10 == int(number[8])


def cpf(number: str) -> bool:
    """Brazil: nine digits and two check digits modulo 11."""
    first = _weighted(number[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(number[:10], range(11, 1, -1)) * 10 % 11 % 10
    return number[9:] == f"{first}{second}" and len(set(number)) > 1


def curp(compact: str) -> bool:
    """Mexico: eighteen characters, birth date inside, weighted modulo ten."""
    alphabet = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    total = sum(alphabet.index(char) * (18 - place) for place, char in enumerate(compact[:17]))
    return (10 - total % 10) % 10 == int(compact[17]) and id_date(compact[4:6], compact[6:8], compact[8:10])


def au_tfn(number: str) -> bool:
    """Australia, tax file number: eight or nine digits, modulo 11."""
    weights = (1, 4, 3, 7, 5, 8, 6, 9, 10) if len(number) == 9 else (10, 7, 8, 4, 6, 3, 5, 1)
    return _weighted(number, weights) % 11 == 0 and len(set(number)) > 1


def au_medicare(number: str) -> bool:
    """Australia, Medicare card: first digit 2 to 6, the ninth is the check digit modulo ten."""
    return number[0] in "23456" and _weighted(number[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def cn_resident(compact: str) -> bool:
    """China: region, full birth date, serial, and ISO 7064 mod 11-2 (X is ten)."""
    total = sum(int(char) * pow(2, 17 - place, 11) for place, char in enumerate(compact[:17]))
    born = day_exists(int(compact[6:10]), int(compact[10:12]), int(compact[12:14]))
    return born and "10X98765432"[total % 11] == compact[17]


def kr_rrn(number: str) -> bool:
    """South Korea: birth date, century and sex, serial, modulo 11. Numbers given since late 2020 may lack it."""
    check = (11 - _weighted(number[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return check == int(number[12]) and id_date(number[:2], number[2:4], number[4:6])


def my_number(number: str) -> bool:
    """Japan: eleven digits and one modulo 11 (remainders 0 and 1 give 0)."""
    rest = _weighted(number[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest <= 1 else 11 - rest) == int(number[11])


def nric(compact: str) -> bool:
    """Singapore: a series letter, seven digits, and a letter modulo 11."""
    offset = {"S": 0, "F": 0, "T": 4, "G": 4, "M": 3}[compact[0]]
    rest = (_weighted(compact[1:8], (2, 7, 6, 5, 4, 3, 2)) + offset) % 11
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "KLJNPQRTUWX"}.get(compact[0], "XWUTRQPNMLK")
    return (letters[10 - rest] if compact[0] == "M" else letters[rest]) == compact[8]


def tckn(number: str) -> bool:
    """Turkey: eleven digits, the last two are checks."""
    odd, even = sum(_digits(number[0:9:2])), sum(_digits(number[1:8:2]))
    return (
        number[0] != "0"
        and (odd * 7 - even) % 10 == int(number[9])
        and sum(_digits(number[:10])) % 10 == int(number[10])
    )


def aba_routing(number: str) -> bool:
    """United States bank routing: a Federal Reserve prefix, weights 3 7 1, modulo ten."""
    prefix = int(number[:2])
    issued = prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80
    return issued and number != "0" * 9 and _weighted(number, (3, 7, 1) * 3) % 10 == 0


_VIN_VALUES = dict(
    zip(
        "ABCDEFGHJKLMNPRSTUVWXYZ0123456789",
        _digits("12345678" + "12345" + "79" + "23456789" + "0123456789"),
        strict=True,
    )
)


def vin(compact: str) -> bool:
    """Vehicle: seventeen characters, the ninth a check modulo 11 (X is ten), as in North America and China."""
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(_VIN_VALUES[char] * weight for char, weight in zip(compact, weights, strict=True))
    return "0123456789X"[total % 11] == compact[8]


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58check(address: str) -> bool:
    """Bitcoin's older addresses: 25 bytes whose last four are a double SHA-256 of the rest."""
    number = 0
    for char in address:
        number = number * 58 + _BASE58.index(char)
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25, "big")
    return sha256(sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def bech32(address: str) -> bool:
    """Bitcoin's newer addresses (BIP 173 and 350): prefix `bc`, checksum constant 1 or 0x2bc830a3."""
    check = 1
    for value in (3, 3, 0, 2, 3, *(_BECH32.index(char) for char in address[3:])):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATOR):
            check ^= generator if top >> bit & 1 else 0
    return check in {1, 0x2BC830A3}
