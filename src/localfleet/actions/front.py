"""Where requests that may take several calls are told from all others; those never come here."""

from dataclasses import dataclass

from localfleet.actions.cascade import Cascades
from localfleet.gateway import Answer, Gateway
from localfleet.visit import Visit
from localfleet.wire.read import Letter

__all__ = ["Actions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """What `models.yaml` declares beyond plain requests; built only where it declares some."""

    gateway: Gateway
    cascades: Cascades

    def takes(self, letter: Letter) -> bool:
        """Whether this request is more than one call."""
        return letter.ask.task in self.cascades.by_task

    async def answer(self, letter: Letter, visit: Visit) -> Answer:
        """Answer as `Gateway.answer` does."""
        cascade = self.cascades.by_task.get(letter.ask.task or "")
        if cascade is not None:
            return await self.cascades.answer(letter, visit, cascade)
        return await self.gateway.answer(letter, visit)
