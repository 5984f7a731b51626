"""One enum, four places: response header, metrics label, receipt column and a docs heading hold the same words."""

import re
import time
from decimal import Decimal
from pathlib import Path

import pytest

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Receipt
from localfleet.ports import LedgerHealth
from localfleet.server.metrics import Metrics
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.report import totals

DOCS = Path(__file__).parent.parent / "docs" / "reference" / "reasons.md"


class Clock:
    """The real time."""

    def now(self) -> float:
        """Unix time."""
        return time.time()

    def monotonic(self) -> float:
        """For durations."""
        return time.monotonic()


def receipt(reason: Reason) -> Receipt:
    """A receipt with this reason everywhere."""
    return Receipt(
        request_id=f"r-{reason}", at=time.time(), api=Api.CHAT, key_id="k", plan=None, task=None, session=None,
        label=Label.PUBLIC, findings=(), because=("key_default",), wanted="auto", model="small", tier="local",
        reason=reason, outcome=reason, status=200, stream=False, doors=(), attempts=(), usage=None,
        cost_usd=Decimal(0), price_version=None, queue_ms=0.0, first_byte_ms=None, total_ms=1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def page() -> str:
    """The metrics page after one receipt for every reason."""
    metrics = Metrics()
    for reason in Reason:
        metrics.count(receipt(reason))
    return metrics.page({}, LedgerHealth(ok=True)).decode()


@pytest.fixture(scope="module")
def column(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The receipt column after one receipt for every reason."""
    home = tmp_path_factory.mktemp("home")
    ledger = SqliteLedger(home, clock=Clock())
    for reason in Reason:
        ledger.settle(receipt(reason))
    assert ledger.close()
    return {row.group for row in totals(home, by="reason")}


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_is_the_same_word_everywhere(reason: Reason, page: str, column: set[str]) -> None:
    """As a header value it is a plain token; the label, the column and the heading hold exactly that token."""
    assert re.fullmatch(r"[a-z_]{3,40}", reason)
    assert f'reason="{reason}"' in page
    assert f'outcome="{reason}"' in page
    assert str(reason) in column
    assert re.search(rf"^#+ `?{reason}`?$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)


def test_nobody_invents_a_reason(page: str, column: set[str]) -> None:
    """No place knows a word that the enum does not."""
    assert set(re.findall(r'reason="([^"]+)"', page)) == set(Reason)
    assert column == set(Reason)
