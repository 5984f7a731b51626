"""
How sensitive a request is, and the one rule: labels only go up.

Nothing in this file, or anywhere else, takes a label down. Joining takes the highest.
"""

from enum import IntEnum

from localfleet.core.value import value

__all__ = ["RESTRICTED", "Finding", "Label", "Verdict", "highest"]


class Label(IntEnum):
    """`PUBLIC < INTERNAL < RESTRICTED`. Restricted text never leaves the box."""

    PUBLIC = 0
    INTERNAL = 1
    RESTRICTED = 2

    @property
    def word(self) -> str:
        """The label as written in headers, `models.yaml` and receipts: `public`, `internal`, `restricted`."""
        return _WORDS[self]

    @classmethod
    def read(cls, word: str) -> "Label":
        """Read a label's word, any case; raises `ValueError` for anything else."""
        try:
            return cls[word.strip().upper()]
        except KeyError:
            msg = "a label is one of public, internal, restricted"
            raise ValueError(msg) from None


RESTRICTED = Label.RESTRICTED
"""A member's own name: to look it up in its enum takes ten times as long. Other rooms name theirs likewise."""
_WORDS = tuple(label.name.lower() for label in Label)
"""An enum's name is a slow property, and each request asks several times."""


def highest(*labels: Label | None) -> Label:
    """Join labels; `None` means "nothing was said"; with nothing said at all, restricted."""
    said = [label for label in labels if label is not None]
    return max(said, default=Label.RESTRICTED)


@value
class Finding:
    """What a detector or rule found: its kind and how often. Never the matched text."""

    kind: str
    count: int
    label: Label = Label.RESTRICTED


@value
class Verdict:
    """
    The label of one request and what raised it.

    `because` names the sources that reached the final label, such as `key_default`, `header`, `metadata`,
    `task:billing`, `rule:project_x`, `detector:email`, `conversation`, `session`, `unreadable:image`,
    `detector_failed`: names from the configuration or from this code base, never from the request.
    """

    label: Label
    findings: tuple[Finding, ...] = ()
    because: tuple[str, ...] = ()
