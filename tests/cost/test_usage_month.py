"""`cost compare` on what a provider counted: the usage export of a console is a workload, a bill is none."""

from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localfleet.cli import build_cli
from localfleet.cost.inputs import Misuse
from localfleet.cost.usage_month import usage_month
from localfleet.traces.values import Bucket

DAY_S = 86_400.0


def bucket(day: int, **changes: object) -> Bucket:
    """A day of one model."""
    counts = {"requests": 10, "input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": 400}
    given = {**counts, "line": 1, "provider": "openai", "model": "m", **changes}
    return Bucket(start_s=day * DAY_S, end_s=(day + 1) * DAY_S, **given)  # type: ignore[arg-type]  # a table of a test


def test_days_of_a_provider_are_a_month() -> None:
    """Two days with a quiet one between: 20 requests in three days, at the same pace for 730 hours."""
    month = usage_month([bucket(0), bucket(2), bucket(1, requests=None, input_tokens=None, usd=Decimal(5))])
    assert month.requests == pytest.approx(20 / 72 * 730)
    assert (month.input_tokens, month.output_tokens, month.cache_read_share) == (100, 10, 0.4)
    assert month.words == "read off 20 requests in 3.0 days, scaled flat: quiet days are not in it"


def test_what_tells_no_mean_request_is_refused() -> None:
    """A bill holds no tokens, Anthropic's export no requests; both say what to give instead."""
    with pytest.raises(Misuse, match="not the bill"):
        usage_month([bucket(0, input_tokens=None, usd=Decimal(1))])
    with pytest.raises(Misuse, match="--requests-per-month"):
        usage_month([bucket(0, requests=None)])


def test_compare_reads_the_consoles_usage_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file says by its columns what it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "usage.csv").write_text(
        "start_time,end_time,model,num_model_requests,input_tokens,output_tokens,input_cached_tokens\n"
        "1759622400,1759708800,gpt-4o,24000,24000000,2400000,0\n"
    )
    words = ["cost", "compare", "--gpu", "h100", "--workload", "usage.csv"]
    done = CliRunner().invoke(build_cli("cost"), words)
    assert "read off 24,000 requests in 1.0 days" in " ".join(done.output.split())
