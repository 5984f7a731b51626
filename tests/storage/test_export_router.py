"""`localfleet cost export-router`, the file it writes, and the router that reads it."""

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_rig import Clock, receipt
from typer.testing import CliRunner, Result

from localfleet.assemble.world import _turns
from localfleet.cli import build_cli
from localfleet.cli.config import load_checked
from localfleet.core.cost.calibration import calibrate
from localfleet.core.cost.points import Point
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.label import Label
from localfleet.core.route import Route
from localfleet.core.routing.bid import bid_usd
from localfleet.errors import ConfigError, FleetError
from localfleet.ports import Call, Reply
from localfleet.storage.ledger import SqliteLedger
from localfleet.traces.calibration_file import write_calibration
from localfleet.wire.router_prices import read_router_prices

FILE = """
version: 1
local: {small: {weights: smollm2-135m-instruct}}
hosted:
  mini:
    provider: openai
    model: gpt-4o-mini
    tier: low_cost
    accepts: internal
    api_key_env: A_KEY
    prices: [{since: 2026-01-01, usd_per_mtok_in: 1, usd_per_mtok_out: 2, source: a test}]
"""
DAY_S, WEEK_S = 86_400.0, 7 * 86_400.0
"""Whole weeks since 1970 end on a Thursday at 0:00; Monday noon is two and a half days before."""
TODAY = datetime.now(UTC).date()
SHAPES = ((64, 64), (64, 1024), (1024, 64), (1024, 1024), (4096, 256))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A calibrated box: 20 us an input token, 30 us an output token; and a models.yaml with a priced hosted model."""
    monkeypatch.setenv("LOCALFLEET_HOME", str(tmp_path))
    monkeypatch.setenv("A_KEY", "planted")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.yaml").write_text(FILE)
    points = [Point(input_tokens=i, output_tokens=o, requests_per_s=1e6 / (20 * i + 30 * o)) for i, o in SHAPES]
    write_calibration(tmp_path / "calibrations" / "box.json", calibrate("box", points), made=TODAY, source="t")
    return tmp_path


def traffic(place: Path, *, per_second: float) -> str:
    """From the last Monday noon but one: chat and triage by turns, one in ten restricted."""
    start, many = WEEK_S * int(time.time() / WEEK_S - 1) - 2.5 * DAY_S, 4000
    rows = [
        f"{start + n / per_second},1000,100,{'chat' if n % 2 else 'triage'},{'restricted' if n % 10 == 0 else ''}"
        for n in range(many)
    ]
    (place / "traffic.csv").write_text("at,input_tokens,output_tokens,task,label\n" + "\n".join(rows) + "\n")
    return "traffic.csv"


def export(*words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(build_cli("cost"), ["cost", "export-router", "-o", "prices.json", *words])


def test_with_slack_a_second_is_free_in_every_hour(place: Path) -> None:
    """0.023 s for a request every ten seconds: the box idles, so its shadow price is zero all week."""
    done = export("--traffic", traffic(place, per_second=0.1), "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 0, done.output
    assert said["usd_per_replica_s_shadow"] == [0.0] * 168
    assert said["seconds_per_request"] == pytest.approx(0.023, rel=0.01)
    value = (1000 * 1 + 100 * 2) / 1e6 / 0.023
    assert {name: each["usd_per_replica_s_value"] for name, each in said["classes"].items()} == {
        "chat": pytest.approx(value, rel=0.02),
        "triage": pytest.approx(value, rel=0.02),
    }
    assert said["usd_per_replica_s_highest"] == pytest.approx(value, rel=0.02)


def test_without_slack_an_hour_has_the_price_of_what_is_left_out(place: Path) -> None:
    """A hundred requests a second are twice what the box can do: every hour has a price, and two boxes do not."""
    said = json.loads(export("--traffic", traffic(place, per_second=100), "--json").stdout)
    assert min(said["usd_per_replica_s_shadow"]) > 0
    assert said["hours_seen"] == 1
    roomy = json.loads(export("--traffic", "traffic.csv", "--replicas", "4", "--json").stdout)
    assert max(roomy["usd_per_replica_s_shadow"]) == 0


def test_the_ledger_is_the_default_and_restricted_work_stays(place: Path) -> None:
    """Restricted requests are no class that may move; their work is taken off the room first."""
    ledger, now = SqliteLedger(place, clock=Clock()), time.time() - DAY_S
    for number in range(40):
        label = Label.RESTRICTED if number % 2 else Label.INTERNAL
        ledger.settle(receipt(number, at=now + number * 60, label=label, cost_usd=Decimal(0)))
    assert ledger.close()
    done = export("--days", "3650")
    assert done.exit_code == 0, done.output
    assert set(json.loads((place / "prices.json").read_text())["classes"]) == {"classification"}
    assert "168 of 168 hours of the week have slack" in done.output


def test_the_router_reads_what_was_written_and_refuses_what_was_not(place: Path) -> None:
    """A models.yaml that names the file is checked with it: format, model, and whether a strategy asks for it."""
    assert export("--traffic", traffic(place, per_second=1)).exit_code == 0
    bid = read_router_prices((place / "prices.json").read_bytes(), today=TODAY)
    assert (bid.model, bid.wait_budget_s) == ("small", 2.0)
    named = FILE + "routing: {order: standard, marginal_prices: prices.json}\n"
    (place / "models.yaml").write_text(named)
    assert load_checked("models.yaml")[0].routing.marginal_prices == "prices.json"
    for text, says in (
        (named.replace("order: standard, ", ""), "has no say"),
        (named.replace("prices.json", "nowhere.json"), "cannot be read"),
        (named.replace("prices.json", "traffic.csv"), "is no file of"),
        (named.replace("{small:", "{other:"), "not in this file"),
    ):
        (place / "models.yaml").write_text(text)
        with pytest.raises(ConfigError, match=says):
            load_checked("models.yaml")


@pytest.mark.parametrize("lies_there", [None, "{}"])
def test_a_file_that_the_router_refuses_is_written_anew(place: Path, lies_there: str | None) -> None:
    """The refusal names this command, so the file that is refused, or gone, must not stop it."""
    (place / "models.yaml").write_text(FILE + "routing: {order: standard, marginal_prices: prices.json}\n")
    if lies_there is not None:
        (place / "prices.json").write_text(lies_there)
    done = export("--traffic", traffic(place, per_second=1))
    assert done.exit_code == 0, done.exception
    assert load_checked("models.yaml")[0].routing.marginal_prices == "prices.json"


@pytest.mark.parametrize("field", ["model", "wait_budget_s", "seconds_per_request", "made", "valid_until"])
def test_a_file_that_was_edited_badly_names_the_field(place: Path, field: str) -> None:
    """A price of nothing would move all traffic."""
    assert export("--traffic", traffic(place, per_second=1)).exit_code == 0
    broken = json.loads((place / "prices.json").read_text()) | {field: -1}
    with pytest.raises(ValueError, match=field):
        read_router_prices(json.dumps(broken).encode(), today=TODAY)


def test_what_is_missing_is_told(place: Path) -> None:
    """No traffic, no calibration, no such model."""
    assert "too little traffic" in str(export().exception)
    assert export("--model", "nobody").exit_code == 2
    (place / "calibrations" / "box.json").unlink()
    with pytest.raises(FleetError, match="localfleet bench"):
        raise export("--traffic", traffic(place, per_second=1)).exception or AssertionError


def test_a_stale_file_has_no_say_and_stops_nobody(place: Path) -> None:
    """Valid for the days that were asked for; on the day after it is free again, `check` warns, and a start goes on."""
    done = export("--traffic", traffic(place, per_second=1), "--valid-days", "3")
    assert done.exit_code == 0
    assert "after that it has no say" in done.output
    written = (place / "prices.json").read_bytes()
    until = TODAY + timedelta(days=3)
    bid = read_router_prices(written, today=until)
    full = EngineState(readiness=Readiness.READY, wait_s=1e9)
    end = datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp() + 86_400
    assert bid_usd(bid, full, end - 1) > 0
    assert bid_usd(bid, full, end) == 0
    with pytest.raises(ValueError, match="which is to come"):
        read_router_prices(written, today=TODAY - timedelta(days=2))
    stale = json.loads(written) | {"made": "2020-01-01", "valid_until": "2020-02-01"}
    (place / "prices.json").write_text(json.dumps(stale))
    (place / "models.yaml").write_text(FILE + "routing: {order: standard, marginal_prices: prices.json}\n")
    assert load_checked("models.yaml")[0].routing.marginal_prices == "prices.json"
    said = CliRunner().invoke(build_cli("check"), ["check"])
    assert said.exit_code == 0
    assert "the file was valid until 2020-02-01, so it has no say" in said.stdout


def test_each_hour_has_its_marginal_and_its_shadow_price(place: Path) -> None:
    """On a bought box a request costs the power above idle in every hour, and in a full one what it displaces too."""
    box = "hardware: {gpus: [{name: RTX PRO 6000, purchase_usd: 9000, power_w: 1000, usd_per_kwh: 0.36, pue: 1}]}\n"
    (place / "models.yaml").write_text(FILE + box)
    said = json.loads(export("--traffic", traffic(place, per_second=0.1), "--json").stdout)
    power = 0.7 * 0.36 / 3600
    assert said["usd_per_replica_s_marginal"] == pytest.approx(power, rel=1e-6)
    assert said["usd_per_request_marginal"] == pytest.approx(power * said["seconds_per_request"])
    chat = said["classes"]["chat"]
    assert chat["usd_per_replica_s_value"] == pytest.approx(
        (chat["usd_per_request_hosted"] - chat["usd_per_request_marginal"]) / chat["seconds_per_request"]
    )
    assert (chat["hosted_model"], chat["hosted_price_since"]) == ("mini", "2026-01-01")
    assert said["first_hour"] == "Monday 0:00 UTC"
    full = json.loads(export("--traffic", traffic(place, per_second=100), "--json").stdout)
    both = full["usd_per_request_marginal_and_shadow"]
    assert len(both) == 168
    for hour, shadow in enumerate(full["usd_per_replica_s_shadow"]):
        assert both[hour] == pytest.approx((shadow + power) * full["seconds_per_request"])


def test_a_busy_hour_stands_in_its_own_place(place: Path) -> None:
    """Traffic of two hours, the second far over what the box can do: a price on Monday 13:00 UTC, none at 12:00."""
    start = WEEK_S * int(time.time() / WEEK_S - 1) - 2.5 * DAY_S
    at = [start + 60 * n for n in range(60)] + [start + 3600 + n for n in range(3600)]
    rows = "".join(f"{each},100000,100\n" for each in at)
    (place / "two.csv").write_text("at,input_tokens,output_tokens\n" + rows)
    shadow = json.loads(export("--traffic", "two.csv", "--json").stdout)["usd_per_replica_s_shadow"]
    assert shadow[12] == 0
    assert shadow[13] > 0


def test_old_traffic_and_times_that_are_no_dates_are_refused(place: Path) -> None:
    """A trace that counts from zero tells no hour of the week; one that ended long ago nothing of the next."""
    (place / "zero.csv").write_text("at,input_tokens,output_tokens\n" + "".join(f"{n},9,9\n" for n in range(99)))
    with pytest.raises(FleetError, match="are no dates"):
        raise export("--traffic", "zero.csv").exception or AssertionError
    (place / "old.csv").write_text("at,input_tokens,output_tokens\n" + "".join(f"{10**9 + n},9,9\n" for n in range(9)))
    with pytest.raises(FleetError, match="the traffic ended"):
        raise export("--traffic", "old.csv").exception or AssertionError


class Box:
    """An engine of which only the state is asked."""

    def __init__(self) -> None:
        """Idle."""
        self.wait_s = 0.0

    async def send(self, route: Route, call: Call) -> Reply:
        """Nobody asks."""
        raise AssertionError

    def state(self) -> EngineState:
        """As the test says."""
        return EngineState(readiness=Readiness.READY, wait_s=self.wait_s)

    async def aclose(self) -> None:
        """Nothing is held."""


def test_live_prices_follow_the_line(place: Path) -> None:
    """What strategies are told of the box: nothing where the file names none, 0 while idle, dollars when full."""
    assert export("--traffic", traffic(place, per_second=1)).exit_code == 0
    (place / "models.yaml").write_text(FILE + "routing: {order: standard, marginal_prices: prices.json}\n")
    settings, box = load_checked("models.yaml")[0], Box()
    told = _turns(settings, {"small": box}, Clock())
    assert told() == {"small": 0}
    box.wait_s = 5.0
    assert float(told()["small"]) == pytest.approx((1000 * 1 + 100 * 2) / 1e6, rel=0.02)
    (place / "models.yaml").write_text(FILE)
    assert _turns(load_checked("models.yaml")[0], {"small": box}, Clock())() == {}
