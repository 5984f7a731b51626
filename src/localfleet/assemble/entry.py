"""One entry of `local:` or `hosted:` as it was built: what a reload keeps, adjusts, or lets go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from localfleet.config import HostedModel, LocalModel, Search, runs_on
from localfleet.core.fleet import Readiness
from localfleet.engines.admission import Admission
from localfleet.engines.residents import Tenant
from localfleet.ports import Engine

__all__ = ["Entry"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """`engines` by the names that clients use: a vLLM entry has one for each of its adapters too."""

    model: LocalModel | HostedModel | Search
    secret: str | None = field(repr=False)
    engines: Mapping[str, Engine]
    door: Admission | None = None
    """The line before a local model."""
    tenant: Tenant | None = None
    """Where there is a process of ours to keep."""
    weights_bytes: int | None = None
    """The size of a llama.cpp model's file."""

    def kept_for(self, model: LocalModel | HostedModel | Search, secret: str | None) -> "Entry | None":
        """
        The entry with its engines as they are, for what the file says now; `None` where other ones are needed.

        So a process that gave up gets another chance by a reload: what it lacked may be there now.
        """
        gave_up = self.tenant is not None and self.tenant.supervisor.state().readiness is Readiness.DOWN
        same = secret == self.secret and runs_on(self.model, model)
        return replace(self, model=model) if same and not gave_up else None
