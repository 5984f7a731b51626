"""
How to reach a person or a machine: e-mail, telephone, street address, IP and MAC addresses.

Addresses that standards set aside for documentation are public by nature and do not count. The table of rows is at the
end; the patterns above it say what each looks like.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from localfleet.core.detectors.row import Row

__all__ = ["ADDRESS_ROWS", "NUMBER_ROWS", "PLACE_ROWS"]

# Anchored at the sign, which is rare, so that words cost nothing. RFC 2606 names are left out.
_EMAIL = re.compile(
    r"@(?<=[A-Za-z0-9_+%\-]@)(?P<v>(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})\.){1,6}[A-Za-z]{2,24})(?![A-Za-z0-9@])"
)
_RESERVED_HOST = re.compile(
    r"(?:.{0,200}\.)?(?:example\.(?:com|org|net|edu)|(?:example|test|invalid|localhost|local))", re.DOTALL
)
_FILE_ENDING = re.compile(r".{0,200}\.(?:png|jpe?g|gif|svg|webp|css|js|ts|py|html?|json|md|txt)", re.DOTALL)
# What manuals write before the sign.
_NOBODYS_BOX = re.compile(
    r"(?<![\w.+\-])(?:src|dst|foo|bar|baz|foobar|user|username|someone|somebody|sender|recipient|"
    r"your[._\-]?name|your[._\-]?e?mail|first[._\-]?last(?:name)?|(?:do[._\-]?not|no)[._\-]?reply|example|test)@$"
)
_EMAIL_WORDS = re.compile(
    r"at(?<=[ \[({]at)[ \])}]{1,2}"
    r"(?P<v>(?!the |a |an |this |that )[a-z0-9\-]{2,40}"
    r"(?:(?:[ \[({]{1,2}dot[ \])}]{1,2}|\.)[a-z0-9\-]{2,30}){0,3}"
    r"(?:[ \[({]{1,2}dot[ \])}]{1,2}|\.)"
    r"(?:com|org|net|edu|gov|io|me|co|ai|dev|info|biz|uk|de|fr|es|it|nl|be|pl|se|no|dk|fi|pt|br|mx|in|ca|au|cn|jp|ch|at|eu))"
    r"(?![a-z0-9\-])"
)
# "At" and "dot" as they are said elsewhere; the host's end may be any.
_EMAIL_SAID = re.compile(
    r"(?<=[\w)\]])[ \[({]{1,2}(?:arroba|chiocciola|arobase|klammeraffe|małpa|apenstaartje|snabel-a|zavináč|kukac|at)"
    r"[ \])}]{1,2}(?P<v>[a-z0-9\-]{2,40}(?:[ \[({]{1,2}(?:punto|ponto|point|punkt|kropka|punt|piste|tečka|pont|dot)"
    r"[ \])}]{1,2}[a-z0-9\-]{2,24}){1,3})(?![a-z0-9\-])"
)
_DOT_WORD = re.compile(r"[\[({]at[\])}]|[ \[({]dot[ \])}]")


def _is_private_host(host: str) -> bool:
    """Whether a mail domain is neither reserved by RFC 2606 nor really a file name (`icon@2x.png`)."""
    low = host.lower()
    return _RESERVED_HOST.fullmatch(low) is None and _FILE_ENDING.fullmatch(low) is None


def _is_spelled_host(host: str) -> bool:
    """The same for `name at domain dot com`; at least one dot must be spelled out."""
    low = host.lower()
    plain = re.sub(r"[ \[({]{1,2}dot[ \])}]{1,2}", ".", low)
    return _DOT_WORD.search(low) is not None and _is_private_host(plain)


_IPV4 = re.compile(
    r"[0-9](?<![A-Za-z0-9_.\-][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?(?![A-Za-z0-9_\-]|\.[0-9])"
)
_IPV6 = re.compile(
    r"[23fF](?<![A-Za-z0-9_:.][23fF])[0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![A-Za-z0-9_:])"
)
_NOT_ANYBODYS = (
    *(IPv4Network(net) for net in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.2.0/24", "198.51.100.0/24")),
    *(IPv4Network(net) for net in ("203.0.113.0/24", "224.0.0.0/3", "1.1.1.1/32", "1.0.0.1/32", "8.8.8.8/32")),
    *(IPv4Network(net) for net in ("8.8.4.4/32", "9.9.9.9/32")),
    # Where every box for the home answers, as its manual says.
    *(
        IPv4Network(f"{net}.1/32")
        for net in ("192.168.0", "192.168.1", "192.168.2", "192.168.178", "10.0.0", "172.17.0")
    ),
)
_GIVEN_OUT_6 = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))
_NOT_ANYBODYS_6 = tuple(
    IPv6Network(net) for net in ("2001:db8::/32", "3fff::/20", "2001:4860:4860::/48", "2606:4700:4700::/48")
)
_VERSION = re.compile(r"(?:\bv|\bver\.?|version|release|build|section|chapter|clause|python|oid|firmware)[ :=]{0,3}$")
_FEW_DIGITS = re.compile(r"(?:[0-9]\.){3}[0-9]")


def _is_host_v4(candidate: str) -> bool:
    """Whether this is one machine's address: not documentation, loopback, multicast, a public resolver or a network."""
    address_text, _, prefix = candidate.partition("/")
    try:
        address = IPv4Address(address_text)
    except ValueError:
        return False
    if any(address in net for net in _NOT_ANYBODYS) or _FEW_DIGITS.fullmatch(address_text):
        return False
    host_bits = 32 - min(int(prefix or 0), 32)
    return not prefix or host_bits == 0 or int(address) % (1 << host_bits) != 0


