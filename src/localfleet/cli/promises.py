"""Which threshold the classifier routes by, and with which promise: for `check` and `explain`."""

from collections.abc import Iterator
from datetime import UTC, datetime

from localfleet.core.routing.lens import engine_of
from localfleet.core.routing.promise import doubt, promised
from localfleet.core.routing.scored import HARDEST, Scored

__all__ = ["threshold_lines", "threshold_warnings"]

AT = "routing.difficulty.classifier"


def threshold_lines(scored: Scored | None) -> Iterator[str]:
    """One sentence where there is a classifier."""
    if scored is None:
        return
    if scored.scorer.lens is not None and engine_of(scored.scorer.lens.folder) is not None:
        yield f"{AT}: reads embeddings of {scored.scorer.lens.folder}; `explain` starts no engine, so it abstains there"
    levels = ", ".join(f"{level} from {least:g}" for level, least in scored.scores.least)
    if scored.claim is not None:
        yield f"{AT}: the strong model from {scored.claim.threshold:g} on (calibrated): {promised(scored.claim)}"
    else:
        yield f"{AT}: level {levels}, {'as written' if scored.written else 'by default'}, without a promise"


def threshold_warnings(scored: Scored | None) -> Iterator[str]:
    """What speaks against the promise, or against not using it."""
    if scored is None:
        return
    claim, today = scored.claim or scored.scorer.claim, datetime.now(UTC).date()
    if claim is None:
        return
    if (said := doubt(claim, today)) and (scored.claim is not None or claim.refused_at):
        used = "" if scored.claim is not None else " (not used)"
        yield f"{AT}: the calibrated threshold {claim.threshold:g}{used}: {said}"
    if scored.claim is not None and scored.abstains < HARDEST:
        yield f"{AT}.abstains: the promise takes prompts of an unknown kind to be at level 5; leave it out"
