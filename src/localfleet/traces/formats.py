"""
Which format a file of single requests has, told by the names of its fields, and where each value is.

| format    | known by                                                | time                             |
|-----------|---------------------------------------------------------|----------------------------------|
| azure     | `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`         | a date                           |
| burstgpt  | `Timestamp`, `Request tokens`, `Response tokens`        | seconds                          |
| mooncake  | `timestamp`, `input_length`, `output_length`            | milliseconds                     |
| litellm   | `startTime`, `prompt_tokens`, `completion_tokens`       | a date; newest first is usual    |
| requests  | `input_tokens` (or `prompt_tokens`), `output_tokens` .. | `at`, `timestamp_s`, `timestamp_ms` |
"""

from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["OPTIONAL", "Layout", "layout_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A format: the names of its fields, empty where it has no such field."""

    name: str
    at: str
    moment: str
    """A key of `cells.MOMENTS`."""
    input: str
    output: str
    cache_read: str = ""
    cache_write: str = ""
    model: str = ""
    task: str = ""
    label: str = ""
    cost: str = ""
    any_order: bool = False
    """Files of this format come in any order of time and are sorted; all others must run forwards."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names, in the order of `Arrival` behind `line`."""
        return (
            self.at,
            self.input,
            self.output,
            self.cache_read,
            self.cache_write,
            self.model,
            self.task,
            self.label,
            self.cost,
        )


OPTIONAL = 3
"""The first fields of a layout must be there: time, input, output."""

AZURE = Layout(name="azure", at="TIMESTAMP", moment="iso", input="ContextTokens", output="GeneratedTokens")
BURSTGPT = Layout(
    name="burstgpt", at="Timestamp", moment="s", input="Request tokens", output="Response tokens", model="Model"
)
MOONCAKE = Layout(name="mooncake", at="timestamp", moment="ms", input="input_length", output="output_length")
LITELLM = Layout(
    name="litellm",
    at="startTime",
    moment="iso",
    input="prompt_tokens",
    output="completion_tokens",
    cache_read="cached_tokens",
    cache_write="cache_creation_tokens",
    model="model",
    cost="spend",
    any_order=True,
)
KNOWN = (AZURE, BURSTGPT, MOONCAKE, LITELLM)
TIMES = (("at", "at"), ("timestamp_s", "s"), ("timestamp_ms", "ms"), ("timestamp", "dated"), ("time", "dated"))
INPUTS = ("input_tokens", "prompt_tokens")
OUTPUTS = ("output_tokens", "completion_tokens")
UNITLESS = {"cost": "cost_usd", "price": "cost_usd", "spend": "cost_usd", "amount": "cost_usd"}


def layout_of(fields: Collection[str]) -> Layout:
    """The format that has these fields; `ValueError` says which field is missing."""
    for known in KNOWN:
        if {known.at, known.input, known.output} <= set(fields):
            return known
    return _own(set(fields))


def _sums(fields: set[str]) -> str:
    """What to do with a file that holds sums where requests are wanted one by one; empty for any other file."""
    if {"workflow", "monthly requests"} <= {field.strip().lower() for field in fields}:
        return "is a budget worksheet: give it to `localfleet cost worksheet`"
    if fields & {"start_time", "starting_at", "usage_date_utc"}:
        return "is a provider's usage or costs, which tell no request apart: give a trace or a spend log"
    return ""


def _own(fields: set[str]) -> Layout:
    at, moment = next(((field, moment) for field, moment in TIMES if field in fields), ("", ""))
    into = next((field for field in INPUTS if field in fields), "")
    out = next((field for field in OUTPUTS if field in fields), "")
    if not at and (sums := _sums(fields)):
        raise ValueError(sums)
    if not at:
        raise ValueError("no field tells the time: name one `at`, `timestamp_s` or `timestamp_ms`")
    if not into or not out:
        missing = "input_tokens" if not into else "output_tokens"
        raise ValueError(f"there is no field `{missing}`; docs/guides/calibrate.md lists the formats that are read")
    unitless = sorted(fields & UNITLESS.keys())
    if unitless and "cost_usd" not in fields:
        raise ValueError(f"`{unitless[0]}` has no unit: name it `{UNITLESS[unitless[0]]}` if it is US dollars")
    here = {field: field for field in fields}
    return Layout(
        name="requests",
        at=at,
        moment=moment,
        input=into,
        output=out,
        cache_read=here.get("cache_read_tokens", here.get("cached_tokens", "")),
        cache_write=here.get("cache_write_tokens", ""),
        model=here.get("model", ""),
        task=here.get("task", ""),
        label=here.get("label", ""),
        cost=here.get("cost_usd", ""),
    )
