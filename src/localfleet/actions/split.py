"""Splits of traffic: which side a request is on, and the decision that its side's row makes by the same law."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from localfleet.core.split import TRIAL, Experiment, side_of
from localfleet.gateway import Gateway
from localfleet.judging import judge
from localfleet.visit import Visit
from localfleet.wire.read import Letter

__all__ = ["Splits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The experiments of one file, by task."""

    gateway: Gateway
    by_task: Mapping[str, Experiment]

    async def decide(self, letter: Letter, visit: Visit, experiment: Experiment) -> None:
        """
        Draw the side, and fix the doors; raises `NotFound`.

        The trial's row stands in the place of the task's: the policy looks at it as at any row, so it orders doors and
        opens none. Who names a model gets that model on either side.
        """
        gateway, ask = self.gateway, letter.ask
        who = ask.session if experiment.by == "session" and ask.session is not None else ask.caller.key_id
        side = side_of(experiment, f"{ask.caller.key_id}\0{who}", key=gateway.print_key)
        visit.arm = f"{experiment.name}:{side}"
        if side != TRIAL:
            return
        visit.verdict = await judge(gateway, letter, visit)
        preference = gateway.policy.preference
        tasks = {**preference.tasks, experiment.task: experiment.doors}
        policy = replace(gateway.policy, preference=replace(preference, tasks=tasks))
        visit.decision = replace(gateway, policy=policy).decision(ask, visit.verdict, visit.redaction)
