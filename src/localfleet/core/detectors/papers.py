"""Papers and records: birth date, passport, driving licence, medical record, and the vehicle's checked number."""

import re

from localfleet.core.detectors import checksums
from localfleet.core.detectors.row import Row

__all__ = ["ROWS", "TOKEN_ROWS"]

_MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|ene|abr|ago|dic|januar|februar|märz|mai|juni|juli|okt|dez|"
    r"janv|févr|avr|juin|juil|août|déc|gen|mag|giu|lug|set|ott)[a-zé]{0,7}\.?"
)
_YEAR = r"(?:19[0-9]{2}|20[0-2][0-9])"
_DAY = rf"(?:{_YEAR}[\-/.][01]?[0-9][\-/.][0-3]?[0-9]|[0-3]?[0-9][\-/.][0-3]?[0-9][\-/.](?:{_YEAR}|[0-9]{{2}})"
_DAY += rf"|{_MONTH} [0-3]?[0-9](?:st|nd|rd|th)?,? {_YEAR}"
_DAY += rf"|[0-3]?[0-9](?:st|nd|rd|th|\.)? (?:of |de )?{_MONTH},?(?: de)? {_YEAR})"
_BIRTH_DATE = re.compile(
    r"(?:\bdob\b|\bd\.o\.b\.?|\bdate[ _]?of[ _]?birth\b|\bbirth[ _\-]?da(?:te|y)\b|\bborn\b|geboren|geburtsdatum|"
    r"\bnacid[oa]\b|fecha de nacimiento|\bnée? le\b|date de naissance|data di nascita|data de nascimento|geboortedatum)"
    rf"[^\n]{{0,24}}?(?<![0-9])(?P<v>{_DAY})(?![0-9])"
)
# A table's head names the date, its rows hold it.
_BIRTH_TABLE = re.compile(
    r"(?:\bdob\b|birth[ _]?da(?:te|y)|date[ _]of[ _]birth|geburtsdatum|geburtstag|fecha[ _]de[ _]nacimiento|"
    r"date[ _]de[ _]naissance|data[ _]di[ _]nascita|geboortedatum|urodzenia|生年月日|出生日期)\W[^\n]{0,120}\n"
    rf"(?:[^\n]{{0,160}}\n)?[^\n]{{0,120}}?(?<![0-9])(?P<v>{_DAY})(?![0-9])"
)
_PASSPORT = re.compile(
    r"(?:passport|pasaporte|passeport|reisepass|passaport[oe]|paspoort|paszport|personalausweis|ausweisnummer|ausweis-nr|"
    r"dow(?:ó|o)d(?:u)? osobist|carte d'identité|carta d'identità|cartão de cidadão|identiteitskaart|pasaport|"
    r"alien (?:registration )?number|\ba-number|green card|パスポート|旅券|护照|護照|여권)[^\n]{0,24}?"
    r"(?<![a-z0-9\-])(?P<v>(?=[a-z]{0,5}[0-9])[a-z0-9]{6,10}|[0-9]{2} [0-9]{3} [0-9]{4}|a[0-9]{3}-[0-9]{3}-[0-9]{3})"
    r"(?![a-z0-9\-])"
)
_LICENCE = re.compile(
    r"(?:driv(?:er|ing)'?s?'?[ _\-]?licen[cs]e|\bdl (?:no|number|#)|führerschein|permis de conduire|"
    r"(?:licencia|permiso) de conducir|patente di guida)[^\n]{0,24}?"
    r"(?<![a-z0-9\-])(?P<v>(?=[a-z]{0,5}-?[0-9])[a-z0-9]{1,18}(?:-[a-z0-9]{1,8}){0,4})(?![a-z0-9\-])"
)
_RECORD = re.compile(
    r"(?:\bmrn\b|medical record|patient (?:id|no|number|record)|hospital (?:id|no|number)|chart (?:no|number)|"
    r"health record)"
    r"[^\n]{0,20}?(?<![a-z0-9\-])(?P<v>[a-z]{0,4}-?[0-9]{5,10}(?:-[0-9]{1,4})?)(?![a-z0-9])"
)
_VEHICLE = re.compile(r"[A-HJ-NPR-Z0-9](?<![A-Za-z0-9].)[A-HJ-NPR-Z0-9]{16}(?![A-Za-z0-9])")
_COORDINATES = re.compile(
    r"(?<![0-9.])-?[0-9]{1,2}\.[0-9]{4,10}(?: ?\u00b0)? ?[ns]?[,;] ?-?[0-9]{1,3}\.[0-9]{4,10}(?: ?\u00b0)?(?![0-9.])"
)
_POLICY = re.compile(
    r"(?:\binsurance|\bpolicy|\bmember(?:ship)?|\bversicherten|\bversicherung|\bassurance|\bseguro|\bmedicaid)[ _\-]?"
    r"(?:id|no\.?|number|nr\.?|#|card|policy|schein|póliza)[^\n]{0,16}?(?<![a-z0-9\-])"
    r"(?P<v>[a-z]{0,4}[ \-]?[0-9]{3,12}(?:-?[0-9a-z]{1,6}){0,3})(?![a-z0-9])"
)
_PLATE = re.compile(
    r"(?:\bplates?\b|\bregistration (?:number|plate|mark)|\bkennzeichen|\bmatrícula|\bimmatriculation|\btarga\b)"
    r"[^\n]{0,12}?(?<![a-z0-9\-])(?P<v>[a-z0-9äöü]{1,4}[ \-][a-z0-9]{1,4}(?:[ \-][a-z0-9]{1,4})?|"
    r"[a-z]{2,3}[0-9]{2,4}[a-z]{0,3})"
    r"(?![a-z0-9])"
)
_DIGIT = re.compile(r"[0-9]")
_YEARS = re.compile(r"(?:19|20)[0-9]{2}(?:-(?:[0-9]{2}){1,2}){0,2}")


