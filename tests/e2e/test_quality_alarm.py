"""A router that starts knows how good its answers were before, and its metrics ring where they became worse."""

import time
from pathlib import Path

import pytest
from fault_rig import until
from ledger_rig import Clock, receipt
from router import Router

from localfleet.core.feedback import Feedback
from localfleet.storage.ledger import SqliteLedger

FILE = {"version": 1, "local": {"small": {"weights": "smollm2-135m-instruct"}}, "limits": {"quality_drift": 0.1}}


@pytest.mark.slow
def test_the_alarm_outlives_a_restart(tmp_path: Path) -> None:
    """A hundred good answers and two hundred bad ones of an earlier router."""
    home = tmp_path / "state"
    home.mkdir(mode=0o700)
    ledger = SqliteLedger(home, clock=Clock())
    for number in range(300):
        ledger.settle(receipt(number, at=time.time() - 1000 + number))
        said = Feedback(request_id=f"req-{number}", at=time.time() - 600 + number, key_id=None, accepted=number < 100)
        ledger.note_feedback(said)
    assert ledger.close()
    with Router.start(tmp_path, FILE) as router:
        assert until(lambda: b'localfleet_quality_alarm{by="people",tier="local"} 1.0' in router.get("/metrics").body)
        assert b'localfleet_quality_before{by="people",tier="local"} 1.0' in router.get("/metrics").body
