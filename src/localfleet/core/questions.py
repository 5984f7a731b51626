"""
What the lint asks the policy: requests and fleets, thoroughly or, for files too large for that, widely.

**Thorough** is the product of everything: names, tasks, APIs and callers, with all models ready and with each alone
(for the name of one model: with that one down). **Wide** leaves out what the policy has no way to look at: it shuts
each door by facts of that door and of the request alone, so a door that can be tried at all is tried when its model is
the only one, in a task that names it or in none; and of two APIs that the same models answer, one is enough. A test
holds that both reach the same.
"""

from collections.abc import Iterator
from itertools import product

from localfleet.core.ask import Api, Ask, Caller
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.policy import AUTO, LOCAL, Policy

__all__ = ["Question", "effort", "thorough", "wide"]

READY = EngineState(readiness=Readiness.READY)
DOWN = EngineState(readiness=Readiness.DOWN)
Question = tuple[Ask, Fleet]
Models = tuple[Model, ...]
Callers = tuple[Caller, ...]


def effort(models: Models, policy: Policy, callers: Callers) -> int:
    """How many doors all thorough questions look at together; a core looks at some 300,000 a second."""
    names = 2 + len(policy.aliases)
    fleets = names * (1 + len(models)) + 2 * len(models)
    return len(callers) * len(Api) * 3 * (1 + len(policy.preference.tasks)) * fleets * len(models)


def thorough(models: Models, policy: Policy, callers: Callers) -> Iterator[Question]:
    """The product of everything there is."""
    alone = (_all_ready(models), *(_fleet(models, up={one.name}) for one in models))
    without = {one.name: (_all_ready(models), _fleet(models, down={one.name})) for one in models}
    tasks = (None, *policy.preference.tasks)
    for caller, name, task, api in product(callers, _names(models, policy), tasks, Api):
        for fleet in without.get(name, alone):
            yield _ask(caller, name, task, api), fleet


def wide(models: Models, policy: Policy, callers: Callers) -> Iterator[Question]:
    """Enough to find every door, at a cost that grows with the square of the models."""
    rows, ready = policy.preference.tasks, _all_ready(models)
    general = (AUTO, LOCAL, *policy.aliases)
    for caller, api in product(callers, _kinds_of_api(models)):
        for name, task in product(general, (None, *rows)):
            yield _ask(caller, name, task, api), ready
        for one in models:
            for fleet in (ready, _fleet(models, down={one.name})):
                yield _ask(caller, one.name, None, api), fleet
            only = _all_ready((one,))
            naming = (None, *(task for task, row in rows.items() if one.name in row))
            for name, task in product((*general, one.name), naming):
                if policy.aliases.get(name, name) in {AUTO, LOCAL, one.name}:
                    yield _ask(caller, name, task, api), only


def _names(models: Models, policy: Policy) -> tuple[str, ...]:
    return (AUTO, LOCAL, *(model.name for model in models), *policy.aliases)


def _kinds_of_api(models: Models) -> tuple[Api, ...]:
    """One API for each set of models that answer it."""
    kinds = {frozenset(model.name for model in models if api in model.apis): api for api in Api}
    return tuple(kinds.values())


def _ask(caller: Caller, name: str, task: str | None, api: Api) -> Ask:
    """A request as small as can be, so that no limit shuts a door."""
    return Ask(request_id="lint", api=api, model=name, caller=caller, spans=(), task=task)


def _all_ready(models: Models) -> Fleet:
    return Fleet(models=models, states={model.name: READY for model in models})


def _fleet(models: Models, *, up: set[str] | None = None, down: set[str] | None = None) -> Fleet:
    """All models, of which only these are ready, or all but these."""
    ready = {model.name for model in models} - (down or set()) if up is None else up
    return Fleet(models=models, states={model.name: READY if model.name in ready else DOWN for model in models})
