"""Each checksum against numbers that its standard or authority publishes, and against the same numbers one off."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.detectors import checksums

# Example numbers from the schemes' own documents and encyclopedic articles about them; the index is the check's place.
PUBLISHED: list[tuple[Callable[[str], bool], str, int]] = [
    (checksums.luhn, "79927398713", -1),
    (checksums.luhn, "4111111111111111", -1),
    (checksums.iban, "GB33BUKB20201555555555", 3),
    (checksums.iban, "DE89370400440532013000", 3),
    (checksums.iban, "MT84MALT011000012345MTLCAST001S", 3),
    (checksums.iban, "NO9386011117947", 3),
    (checksums.iban, "FR1420041010050500013M02606", 3),
    (checksums.aadhaar, "234123412346", -1),
    (checksums.nhs, "9434765919", -1),
    (checksums.steuer_id, "36574261809", -1),
    (checksums.nir, "295109912611193", -1),
    (checksums.nir, "253072B07300470", -1),
    (checksums.dni, "12345678Z", 7),
    (checksums.dni, "X2482300W", 7),
    (checksums.codice_fiscale, "RCCMNL83S18D969H", 7),
    (checksums.codice_fiscale, "RSSMRA85T10A562S", 7),
    (checksums.bsn, "111222333", -1),
    (checksums.be_national, "85073003328", -1),
    (checksums.pesel, "44051401359", -1),
    (checksums.fodselsnummer, "15108695088", -1),
    (checksums.dk_cpr, "2110625629", -1),
    (checksums.hetu, "131052-308T", 9),
    (checksums.nif, "501964843", -1),
    (checksums.cpf, "39053344705", -1),
    (checksums.curp, "BOXW310820HNERXN09", -1),
    (checksums.luhn, "046454286", -1),
    (checksums.au_tfn, "123456782", -1),
    (checksums.au_medicare, "2123456701", 8),
    (checksums.cn_resident, "11010519491231002X", 16),
    (checksums.kr_rrn, "9710139019902", -1),
    (checksums.my_number, "123456789018", -1),
    (checksums.nric, "S1234567D", 7),
    (checksums.nric, "F1234567N", 7),
    (checksums.nric, "M1234567K", 7),
    (checksums.luhn, "7503305044089", -1),
    (checksums.tckn, "10000000146", -1),
    (checksums.luhn, "039337423", -1),
    (checksums.aba_routing, "111000025", -1),
    (checksums.vin, "1M8GDM9AXKP042788", 16),
    (checksums.base58check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", 1),
    (checksums.bech32, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 5),
    (checksums.bech32, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", 5),
]


def _one_off(number: str, place: int) -> str:
    """The number with the character at `place` replaced by its neighbour."""
    place %= len(number)
    char = number[place]
    other = str((int(char) + 1) % 10) if char.isdigit() else ("a" if char != "a" else "c")
    return number[:place] + other + number[place + 1 :]


@pytest.mark.parametrize(("check", "number", "place"), PUBLISHED)
def test_published_number_passes_and_its_neighbour_fails(check: Callable[[str], bool], number: str, place: int) -> None:
    """A published example holds together; with one character changed it does not."""
    assert check(number)
    assert not check(_one_off(number, place))


@pytest.mark.parametrize(
    ("check", "number"),
    [
        (checksums.luhn, "4111111111111111"),
        (checksums.iban, "GB33BUKB20201555555555"),
        (checksums.aadhaar, "234123412346"),
        (checksums.bsn, "111222333"),
        (checksums.steuer_id, "36574261809"),
        (checksums.au_tfn, "123456782"),
    ],
)
def test_every_single_wrong_digit_is_caught(check: Callable[[str], bool], number: str) -> None:
    """Schemes that promise to catch one wrong digit catch it in every place, whatever the digit."""
    for place, char in enumerate(number):
        for digit in "0123456789" if char.isdigit() else "":
            changed = number[:place] + digit + number[place + 1 :]
            assert check(changed) == (digit == char), place


def test_verhoeff_catches_every_neighbouring_swap() -> None:
    """Verhoeff's code was made to catch all swaps of two neighbours; Luhn would miss some."""
    number = "234123412346"
    for place in range(1, len(number) - 1):
        left, right = number[place], number[place + 1]
        swapped = number[:place] + right + left + number[place + 2 :]
        assert checksums.aadhaar(swapped) == (left == right), place


@pytest.mark.parametrize("digit", "0123456789")
def test_repeated_digits_are_nobodys_number(digit: str) -> None:
    """All-same digits pass some sums by accident and are refused where that happens."""
    assert not checksums.luhn(digit * 16)
    assert not checksums.cpf(digit * 11)
    assert not checksums.bsn(digit * 9)
    assert not checksums.au_tfn(digit * 9)


def test_an_iban_needs_its_countrys_length() -> None:
    """A number that passes modulo 97 but has the wrong length for its country is none."""
    body = "BUKB2020155555555"
    for check in range(100):
        assert not checksums.iban(f"GB{check:02}{body}")


@pytest.mark.parametrize(("year", "month", "day", "real"), [("00", "02", "29", True), ("99", "02", "30", False)])
def test_birth_dates_inside_numbers_must_exist(year: str, month: str, day: str, real: bool) -> None:
    """29 February passes because the century is unknown; 30 February never does."""
    assert checksums.id_date(year, month, day) == real


@given(st.text("0123456789", min_size=1, max_size=19))
def test_luhn_is_the_sum_of_its_digits(number: str) -> None:
    """As ISO/IEC 7812-1 puts it: every second digit from the right is doubled, and the digits of all are added up."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    sums_up = sum(map(int, "".join(map(str, doubled)))) % 10 == 0
    assert checksums.luhn(number) == (sums_up and len(set(number)) > 1)
