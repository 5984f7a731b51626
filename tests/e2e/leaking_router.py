"""
A router with one real flaw, named by the environment, for the decks of the wire to find.

Each is a change of one part, made before the program starts, beside what `check --paths` can see: the law is asked as
ever, and the proof holds. That is what the taps are for.
"""

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from localfleet import gateway, judging
from localfleet.actions import pipeline, shadow
from localfleet.batches import desk, sealed
from localfleet.core.label import Label, Verdict
from localfleet.errors import NotFound
from localfleet.server import batch_plane

__all__ = ["FLAW", "FLAWS"]

FLAW = "LOCALFLEET_TEST_FLAW"


def fails_over_anywhere() -> None:
    """The classic: where the law leaves no door, decide as if it were public."""
    real = vars(gateway)["decide"]

    def decide(ask: Any, verdict: Verdict, fleet: Any, policy: Any, redacted: Any = None) -> Any:
        decision = real(ask, verdict, fleet, policy, redacted)
        return decision if decision.routes else real(ask, Verdict(label=Label.PUBLIC), fleet, policy, None)

    vars(gateway)["decide"] = decide
    vars(gateway)["body_for"] = lambda route, letter, verdict, redaction: letter.body


def forgets_conversations() -> None:
    """A restricted session or conversation is not remembered."""
    vars(judging)["restrict"] = lambda bench, ask, prints: None


def forgets_chunks() -> None:
    """A labelled chunk is not known again."""
    vars(judging)["_keep"] = lambda bench, ask, prints: None


def mirrors_everything() -> None:
    """A shadow is decided as if its request were public."""
    real = vars(shadow)["as_if_asked"]

    async def judge(*_: Any) -> Verdict:
        return Verdict(label=Label.PUBLIC)

    vars(shadow)["judge"] = judge
    vars(shadow)["as_if_asked"] = lambda ask, model, label: real(ask, model, Label.PUBLIC)


def stages_forget_labels() -> None:
    """A stage is asked without the label of what it reads."""
    rendered = vars(pipeline)["rendered"]
    vars(pipeline)["rendered"] = lambda *args: (rendered(*args)[0], Label.PUBLIC)


def batches_forget_headers() -> None:
    """The headers of a batch do not hold for its lines."""
    vars(batch_plane)["KEPT_HEADERS"] = ()


def pseudonyms_are_not_used() -> None:
    """A redacted request is decided as redacted, and sent as it was."""
    vars(gateway)["body_for"] = lambda route, letter, verdict, redaction: letter.body


def words_are_logged() -> None:
    """A line for debugging."""
    judge = vars(gateway)["judge"]

    async def logged(bench: Any, letter: Any, visit: Any) -> Verdict:
        verdict: Verdict = await judge(bench, letter, visit)
        if verdict.label is Label.RESTRICTED:
            logging.getLogger("localfleet").warning("judged %s", [span.text for span in letter.ask.spans])
        return verdict

    vars(gateway)["judge"] = logged


def batches_lie_in_clear() -> None:
    """What is sealed is kept in clear as well, until the process ends."""
    put = sealed.SealedFolder.put

    def both(self: Any, name: str, data: bytes) -> None:
        put(self, name, data)
        (self._folder / f"{name}.draft").write_bytes(data)

    vars(sealed)["SealedFolder"].put = both


def names_of_files_are_echoed() -> None:
    """An error that repeats what was asked for."""
    real = desk.Desk.file

    def file(self: Any, caller: Any, name: str) -> Any:
        try:
            return real(self, caller, name)
        except NotFound:
            raise NotFound(f"There is no file {name} of {caller.name}.") from None

    vars(desk)["Desk"].file = file


FLAWS: Mapping[str, tuple[Callable[[], None], str]] = {
    "no door left, any door": (fails_over_anywhere, "LEAK: "),
    "conversations are forgotten": (forgets_conversations, "by session"),
    "chunks are forgotten": (forgets_chunks, "chunk that was labelled"),
    "shadows know no label": (mirrors_everything, "LEAK: at openai"),
    "stages forget labels": (stages_forget_labels, "pipeline"),
    "batches forget headers": (batches_forget_headers, "line of a batch"),
    "pseudonyms are not used": (pseudonyms_are_not_used, "redacts"),
    "words are logged": (words_are_logged, "output.log"),
    "batches lie in clear": (batches_lie_in_clear, ".draft"),
    "names of files are echoed": (names_of_files_are_echoed, "GET /v1/files"),
}
"""Name -> how it breaks, and what a deck must say of it."""


if __name__ == "__main__":
    FLAWS[os.environ[FLAW]][0]()
    from localfleet.cli import main

    main()