def _is_host_v6(candidate: str) -> bool:
    """The same for IPv6; what the parser refuses is no address."""
    try:
        address = IPv6Address(candidate)
    except ValueError:
        return False
    return any(address in net for net in _GIVEN_OUT_6) and not any(address in net for net in _NOT_ANYBODYS_6)


# Anchored at the second separator, again because hexadecimal letters are everywhere in prose.
_MAC = re.compile(
    r"([:\-])(?<=(?<![0-9A-Fa-f:\-])[0-9A-Fa-f]{2}[:\-])(?P<v>[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4})(?![0-9A-Fa-f:\-])"
)


def _is_card_address(tail: str) -> bool:
    """Whether the last five octets are neither all alike nor from RFC 7042's documentation range."""
    return len(set(tail.replace("-", ":").lower().split(":"))) > 1 and tail.replace("-", ":")[:8] != "00:5E:00"


_PHONE_WORD = re.compile(
    r"\b(?:tel|tlf|tfno|ph|phone|telephone|phones|mobile|mob|cell|cellphone|fax|whatsapp|signal|landline|hotline|"
    r"telefon|telefono|teléfono|téléphone|telefone|telefoon|puhelin|portable|móvil|movil|celular|cellulare|handy|"
    r"mobil|mobiel|gsm|rufnummer|komórka|telefonnummer)\b|电话|手机|電話|携帯|連絡先|联系方式|전화|연락처|тел"
)
_REACH_WORD = re.compile(
    r"\b(?:call|calls|called|calling|dial|ring|text|sms|reach|contact|message|answering|number is|my number|"
    r"llame|llamar|llámame|llámanos|contacto|mi número|appeler|appelez|appelle|joindre|joignable|contacter|mon numéro|"
    r"anrufen|erreichbar|erreichen|ruf|rufen|melden|rückfragen|meine nummer|ligue|ligar|contato|meu número|"
    r"chiama|chiamami|chiamate|"
    r"recapito|mio numero|bel|bellen|bereikbaar|mijn nummer|zadzwoń|dzwonić|kontakt|mój numer|ringa)\b"
    r"|拨打|致电|联系我"
)
# Digits in one go are a number of somebody where they are what is called; other numbers stand near such words too.
_CALLED = re.compile(
    r"\b(?:call|ring|dial|text|sms|whatsapp|reach|phone)(?: (?:me|us|him|her|them|back|at|on|under)){0,2} "
    r"(?P<v>\+?[0-9]{9,13})(?![A-Za-z0-9_]|[\-/.][0-9]|,[0-9]{3}| (?:times|dollars|euros))"
)
_NO_PHONE = re.compile(r"(?:isbn|issn|doi|arxiv|commit|sha|order|invoice|ticket|ref|[#=*^/+$€£%.,])[ :#\-]{0,3}$")

