"""Judged requests as labels for training: the last word counts, and the router's ledger is enough."""

import json
import random
from pathlib import Path

from here import run_here
from ledger_rig import AT, Clock, receipt

from localfleet.core.feedback import Feedback
from localfleet.core.reason import Reason
from localfleet.core.routing.scorer import load
from localfleet.storage.judged import judged
from localfleet.storage.ledger import SqliteLedger


def said(number: int, **words: object) -> Feedback:
    """A word of the operator on a request."""
    return Feedback(request_id=f"req-{number}", at=AT, key_id=None, **words)  # type: ignore[arg-type]  # a test's words


def test_the_last_word_on_an_answer_is_its_score(tmp_path: Path) -> None:
    """Accepted is 1, corrected or refused is 0, a score is itself; what was not answered or not judged is left out."""
    ledger = SqliteLedger(tmp_path, clock=Clock())
    for number in range(1, 6):
        ledger.settle(receipt(number, tier="local" if number % 2 else "premium"))
    ledger.settle(receipt(6, outcome=Reason.TIMED_OUT))
    words = (said(1, accepted=False), said(1, accepted=True), said(2, corrected=True), said(3, score=0.25))
    for word in (*words, said(4, accepted=False), said(6, accepted=True)):
        ledger.note_feedback(word)
    assert ledger.close()
    found = {one.request_id: (one.local, one.score) for one in judged(tmp_path)}
    assert found == {"req-1": (True, 1.0), "req-2": (False, 0.0), "req-3": (True, 0.25), "req-4": (False, 0.0)}


def test_no_ledger_is_no_judged_request(tmp_path: Path) -> None:
    """Nothing is made by looking."""
    assert judged(tmp_path / "state") == []
    assert not (tmp_path / "state").exists()


def test_the_classifier_trains_on_judged_receipts(tmp_path: Path) -> None:
    """Features with request ids and the ledger: each request was answered by one side only, and that is enough."""
    chance = random.Random(5)
    ledger, kept = SqliteLedger(tmp_path, clock=Clock()), []
    for number in range(400):
        hard, local = chance.random() < 0.5, chance.random() < 0.5
        text = (
            f"Prove that the sum of {number} primes is an integer, then solve." if hard else f"Where is town {number}?"
        )
        kept.append(json.dumps({"id": f"req-{number}", "text": text}))
        ledger.settle(receipt(number, tier="local" if local else "premium"))
        ledger.note_feedback(said(number, accepted=chance.random() < (0.2 if hard and local else 0.9)))
    assert ledger.close()
    data, out = tmp_path / "data.jsonl", tmp_path / "classifier"
    data.write_text("\n".join([*kept, json.dumps({"id": "unknown", "text": "Nobody judged this."})]))
    words, env = ("routing", "train", str(data), "--receipts", "--out", str(out)), {"LOCALFLEET_HOME": str(tmp_path)}
    done = run_here(*words, folder=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "400 prompts" in done.stdout
    scorer = load(out.read_bytes())
    sums = scorer.score("Prove that the sum of 77 primes is an integer, then solve.")
    places = scorer.score("Where is town 77?")
    assert sums.gain > places.gain + 0.2
    assert sums.value > places.value
