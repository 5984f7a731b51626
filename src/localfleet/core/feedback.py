"""What a person or a program says of an answer afterwards: no words, only how it went."""

from localfleet.core.value import value

__all__ = ["Feedback"]


@value
class Feedback:
    """
    About one request, by its id, or a caller's piece of work, by its hash.

    What is `None` was not said; at least one thing is.

    `accepted`: the answer was used; `corrected`: somebody had to change it; `score` from 0 (useless) to 1. Of several
    about one request the last counts. `key_id` is who said it: it counts for that key's own requests; `None` is the
    operator, for all.
    """

    request_id: str
    at: float
    key_id: str | None
    accepted: bool | None = None
    corrected: bool | None = None
    score: float | None = None
