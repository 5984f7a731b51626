"""What a file says of a shadow, and what commands say of one: from a real ledger that a router wrote."""

import asyncio
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from shadow_rig import Clock, receipt
from typer.testing import CliRunner

from localfleet.books import Seeds
from localfleet.cli import build_cli
from localfleet.config import parse_settings
from localfleet.core.budget import Purses
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.receipt import Attempt, Part, Receipt
from localfleet.errors import ConfigError
from localfleet.experiments import mirrored, running
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.past import recorded
from localfleet.workflows import build_shadows

FILE = """
version: 1
local: {small: {weights: smollm2-135m-instruct}}
hosted:
  mini:
    {provider: openai, model: m, tier: cheap, accepts: internal, api_key_env: K, context_tokens: 9999, prices: [PRICE]}
privacy: {default: public}
tasks: {work: {first: small}}
experiments:
  newer: {task: work, first: mini, share: 0.5, by: request, margin: 0.2, most_cost_ratio: 2, shadow: SHADOW}
"""
PRICE = "{since: 2026-01-01, usd_per_mtok_in: 1, usd_per_mtok_out: 2, source: test}"
PAIRS = 600


def text(shadow: str = "{usd_per_day: 2, requests_per_hour: 9}") -> str:
    """The file."""
    return FILE.replace("PRICE", PRICE).replace("SHADOW", shadow)


def mirror(name: str, *, trial: float | None = 1.0, outcome: Reason = Reason.ANSWERED) -> tuple[Receipt, ...]:
    """What a shadow leaves: its call, a judge, and itself."""
    common: dict[str, Any] = {"label": Label.PUBLIC, "reason": Reason.PINNED_HOSTED, "outcome": Reason.ANSWERED}
    control = Part(
        request_id=name, role="control", model="small", tier="local", cost_usd=Decimal("0.001"), score=0.5, **common
    )
    call = Part(
        request_id=f"{name}-shadow.1",
        role="shadow",
        model="mini",
        tier="cheap",
        cost_usd=Decimal("0.0015"),
        score=trial,
        **common,
    )
    tried = Attempt(model="mini", tier="cheap", reason=Reason.ANSWERED, status=200, duration_ms=1.0, host="x")
    own = {"key_id": "shadow:newer", "arm": "newer:trial", "wanted": "mini"}
    parts = (control, call) if outcome is Reason.ANSWERED else ()
    root = receipt(
        f"{name}-shadow", action=name, role="shadow", model="mini", tier="cheap", parts=parts, usage=None,
        outcome=outcome, **own,
    )  # fmt: skip
    if outcome is not Reason.ANSWERED:
        return (root,)
    return (
        receipt(
            f"{name}-shadow.1", action=f"{name}-shadow", role="shadow", model="mini", tier="cheap",
            cost_usd=Decimal("0.0015"), attempts=(tried,), **own,
        ),
        receipt(f"{name}-shadow.2", action=f"{name}-shadow", role="judge", **own),
        root,
    )  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with requests, their shadows, one that a judge could not grade, and one that the law shut."""
    folder = tmp_path_factory.mktemp("state")
    folder.chmod(0o700)
    ledger = SqliteLedger(folder, clock=Clock())
    for n in range(PAIRS):
        ledger.settle(receipt(f"r{n}"))
        for one in mirror(f"r{n}"):
            ledger.settle(one)
    for one in (*mirror("s1", trial=None), *mirror("s2", outcome=Reason.NO_LEGAL_DOOR)):
        ledger.settle(one)
    ledger.close()
    return folder


def run(*words: str, home: Path, file: Path, code: int = 0) -> str:
    """One command."""
    done = CliRunner().invoke(build_cli(words[0]), [*words, "--config", str(file)], env={"LOCALFLEET_HOME": str(home)})
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A models.yaml with a shadow."""
    path = tmp_path / "models.yaml"
    path.write_text(text(), encoding="utf-8")
    return path


def test_the_gate_reads_pairs(home: Path, file: Path) -> None:
    """Both sides of the same requests by the same judge, the money of both, what was not answered; then it promotes."""
    (row,) = json.loads(run("routing", "experiments", "--json", home=home, file=file))
    assert (row["kind"], row["shadows"], row["unanswered"]) == ("shadow", PAIRS + 2, {"no_legal_door": 1})
    assert (row["control"]["scored"], row["trial"]["scored"], row["trial"]["requests"]) == (PAIRS, PAIRS, PAIRS + 1)
    assert (row["control"]["quality"], row["trial"]["quality"]) == (0.5, 1.0)
    assert (row["control"]["usd_per_action"], row["trial"]["usd_per_action"]) == ("0.001", "0.0015")
    assert row["says"] == "promote"
    assert "not answered: no_legal_door x1" in run("routing", "experiments", home=home, file=file).replace("\n", " ")


def test_a_dear_shadow_is_not_promoted(home: Path, file: Path) -> None:
    """Better and dearer than allowed: the gate on cost holds for shadows too."""
    file.write_text(text().replace("most_cost_ratio: 2", "most_cost_ratio: 1.2"), encoding="utf-8")
    assert "dearer than allowed" in run("routing", "promote", "newer", home=home, file=file, code=1)


