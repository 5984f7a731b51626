"""
Invented names for real ones, from lists of the same language: common names, of nobody in particular.

Each word of a name gets its own, so that "Ms Smith" later on is still the Julia Smith of before. A guess at the
language (script, letters, endings) and at a woman's or a man's name keeps the answer's grammar right more often.
"""

import re

from localfleet.core.redaction.dice import Dice

__all__ = ["COMMON_WORDS", "name_for"]

_POOLS = {
    "en": (
        "Alison Bridget Claudia Daphne Edith Felicity Gwendolyn Harriet Imogen Josephine Lydia Miriam Nadine Philippa",
        "Alistair Barnaby Cedric Desmond Edmund Fergus Gilbert Humphrey Leopold Malcolm Nigel Percival Rupert Tobias",
        (
            "Ashworth Birchall Cartwright Dunmore Ellsworth Fairbrother Greenhalgh Hathersage Kettlewell Lockwood "
            "Mosscrop Norcliffe Oakeshott Pemberton Ravenscroft Satterthwaite Thistlewood Underhill Wetherby Yardley"
        ),
    ),
    "de": (
        "Annegret Birgit Dorothea Elfriede Gudrun Heike Irmgard Katrin Liselotte Mechthild Renate Sieglinde Ulrike",
        "Albrecht Bertram Dietmar Eckhart Friedhelm Gerhard Helmut Joachim Konrad Lothar Manfred Norbert Volker",
        (
            "Ackermann Brinkmann Diefenbach Eberhardt Feldkamp Grabowski Hohenfeld Kesselring Lindenau "
            "Mittermaier Niederhoff Oberlander Pfeiffer Rosenthal Steinbach Teichmann Uhlenbrock Weidemann Zimmerling"
        ),
    ),
    "fr": (
        "Adeline Bernadette Clothilde Delphine Eugenie Florence Genevieve Huguette Josiane Laurence Mireille Odile",
        "Armand Bertrand Cyprien Didier Etienne Fabrice Gaston Hippolyte Ludovic Marcel Octave Thierry Valentin",
        (
            "Aubertin Beauchamp Charpentier Delacourt Escoffier Fontenay Grandjean Lavigne "
            "Montclair Nolleau Picardie Quesnel Rochefort Sauvageot Thibodeau Vauquelin"
        ),
    ),
    "es": (
        "Adriana Beatriz Consuelo Dolores Esperanza Graciela Inmaculada Leticia Maribel Natividad Paloma Rosario",
        "Anselmo Bernardo Crescencio Eduardo Fermin Gonzalo Hernando Ignacio Leandro Marcelino Rodrigo Teodoro",
        (
            "Aguirre Benavides Carrasco Echeverria Figueroa Gallardo Iturbide Ledesma "
            "Montenegro Navarrete Olivares Quintana Riquelme Saavedra Urrutia Valdivieso Zambrano"
        ),
    ),
    "it": (
        "Alessandra Bianca Carlotta Donatella Fiorella Giuditta Loredana Mariangela Ornella Patrizia Serafina Viviana",
        "Amedeo Baldassare Corrado Donato Ermanno Fabrizio Gennaro Lodovico Massimo Onofrio Raimondo Severino",
        (
            "Accardi Bellomo Cavallaro Damiani Esposti Fontanella Gambino "
            "Lombardini Marchesini Palmieri Quaranta Sartori Tagliabue Vaccaro Zanetti"
        ),
    ),
    "nordic": (
        "Astrid Birgitta Dagny Elin Gunhild Hedvig Ingeborg Karin Linnea Margit Ragnhild Solveig Turid",
        "Asbjorn Birger Einar Folke Gunnar Halvard Ivar Kjell Leif Magnus Ragnar Sigurd Torbjorn",
        (
            "Almqvist Bergstrand Dahlgren Ekelund Forsberg Gulbrandsen Hallberg "
            "Kristoffersen Lundquist Nordahl Ostergaard Rosenqvist Sandberg Thorvaldsen Wikstrom"
        ),
    ),
    "pl": (
        "Agnieszka Bozena Danuta Elzbieta Grazyna Halina Jadwiga Kazimiera Ludmila Malgorzata Teresa Urszula",
        "Boguslaw Czeslaw Dariusz Eugeniusz Grzegorz Henryk Jaroslaw Kazimierz Leszek Mieczyslaw Ryszard Zbigniew",
        (
            "Adamczyk Bielecki Czarnecki Dabrowski Gajewski Jankowski Kaczmarek Lewandowicz "
            "Majewski Olszewski Pawlak Rutkowski Sobczak Tomaszewski Wysocki Zawadzki"
        ),
    ),
    "ru": (
        "Алевтина Варвара Галина Евгения Зинаида Клавдия Лариса Маргарита Надежда Полина Серафима Тамара",
        "Аркадий Богдан Валерий Геннадий Ефим Игнат Климент Леонид Матвей Прохор Родион Тимофей",
        "Белозеров Ветров Громыхин Дорофеев Ермолов Журавлев Калинов Лаврентьев Морозкин Озерский Панкратов Шаповалов",
    ),
}
_ENDINGS = (
    ("nordic", re.compile(r"(?:sson|sen|qvist|quist|strom|ström|gren|lund|gaard)$|[åøæ]", re.IGNORECASE)),
    ("pl", re.compile(r"(?:ski|ska|wicz|czyk|czak|rek|slaw|sław)$|[łąęśżźńć]", re.IGNORECASE)),
    ("de", re.compile(r"(?:mann|bauer|meier|mayer|meyer|schmidt|stein|berger|hardt|helm)$|[äüß]|^sch", re.IGNORECASE)),
    ("es", re.compile(r"(?:ez|oz|ado|illo|ero|ito)$|[ñáíóú]", re.IGNORECASE)),
    ("it", re.compile(r"(?:elli|etti|ini|ucci|acci|oni|ardo|ella)$", re.IGNORECASE)),
    ("fr", re.compile(r"(?:eau|eux|ault|aud|ette|ois|ard|ier)$|[èêëçâî]", re.IGNORECASE)),
    ("ru", re.compile(r"[\u0430-\u044f\u0451]", re.IGNORECASE)),
)
_WOMAN = re.compile(r"(?:a|ie|ine|elle|ette|lyn|eth|yn|ice|rid|trud|gard|\u0430|\u044f)$", re.IGNORECASE)
COMMON_WORDS = frozenset(
    """
    will mark may june april august grace hope rose bill art frank grant rich sue pat drew chase dean page king young
    long brown white green black summer autumn winter joy faith dawn price field fields wood woods hill lake stone
    bank banks church pope hall house lane street park best good love power early little small strong wise major
    general judge law day west north south east
    """.split()  # noqa: SIM905  # a list of quoted words of this length reads worse
)
"""Names that often stand at the head of a sentence as words: replaced within a whole name only."""


def name_for(word: str, part: str, dice: Dice) -> str:
    """An invented name in place of `word`, a `given` or `sur` name, written as it is: JULIA, Julia or julia."""
    women, men, surnames = _POOLS[_language(word)]
    pool = surnames if part == "sur" else women if _WOMAN.search(word) else men
    name = dice.one_of(pool.split())
    if word.isupper() and len(word) > 1:
        return name.upper()
    return name.lower() if word.islower() else name


def _language(word: str) -> str:
    return next((language for language, pattern in _ENDINGS if pattern.search(word)), "en")
