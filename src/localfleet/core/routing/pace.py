"""How fast doors usually are, learned from receipts: a mean that leans to the latest."""

from dataclasses import dataclass, field

__all__ = ["Pace"]

LATEST = 0.1
"""Share of the newest figure: about the last twenty count."""


@dataclass(slots=True)
class Pace:
    """Milliseconds to the first byte by model. Used from one event loop."""

    ms_by_model: dict[str, float] = field(default_factory=dict)

    def note(self, model: str, ms: float) -> None:
        """One more answer."""
        before = self.ms_by_model.get(model)
        self.ms_by_model[model] = ms if before is None else before + LATEST * (ms - before)