_CALLING_CODE = (
    r"(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|"
    r"(?:2[1-689]|3[578]|42|5[09]|6[7-9]|8[05789]|9[679])[0-9])"
)
_END = r"(?![A-Za-z0-9_]|[\-/.][0-9])"
_PHONE_PLUS = re.compile(rf"(?<![A-Za-z0-9_+.])\+{_CALLING_CODE}(?:[ .\-/()]{{0,3}}[0-9]){{6,13}}{_END}")
_PHONE_00 = re.compile(rf"(?<![A-Za-z0-9_+.\-])00{_CALLING_CODE}(?:[ .\-/()]{{1,3}}[0-9]{{2,5}}){{2,5}}{_END}")
_EXTENSION = r"(?: ?(?:x|ext\.? ?)[0-9]{1,6})?"
_PHONE_US = re.compile(
    rf"(?<![A-Za-z0-9_.\-/+$])(?:1[ .\-])?(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}[.\-])[2-9][0-9]{{2}}[.\- ][0-9]{{4}}"
    rf"{_EXTENSION}{_END}"
)
_PHONE_FR = re.compile(
    r"0(?<![A-Za-z0-9_.\-/+]0)(?<![0-9_.\-/+,] 0)(?<!\b[0-9A-Fabcf]{2} 0)(?<!\b[A-Za-z] 0)"
    rf"[1-9]([ .\-])[0-9]{{2}}(?:\1[0-9]{{2}}){{3}}{_END}"
)
_PHONE_0 = re.compile(
    rf"(?<![A-Za-z0-9_.\-/+])(?<![0-9] )(?:\(0[1-9][0-9]{{1,3}}\)|0[1-9][0-9]{{1,3}})"
    rf"[ \-/][0-9]{{3,4}}[ \-][0-9]{{3,4}}{_END}"
)
# Mobiles in the three countries whose numbers say by themselves that they are: Germany, the Netherlands, Britain.
_PHONE_MOBILE = re.compile(
    rf"0(?<![A-Za-z0-9_.\-/+]0)(?<![0-9] 0)(?:1(?:5[0-9]|6[023]|7[0-9])[0-9]?[ /\-]?[0-9]{{7,8}}"
    rf"|6[ \-]?[1-58][0-9]{{7}}|"
    rf"7[1-9][0-9]{{2}} ?[0-9]{{6}}){_END}"
)
_PHONE_ANY = re.compile(rf"(?<![A-Za-z0-9_.+])\(?\+?[0-9](?:[ .\-/()]{{0,2}}[0-9]){{6,13}}{_EXTENSION}{_END}")
_PHONE_SPLIT = re.compile(
    rf"(?<![A-Za-z0-9_.+])(?=[0-9()+]{{1,6}}[ .\-/()])\(?\+?[0-9](?:[ .\-/()]{{0,2}}[0-9]){{6,13}}{_EXTENSION}{_END}"
)
_DATE = re.compile(
    r"(?:19|20)[0-9]{2}[\-/. ][01]?[0-9][\-/. ][0-3]?[0-9]|[0-3]?[0-9][\-/.][0-3]?[0-9][\-/.](?:19|20)[0-9]{2}"
)
_DOTS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?")
_DIGIT_GROUPS = re.compile(r"[0-9]{1,20}")


def _is_phone(candidate: str) -> bool:
    """Whether seven to fifteen digits are no date, no address, no list of years and not one digit over and over."""
    groups = _DIGIT_GROUPS.findall(candidate)
    digits = "".join(groups)
    if not 7 <= len(digits) <= 20 or len(set(digits)) < 3:
        return False
    years = len(groups) > 1 and all(len(group) == 4 and group[:2] in {"19", "20"} for group in groups)
    return not (years or _DATE.match(candidate) or _DOTS.fullmatch(candidate))


