"""API keys: made by one process, taken up by another, kept without their tokens."""

import hashlib
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_rig import SRC, Clock, sql, until

from localfleet.core.label import Label
from localfleet.errors import NotFound
from localfleet.storage.keys import create_key, list_keys, revoke_key
from localfleet.storage.ledger import SqliteLedger
from localfleet.storage.verify import verify

_CLI = """
import sys
from pathlib import Path
from localfleet.core.label import Label
from localfleet.storage.keys import create_key, revoke_key
if sys.argv[2] == "create":
    print(create_key(Path(sys.argv[1]), name="app", label=Label.INTERNAL, at=1.0, plan="free")[1])
else:
    revoke_key(Path(sys.argv[1]), sys.argv[2], at=2.0)
"""


def _cli(home: Path, what: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _CLI, str(home), what],
        env={"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_a_running_router_takes_keys_up_from_another_process(ledger: SqliteLedger) -> None:
    """Made and revoked by another process while the router runs; both seen within two seconds; the chain is whole."""
    assert ledger.keys.known
    token = _cli(ledger.home, "create")
    assert until(lambda: ledger.keys.lookup(token) is not None, 2)
    caller = ledger.keys.lookup(token)
    assert caller is not None
    assert (caller.name, caller.default_label, caller.plan) == ("app", Label.INTERNAL, "free")
    _cli(ledger.home, caller.key_id)
    assert until(lambda: ledger.keys.lookup(token) is None, 2)
    assert not ledger.keys.empty
    assert ledger.health.ok
    assert verify(ledger.home).ok


def test_every_field_comes_back(home: Path) -> None:
    """What a key was made with is what `list` shows and what the caller is held to, to the last decimal."""
    key, token = create_key(
        home,
        name="batch",
        label=Label.RESTRICTED,
        at=3.5,
        plan="enterprise",
        usd_per_month=Decimal("12.3456789012345"),
        requests_per_minute=60,
        models=frozenset({"small", "mini"}),
    )
    assert list_keys(home) == [key]
    ledger = SqliteLedger(home, clock=Clock())
    try:
        assert ledger.keys.lookup(token) == key.caller()
        assert ledger.keys.lookup("lf_" + "A" * 43) is None
        assert ledger.keys.lookup("\ud800") is None
    finally:
        ledger.close()


def test_the_token_is_kept_nowhere(home: Path) -> None:
    """`lf_` and 43 characters; no file of the folder holds it, the table holds its digest."""
    _, token = create_key(home, name="app", label=Label.PUBLIC, at=1.0)
    assert token.startswith("lf_")
    assert len(token) == 46
    for path in home.iterdir():
        assert token.encode() not in path.read_bytes()
    assert sql(home, "SELECT digest FROM keys") == [(hashlib.sha256(token.encode()).digest(),)]


def test_revoking_is_for_good_and_needs_a_key(home: Path) -> None:
    """A second revocation changes nothing; an unknown id is an error with a next step."""
    assert list_keys(home) == []
    key, _ = create_key(home, name="app", label=Label.PUBLIC, at=1.0)
    revoke_key(home, key.id, at=2.0)
    revoke_key(home, key.id, at=3.0)
    assert [kept.revoked_at for kept in list_keys(home)] == [2.0]
    with pytest.raises(NotFound, match="keys list"):
        revoke_key(home, "00000000", at=1.0)
    assert verify(home).ok


def test_a_folder_whose_keys_are_all_revoked_is_not_a_folder_without_keys(home: Path) -> None:
    """Revoking the last key must not open the router to everybody on the machine."""
    key, _ = create_key(home, name="app", label=Label.PUBLIC, at=1.0)
    revoke_key(home, key.id, at=2.0)
    ledger = SqliteLedger(home, clock=Clock())
    assert not ledger.keys.empty
    ledger.close()
