"""By task: the doors a row of the routing table names, in its order."""

from localfleet.core.fleet import Model

__all__ = ["by_task"]


def by_task(models: list[Model], wanted: tuple[str, ...]) -> list[Model]:
    """
    Order models as `wanted` names them (`local` stands for every local one).

    Local models that the row does not name come last: a restricted request must find the box even where the row names
    hosted models only. Hosted models that it does not name are left out.
    """
    ranks = {name: rank for rank, name in reversed(list(enumerate(wanted)))}
    any_local = ranks.get("local", len(wanted))
    kept = [model for model in models if model.local or model.name in ranks]
    return sorted(kept, key=lambda model: ranks.get(model.name, any_local))
