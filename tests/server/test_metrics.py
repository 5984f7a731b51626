"""`/metrics`: every receipt counted once, under labels that are names of the configuration only."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from localfleet.core.ask import Api
from localfleet.core.feedback import Feedback
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt, Receipt
from localfleet.core.usage import Usage
from localfleet.ports import LedgerHealth
from localfleet.server.metrics import Metrics

FAILED = Attempt(model="mini", tier="low_cost", reason=Reason.TIMED_OUT, status=None, duration_ms=5.0)
ANSWERED = Attempt(model="small", tier="local", reason=Reason.ANSWERED, status=200, duration_ms=5.0)


KPIS = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "kpis.md").read_text(encoding="utf-8")
NO_SERIES = {"S75", "S77", "S78"}
"""The page of key figures."""


def receipt(**changes: Any) -> Receipt:
    """An answered request."""
    facts: dict[str, Any] = {
        "request_id": "r", "at": 1.0, "api": Api.CHAT, "key_id": "k", "plan": None, "task": None, "session": None,
        "label": Label.RESTRICTED, "findings": (), "because": (), "wanted": "auto", "model": "small", "tier": "local",
        "reason": Reason.RESTRICTED_STAYS_LOCAL, "outcome": Reason.ANSWERED, "status": 200, "stream": False,
        "doors": (), "attempts": (FAILED, ANSWERED), "usage": Usage(input_tokens=7, output_tokens=3),
        "cost_usd": Decimal(0), "price_version": None, "queue_ms": 0.0, "first_byte_ms": 20.0, "total_ms": 30.0,
    } | changes  # fmt: skip
    return Receipt(**facts)


def page(metrics: Metrics, *, states: dict[str, EngineState] | None = None, ok: bool = True) -> dict[str, float]:
    """Every sample by name and labels."""
    text = metrics.page(states or {}, LedgerHealth(ok=ok, unwritten=2)).decode()
    return {
        sample.name + str(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def one(samples: dict[str, float], name: str, *words: str) -> float:
    """The only sample of a name whose labels hold the words."""
    (value,) = [v for key, v in samples.items() if key.startswith(f"{name}[") and all(repr(w) in key for w in words)]
    return value


def test_pieces_of_work_are_counted_with_what_they_cost() -> None:
    """Two requests and a part of one work, one of another: begun, requests and money; and no name is a label."""
    metrics = Metrics()
    paid = {"cost_usd": Decimal("0.5"), "model": "mini", "tier": "low_cost"}
    metrics.count(receipt(caller_action="a" * 32, **paid))
    metrics.count(receipt(caller_action="a" * 32, action="r", role="draft", **paid))
    metrics.count(receipt(caller_action="a" * 32))
    metrics.count(receipt(caller_action="b" * 32))
    metrics.count(receipt(**paid))
    samples = page(metrics)
    figures = [one(samples, f"localfleet_{name}_total") for name in ("actions", "action_requests", "action_cost_usd")]
    assert figures == [2, 3, 1.0]
    assert not [name for name in samples if "aaaa" in name]


def test_sums_that_wait_for_others_are_on_the_page() -> None:
    """Receipts are summed some dozens together, but whoever asks hears of all."""
    metrics = Metrics()
    for many in range(1, 80):
        metrics.count(receipt())
        if many in {1, 31, 32, 33, 79}:
            samples = page(metrics)
            assert one(samples, "localfleet_requests_total", "chat", "small", "restricted", "answered", "none") == many


def test_a_receipt_is_counted_once_everywhere() -> None:
    """Requests, attempts, tokens, times; no money on the box."""
    metrics = Metrics()
    metrics.count(receipt())
    samples = page(metrics)
    assert one(samples, "localfleet_requests_total", "chat", "small", "restricted", "answered", "none") == 1
    assert one(samples, "localfleet_attempts_total", "mini", "timed_out") == 1
    assert one(samples, "localfleet_attempts_total", "small", "answered") == 1
    assert one(samples, "localfleet_tokens_total", "in", "measured") == 7
    assert one(samples, "localfleet_tokens_total", "out", "measured") == 3
    assert one(samples, "localfleet_first_byte_seconds_count", "local") == 1
    assert one(samples, "localfleet_total_seconds_sum", "local") == 0.03
    assert not [key for key in samples if key.startswith(("localfleet_cost_usd", "localfleet_unpriced"))]


def test_money_estimates_and_unknown_prices_are_kept_apart() -> None:
    """Unknown is not zero, and an estimate is not a measurement."""
    metrics = Metrics()
    metrics.count(receipt(model="mini", tier="low_cost", cost_usd=Decimal("0.5")))
    metrics.count(receipt(model="new", tier="low_cost", cost_usd=None))
    metrics.count(receipt(usage=Usage(input_tokens=1, output_tokens=2, measured=False)))
    samples = page(metrics)
    assert one(samples, "localfleet_cost_usd_total", "mini") == 0.5
    assert one(samples, "localfleet_unpriced_requests_total", "new") == 1
    assert one(samples, "localfleet_tokens_total", "out", "estimated") == 2


def test_a_request_without_an_answer_counts_too() -> None:
    """Without a model, a tier or a time to first byte."""
    metrics = Metrics()
    gone = receipt(model=None, tier=None, usage=None, outcome=Reason.BAD_REQUEST, attempts=(), first_byte_ms=None)
    metrics.count(gone)
    metrics.count_refused(Reason.BAD_KEY)
    samples = page(metrics)
    assert one(samples, "localfleet_requests_total", "bad_request") == 1
    assert one(samples, "localfleet_refused_total", "bad_key") == 1
    assert not [key for key in samples if key.startswith(("localfleet_first_byte", "localfleet_tokens"))]


def test_gauges_are_of_now() -> None:
    """Readiness, load and the ledger, each time anew."""
    metrics = Metrics()
    ready = EngineState(readiness=Readiness.READY, in_flight=4, waiting=7, oldest_wait_s=1.5)
    down = EngineState(readiness=Readiness.DOWN)
    first, then = page(metrics, states={"small": ready}), page(metrics, states={"small": down}, ok=False)
    assert [one(samples, "localfleet_engine_ready", "small") for samples in (first, then)] == [1, 0]
    assert [one(samples, "localfleet_in_flight", "small") for samples in (first, then)] == [4, 0]
    assert [one(samples, "localfleet_waiting", "small") for samples in (first, then)] == [7, 0]
    assert [one(samples, "localfleet_oldest_wait_seconds", "small") for samples in (first, then)] == [1.5, 0]
    assert [samples["localfleet_ledger_ok[]"] for samples in (first, then)] == [1, 0]
    assert first["localfleet_ledger_unwritten[]"] == 2


def test_two_routers_share_nothing() -> None:
    """No global registry."""
    one_router, other = Metrics(), Metrics()
    one_router.count_refused(Reason.BAD_KEY)
    assert not [key for key in page(other) if "bad_key" in key]


def test_every_series_that_the_page_names_is_there() -> None:
    """Of a router that answered, escalated, was rated by a judge and by people, and was told of an action."""
    metrics = Metrics()
    for n in range(400):
        name = f"{n:024}"
        metrics.count(receipt(request_id=name, task="t", caller_action="a" * 32, classify_ms=1.0, route_ms=1.0))
        metrics.count_feedback(Feedback(request_id=name, at=1.0, key_id=None, accepted=True, corrected=False))
    metrics.count(receipt(model="mini", tier="low_cost", reason=Reason.BY_KEYWORDS, cost_usd=Decimal(1)))
    metrics.count_feedback(Feedback(request_id="a" * 32, at=1.0, key_id=None, accepted=True))
    text = " ".join(page(metrics))
    named = set(re.findall(r"localfleet_[a-z_]+", KPIS))
    assert len(named) > 15
    assert {name for name in named if name not in text} == set()


def test_every_figure_of_the_inventory_has_its_row() -> None:
    """S62 to S75 and S77 to S80, each with a command of `report` or `cost` and, but for tables, with a series."""
    rows = dict(re.findall(r"^\| [^|]*\((S\d+)\) \| (.*) \|$", KPIS, flags=re.MULTILINE))
    assert set(rows) == {f"S{n}" for n in range(62, 81)} - {"S76"}
    assert all("`localfleet " in row for row in rows.values())
    assert {name for name, row in rows.items() if "localfleet_" not in row} == NO_SERIES


def test_a_task_has_its_money_and_its_times() -> None:
    """Drafts and judges count to their task, shadows to nobody's; times are those of requests."""
    metrics = Metrics()
    paid = {"cost_usd": Decimal("0.5"), "task": "t"}
    metrics.count(receipt(**paid, total_ms=40.0))
    metrics.count(receipt(**paid, action="r", role="judge"))
    metrics.count(receipt(**paid, action="r", role="shadow"))
    samples = page(metrics)
    assert one(samples, "localfleet_task_cost_usd_total", "t") == 1.0
    assert one(samples, "localfleet_task_seconds_count", "t") == 1
    assert one(samples, "localfleet_task_seconds_sum", "t") == 0.04
