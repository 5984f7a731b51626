"""`GET /v1/models`: OpenAI's shape, with what a client may want to know of each model under `localfleet`."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from localfleet.core.ask import Caller
from localfleet.core.fleet import Model
from localfleet.wire.task_model import TASK_PREFIX

__all__ = ["list_models"]

ROUTED = {"auto": "The router decides.", "local": "Any model on this box."}


def list_models(
    models: Mapping[str, Model], caller: Caller, pipelines: Iterable[str] = (), tasks: Iterable[str] = ()
) -> bytes:
    """The body: the virtual names, then every model that the caller may use."""
    allowed = [model for model in models.values() if caller.models is None or model.name in caller.models]
    virtual = [_row(name, {"description": text}) for name, text in ROUTED.items()]
    virtual += [_row(name, {"description": "Several stages, each by the law."}) for name in pipelines]
    virtual += [
        _row(TASK_PREFIX + name, {"description": "The router decides, for this task."}) for name in sorted(tasks)
    ]
    return orjson.dumps({"object": "list", "data": virtual + [_row(model.name, _facts(model)) for model in allowed]})


def _row(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "localfleet", "localfleet": facts}


def _facts(model: Model) -> dict[str, Any]:
    return {
        "tier": model.tier,
        "accepts": "restricted" if model.accepts is None else model.accepts.word,
        "apis": sorted(model.apis),
        "can": sorted(model.can),
        "context_tokens": model.context_tokens,
    }
