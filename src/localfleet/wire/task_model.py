"""A task asked for by a model's name, for clients that can set nothing else: `task/extract` or `task:extract`."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from localfleet.errors import BadAsk
from localfleet.wire.read import Letter

__all__ = ["TASK_PREFIX", "task_by_model", "task_named"]

TASK_PREFIX = "task/"
PREFIXES = (TASK_PREFIX, "task:")


def task_named(model: str) -> str | None:
    """The task that a model's name asks for; `None` for any other name."""
    if not model.startswith(PREFIXES):
        return None
    return next(model.removeprefix(prefix) for prefix in PREFIXES if model.startswith(prefix))


def task_by_model(letter: Letter, tasks: Collection[str], aliases: Mapping[str, str]) -> Letter:
    """
    The letter as if it asked for `auto` and named the task; any other letter, and an unknown task's, as it is.

    `aliases` are other names for models; one that stands for a task asks for it.
    Raises `BadAsk` where header or metadata name another task: which of the two is meant, nobody can tell.
    """
    ask = letter.ask
    name = task_named(aliases.get(ask.model, ask.model))
    if name is None or name not in tasks:
        return letter
    if ask.task is not None and ask.task != name:
        raise BadAsk("The model names one task and the request another: name the same, or ask for auto.", param="model")
    return replace(letter, ask=replace(ask, model="auto", task=name))
