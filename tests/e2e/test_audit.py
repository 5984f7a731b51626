"""An auditor's questions to a router that has worked: what left, to whom, and is it proven that nothing else did."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fault_rig import CHAT, ask, until
from process import Tap
from router import Router
from tap_fleet import local_entry, openai_entry

VERIFIER = Path(__file__).parents[2] / "scripts" / "verify_export.py"
YESTERDAY = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
TOMORROW = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
WHEN = ("--from", YESTERDAY, "--to", TOMORROW)


@pytest.fixture
def worked(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> Iterator[Router]:
    """A router that has answered one public, one internal and one restricted request."""
    settings: dict[str, Any] = {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {"mini": openai_entry(openai_tap)},
    }
    with Router.start(tmp_path, settings) as router:
        for label in ("public", "internal", "restricted"):
            assert router.post(CHAT, ask("auto"), {"x-localfleet-privacy": label}).status == 200
        assert until(lambda: len(_json(router, "audit", "left", *WHEN)) == 2)
        yield router


def _json(router: Router, *words: str) -> Any:
    return json.loads(router.run(*words, "--json").stdout)


def _host(tap: Tap) -> str:
    return tap.v1.removeprefix("http://").removesuffix("/v1")


@pytest.mark.slow
def test_what_left_and_the_proof_for_one_host(worked: Router, openai_tap: Tap, local_tap: Tap) -> None:
    """Internal text went to the provider (the default label), restricted text did not; before today nothing did."""
    host = _host(openai_tap)
    rows = {(row["host"], row["label"], row["requests"]) for row in _json(worked, "audit", "left", *WHEN)}
    assert rows == {(host, "internal", 2), (_host(local_tap), "restricted", 1)}
    proof = worked.run("audit", "prove", "--host", host, *WHEN)
    assert proof.returncode == 0
    assert b"proven: nothing labelled restricted or above went to" in proof.stdout
    assert b"law 7" in proof.stdout
    refuted = worked.run("audit", "prove", "--host", host, "--label", "internal", *WHEN, "--json")
    told = json.loads(refuted.stdout)
    assert (refuted.returncode, told["answer"], len(told["against"])) == (1, "refuted", 2)
    before = _json(
        worked, "audit", "prove", "--host", host, "--label", "public", "--from", "2020-01-01", "--to", YESTERDAY
    )
    assert (before["answer"], before["attempts_to_host"]) == ("proven", 0)
    box = _json(worked, "audit", "prove", "--host", _host(local_tap), "--label", "restricted", *WHEN)
    assert box["answer"] == "refuted"


@pytest.mark.slow
def test_an_export_of_a_running_router_passes_the_offline_check(worked: Router) -> None:
    """Export, key, verifier: three commands, the last with nothing but Python."""
    work = worked.folder / "work"
    assert worked.run("audit", "export", "out.jsonl").returncode == 0
    assert worked.run("audit", "key", "key.json", "--seals").returncode == 0
    command = [sys.executable, "-I", "-S", str(VERIFIER), "out.jsonl", "--key", "key.json"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "are whole" in done.stdout) == (0, True), done.stderr


@pytest.mark.slow
def test_a_chain_that_is_not_whole_proves_nothing(worked: Router, openai_tap: Tap) -> None:
    """A record edited in the file: the answer is open, and the record is named."""
    assert worked.stop() == 0
    with sqlite3.connect(worked.home / "ledger.db") as database:
        database.execute("UPDATE chain SET body = replace(body, '\"label\":1', '\"label\":0') WHERE kind = 'intent'")
    database.close()
    done = worked.run("audit", "prove", "--host", _host(openai_tap), *WHEN, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["answer"], told["chain"]["ok"]) == (1, "open", False)
