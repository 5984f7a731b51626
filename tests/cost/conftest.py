"""Puts the ledger's helper on the path, and hands out a ledger with a month in it."""

import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "storage"))

from ledger_rig import Clock, receipt

from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.storage.ledger import SqliteLedger


@pytest.fixture(scope="session")
def busy_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A state folder: over the last ten days 60 cheap classifications, 20 premium answers, 20 local restricted ones.

    A receipt every 2.4 hours: a month has 730 / 240 times as many.
    """
    home = tmp_path_factory.mktemp("busy")
    ledger = SqliteLedger(home, clock=Clock())
    start = time.time() - 10 * 86_400
    for number in range(100):
        at = start + number * 8_640
        if number % 5 < 3:
            usage, money = Usage(input_tokens=400, output_tokens=20), Decimal("0.000072")
            note = receipt(number, at=at, model="mini", tier="low_cost", task="intent", usage=usage, cost_usd=money)
        elif number % 5 == 3:
            usage, money = Usage(input_tokens=1000, output_tokens=2000), Decimal("0.055")
            note = receipt(number, at=at, model="best", tier="premium", task="essay", usage=usage, cost_usd=money)
        else:
            usage = Usage(input_tokens=300, output_tokens=30)
            failed = Reason.TIMED_OUT if number < 30 else Reason.ANSWERED
            note = receipt(number, at=at, task="notes", label=Label.RESTRICTED, usage=usage, outcome=failed)
        ledger.settle(note)
    ledger.close()
    assert ledger.dropped == 0
    return home
