"""
What providers say they counted and billed -> `Bucket`s: exports of their consoles (CSV), answers of their APIs (JSON).

| provider  | tokens                                                    | money                                     |
|-----------|-----------------------------------------------------------|-------------------------------------------|
| OpenAI    | `/v1/organization/usage/completions`, the console's CSV    | `/v1/organization/costs`, the cost CSV    |
| Anthropic | `/v1/organizations/usage_report/messages`, the usage CSV   | `/v1/organizations/cost_report`, cost CSV |

OpenAI's input includes what came from its cache, Anthropic's does not: both become the same partition here. Anthropic's
API bills in cents, its CSV in dollars. Only US dollars are read: a second currency is an error, never an exchange rate.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from localfleet.errors import BadInput
from localfleet.traces.cells import any_moment, count, dollars, iso, name
from localfleet.traces.files import documents, kind_of, open_table
from localfleet.traces.values import Bucket

__all__ = ["buckets", "is_provider_file"]

Row = Mapping[str, Any]
DAY_S = 86_400.0
OPENAI_COLUMNS = frozenset({"start_time", "end_time"})
ANTHROPIC_COLUMN = "usage_date_utc"


def is_provider_file(path: Path) -> bool:
    """Whether a file looks like one of these; raises `BadInput` where it cannot be read."""
    if kind_of(path) == "table":
        header = set(open_table(path).header)
        return ANTHROPIC_COLUMN in header or header >= OPENAI_COLUMNS
    _, first = next(documents(path), (0, None))
    data = first.get("data") if isinstance(first, dict) else None
    return isinstance(data, list) and all(isinstance(each, dict) and "results" in each for each in data)


def buckets(path: Path) -> Iterator[Bucket]:
    """Every bucket with something in it; raises `BadInput` with line and field, also for a file of something else."""
    if not is_provider_file(path):
        sentence = "is no usage or cost export of OpenAI or Anthropic; docs/guides/calibrate.md lists their forms"
        raise BadInput(path.name, None, "", sentence)
    for line, field_of, row in _rows(path):
        reading = _Reading(path, line, row, field_of)
        found = reading.anthropic() if reading.is_anthropic else reading.openai()
        if found is not None:
            yield found


def _rows(path: Path) -> Iterator[tuple[int, str, Row]]:
    if kind_of(path) == "table":
        table = open_table(path)
        for line, cells in table:
            yield line, "", dict(zip(table.header, cells, strict=True))
        return
    for line, page in documents(path):
        for number, each in enumerate(page.get("data") or (), line):
            for result in each.get("results") or ():
                yield number, f"data[{number - line}].", {**_span(each), **result}


def _span(bucket: Row) -> Row:
    names = ("start_time", "end_time", "starting_at", "ending_at")
    return {name: bucket[name] for name in names if name in bucket}


class _Reading:
    """One row, read field by field, so that a bad cell can be named."""

    def __init__(self, path: Path, line: int, row: Row, prefix: str) -> None:
        self.path, self.line, self.row, self.prefix = path, line, row, prefix

    @property
    def is_anthropic(self) -> bool:
        """Anthropic's fields are named unlike OpenAI's."""
        return ANTHROPIC_COLUMN in self.row or "starting_at" in self.row

    def openai(self) -> Bucket | None:
        """A row of usage, of cost, or of nothing (`None`)."""
        amount = self.row.get("amount")
        if isinstance(amount, dict):
            value, currency, field = amount.get("value"), amount.get("currency"), "amount.value"
        else:
            value, currency, field = self.row.get("amount_value"), self.row.get("amount_currency"), "amount_value"
        requests = self.row.get("num_model_requests")
        if value in {None, ""} and requests in {None, ""}:
            return None
        priced = value not in {None, ""}
        return Bucket(
            line=self.line,
            start_s=self.get("start_time", any_moment),
            end_s=self.get("end_time", any_moment),
            provider="openai",
            model=name(self.row.get("line_item") if priced else self.row.get("model")),
            requests=None if priced else self.get("num_model_requests", count),
            input_tokens=None if priced else self.get("input_tokens", count),
            output_tokens=None if priced else self.get("output_tokens", count),
            cache_read_tokens=None if priced else self.part("input_cached_tokens"),
            cache_write_tokens=None if priced else 0,
            usd=self.money(field, value, currency) if priced else None,
        )

    def anthropic(self) -> Bucket | None:
        """A row of usage or of cost."""
        start, end = self.anthropic_span()
        if "cost_usd" in self.row:
            return self.billed(start, end, self.get("cost_usd", dollars))
        if "amount" in self.row:
            cents = self.money("amount", self.row["amount"], self.row.get("currency"))
            return self.billed(start, end, cents / 100)
        csv = ANTHROPIC_COLUMN in self.row
        plain = self.get("usage_input_tokens_no_cache" if csv else "uncached_input_tokens", count)
        read = self.part("usage_input_tokens_cache_read" if csv else "cache_read_input_tokens")
        written = self.anthropic_written(csv=csv)
        return Bucket(
            line=self.line,
            start_s=start,
            end_s=end,
            provider="anthropic",
            model=name(self.row.get("model_version") or self.row.get("model")),
            input_tokens=plain + read + written,
            output_tokens=self.get("usage_output_tokens" if csv else "output_tokens", count),
            cache_read_tokens=read,
            cache_write_tokens=written,
        )

    def billed(self, start_s: float, end_s: float, usd: Decimal) -> Bucket:
        """Anthropic's money."""
        model = name(self.row.get("model") or self.row.get("description"))
        return Bucket(line=self.line, start_s=start_s, end_s=end_s, provider="anthropic", model=model, usd=usd)

    def anthropic_span(self) -> tuple[float, float]:
        """A day in the CSV, two moments in the API's answer."""
        if ANTHROPIC_COLUMN in self.row:
            day = self.get(ANTHROPIC_COLUMN, iso)
            return day, day + DAY_S
        return self.get("starting_at", iso), self.get("ending_at", iso)

    def anthropic_written(self, *, csv: bool) -> int:
        """Written to the cache, for five minutes or for an hour."""
        if csv:
            return self.part("usage_input_tokens_cache_write_5m") + self.part("usage_input_tokens_cache_write_1h")
        written = self.row.get("cache_creation") or {}
        inner = _Reading(self.path, self.line, written, f"{self.prefix}cache_creation.")
        return inner.part("ephemeral_5m_input_tokens") + inner.part("ephemeral_1h_input_tokens")

    def get(self, field: str, read: Any) -> Any:
        """The value of a field that must be there."""
        try:
            return read(self.row[field])
        except KeyError:
            raise self.wrong(field, "is missing") from None
        except ValueError as exc:
            raise self.wrong(field, str(exc)) from None

    def part(self, field: str) -> int:
        """A count that may be left out."""
        return 0 if self.row.get(field) in {None, ""} else int(self.get(field, count))

    def money(self, field: str, value: Any, currency: Any) -> Decimal:
        """An amount in US dollars (or their cents)."""
        if currency is not None and str(currency).strip().lower() != "usd":
            code = str(currency).strip()[:3].upper()
            shown = code if code.isalpha() else "another currency"
            raise self.wrong(field, f"is in {shown}; only US dollars are read, so convert the file at a rate you state")
        try:
            return dollars(value)
        except ValueError as exc:
            raise self.wrong(field, str(exc)) from None

    def wrong(self, field: str, sentence: str) -> BadInput:
        """The error that names this row."""
        return BadInput(self.path.name, self.line, f"{self.prefix}{field}", sentence)
