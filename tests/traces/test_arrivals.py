"""Files with one request a line: every format, the clock, and errors that name line and field."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.errors import BadInput
from localfleet.traces.arrivals import arrivals
from localfleet.traces.values import Arrival

SHARED = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "cost"
OURS = "at,input_tokens,output_tokens,cache_read_tokens,model,task,label,cost_usd"


def written(folder: Path, text: str, name: str = "traffic.csv") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, name: str = "traffic.csv") -> BadInput:
    """The error of a file that cannot be read."""
    with pytest.raises(BadInput) as caught:
        list(arrivals(written(folder, text, name)))
    return caught.value


def test_a_csv_of_our_own_keeps_every_field(tmp_path: Path) -> None:
    """Time, tokens, names and money arrive as they were written."""
    text = f"{OURS}\n2026-11-20T08:00:00Z,100,20,40,small,chat,internal,0.0012\n1795161601,5,0,,,,,\n"
    first, second = arrivals(written(tmp_path, text))
    assert first[:9] == (2, 1_795_161_600.0, 100, 20, 40, 0, "small", "chat", "internal")
    assert str(first.cost_usd) == "0.0012"
    assert second == Arrival(3, 1_795_161_601.0, 5, 0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("azure.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"),
        (
            "burst.csv",
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,4808,10,9,API\n",
        ),
        ("mooncake.jsonl", '{"timestamp": 5000, "input_length": 4808, "output_length": 10, "hash_ids": [1]}\n'),
        (
            "spend.json",
            '[{"request_id": "a", "startTime": "2026-01-01", "prompt_tokens": 4808, "completion_tokens": 10}]',
        ),
        ("ours.jsonl", '{"timestamp_ms": 5000, "prompt_tokens": 4808, "completion_tokens": 10}\n'),
        ("ours.tsv", "timestamp_s\tinput_tokens\toutput_tokens\n5\t4808\t10\n"),
    ],
)
def test_every_format_is_known_by_its_fields(tmp_path: Path, name: str, text: str) -> None:
    """No option says which format a file has."""
    (only,) = arrivals(written(tmp_path, text, name))
    assert (only.input_tokens, only.output_tokens) == (4808, 10)


def test_litellm_spend_logs_are_sorted_and_keep_cache_reads(tmp_path: Path) -> None:
    """LiteLLM lists the newest first, with cached tokens inside JSON inside text."""
    usage = {"usage_object": {"prompt_tokens_details": {"cached_tokens": 30}}}
    new = {"startTime": "2026-01-02", "prompt_tokens": 50, "completion_tokens": 5, "metadata": json.dumps(usage)}
    old = {"startTime": "2026-01-01", "prompt_tokens": 10, "completion_tokens": 1, "model": "gpt-4o", "spend": 0.25}
    text = json.dumps({"data": [new, old]})
    first, second = arrivals(written(tmp_path, text, "spend.json"))
    assert (first.model, str(first.cost_usd), first.cache_read_tokens) == ("gpt-4o", "0.25", 0)
    assert second.cache_read_tokens == 30


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        ("2026-11-20T08:00:00Z,-1,20,,,,,", "input_tokens", "negative"),
        ("2026-11-20T08:00:00Z,nan,20,,,,,", "input_tokens", "NaN"),
        ("2026-11-20T08:00:00Z,10,2.5,,,,,", "output_tokens", "whole number"),
        ("2026-11-20T08:00:00Z,,20,,,,,", "input_tokens", "empty"),
        ("yesterday,10,20,,,,,", "at", "date and time"),
        ("1763625600000,10,20,,,,,", "at", "timestamp_ms"),
        ("2026-11-20T08:00:00Z,10,20,11,,,,", "cache_read_tokens", "cannot exceed"),
        ("2026-11-20T08:00:00Z,10,20,,,,secret,", "label", "public, internal or restricted"),
        ("2026-11-20T08:00:00Z,10,20,,,,,cheap", "cost_usd", "US dollars"),
        ("2026-11-20T08:00:00Z,10", "", "2 cells under 8 columns"),
    ],
)
def test_a_bad_cell_names_line_and_field(tmp_path: Path, row: str, field: str, says: str) -> None:
    """Line, field and what to write instead; never the cell's own text."""
    error = refused(tmp_path, f"{OURS}\n1763625600,1,1,,,,,\n{row}\n")
    assert (error.line, error.field) == (3, field)
    assert says in error.message
    assert "secret" not in error.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("at,input_tokens,output_tokens\n", "holds no requests"),
        ("", "names the columns"),
        ("when,input_tokens,output_tokens\n", "name one `at`"),
        ("at,output_tokens\n", "`input_tokens`"),
        ("Workflow,first tier,Monthly requests\n", "`localfleet cost worksheet`"),
        ("start_time,end_time,model,input_tokens\n", "give a trace or a spend log"),
        ("at,input_tokens,output_tokens,cost\n", "`cost` has no unit"),
    ],
)
def test_a_file_that_cannot_be_traffic(tmp_path: Path, text: str, says: str) -> None:
    """An empty file, a missing column or unit is said before any row is read."""
    assert says in refused(tmp_path, text).message


