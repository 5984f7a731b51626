"""Experiments as the file declares them and as `routing promote` and `rollback` left them."""

import json
from collections.abc import Mapping
from pathlib import Path

from localfleet.config import Settings
from localfleet.config.experiments import Experiment as Shape
from localfleet.core.split import Experiment

__all__ = ["STATE_FILE", "build_experiment", "mirrored", "read_states", "running"]

STATE_FILE = "experiments.json"
SHARES = {"promoted": 1.0, "rolled_back": 0.0}


def read_states(home: Path) -> dict[str, str]:
    """Experiment -> `promoted` or `rolled_back`, as the commands left them; a file that cannot be read says nothing."""
    try:
        found = json.loads((home / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): state for name, state in found.items() if state in SHARES} if isinstance(found, dict) else {}


def build_experiment(name: str, shape: Shape, state: str = "") -> Experiment:
    """One experiment, with the share that its state gives it."""
    return Experiment(
        name=name,
        task=shape.task,
        doors=(shape.first, *shape.fallback),
        share=SHARES.get(state, shape.share),
        by=shape.by,
        margin=shape.margin,
        most_cost_ratio=shape.most_cost_ratio,
    )


def running(settings: Settings, states: Mapping[str, str]) -> dict[str, Experiment]:
    """Every split by its task; a shadow that was promoted is one, of all that its task gets."""
    found: dict[str, Experiment] = {}
    for name, shape in settings.experiments.items():
        state = states.get(name, "")
        if shape.shadow is None or state == "promoted":
            found.setdefault(shape.task, build_experiment(name, shape, state))
    return found


def mirrored(settings: Settings, states: Mapping[str, str]) -> dict[str, Shape]:
    """Every shadow that still goes along, by its name."""
    shapes = settings.experiments.items()
    return {name: shape for name, shape in shapes if shape.shadow is not None and states.get(name) not in SHARES}
