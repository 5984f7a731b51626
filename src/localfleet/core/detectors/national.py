"""
Numbers that states give to people, one row per country and layout.

A scheme whose checksum lets one number in ten through needs its own separators or a context word within 40 characters;
one in a hundred with a birth date inside does not.
"""

import re
from collections.abc import Callable

from localfleet.core.detectors import checksums
from localfleet.core.detectors.row import Row

__all__ = ["ROWS", "TOKEN_ROWS", "WORD_ROWS"]

_PUNCTUATION = re.compile(r"[ .\-/]")
_END = r"(?![A-Za-z0-9_]|[.\-][0-9])"
_START = r"(?<![A-Za-z0-9_.\-])"


def _bare(check: Callable[[str], bool]) -> Callable[[str], bool]:
    """The check on the candidate in capitals without its separators."""
    return lambda candidate: check(_PUNCTUATION.sub("", candidate.upper()))


def _shape(body: str) -> re.Pattern[str]:
    """A pattern for `body` that stands alone."""
    return re.compile(f"{_START}(?:{body}){_END}")


def _word(words: str) -> re.Pattern[str]:
    """A context pattern: any of the words, at a word's start."""
    return re.compile(rf"(?<![a-z])(?:{words})")


def _us_ssn(number: str) -> bool:
    """Area not 000, 666 or 9xx, group not 00, serial not 0000 (Social Security Administration)."""
    area, group, serial = number[:3], number[3:5], number[5:]
    return area not in {"000", "666"} and area[0] != "9" and group != "00" and serial != "0000" and len(set(number)) > 1