_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Terrace|Ter|Square|Sq|Highway|Hwy|"
    r"Parkway|Pkwy|Place|Pl|Way|Crescent|Close|Mews|Circle|Cir|Trail|Turnpike|Alley|Row|Gardens|Grove)"
)
_NAME = r"[A-Z\u00c0-\u017f][\w'.\-]{0,24}"
_STREET_EN = re.compile(
    rf"[0-9](?<![\w.,$€£/\-][0-9])[0-9]{{0,4}}[A-Za-z]?,? (?:[NSEW]\.? )?(?:{_NAME} ){{1,3}}{_STREET}\b(?![\w'])"
)
_US_TAIL = re.compile(
    r"[ACDFGHIKLMNOPRSTUVW](?<![A-Za-z][A-Z])"
    r"(?:(?<=A)[AEKLPRZ]|(?<=C)[AOT]|(?<=D)[CE]|(?<=F)[LM]|(?<=G)[AU]|(?<=H)I|(?<=I)[ADLN]|(?<=K)[SY]|(?<=L)A|"
    r"(?<=M)[ADEHINOPST]|(?<=N)[CDEHJMVY]|(?<=O)[HKR]|(?<=P)[ARW]|(?<=R)I|(?<=S)[CD]|(?<=T)[NX]|(?<=U)T|(?<=V)[AIT]|"
    r"(?<=W)[AIVY])\.? [0-9]{5}(?:-[0-9]{4})?(?![\w\-])"
)
_US_HEAD = re.compile(r"[0-9](?<![\w.$][0-9])[0-9]{0,5} [a-z][a-z0-9 .,'#\-\n]{5,80}[ ,\n][a-z]{2}\.? [0-9]{5}")
_MILITARY = re.compile(r"\b(?:[AFD]PO),? A[AEP] [0-9]{5}(?:-[0-9]{4})?(?![\w\-])")
_PO_BOX = re.compile(r"\bp\.? ?o\.? box:? #?[0-9]{1,6}\b")
# Capitals of three alphabets: whoever writes an address with a flat may write the street in Greek or Cyrillic.
_ANY_NAME = r"[A-Z\u00c0-\u017f\u0386-\u03a9\u0410-\u042f][\w'.\-]{0,24}"
_UNIT = re.compile(
    rf"[0-9](?<![\w.,$€£/\-][0-9])[0-9]{{0,5}} (?:{_ANY_NAME},? ){{1,4}}[0-9]{{0,5}},? ?\n?[>?|*# ]{{0,5}}"
    rf"(?:Apt|Apartment|Suite|Ste|Unit|Flat)\.? #?[0-9]{{1,5}}"
)
_STREET_SUFFIXED = re.compile(
    r"\b[A-ZÄÖÜÅØÆ][a-zäöüßéåøæ\-]{2,30}(?:straße|strasse|str\.|gasse|weg|platz|allee|straat|laan|plein|gatan|vägen|"
    r"veien|gata|vej|gade|katu|tie) [0-9]{1,4}[a-zA-Z]?(?![\w.])"
)
_STREET_PREFIXED = re.compile(
    r"\b(?:Rue|rue|Avenida|Avda\.?|Av\.|Calle|C/|Via|Viale|Piazza|Corso|Rua|Travessa|Praça|ul\.|Ulica|ulica|Plaza|Paseo|"
    rf"Boulevard|boulevard|chemin|Allée|allée) (?:(?:de|del|della|di|da|do|dos|la|le|les|du|des|l') ?){{0,2}}{_NAME}"
    rf"(?: {_NAME}){{0,3}},? (?:n[º°.] ?)?[0-9]{{1,4}}[a-zA-Z]?(?![\w.])"
)
_STREET_FR = re.compile(
    r"[0-9](?<![\w.,$€£/\-][0-9])[0-9]{0,3}(?: ?(?:bis|ter))?,? "
    r"(?:rue|avenue|boulevard|chemin|allée|impasse|quai|place|Rue) "
    rf"(?:(?:(?:de|du|des|la|le|les) ){{0,2}}(?:[dl]')?{_NAME}|(?:de|du|des|de la|de l'|du|des) ?[a-zà-ÿ]{{3,24}})"
)

_YEAR_STREET = re.compile(r"(?:1[89]|20)[0-9]{2} ")


# Houses that everybody knows, or that a story invented.
_NOBODYS_HOUSE = frozenset(
    (
        *("10 downing street", "11 downing street", "221b baker street", "1600 pennsylvania avenue", "4 privet drive"),
        *("12 grimmauld place", "1 hacker way", "350 fifth avenue", "11 wall street"),
        *("1 microsoft way", "17 cherry tree lane", "30 rockefeller plaza", "1428 elm street", "2 infinite loop"),
    )
)


