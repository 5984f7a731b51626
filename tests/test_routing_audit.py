"""`routing audit`: an imported log by kind and difficulty, beside what a table would have done; no word shown."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from localfleet.cli import build_cli
from localfleet.core.routing.audit import LEVELS, Audited, Call, advice, usual_level
from localfleet.core.routing.kinds import KINDS

FILE = """
version: 1
local:
  box: {engine: endpoint, url: "http://127.0.0.1:9/v1", context_tokens: 9000}
hosted:
  mini: {provider: openai, model: gpt-4o-mini, tier: low_cost, accepts: internal, api_key_env: K, context_tokens: 9999,
         prices: [{since: 2025-01-01, usd_per_mtok_in: 1, usd_per_mtok_out: 10, source: t}]}
  best: {provider: openai, model: gpt-4o, tier: premium, accepts: internal, api_key_env: K, context_tokens: 9999,
         prices: [{since: 2025-01-01, usd_per_mtok_in: 10, usd_per_mtok_out: 100, source: t}]}
privacy: {default: public}
"""
CANARY = "quartz-heron-7319"


def said(text: str, **more: Any) -> dict[str, Any]:
    """One line of a log."""
    return {"model": "best", "messages": [{"role": "user", "content": text}], **more}


LOG = [
    said("Classify this mail: hello", usage={"prompt_tokens": 1000, "completion_tokens": 100}),
    said("Translate into German: hello", prompt_tokens=1000, completion_tokens=100, spend=0.5),
    {"custom_id": "1", "body": said(f"Summarise: jane.doe@posteo.de wrote {CANARY}"), "completion_tokens": 10},
    {"model": "somebody-s", "prompt": "Prove that there is no largest prime.", "completion_tokens": 10},
    {"model": "best", "prompt_tokens": 7},
]


def run(folder: Path, lines: list[Any], *words: str, file: str = FILE) -> Result:
    """The command over these lines."""
    (folder / "models.yaml").write_text(file)
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\nno json\n\n")
    command = ["routing", "audit", str(folder / "log.jsonl"), "--config", str(folder / "models.yaml"), *words]
    return CliRunner().invoke(build_cli("routing"), command, env={"LOCALFLEET_HOME": str(folder), "COLUMNS": "160"})


def test_past_calls_by_kind_and_difficulty(tmp_path: Path) -> None:
    """S78: every call has a kind and a level, a cost then and a cost by the table; what may not leave is counted."""
    found = json.loads(run(tmp_path, LOG, "--json").stdout)
    assert (found["calls"], found["unread"], found["levels_by"]) == (4, 2, "habit")
    assert [(one["kind"], one["level"]) for one in found["by_kind_and_level"]] == [
        ("classification", 1), ("complex-query", 4), ("summarisation", 2), ("translation", 2),
    ]  # fmt: skip
    assert (found["restricted"], found["restricted_left"]) == (1, 1)
    assert found["by_door"] == {"mini": 2, "box": 2}
    assert found["by_model"] == {"best": 3, "somebody-s": 1}
    assert (found["usd_unknown"], found["compared"]) == (1, 3)
    assert Decimal(found["usd"]) > Decimal("0.02") + Decimal("0.5")
    assert Decimal(found["usd_there"]) == Decimal("0.004")
    assert "1 calls held what may not leave" in found["advice"][0]


def test_people_read_a_table_and_no_words_of_the_log(tmp_path: Path) -> None:
    """The sums, the shares, the advice; neither text nor its finding is printed."""
    done = run(tmp_path, LOG)
    assert done.exit_code == 0
    for words in ("translation", "4 calls, 2 lines that hold none", "best 75%", "mini 50%", "75% are simple", "less"):
        assert words in done.stdout
    assert CANARY not in done.output
    assert "jane" not in done.output


def test_levels_are_the_file_s_where_it_has_signals(tmp_path: Path) -> None:
    """`routing.difficulty` says how hard a call was, and the advice no longer speaks of habit."""
    file = FILE + "routing: {order: standard, difficulty: {keywords: {5: [mail]}}}\n"
    found = json.loads(run(tmp_path, LOG[:1], "--json", file=file).stdout)
    assert found["by_kind_and_level"] == [{"kind": "classification", "level": 5, "calls": 1}]
    assert found["levels_by"] == "by_keywords"
    assert not [one for one in found["advice"] if "usually" in one]


@pytest.mark.parametrize("lines", [[], [{"model": "best", "prompt_tokens": 3}], [[1]]])
def test_a_log_without_calls_says_what_a_line_is(tmp_path: Path, lines: list[Any]) -> None:
    """One sentence, exit 1."""
    done = run(tmp_path, lines)
    assert done.exit_code == 1
    assert "`messages`" in str(done.exception)


def test_every_kind_has_a_usual_level() -> None:
    """None is forgotten; a long context asks for one more, and five is the most."""
    assert set(LEVELS) == set(KINDS)
    assert (usual_level("intent", 10), usual_level("intent", 9000), usual_level(None, 10)) == (1, 2, 2)
    assert usual_level("critical-decision", 10**6) == 5


def test_below_sixty_percent_a_cascade_is_not_advised() -> None:
    """The published rule in both directions."""
    seen = Audited()
    for level in (1, 4):
        seen.add(
            Call(kind="x", level=level, was="m", restricted=False, left=True, input_tokens=1, output_tokens=1,
                 usd=None, door=None, usd_there=None)
        )  # fmt: skip
    assert "below 60%" in advice(seen, "by_grade")[0]
    assert advice(Audited(), "by_grade") == []