def test_a_time_without_a_unit_is_refused(tmp_path: Path) -> None:
    """`timestamp` alone may be seconds or milliseconds; a guess would be off by a thousand."""
    error = refused(tmp_path, "timestamp,input_tokens,output_tokens\n1763625600,1,1\n")
    assert (error.field, error.line) == ("timestamp", 2)
    assert "timestamp_ms" in error.message


def test_a_clock_that_goes_backwards_is_refused(tmp_path: Path) -> None:
    """A replay of unsorted requests would invent waits."""
    error = refused(tmp_path, "timestamp_s,input_tokens,output_tokens\n10,1,1\n7,1,1\n")
    assert (error.line, error.field) == (3, "timestamp_s")
    assert "backwards by 3 s" in error.message


@pytest.mark.parametrize("text", ['{"timestamp_s": 1,', '{"timestamp_s": 1, "input_tokens": 1}\nnothing\n', "[1]"])
def test_broken_json_is_one_sentence(tmp_path: Path, text: str) -> None:
    """Whatever is in the file, the answer is a `BadInput`."""
    assert refused(tmp_path, text, "x.json").message


@given(rows=st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1))
def test_csv_and_json_lines_say_the_same(
    rows: list[tuple[int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same requests in two forms are the same arrivals."""
    rows.sort()
    folder = tmp_path_factory.mktemp("both")
    csv = "timestamp_s,input_tokens,output_tokens\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    lines = "".join(json.dumps({"timestamp_s": a, "input_tokens": b, "output_tokens": c}) + "\n" for a, b, c in rows)
    one = [arrival[1:] for arrival in arrivals(written(folder, csv))]
    assert one == [arrival[1:] for arrival in arrivals(written(folder, lines, "x.jsonl"))]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public traces lie in ../shared beside the project")
@pytest.mark.parametrize(
    ("name", "many", "span_s", "mean_in", "mean_out"),
    [("code", 8_819, 3_435.9, 2_047.8, 27.88), ("conv", 19_366, 3_501.7, 1_154.7, 211.1)],
)
def test_the_public_azure_traces(name: str, many: int, span_s: float, mean_in: float, mean_out: float) -> None:
    """Count, span and means are those published in `cost_model.md`, section 5."""
    found = list(arrivals(SHARED / f"AzureLLMInferenceTrace_{name}.csv"))
    assert len(found) == many
    assert found[-1].at_s - found[0].at_s == pytest.approx(span_s, rel=0.005)
    assert sum(each.input_tokens for each in found) / many == pytest.approx(mean_in, rel=0.005)
    assert sum(each.output_tokens for each in found) / many == pytest.approx(mean_out, rel=0.005)