def test_the_totals_hold_shadows_apart(home: Path, file: Path) -> None:
    """The caller's key has its requests and no cent of theirs; theirs stand under a key of their own."""
    rows = {row["group"]: row for row in json.loads(run("report", "--by", "key", "--json", home=home, file=file))}
    assert (rows["k"]["requests"], rows["k"]["cost_usd"], rows["k"]["shadows"]) == (PAIRS, "0", 0)
    spent = Decimal("0.0015") * (PAIRS + 1)
    own = rows["shadow:newer"]
    assert (own["requests"], own["shadows"]) == (0, PAIRS + 2)
    assert Decimal(own["cost_usd"]) == Decimal(own["shadow_usd"]) == spent
    assert f"{PAIRS + 2} shadows, whose answers nobody got" in run("report", home=home, file=file)
    assert len(recorded(home, since=0, until=time.time() + 1).pasts) == PAIRS


def test_a_router_that_starts_knows_what_was_spent(home: Path) -> None:
    """Its purse and its hour begin where the last router stopped."""
    ledger = SqliteLedger(home, clock=Clock())
    purses = Purses()
    seeds = Seeds(home=home, ledger=ledger, purses=purses, now=time.time)
    asyncio.run(seeds.sow((), None, frozenset({"newer"})))
    ledger.close()
    spent = {scope: usd for (scope, _), usd in purses.spent.items()}
    assert spent["shadow", "newer"] == Decimal("0.0015") * (PAIRS + 1)
    assert sum(seeds.hours.begun.values()) == PAIRS + 2


def test_explain_and_check_say_where_it_would_go(home: Path, file: Path, tmp_path: Path) -> None:
    """A public request would be mirrored, a restricted one not; the file's own line, and the proof of paths."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"messages": [{"role": "user", "content": "hello"}]}), encoding="utf-8")
    told = json.loads(run("explain", str(body), "--task", "work", "--json", home=home, file=file))["shadows"][0]
    assert (told["experiment"], told["model"], told["legal"], told["share"]) == ("newer", "mini", True, 0.5)
    shut = ("explain", str(body), "--task", "work", "--privacy", "restricted")
    told = json.loads(run(*shut, "--json", home=home, file=file))["shadows"][0]
    assert (told["legal"], told["why"]) == (False, "privacy_forbids")
    assert "50% of these also go to mini, unseen" in run("explain", str(body), "--task", "work", home=home, file=file)
    assert "mini is shut to them" in run(*shut, home=home, file=file)
    paths = json.loads(run("check", "--paths", "--json", home=home, file=file))
    ways = {(way["path"], way["kind"], way["label"]) for way in paths["ways"] if "experiments" in way["path"]}
    assert ("experiments.newer.first", "shadow", "public") in ways
    assert ("experiments.newer.first", "shadow", "restricted") not in ways
    assert ("experiments.newer.shadow.judge.model", "judge", "restricted") in ways


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("first: mini", "first: local", "a shadow is of one model"),
        ("share: 0.5", "fallback: [small], share: 0.5", "tried once"),
        ("usd_per_day: 2", "judge: {model: {model: mini}}", "judged on this box"),
        ("usd_per_day: 2", "judge: {consistency: {samples: 2}}", "asked once"),
        (", shadow: {usd_per_day: 2, requests_per_hour: 9}", "", "is for a shadow"),
        ("tasks: {work", "tasks: {other: {first: small}, work", ""),
    ],
)
def test_what_a_shadow_cannot_be(was: str, now: str, says: str) -> None:
    """Line and cure for each; the last one is fine."""
    changed = text().replace(was, now, 1)
    if not says:
        parse_settings(changed.encode())
        return
    with pytest.raises(ConfigError, match=says):
        parse_settings(changed.encode())


def test_one_split_and_one_shadow_for_a_task() -> None:
    """Side by side, and so do shadows of two models. Promoted, a shadow is a split of everything."""
    split = "  other: {task: work, first: mini, share: 0.1}\n"
    settings = parse_settings((text() + split).encode())
    assert {one.name for one in running(settings, {}).values()} == {"other"}
    assert set(mirrored(settings, {})) == {"newer"}
    promoted = parse_settings(text().encode())
    assert (running(promoted, {"newer": "promoted"})["work"].share, mirrored(promoted, {"newer": "promoted"})) == (
        1,
        {},
    )
    assert (running(promoted, {"newer": "rolled_back"}), mirrored(promoted, {"newer": "rolled_back"})) == ({}, {})
    beside = parse_settings((text() + "  beside: {task: work, first: small, shadow: {}}\n").encode())
    assert [one.model for one in build_shadows(beside, {})["work"]] == ["mini", "small"]
    again = text() + "  again: {task: work, first: mini, shadow: {}}\n"
    with pytest.raises(ConfigError, match="has a shadow of mini already"):
        parse_settings(again.encode())
