"""
Which layers read a request: those of its plan, else the usual ones, and those that its task adds.

A plan is the operator's word about a key, so it may take layers away. A task is the caller's word, so it only adds
(law 1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from localfleet.core.ask import Ask
from localfleet.core.classify import Rules
from localfleet.core.detectors import KINDS
from localfleet.core.layers import LAYERS, layer_of

__all__ = ["Layers", "Reading", "narrowed"]

Layers = frozenset[str]


def narrowed(rules: Rules, on: Layers) -> Rules:
    """The rules with these layers alone."""
    kinds = frozenset(kind for kind in (KINDS if rules.kinds is None else rules.kinds) if layer_of(kind) in on)
    return replace(
        rules,
        kinds=None if kinds == frozenset(KINDS) else kinds,
        texts=rules.texts if "own" in on else (),
        fields=rules.fields if "own" in on else (),
        documents=rules.documents if "own" in on else None,
        topics=rules.topics if "topics" in on else None,
        names=rules.names if "names" in on else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`full` are the rules of all layers; `usual` the layers for everybody else than the plans named."""

    full: Rules
    usual: Layers
    plans: Mapping[str, Layers] = field(default_factory=dict)
    tasks: Mapping[str, Layers] = field(default_factory=dict)
    output: Layers = frozenset()
    _made: Mapping[Layers, Rules] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        full: Rules,
        usual: Layers,
        *,
        plans: Mapping[str, Layers] | None = None,
        tasks: Mapping[str, Layers] | None = None,
        output: Layers = frozenset(),
    ) -> "Reading":
        """Make the rules for every set of layers, once: there are 32."""
        sets = [frozenset(some) for size in range(len(LAYERS) + 1) for some in combinations(LAYERS, size)]
        made = {on: narrowed(full, on) for on in sets}
        return cls(full=full, usual=usual, plans=plans or {}, tasks=tasks or {}, output=output, _made=made)

    def rules(self, ask: Ask) -> Rules:
        """What reads this request."""
        on = self.plans.get(ask.caller.plan or "", self.usual)
        if self.tasks:
            for task in (ask.task, ask.also_task):
                on |= self.tasks.get(task or "", frozenset())
        return self._made[on]

    def answers(self) -> Rules | None:
        """What reads answers; `None` where nothing does."""
        return self._made[self.output] if self.output else None
