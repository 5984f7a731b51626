"""No legal door: each combination of shut doors folds into the most helpful answer."""

from itertools import combinations

import pytest

from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.refusal import TABLE, Refusal, refusal
from localfleet.core.route import Decision, Door

SHUT = [row.reason for row in TABLE]


def shut(*reasons: Reason) -> Decision:
    """A decision whose doors are shut so."""
    doors = tuple(Door(model=f"m{i}", tier="t", legal=False, why=why, cost_usd=None) for i, why in enumerate(reasons))
    return Decision(label=Label.PUBLIC, reason=Reason.NO_LEGAL_DOOR, routes=(), doors=doors)


@pytest.mark.parametrize("pair", [*combinations(SHUT, 2)])
def test_the_first_row_that_applies_wins(pair: tuple[Reason, Reason]) -> None:
    """In whatever order the doors stand."""
    assert refusal(shut(*pair)) == refusal(shut(*reversed(pair)))
    assert refusal(shut(*pair)).reason is pair[0]


@pytest.mark.parametrize("row", TABLE)
def test_every_row_has_a_status_and_a_sentence(row: Refusal) -> None:
    """Where waiting helps the status is 503, or 429 for a share that is used up, and says how long."""
    answer = refusal(shut(row.reason))
    assert answer == row
    assert (answer.status in {429, 503}) is (answer.retry_after_s is not None)
    assert answer.status in {402, 403, 409, 422, 429, 503}
    assert answer.message.endswith(".")


def test_no_door_at_all() -> None:
    """A fleet without a candidate still gets an answer."""
    assert refusal(shut()).reason is Reason.NO_LEGAL_DOOR


def test_every_reason_for_a_shut_door_has_a_row() -> None:
    """A new reason without a row would become a vague 503."""
    names = ["privacy_forbids", "not_permitted", "cannot_serve_api", "lacks_capability", "context_too_long"]
    names += [
        "provider_policy_forbids",
        "ledger_closed",
        "price_unknown",
        "over_max_cost",
        "over_budget",
        "engine_down",
        "tier_share",
    ]
    assert {Reason(name) for name in names} == set(SHUT)
