"""Payment cards, bank accounts and wallets: checksums wherever the scheme has one, a context word where it has none."""

import re

from localfleet.core.detectors import checksums
from localfleet.core.detectors.row import Row

__all__ = ["CODE_ROWS", "ROWS", "WALLET_ROWS"]

_SEPARATORS = re.compile(r"[ .\-]")
_ISSUERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"  # Discover, RuPay
    r"|(?:30[0-5][0-9]|309[0-9]|36[0-9]{2}|3[89][0-9]{2})[0-9]{10,12}"  # Diners Club
    r"|(?:352[89]|35[3-8][0-9])[0-9]{12,15}|(?:2131|1800)[0-9]{11}"  # JCB
    r"|(?:62|81)[0-9]{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}"  # Maestro
    r"|220[0-4][0-9]{12,15}"  # Mir
    r"|(?:60|82)[0-9]{14}|508[0-9]{13}"  # RuPay
)
_CARD_BARE = re.compile(r"(?<![A-Za-z0-9_.\-])[0-9]{14,19}(?![A-Za-z0-9_]|[.\-][0-9])")
_CARD_SHORT = re.compile(r"(?<![A-Za-z0-9_.\-])[456][0-9]{11,12}(?![A-Za-z0-9_]|[.\-][0-9])")
_CARD_FOURS = re.compile(r"(?<![0-9.])[0-9]{4}([ .\-])[0-9]{4}\1[0-9]{4}\1[0-9]{2,4}(?:\1[0-9]{3})?(?![0-9])")
_CARD_AMEX = re.compile(r"(?<![0-9.])3[0-9]{3}([ .\-])[0-9]{6}\1[0-9]{4,5}(?![0-9])")
_CARD_SPACED = re.compile(r"(?<![0-9][ \-])(?<![A-Za-z0-9_.\-])[0-9](?:[ \-]{1,2}[0-9]){12,18}(?!(?:[ \-]{1,2})?[0-9])")
_CARD_WORD = re.compile(r"card|visa|master|amex|credit|debit|payment|charge|tarjeta|karte|carte|cartão|\bcc\b|\bpan\b")
_NO_CARD = re.compile(r"(?:isbn|issn|imei|ean|upc|gtin)[ :#\-]{0,4}(?:is )?$")


def _is_card(candidate: str) -> bool:
    """Whether a network issues such numbers and Luhn agrees; three more digits at the end may be a security code."""
    digits = _SEPARATORS.sub("", candidate)
    tries = (digits, digits[:16]) if len(digits) == 19 and len(candidate) > 19 else (digits,)
    return any(_ISSUERS.fullmatch(number) and checksums.luhn(number) for number in tries)


# Groups of four: the partition is forced, so the optional separators cannot be matched in two ways.
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}[ \-]?(?:[A-Za-z0-9]{4}[ \-]?){2,7}[A-Za-z0-9]{0,4}", re.ASCII)


def _is_iban(candidate: str) -> bool:
    """Whether some prefix that ends where a group ends, as long as its country wants, passes modulo 97."""
    groups = re.split(r"[ \-]", candidate.upper())
    compact = ""
    for group in groups:
        compact += group
        if checksums.iban(compact):
            return True
    return False


_ROUTING_WORD = re.compile(r"\b(?:routing|aba|rtn|ach|transit number)\b")
_ACCOUNT = re.compile(
    r"\b(?:account|acct|a/c|konto|kontonummer|cuenta|compte|conto|conta|rekening)\b"
    r"[ \"']{0,2}(?:number|num|nr|no|n[º°]|id|ending)?[ .:#=\"'\-]{0,4}(?:is |in |ist |lautet |es |est |é |è |to )?"
    r"(?P<v>[0-9](?:[ \-]?[0-9]){5,16})(?!\w|[.\-][0-9])"
)
_BIC = re.compile(r"\b(?P<v>[A-Z]{4}([A-Z]{2})[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b")
_BIC_WORD = re.compile(r"\b(?:bic\b|swift(?: ?/ ?bic| ?-?code| ?:| is| no| number))")
_COUNTRIES = frozenset(
    re.findall(
        "[A-Z]{2}",
        "AD AE AF AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BM BN BO BR BS BT BW BY BZ CA CD CG CH "
        "CI CL CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ES ET FI FJ FR GA GB GE GH GI GN GR GT GY "
        "HK HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KR KW KY KZ LA LB LI LK LT LU LV LY MA MC "
        "MD ME MG MK ML MM MN MO MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NZ OM PA PE PG PH PK PL PR PS PT "
        "PY QA RO RS RU RW SA SC SD SE SG SI SK SM SN SV SY TG TH TJ TM TN TR TT TW TZ UA UG US UY UZ VA VE "
        "VN XK YE ZA ZM ZW",
    )
)
_BITCOIN_OLD = re.compile(r"[13](?<![A-Za-z0-9][13])[1-9A-HJ-NP-Za-km-z]{25,34}(?![A-Za-z0-9])")
_BITCOIN_NEW = re.compile(r"bc1(?<![A-Za-z0-9]bc1)[02-9ac-hj-np-z]{11,71}(?![A-Za-z0-9])")
_ETHEREUM = re.compile(r"0x(?<![A-Za-z0-9]0x)[0-9A-Fa-f]{40}(?![A-Za-z0-9])")

ROWS = (
    Row(kind="card", shape="[0-9]{14}", pattern=_CARD_BARE, unless=_NO_CARD, accept=_is_card),
    Row(kind="card", shape="[0-9]{12}", pattern=_CARD_SHORT, near=_CARD_WORD, unless=_NO_CARD, accept=_is_card),
    Row(kind="card", shape="[0-9]{4}[ .-][0-9]{4}[ .-][0-9]{4}", pattern=_CARD_FOURS, accept=_is_card),
    Row(kind="card", shape="3[0-9]{3}[ .-][0-9]{6}[ .-][0-9]{4}", pattern=_CARD_AMEX, accept=_is_card),
    Row(
        kind="card",
        shape="[0-9][ -]{1,2}[0-9][ -]{1,2}[0-9][ -]{1,2}[0-9][ -]",
        pattern=_CARD_SPACED,
        near=_CARD_WORD,
        accept=_is_card,
    ),
    Row(kind="iban", shape="[a-z]{2}[0-9]{2}[ -]?[a-z0-9]{4}", pattern=_IBAN, accept=_is_iban),
    Row(
        kind="us_routing",
        needs=("routing", "aba", "rtn", "ach", "transit"),
        pattern=re.compile(r"(?<![\w.\-])[0-9]{9}(?![\w\-]|\.[0-9])"),
        near=_ROUTING_WORD,
        accept=checksums.aba_routing,
    ),
    Row(
        kind="bank_account",
        needs=("account", "acct", "a/c", "konto", "cuenta", "compte", "conto", "conta", "rekening"),
        pattern=_ACCOUNT,
        lowered=True,
    ),
)

CODE_ROWS = (
    Row(
        kind="bank_code",
        needs=("swift", "bic"),
        pattern=_BIC,
        near=_BIC_WORD,
        accept=lambda code: code[4:6] in _COUNTRIES,
    ),
)
# One long word, often with few digits in a row: found by the long-token gate.
WALLET_ROWS = (
    Row(kind="crypto_address", pattern=_BITCOIN_OLD, accept=checksums.base58check),
    Row(kind="crypto_address", needs=("bc1",), pattern=_BITCOIN_NEW, accept=checksums.bech32),
    Row(
        kind="crypto_address",
        needs=("0x",),
        pattern=_ETHEREUM,
        accept=lambda address: len(set(address[2:].lower())) > 4,
    ),
)
