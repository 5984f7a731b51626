"""The newest result of `bench/decision.py` keeps the bounds that docs/concepts/routing.md tells."""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "bench/decision"


def test_a_decision_was_measured_within_its_bounds() -> None:
    """Under 300 microseconds without the classifier, under 3 ms with it, for a conversation of 4,000 tokens."""
    results = [json.loads(file.read_text(encoding="utf-8")) for file in RESULTS.glob("*.json")]
    found = max(results, key=lambda result: str(result["machine"]["date"]))["median"]
    assert found["without_classifier_us"] < 300
    assert max(found["with_classifier_us"], found["with_classifier_one_turn_us"]) < 3000
    page = (RESULTS.parent.parent / "docs/concepts/routing.md").read_text(encoding="utf-8")
    for name in ("without_classifier_us", "with_classifier_us"):
        assert f"{found[name] / 1000:.2f} ms" in page
