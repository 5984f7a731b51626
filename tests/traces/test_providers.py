"""Usage exports and invoices of OpenAI and Anthropic, as CSV and as JSON; the worksheet."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from localfleet.errors import BadInput
from localfleet.traces.providers import buckets, is_provider_file
from localfleet.traces.worksheet import COLUMNS, is_worksheet, worksheet

OPENAI_RESULT = {
    "object": "organization.usage.completions.result",
    "input_tokens": 1000,
    "output_tokens": 500,
    "input_cached_tokens": 800,
    "num_model_requests": 5,
    "model": "gpt-4o-mini",
}
ANTHROPIC_RESULT = {
    "uncached_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 5},
    "cache_read_input_tokens": 30,
    "output_tokens": 50,
    "model": "claude-haiku-4-5",
}


def page(folder: Path, result: dict[str, Any], span: dict[str, Any], name: str = "page.json") -> Path:
    """One answer of a usage API."""
    path = folder / name
    path.write_text(json.dumps({"object": "page", "data": [{**span, "results": [result]}], "has_more": False}))
    return path


OPENAI_SPAN = {"object": "bucket", "start_time": 1_730_419_200, "end_time": 1_730_505_600}
ANTHROPIC_SPAN = {"starting_at": "2025-08-01T00:00:00Z", "ending_at": "2025-08-02T00:00:00Z"}


def test_openai_counts_cached_tokens_inside_the_input(tmp_path: Path) -> None:
    """The partition is the provider's own: 800 of 1,000 came from its cache."""
    path = page(tmp_path, OPENAI_RESULT, OPENAI_SPAN)
    assert is_provider_file(path)
    (only,) = buckets(path)
    assert (only.provider, only.model, only.requests) == ("openai", "gpt-4o-mini", 5)
    assert (only.input_tokens, only.cache_read_tokens, only.output_tokens) == (1000, 800, 500)
    assert only.end_s - only.start_s == 86_400


def test_anthropic_counts_cached_tokens_beside_the_input(tmp_path: Path) -> None:
    """100 plain, 30 read, 25 written are an input of 155."""
    (only,) = buckets(page(tmp_path, ANTHROPIC_RESULT, ANTHROPIC_SPAN))
    assert (only.input_tokens, only.cache_read_tokens, only.cache_write_tokens) == (155, 30, 25)
    assert (only.provider, only.output_tokens, only.requests) == ("anthropic", 50, None)


def test_money_of_both_apis(tmp_path: Path) -> None:
    """OpenAI bills dollars, Anthropic's API cents; both become the same dollars."""
    cost = {"amount": {"value": 1.25, "currency": "usd"}, "line_item": "gpt-4o-mini, input"}
    (openai,) = buckets(page(tmp_path, cost, OPENAI_SPAN, "a.json"))
    cents = {"amount": "125.00", "currency": "USD", "model": "claude-haiku-4-5"}
    (anthropic,) = buckets(page(tmp_path, cents, ANTHROPIC_SPAN, "b.json"))
    assert openai.usd == anthropic.usd == Decimal("1.25")
    assert openai.input_tokens is None


def test_the_consoles_csv_files(tmp_path: Path) -> None:
    """Usage and cost of both consoles; a day without usage is no bucket."""
    usage = tmp_path / "usage.csv"
    usage.write_text(
        "start_time,end_time,model,num_model_requests,input_tokens,output_tokens,input_cached_tokens\n"
        "1759622400,1759708800,gpt-4o,7,70,35,10\n1759708800,1759795200,,,,,\n"
    )
    cost = tmp_path / "cost.csv"
    cost.write_text(
        "start_time,end_time,amount_value,amount_currency,line_item\n1759622400,1759708800,0.8958740000,usd,\n"
    )
    theirs = tmp_path / "theirs.csv"
    theirs.write_text(
        "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
        "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\n"
        "2026-03-22,claude-sonnet-4,100000,1,2,3,5000\n"
    )
    bill = tmp_path / "bill.csv"
    bill.write_text("usage_date_utc,model,token_type,cost_usd\n2026-03-22,Claude Haiku 4.5,input_no_cache,0.05\n")
    assert [each.requests for each in buckets(usage)] == [7]
    assert [each.usd for each in buckets(cost)] == [Decimal("0.8958740000")]
    assert [each.input_tokens for each in buckets(theirs)] == [100_006]
    assert [each.usd for each in buckets(bill)] == [Decimal("0.05")]
    assert all(map(is_provider_file, (usage, cost, theirs, bill)))


def test_a_second_currency_is_refused(tmp_path: Path) -> None:
    """No exchange rate is invented."""
    with pytest.raises(BadInput, match="is in EUR") as caught:
        list(buckets(page(tmp_path, {"amount": {"value": 1, "currency": "eur"}}, OPENAI_SPAN)))
    assert caught.value.field == "data[0].amount.value"


def test_a_bad_count_names_its_field(tmp_path: Path) -> None:
    """Also deep in a page of JSON."""
    bad = {**ANTHROPIC_RESULT, "cache_creation": {"ephemeral_5m_input_tokens": -1}}
    with pytest.raises(BadInput, match="negative") as caught:
        list(buckets(page(tmp_path, bad, ANTHROPIC_SPAN)))
    assert caught.value.field == "data[0].cache_creation.ephemeral_5m_input_tokens"


SHEET = (
    "Workflow,First tier,Fallback,Monthly requests,Avg input,Avg output,Fallback rate,Retry rate,"
    "Cost per completed action"
)


def test_the_worksheet_has_exactly_its_columns(tmp_path: Path) -> None:
    """The nine columns of the budget worksheet, shares as shares or per cent."""
    path = tmp_path / "sheet.csv"
    path.write_text(f'{SHEET}\nTriage,local,gpt-4o-mini,"14,500,000",1155,211,8%,0.02,\n')
    assert is_worksheet(path)
    (row,) = worksheet(path)
    assert (row.workflow, row.monthly_requests, row.fallback_share, row.retry_share) == ("Triage", 14.5e6, 0.08, 0.02)
    assert row.usd_per_completed_action is None


@pytest.mark.parametrize("column", COLUMNS)
def test_a_worksheet_without_a_column_says_which(tmp_path: Path, column: str) -> None:
    """Every column must be there, once."""
    path = tmp_path / "sheet.csv"
    path.write_text(",".join(each for each in COLUMNS if each != column) + "\n")
    with pytest.raises(BadInput, match="is missing") as caught:
        list(worksheet(path))
    assert caught.value.field == column


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (",l,f,1,1,1,0,0,", "workflow"),
        ("w,l,f,-1,1,1,0,0,", "monthly requests"),
        ("w,l,f,1,x,1,0,0,", "avg input"),
        ("w,l,f,1,1,1,8,0,", "fallback rate"),
        ("w,l,f,1,1,1,0,0,cheap", "cost per completed action"),
    ],
)
def test_a_bad_cell_of_the_worksheet(tmp_path: Path, row: str, field: str) -> None:
    """Line 2 and the column's name."""
    path = tmp_path / "sheet.csv"
    path.write_text(f"{SHEET}\n{row}\n")
    with pytest.raises(BadInput) as caught:
        list(worksheet(path))
    assert (caught.value.line, caught.value.field) == (2, field)
