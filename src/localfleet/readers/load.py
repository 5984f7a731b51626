"""What the layers `topics` and `names` need, read from packages: weights, well-known people, the model of names."""

from functools import cache
from importlib.resources import files

from localfleet.core.meaning import Meaning, read_meaning
from localfleet.core.names import Reader
from localfleet.readers.rampart import Rampart, rampart_files

__all__ = ["load_meaning", "load_reader"]


@cache
def load_meaning() -> Meaning:
    """The linear model and its words: 2 MB in memory, read in some milliseconds, once for all reloads."""
    data = files("localfleet") / "data"
    known = data.joinpath("public_people.txt").read_text(encoding="utf-8").splitlines()
    common = data.joinpath("common_words.txt").read_text(encoding="utf-8").splitlines()
    return read_meaning(data.joinpath("meaning.bin").read_bytes(), frozenset(known), common)


def load_reader() -> Reader:
    """The model of names."""
    return Rampart(rampart_files())
