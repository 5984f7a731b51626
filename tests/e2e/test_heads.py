"""Heads against the running router: they arrive while it works and at its end; a bad receiver costs nobody anything."""

import time
from pathlib import Path
from typing import Any

import pytest
from fault_rig import CHAT, ask, until
from process import Tap
from router import Router
from tap_fleet import local_entry, openai_entry

from localfleet.storage.note import read_notes
from localfleet.storage.verify import verify


def _settings(local: Tap, openai: Tap, **audit: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "local": {"box": local_entry(local)},
        "hosted": {"mini": openai_entry(openai)},
        "audit": {"every_s": 1, "timeout_s": 1, **audit},
    }


@pytest.mark.slow
def test_heads_of_a_working_router_vouch_for_it(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """A file and a checkpoint, while it works and at the end; rolling its ledger back is found by them."""
    lines, point = tmp_path / "heads.jsonl", tmp_path / "checkpoint"
    with Router.start(
        tmp_path / "r", _settings(local_tap, openai_tap, file=str(lines), checkpoint=str(point))
    ) as router:
        assert router.post(CHAT, ask("mini")).status == 200
        assert until(lambda: lines.exists() and any(note.seq >= 2 for note in read_notes(lines.read_text())))
        (file, checkpoint) = router.get("/readyz").json["heads"]
        assert (file["place"], file["ok"], checkpoint["place"], checkpoint["ok"]) == ("file", True, "checkpoint", True)
        assert router.post(CHAT, ask("box")).status == 200
        assert router.stop() == 0
        told = router.run("audit", "verify", "--heads", str(lines), "--heads", str(point))
        assert (told.returncode, b"records 1 to 3 are as they were" in told.stdout) == (0, True), told.stdout
        older = (router.home / "ledger.db").read_bytes(), (router.home / "ledger.head").read_bytes()
        router.restart()
        assert router.post(CHAT, ask("mini")).status == 200
        assert router.stop() == 0
        (router.home / "ledger.db").write_bytes(older[0])
        (router.home / "ledger.head").write_bytes(older[1])
        assert verify(router.home).ok
        rolled_back = router.run("audit", "verify", "--heads", str(lines))
        assert rolled_back.returncode == 1
        assert b"record 4: the end is missing" in rolled_back.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", [{"webhook": "http://127.0.0.1:1/"}, {"syslog": "tcp://127.0.0.1:1"}, {"file": "/nowhere/x"}]
)
def test_a_place_that_is_gone_costs_nobody_anything(
    tmp_path: Path, local_tap: Tap, openai_tap: Tap, place: dict[str, str]
) -> None:
    """Hosted requests are answered at the usual pace; `/readyz` and the log say what is wrong, in a fixed sentence."""
    with Router.start(tmp_path, _settings(local_tap, openai_tap, **place)) as router:
        started = time.monotonic()
        assert all(router.post(CHAT, ask("mini")).status == 200 for _ in range(5))
        assert time.monotonic() - started < 5
        assert until(lambda: not router.get("/readyz").json["heads"][0]["ok"])
        ready = router.get("/readyz")
        assert (ready.status, ready.json["ledger"]["ok"]) == (200, True)
        assert ready.json["heads"][0]["why"] in {
            "it refuses or drops the connection",
            "its folder or socket is not there",
        }
        assert router.output().count(b"Heads of the ledger do not reach") == 1
        assert router.stop() == 0


@pytest.mark.slow
def test_the_command_lists_where_heads_go(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """As traffic without any text."""
    settings = _settings(local_tap, openai_tap, webhook="https://audit.example.com/heads", syslog="udp://127.0.0.1:9")
    with Router.start(tmp_path, settings) as router:
        done = router.run("check", "--paths")
        assert done.returncode == 0
        assert b"without any text: audit.webhook -> audit.example.com" in done.stdout