def _is_document(value: str) -> bool:
    """Whether a value beside a document's name has five digits, or is a card's number, and is no year or date."""
    digits = len(_DIGIT.findall(value))
    # Germany's cards: nine characters, letters and digits in turn.
    mixed = len(value) == 9 and digits >= 3 and value[:1].isalpha() and value[-1:].isalpha()
    return (digits >= 5 or mixed) and _YEARS.fullmatch(value) is None


def _is_policy(value: str) -> bool:
    """Whether six digits are there."""
    return len(_DIGIT.findall(value)) >= 6


def _is_plate(value: str) -> bool:
    """Whether two digits and a letter are there: "12 in" is none, "B-XY 123" is one."""
    letters = [char for char in value if char.isalpha()]
    return len(_DIGIT.findall(value)) >= 2 and bool(letters) and len(value) >= 5 and " in" not in value


TOKEN_ROWS = (
    Row(
        kind="vin",
        needs=("vin", "vehicle", "chassis"),
        pattern=_VEHICLE,
        near=re.compile(r"\b(?:vin|vehicle|chassis)\b"),
        accept=checksums.vin,
    ),
)
ROWS = (
    Row(
        kind="birth_date",
        needs=("dob", "birth", "geburt", "nacim", "naiss", "nascita", "geboorte", "urodzenia", "生年月日", "出生日期"),
        pattern=_BIRTH_TABLE,
        lowered=True,
    ),
    Row(
        kind="birth_date",
        needs=("dob", "d.o.b", "birth", "born", "gebor", "geburt", "nacid", "nacim", "née", "né le", "naiss", "nasc"),
        pattern=_BIRTH_DATE,
        lowered=True,
    ),
    Row(
        kind="passport",
        needs=(
            *(
                "passport",
                "pasaport",
                "passeport",
                "reisepass",
                "passapor",
                "paspoort",
                "paszport",
                "ausweis",
                "osobist",
            ),
            *("d'identit", "cidadão", "identiteitskaart", "alien ", "a-number", "green card"),
            *("パスポート", "旅券", "护照", "護照", "여권"),
        ),
        pattern=_PASSPORT,
        lowered=True,
        accept=_is_document,
    ),
    Row(
        kind="driving_licence",
        needs=("licen", "dl ", "führerschein", "permis", "patente"),
        pattern=_LICENCE,
        lowered=True,
        accept=_is_document,
    ),
    Row(
        kind="medical_record",
        needs=("mrn", "medical record", "patient", "hospital", "chart", "health record"),
        pattern=_RECORD,
        lowered=True,
    ),
    Row(
        kind="insurance_number",
        needs=("insurance", "policy", "member", "versicher", "assurance", "seguro", "medicaid"),
        pattern=_POLICY,
        lowered=True,
        accept=_is_policy,
    ),
    Row(
        kind="number_plate",
        needs=("plate", "registration", "kennzeichen", "matrícula", "immatriculation", "targa"),
        pattern=_PLATE,
        lowered=True,
        accept=_is_plate,
    ),
    Row(
        kind="coordinates",
        shape=r"[0-9]\.[0-9]{4}",
        pattern=_COORDINATES,
        lowered=True,
        near=re.compile(
            r"\b(?:lat|latitude|gps|coordinates?|coords?|location|located|live|lives|home|meet|pin|parked)\b"
        ),
        near_chars=60,
    ),
)