def _us_itin(number: str) -> bool:
    """Nine first; the fourth and fifth digits 50 to 65, 70 to 88, 90 to 92, 94 to 99 (Internal Revenue Service)."""
    group = int(number[3:5])
    return number[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def _uk_nino(compact: str) -> bool:
    return compact[:2] not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def _not_years(number: str) -> bool:
    """Whether three groups of four digits are not simply years."""
    return checksums.aadhaar(number) and not all(number[at : at + 2] in {"19", "20"} for at in (0, 4, 8))


def _danish_date(number: str) -> bool:
    return checksums.id_date(number[4:6], number[2:4], number[:2])


def _korean_date(number: str) -> bool:
    return checksums.id_date(number[:2], number[2:4], number[4:6])


def _swedish(number: str) -> bool:
    """Luhn over the last ten digits; coordination numbers add 60 to the day."""
    ten = number[-10:]
    return checksums.id_date(ten[:2], ten[2:4], f"{int(ten[4:6]) % 60:02}") and checksums.luhn(ten)


def _south_african(number: str) -> bool:
    return _korean_date(number) and number[10] in "012" and checksums.luhn(number)


def _israeli(number: str) -> bool:
    return checksums.luhn(number.zfill(9))


_SSN = r"ssn|social security|soc\.? sec|social-security"
_AMERICAN = (
    Row(kind="us_ssn", needs=("-",), pattern=_shape(r"[0-9]{3}-[0-9]{2}-[0-9]{4}"), accept=_bare(_us_ssn)),
    Row(
        kind="us_ssn",
        needs=("ssn", "soc"),
        pattern=_shape(r"[0-9]{3}[ .]?[0-9]{2}[ .]?[0-9]{4}"),
        near=_word(_SSN),
        accept=_bare(_us_ssn),
    ),
    Row(kind="us_itin", needs=("-",), pattern=_shape(r"9[0-9]{2}-[0-9]{2}-[0-9]{4}"), accept=_bare(_us_itin)),
    Row(
        kind="us_itin",
        needs=("itin", "taxpayer"),
        pattern=_shape(r"9[0-9]{2} ?[0-9]{2} ?[0-9]{4}"),
        near=_word(r"itin|taxpayer"),
        accept=_bare(_us_itin),
    ),
    Row(kind="ca_sin", needs=("-",), pattern=_shape(r"[1-79][0-9]{2}-[0-9]{3}-[0-9]{3}"), accept=_bare(checksums.luhn)),
    Row(
        kind="ca_sin",
        needs=("sin", "social insurance", "assurance sociale"),
        pattern=_shape(r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{3}"),
        near=_word(r"sin(?![a-z])|social insurance|assurance sociale"),
        accept=_bare(checksums.luhn),
    ),
    Row(
        kind="br_cpf",
        needs=(".",),
        pattern=_shape(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"),
        accept=_bare(checksums.cpf),
    ),
    Row(
        kind="br_cpf",
        needs=("cpf", "cadastro de pessoa"),
        pattern=_shape(r"[0-9]{9}[ \-]?[0-9]{2}"),
        near=_word(r"cpf|cadastro de pessoa"),
        accept=_bare(checksums.cpf),
    ),
    Row(
        kind="mx_curp",
        shape="[a-z]{4}[0-9]{6}[hmx][a-z]{5}",
        pattern=_shape(r"[A-Z][AEIOUX][A-Z]{2}[0-9]{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z][0-9]"),
        accept=checksums.curp,
    ),
)
_BRITISH_AND_IBERIAN = (
    Row(
        kind="uk_nhs",
        needs=("nhs", "national health"),
        pattern=_shape(r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{4}"),
        near=_word(r"nhs|national health"),
        accept=_bare(checksums.nhs),
    ),
    Row(
        kind="uk_nino",
        shape="[a-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d]",
        pattern=_shape(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?[0-9]{2}){3} ?[A-D]"),
        accept=_uk_nino,
    ),
    Row(
        kind="es_dni",
        shape=r"(?:[0-9]{7}|[0-9]{3}\.[0-9]{3})[ -]?[a-z]",
        pattern=_shape(r"(?:[0-9]{8}|[0-9]{2}\.[0-9]{3}\.[0-9]{3}|[XYZ][ \-]?[0-9]{7})[ \-]?[A-HJ-NP-TV-Z]"),
        accept=_bare(checksums.dni),
    ),
    Row(
        kind="pt_nif",
        needs=("nif", "contribuinte", "fiscal"),
        pattern=_shape(r"[1-35689][0-9]{2} ?[0-9]{3} ?[0-9]{3}"),
        near=_word(r"nif(?![a-z])|contribuinte|identificação fiscal"),
        accept=_bare(checksums.nif),
    ),
)
_CONTINENTAL = (
    Row(
        kind="de_steuer_id",
        shape="[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}",
        pattern=_shape(r"[1-9][0-9](?: [0-9]{3}){3}"),
        accept=_bare(checksums.steuer_id),
    ),
    Row(
        kind="de_steuer_id",
        needs=("steuer", "idnr", "tax id", "tin"),
        pattern=_shape(r"[1-9][0-9]{10}"),
        near=_word(r"steuer|idnr|tax id|tin(?![a-z])"),
        accept=checksums.steuer_id,
    ),
    Row(
        kind="fr_nir",
        shape="(?:[0-9]|2[ab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
        pattern=_shape(
            r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"
        ),
        accept=_bare(checksums.nir),
    ),
    Row(
        kind="nl_bsn",
        needs=("bsn", "burgerservice", "sofi"),
        pattern=_shape(r"[0-9]{4}[ .]?[0-9]{2}[ .]?[0-9]{3}|[0-9]{3}[ .][0-9]{3}[ .][0-9]{3}"),
        near=_word(r"bsn(?![a-z])|burgerservice|sofi"),
        accept=_bare(checksums.bsn),
    ),
    Row(
        kind="be_national",
        shape="[0-9]{2}[.-]?[0-9]{2}[ -]?[0-9]{3}[. -]?[0-9]{2}",
        pattern=_shape(r"[0-9]{2}[.\-]?[0-9]{2}[.\-]?[0-9]{2}[ \-]?[0-9]{3}[. \-]?[0-9]{2}"),
        accept=_bare(checksums.be_national),
    ),
    Row(
        kind="pl_pesel",
        needs=("pesel",),
        pattern=_shape(r"[0-9]{11}"),
        near=_word("pesel"),
        accept=checksums.pesel,
    ),
    Row(
        kind="tr_id",
        needs=("kimlik", "tckn", "t.c", "turkish id"),
        pattern=_shape(r"[1-9][0-9]{10}"),
        near=_word(r"(?:t\.?c\.? ?)?kimlik|tckn|t\.c\.|turkish id"),
        accept=checksums.tckn,
    ),
)
_NORDIC = (
    Row(
        kind="fi_hetu",
        shape="[0-9]{6}[+a-fu-y-][0-9]{3}[0-9a-y]",
        pattern=_shape(r"[0-3][0-9][01][0-9]{3}[+\-A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]"),
        accept=checksums.hetu,
    ),
    Row(
        kind="se_personnummer",
        needs=("-", "+"),
        pattern=_shape(r"(?:19|20)?[0-9]{6}[\-+][0-9]{4}"),
        accept=lambda text: _swedish(re.sub(r"[\-+]", "", text)),
    ),
    Row(
        kind="se_personnummer",
        needs=("personn", "samordning"),
        pattern=_shape(r"(?:19|20)?[0-9]{10}"),
        near=_word("personn|samordning"),
        accept=_swedish,
    ),
    Row(
        kind="no_fodselsnummer",
        shape="[0-9]{6} ?[0-9]{5}",
        pattern=_shape(r"[0-9]{6} ?[0-9]{5}"),
        accept=_bare(checksums.fodselsnummer),
    ),
    Row(kind="dk_cpr", needs=("-",), pattern=_shape(r"[0-3][0-9]{5}-[0-9]{4}"), accept=_bare(checksums.dk_cpr)),
    Row(
        kind="dk_cpr",
        needs=("cpr", "personnummer"),
        pattern=_shape(r"[0-3][0-9]{5}[ \-]?[0-9]{4}"),
        near=_word(r"cpr(?![a-z])|cpr-?n|personnummer"),
        accept=_bare(_danish_date),
    ),
)
_ASIAN = (
    Row(
        kind="in_aadhaar",
        needs=("aadha", "uidai", "uid "),
        pattern=_shape(r"[2-9][0-9]{3}[ \-]?[0-9]{4}[ \-]?[0-9]{4}"),
        near=_word(r"aadha|uidai|uid "),
        accept=_bare(checksums.aadhaar),
    ),
    Row(
        kind="in_aadhaar",
        shape="[0-9]{4} [0-9]{4} [0-9]{4}",
        pattern=re.compile(
            r"(?<![A-Za-z0-9_.\-])(?<![0-9] )[2-9][0-9]{3} [0-9]{4} [0-9]{4}(?![A-Za-z0-9_.,\-]| [0-9])"
        ),
        accept=_bare(_not_years),
    ),
    Row(
        kind="cn_resident_id",
        shape="[0-9]{17}[0-9x]",
        pattern=_shape(r"[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9Xx]"),
        accept=_bare(checksums.cn_resident),
    ),
    Row(kind="kr_rrn", needs=("-",), pattern=_shape(r"[0-9]{6}-[1-8][0-9]{6}"), accept=_bare(checksums.kr_rrn)),
    Row(
        kind="kr_rrn",
        needs=("rrn", "resident registration", "주민등록"),
        pattern=_shape(r"[0-9]{6}-?[1-8][0-9]{6}"),
        near=_word("rrn|resident registration|주민등록"),
        accept=_bare(_korean_date),
    ),
    Row(
        kind="jp_my_number",
        needs=("my number", "mynumber", "マイナンバー", "個人番号"),
        pattern=_shape(r"[0-9]{4}[ \-]?[0-9]{4}[ \-]?[0-9]{4}"),
        near=_word("my ?number|マイナンバー|個人番号"),
        accept=_bare(checksums.my_number),
    ),
    Row(kind="sg_nric", shape="[stfgm][0-9]{7}[a-z]", pattern=_shape(r"[STFGM][0-9]{7}[A-Z]"), accept=checksums.nric),
)
_OTHERS = (
    Row(
        kind="za_id",
        shape="[0-9]{6} ?[0-9]{4} ?[0-9]{3}",
        pattern=_shape(r"[0-9]{6} ?[0-9]{4} ?[0-9]{3}"),
        accept=_bare(_south_african),
    ),
    Row(
        kind="il_id",
        needs=("teudat", "israeli id", "תעודת זהות", "ת.ז", 'ת"ז'),
        pattern=_shape(r"[0-9]{8,9}"),
        near=_word("teudat|israeli id|תעודת זהות|ת.ז"),
        accept=_israeli,
    ),
    Row(
        kind="au_tfn",
        needs=("tfn", "tax file"),
        pattern=_shape(r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{2,3}"),
        near=_word(r"tfn(?![a-z])|tax file"),
        accept=_bare(checksums.au_tfn),
    ),
    Row(
        kind="au_medicare",
        needs=("medicare",),
        pattern=_shape(r"[2-6][0-9]{3}[ \-]?[0-9]{5}[ \-]?[0-9](?:[ \-/]?[1-9])?"),
        near=_word("medicare"),
        accept=_bare(checksums.au_medicare),
    ),
)

ROWS = (*_AMERICAN, *_BRITISH_AND_IBERIAN, *_CONTINENTAL, *_NORDIC, *_ASIAN, *_OTHERS)
# One word of letters with few digits in a row: found by the long-token gate.
TOKEN_ROWS = (
    Row(
        kind="it_codice_fiscale",
        # Not `_shape`: this row runs over whole texts, and a look-behind in front would make it try every place.
        pattern=re.compile(
            r"[A-Z](?<![A-Za-z0-9_.\-].)[A-Z]{5}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"
            + _END
        ),
        accept=checksums.codice_fiscale,
    ),
)
# Few digits again, so a context word opens them.
WORD_ROWS = (
    Row(
        kind="it_codice_fiscale",
        needs=("codice", "fiscal", "c.f."),
        pattern=_shape(r"[A-Z]{3} [A-Z]{3} [0-9]{2}[ABCDEHLMPRST][0-9]{2} [A-Z][0-9]{3}[A-Z]"),
        accept=_bare(checksums.codice_fiscale),
    ),
    Row(
        kind="in_pan",
        needs=("pan", "permanent account", "income tax"),
        pattern=_shape(r"[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]"),
        near=_word(r"pan(?![a-z])|permanent account|income tax"),
    ),
)
