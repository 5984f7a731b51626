"""
The layers of detection, cheapest first, and which kind of finding belongs to which.

`own` are the operator's rules; `secrets` and `patterns` are tables; `topics` is a small linear model; `names` needs a
model of names. A layer runs only where no layer before it has made the request restricted.
"""

from localfleet.core.detectors import KINDS, SECRET_KINDS

__all__ = ["LAYERS", "layer_of"]

LAYERS = ("own", "secrets", "patterns", "topics", "names")


def layer_of(kind: str) -> str:
    """
    The layer that reports this kind.

    `rule:...` and `document:...` are the operator's own; `topic:...` and `name:...` say so themselves.
    """
    head = kind.partition(":")[0]
    known = {"rule": "own", "document": "own", "topic": "topics", "name": "names"}
    if head in known:
        return known[head]
    if kind in SECRET_KINDS:
        return "secrets"
    return "patterns" if kind in KINDS else "own"
