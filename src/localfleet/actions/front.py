"""Where requests that may take several calls are told from all others; those never come here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from localfleet.actions.cascade import Cascades
from localfleet.actions.pipeline import PREFIX, Pipelines
from localfleet.core.pipeline import Pipeline
from localfleet.gateway import Answer, Gateway
from localfleet.visit import Visit
from localfleet.wire.read import Letter

__all__ = ["Actions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What `models.yaml` declares beyond plain requests; built only where it declares some."""

    gateway: Gateway
    cascades: Cascades
    pipelines: Pipelines
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The virtual models, as clients ask for them."""
        return tuple(PREFIX + name for name in self.pipelines.by_name)

    def takes(self, letter: Letter) -> bool:
        """Whether this request is more than one call."""
        return letter.ask.task in self.cascades.by_task or self._pipeline(letter) is not None

    async def answer(self, letter: Letter, visit: Visit) -> Answer:
        """Answer as `Gateway.answer` does."""
        pipeline = self._pipeline(letter)
        if pipeline is not None:
            return await self.pipelines.answer(letter, visit, pipeline)
        return await self.cascades.answer(letter, visit, self.cascades.by_task[letter.ask.task or ""])

    def _pipeline(self, letter: Letter) -> Pipeline | None:
        name = self.aliases.get(letter.ask.model, letter.ask.model)
        return self.pipelines.by_name.get(name[len(PREFIX) :]) if name.startswith(PREFIX) else None
