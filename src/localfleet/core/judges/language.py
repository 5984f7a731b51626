"""
Which language a text is in, where that is plain: by script, and for Latin script by its commonest words.

The words are the most frequent function words of each language, chosen so that few stand in two lists. This is no
classifier of short texts: it says nothing rather than something wrong.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

__all__ = ["LANGUAGES", "language_of"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMON: Mapping[str, frozenset[str]] = {
    "en": _words("the and of to is that it for you with are this was be have not by from which they"),
    "de": _words("der die das und ist nicht ein eine zu den mit sich auf für auch von dem wird wir sind"),
    "fr": _words("le les des est et une que pour dans pas vous sur qui avec sont il ne ce du cette"),
    "es": _words("el los las es y una que por para con no se del como más pero su está son muy"),
    "it": _words("il gli è che di una per non con sono della nel anche si più come ma questo alla lo"),
    "pt": _words("o os é e uma que para não com do da em dos mais como mas seu são também ao"),
    "nl": _words("de het een en van is dat niet met voor zijn op aan ook er maar wordt deze door naar"),
}
SCRIPTS: Mapping[str, str] = {
    "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru", "ARABIC": "ar", "GREEK": "el",
    "HEBREW": "he", "THAI": "th", "DEVANAGARI": "hi",
}  # fmt: skip
LANGUAGES = tuple(sorted({*COMMON, *SCRIPTS.values()}))
WORD = re.compile(r"[^\W\d_]+")
LOOKED_AT = 4000
"""Characters: more say nothing new."""
LEAST_WORDS = 8
LEAST_SHARE = 0.12
LEAD = 1.5


def language_of(text: str) -> str | None:
    """One of `LANGUAGES`; `None` where the text is short, mixed or of none of them."""
    text = text[:LOOKED_AT]
    letters = [char for char in text if char.isalpha()]
    scripts = Counter(unicodedata.name(char, "LATIN").split()[0] for char in letters[::3] if not char.isascii())
    foreign = scripts.total() - scripts["LATIN"]
    if letters and foreign * 3 > len(letters) / 2:
        return _by_script(scripts)
    words = [word.lower() for word in WORD.findall(text)]
    if len(words) < LEAST_WORDS:
        return None
    shares = sorted(((sum(word in known for word in words), name) for name, known in COMMON.items()), reverse=True)
    (most, name), (second, _) = shares[0], shares[1]
    return name if most >= LEAST_SHARE * len(words) and most >= LEAD * second else None


def _by_script(scripts: Counter[str]) -> str | None:
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > scripts["CJK"] / 20 and scripts["HIRAGANA"]:
        return "ja"
    found = next((script for script, _ in scripts.most_common() if script in SCRIPTS), None)
    return None if found is None else SCRIPTS[found]
