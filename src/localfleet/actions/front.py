"""Where requests that may take several calls are told from all others; those never come here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from localfleet.actions.action import Action
from localfleet.actions.cascade import Cascades
from localfleet.actions.pipeline import PREFIX, Pipelines
from localfleet.actions.shadow import Shadows
from localfleet.actions.split import Splits
from localfleet.core.pipeline import Pipeline
from localfleet.core.split import Experiment
from localfleet.errors import FleetError
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
    splits: Splits
    shadows: Shadows
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The virtual models, as clients ask for them."""
        return tuple(PREFIX + name for name in self.pipelines.by_name)

    def takes(self, letter: Letter) -> bool:
        """Whether this request is more than one call."""
        task = letter.ask.task
        return task in self.cascades.by_task or task in self.splits.by_task or self._pipeline(letter) is not None

    async def answer(self, letter: Letter, visit: Visit) -> Answer:
        """Answer as `Gateway.answer` does."""
        pipeline = self._pipeline(letter)
        if pipeline is not None:
            return await self.pipelines.answer(letter, visit, pipeline)
        experiment = self.splits.by_task.get(letter.ask.task or "")
        refused = None if experiment is None else await self._drawn(letter, visit, experiment)
        if refused is not None:
            return refused
        cascade = self.cascades.by_task.get(letter.ask.task or "")
        if cascade is None:
            return await self.gateway.answer(letter, visit)
        return await self.cascades.answer(letter, visit, cascade)

    async def after(self, letter: Letter, visit: Visit, answer: Answer) -> Answer:
        """The answer that goes out; its request may have a shadow, which begins when the answer is complete."""
        return answer if self._pipeline(letter) is not None else await self.shadows.after(letter, visit, answer)

    async def _drawn(self, letter: Letter, visit: Visit, experiment: Experiment) -> Answer | None:
        """Draw the side of an experiment and fix the doors; the answer where that is refused."""
        action = Action(gateway=self.gateway, visit=visit)
        try:
            await self.splits.decide(letter, visit, experiment)
            action.handed_on = True
        except FleetError as exc:
            return action.refused(exc)
        finally:
            action.end()
        return None

    def _pipeline(self, letter: Letter) -> Pipeline | None:
        name = self.aliases.get(letter.ask.model, letter.ask.model)
        return self.pipelines.by_name.get(name[len(PREFIX) :]) if name.startswith(PREFIX) else None
