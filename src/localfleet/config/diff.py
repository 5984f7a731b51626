"""Two checked `models.yaml`: what differs, and whether what runs for an entry may go on for its new form. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from localfleet.config.hosted import HostedModel
from localfleet.config.local import LocalModel
from localfleet.config.search import Search
from localfleet.config.settings import Settings
from localfleet.core.changes import Changes

__all__ = ["differences", "runs_on"]

DECIDED_BY = {
    LocalModel: frozenset({"can", "max_output_tokens", "life", "queue_limit", "queue_tokens"}),
    HostedModel: frozenset(
        {"tier", "accepts", "context_tokens", "max_output_tokens", "can", "apis", "prices", "data_policy"}
    ),
    Search: frozenset({"tier", "accepts", "usd_per_query", "data_policy"}),
}
"""Keys that decisions, the line and the residents look at, and no engine."""
Found = tuple[Literal["added", "removed", "changed"], str]


def differences(old: Settings, new: Settings) -> Changes:
    """Which keys came, went and changed, by their paths. Rules go by their names: to reorder them changes nothing."""
    found = sorted(_walk((), _plain(old), _plain(new)))
    return Changes(**{how: tuple(path for one, path in found if one == how) for how in ("added", "removed", "changed")})


def runs_on(old: LocalModel | HostedModel | Search, new: LocalModel | HostedModel | Search) -> bool:
    """Whether the engine of `old` serves `new` as it is: its process, line, breaker and connections stay."""
    if type(old) is not type(new):
        return False
    apart = DECIDED_BY[type(old)]
    return old.model_dump(exclude=set(apart)) == new.model_dump(exclude=set(apart))


def _plain(settings: Settings) -> dict[str, Any]:
    plain = settings.model_dump()
    plain["privacy"]["rules"] = {rule["name"]: rule for rule in plain["privacy"]["rules"]}
    return plain


def _walk(path: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Found]:
    for key in old.keys() | new.keys():
        place = (*path, str(key))
        if key not in old:
            yield "added", ".".join(place)
        elif key not in new:
            yield "removed", ".".join(place)
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from _walk(place, old[key], new[key])
        elif old[key] != new[key]:
            yield "changed", ".".join(place)