def _is_somebodys(candidate: str) -> bool:
    """Whether the house number is not a year, as in `in 1987 Wall Street fell`, and the house none of the famous."""
    return _YEAR_STREET.match(candidate) is None and candidate.lower() not in _NOBODYS_HOUSE


ADDRESS_ROWS = (
    Row(kind="email", needs=("@",), pattern=_EMAIL, unless=_NOBODYS_BOX, accept=_is_private_host),
    Row(
        kind="email",
        needs=(" at ", "(at)", "[at]", "{at}"),
        pattern=_EMAIL_WORDS,
        lowered=True,
        accept=_is_spelled_host,
    ),
    Row(
        kind="email",
        needs=("arroba", "chiocciola", "arobase", "klammeraffe", "małpa", "apenstaartje", "snabel", "zaviná", "kukac"),
        pattern=_EMAIL_SAID,
        lowered=True,
    ),
    Row(kind="mac_address", shape="[:-][0-9a-f]{2}[:-][0-9a-f]{2}", pattern=_MAC, accept=_is_card_address),
    Row(kind="ip_address", shape="[23f][0-9a-f]{3}:[0-9a-f]{0,4}:", pattern=_IPV6, accept=_is_host_v6),
)
NUMBER_ROWS = (
    Row(kind="phone", needs=("+",), pattern=_PHONE_PLUS, accept=_is_phone),
    Row(kind="phone", needs=("00",), pattern=_PHONE_00, unless=_NO_PHONE, accept=_is_phone),
    Row(kind="phone", shape="[0-9]{3}[. -][0-9]{4}", pattern=_PHONE_US, unless=_NO_PHONE, accept=_is_phone),
    Row(kind="phone", needs=("0",), pattern=_PHONE_FR, unless=_NO_PHONE, accept=_is_phone),
    Row(kind="phone", needs=("0",), pattern=_PHONE_0, unless=_NO_PHONE, accept=_is_phone),
    Row(kind="phone", shape="0[167][0-9 /-]{8}", pattern=_PHONE_MOBILE, unless=_NO_PHONE, accept=_is_phone),
    Row(
        kind="phone",
        shape=_PHONE_WORD.pattern,
        pattern=_PHONE_ANY,
        near=_PHONE_WORD,
        unless=_NO_PHONE,
        accept=_is_phone,
    ),
    Row(
        kind="phone",
        shape=_REACH_WORD.pattern,
        pattern=_PHONE_SPLIT,
        near=_REACH_WORD,
        unless=_NO_PHONE,
        accept=_is_phone,
    ),
    Row(kind="phone", shape=r"[0-9]{9}", pattern=_CALLED, lowered=True, accept=_is_phone),
)
PLACE_ROWS = (
    Row(kind="ip_address", shape=r"[0-9]\.[0-9]{1,3}\.[0-9]", pattern=_IPV4, unless=_VERSION, accept=_is_host_v4),
    Row(kind="street_address", shape=r"[a-z]\.? [0-9]{5}", pattern=_US_TAIL, near=_US_HEAD, near_chars=90),
    Row(kind="street_address", shape=rf" {_STREET.lower()}\b", pattern=_STREET_EN, accept=_is_somebodys),
    Row(kind="street_address", needs=("apt", "apartment", "suite", "ste", "unit", "flat"), pattern=_UNIT),
    Row(kind="street_address", needs=("apo", "fpo", "dpo"), pattern=_MILITARY),
    Row(kind="street_address", needs=("box",), pattern=_PO_BOX, lowered=True),
    Row(
        kind="street_address",
        needs=(
            *("straße", "strasse", "str.", "gasse", "weg ", "platz", "allee", "straat", "laan", "plein"),
            *("gatan", "vägen", "veien", "gata", "vej", "gade", "katu", "tie "),
        ),
        pattern=_STREET_SUFFIXED,
    ),
    Row(
        kind="street_address",
        needs=(
            *("rue ", "avenida", "avda", "av.", "calle", "c/", "via", "piazza", "corso", "rua", "travessa", "praça"),
            *("ul.", "ulica", "plaza", "paseo", "boulevard", "chemin", "allée"),
        ),
        pattern=_STREET_PREFIXED,
    ),
    Row(
        kind="street_address",
        needs=("rue ", "avenue ", "boulevard", "chemin", "allée", "impasse", "quai", "place "),
        pattern=_STREET_FR,
    ),
)
