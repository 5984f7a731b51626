"""Prompts of a wanted length in tokens, each one different, so that no cache of prompts answers for the engine."""

from collections.abc import Callable
from dataclasses import dataclass

from localfleet.bench.sample import Target, ask
from localfleet.errors import FleetError

__all__ = ["Writer", "learn_words"]

WORDS = """
the of and to in is was for on that with as by at from his they be this have or had not but what all were when we
there can an your which their said if do will each about how up out them then she many some so these would other
into has more her two like him see time could no make than first been its who now people my made over did down only
way find use may water long little very after words called just where most know get through back much before go good
new write our used me man too any day same right look think also around another came come work three word must
because does part even place well such here take why things help put years different away again off went old number
great tell men say small every found still between name should home big give air line set own under read last never
us left end along while might next sound below saw something thought both few those always looked show large often
"""
PROBES = (8, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """
    Words -> tokens for one engine: `overhead` of the chat template, `per_word` for each word. `draw` gives 0 to 1.

    What the engine counted in the end is what is reported, so the words need only be about right.
    """

    overhead: float
    per_word: float
    draw: Callable[[], float]

    def prompt(self, tokens: int) -> str:
        """A text of about so many tokens, template included; at least one word."""
        many = max(1, round((tokens - self.overhead) / self.per_word))
        return words(many, self.draw)


def words(many: int, draw: Callable[[], float]) -> str:
    """So many random words."""
    known = WORDS.split()
    return " ".join(known[int(draw() * len(known))] for _ in range(many))


async def learn_words(target: Target, draw: Callable[[], float]) -> Writer:
    """Ask twice for one token, and learn from the engine's own counts; raises `FleetError` where it gives none."""
    seen = []
    for many in PROBES:
        sample = await ask(target, words(many, draw), output_tokens=1)
        if sample.failed is not None:
            why = sample.failed.value.replace("_", " ")
            raise FleetError(
                f"{target.kind} did not answer a first question ({why}): check its address, name and key, look at its "
                "log, then start again"
            )
        seen.append(sample.input_tokens)
    per_word = (seen[1] - seen[0]) / (PROBES[1] - PROBES[0])
    if per_word <= 0:
        raise FleetError(f"{target.kind} does not count the tokens of its prompts, so nothing can be fitted to them")
    return Writer(overhead=max(0.0, seen[0] - PROBES[0] * per_word), per_word=per_word, draw=draw)
