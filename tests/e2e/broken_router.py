"""A router whose policy has the classic mistake (no door left: any door), for the test that it does not start."""

from dataclasses import replace

from localfleet.core import policy as law
from localfleet.core.ask import Ask
from localfleet.core.fleet import Fleet
from localfleet.core.label import Verdict
from localfleet.core.redaction.proof import Redacted
from localfleet.core.route import Decision, LocalRoute

real = law.decide


def fails_over_anywhere(
    ask: Ask, verdict: Verdict, fleet: Fleet, policy: law.Policy, redacted: Redacted | None = None
) -> Decision:
    """Where the law leaves nothing, take every model there is."""
    decision = real(ask, verdict, fleet, policy, redacted)
    anything = tuple(LocalRoute(model=model.name) for model in fleet.models)
    return decision if decision.routes else replace(decision, routes=anything)


if __name__ == "__main__":
    law.decide = fails_over_anywhere
    from localfleet.cli import main

    main()
