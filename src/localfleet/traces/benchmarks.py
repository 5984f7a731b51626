"""
Results of load generators -> `Point`s of the cost model, each with the name of what was measured.

| tool               | known by                                                | one point for each       |
|--------------------|---------------------------------------------------------|--------------------------|
| vLLM `bench serve` | `request_throughput` is a number, `total_input_tokens`  | file, or line of the file |
| GuideLLM           | `benchmarks`, each with `metrics.requests_per_second`   | benchmark of the sweep   |
| AIPerf             | `request_throughput` has a `unit` and an `avg`          | file                     |
| localfleet bench   | `format` is `localfleet-calibration-1`                        | shape and load           |
| a table            | `input_tokens` or `isl`, `output_tokens` or `osl`, and a rate or a batch | row     |

The batch is by Little's law over the decoding: rate x time per output token x output tokens.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from localfleet.core.cost.points import Point
from localfleet.errors import BadInput
from localfleet.traces.cells import count, name, real, share
from localfleet.traces.files import documents, kind_of, open_table

__all__ = ["CALIBRATION_FORMAT", "Measured", "measured"]

CALIBRATION_FORMAT = "localfleet-calibration-1"
Measured = tuple[str, Point]
"""What was measured (model, box, engine: whatever the file says), and one point."""
Reader = Callable[["_Fields"], Iterator[Measured]]
ALIASES = {
    "input_tokens": ("input_tokens", "isl"),
    "output_tokens": ("output_tokens", "osl"),
    "requests_per_s": ("requests_per_s", "req_per_s"),
    "output_tokens_per_s": ("output_tokens_per_s", "out_tok_s"),
    "batch": ("batch", "avg_batch", "mean_batch"),
    "step_ms": ("step_ms", "itl_ms", "tpot_ms"),
}
IDENTITY = ("gpu", "gpu_count", "model", "weight_precision", "precision", "engine", "parallelism")


def measured(path: Path) -> list[Measured]:
    """Every point of a file; raises `BadInput`, also for a file that no tool here is known to write."""
    if kind_of(path) == "table":
        found = list(_table(path))
    else:
        found = [each for line, value in documents(path) for each in _document(path, line, value)]
    if not found:
        raise BadInput(path.name, None, "", "holds no measured point")
    return found


def _document(path: Path, line: int, value: Any) -> Iterator[Measured]:
    values = value if isinstance(value, list) else [value]
    for number, each in enumerate(values, line):
        reader = _reader(each)
        if reader is None:
            tools = "vllm bench serve, GuideLLM, AIPerf or localfleet bench"
            raise BadInput(path.name, number, "", f"is no result of {tools}; docs/guides/calibrate.md lists them")
        yield from reader(_Fields(path, number, each))


def _reader(value: Any) -> Reader | None:
    if not isinstance(value, dict):
        return None
    rate = value.get("request_throughput")
    if value.get("format") == CALIBRATION_FORMAT:
        return _ours
    if isinstance(value.get("benchmarks"), list):
        return _guidellm
    if isinstance(rate, dict):
        return _aiperf
    return _vllm if rate is not None and "total_input_tokens" in value else None


class _Fields:
    """A JSON object whose fields can be named when one of them is wrong."""

    def __init__(self, path: Path, line: int, value: Mapping[str, Any], prefix: str = "") -> None:
        self.path, self.line, self.value, self.prefix = path, line, value, prefix

    def inner(self, *names: str) -> "_Fields":
        """The object under a path of names; an empty one where there is none."""
        value: Any = self.value
        for each in names:
            value = value.get(each) if isinstance(value, Mapping) else None
        return _Fields(self.path, self.line, value if isinstance(value, Mapping) else {}, self._named(".".join(names)))

    def need(self, field: str, read: Callable[[Any], Any] = real) -> Any:
        """The value of a field that must be there."""
        if self.value.get(field) is None:
            raise BadInput(self.path.name, self.line, self._named(field), "is missing")
        return self.may(field, read)

    def may(self, field: str, read: Callable[[Any], Any] = real) -> Any:
        """The value of a field, `None` where there is none."""
        value = self.value.get(field)
        if value in {None, ""}:
            return None
        try:
            return read(value)
        except ValueError as exc:
            raise BadInput(self.path.name, self.line, self._named(field), str(exc)) from None

    def wrong(self, field: str, sentence: str) -> BadInput:
        """The error about a field."""
        return BadInput(self.path.name, self.line, self._named(field), sentence)

    def _named(self, field: str) -> str:
        return f"{self.prefix}.{field}" if self.prefix else field


def _batch(rate: float | None, step_ms: float | None, output_tokens: float) -> float | None:
    if not rate or not step_ms or output_tokens <= 1:
        return None
    return rate * step_ms / 1000 * (output_tokens - 1)


def _vllm(row: _Fields) -> Iterator[Measured]:
    completed = row.need("completed", count)
    if completed == 0:
        raise row.wrong("completed", "is 0: no request was answered, so nothing was measured")
    into, out = row.need("total_input_tokens") / completed, row.need("total_output_tokens") / completed
    rate, step = row.need("request_throughput"), row.may("mean_tpot_ms") or None
    offered = row.value.get("request_rate")
    point = Point(
        input_tokens=into,
        output_tokens=out,
        requests_per_s=rate,
        offered_per_s=None if offered in {None, "inf"} else row.may("request_rate"),
        batch=_batch(rate, step, out),
        step_ms=step,
        ttft_p50_ms=row.may("median_ttft_ms"),
        ttft_p99_ms=row.may("p99_ttft_ms"),
        itl_p50_ms=row.may("median_itl_ms"),
        itl_p99_ms=row.may("p99_itl_ms"),
        requests=completed,
        failed=row.may("failed", count) or 0,
        source=row.path.name,
        line=row.line,
    )
    yield name(row.value.get("model_id")), point


def _guidellm(report: _Fields) -> Iterator[Measured]:
    for number, each in enumerate(report.value["benchmarks"]):
        if not isinstance(each, dict):
            raise report.wrong(f"benchmarks[{number}]", "is no object")
        row = _Fields(report.path, report.line, each, f"benchmarks[{number}]")
        metrics = row.inner("metrics")
        rate = _mean(metrics, "requests_per_second")
        out = _mean(metrics, "output_token_count")
        step = _mean(metrics, "inter_token_latency_ms", optional=True) or None
        ttft = metrics.inner("time_to_first_token_ms", "successful")
        itl = metrics.inner("inter_token_latency_ms", "successful")
        strategy = row.inner("config", "strategy")
        if not strategy.value:
            strategy = row.inner("scheduler", "strategy")
        totals = metrics.inner("request_totals")
        point = Point(
            input_tokens=_mean(metrics, "prompt_token_count") or 0.0,
            output_tokens=out or 0.0,
            requests_per_s=rate,
            offered_per_s=strategy.may("rate") if strategy.value.get("type_") in {"constant", "poisson"} else None,
            batch=_batch(rate, step, out or 0.0),
            step_ms=step,
            ttft_p50_ms=ttft.may("median"),
            ttft_p99_ms=ttft.inner("percentiles").may("p99"),
            itl_p50_ms=itl.may("median"),
            itl_p99_ms=itl.inner("percentiles").may("p99"),
            requests=totals.may("successful", count),
            failed=totals.may("errored", count) or 0,
            source=report.path.name,
            line=report.line,
        )
        yield name(report.inner("args").value.get("model")), point


def _mean(metrics: _Fields, field: str, *, optional: bool = False) -> float | None:
    """GuideLLM's mean over requests that succeeded."""
    inner = metrics.inner(field, "successful")
    value: float | None = inner.may("mean") if optional else inner.need("mean")
    return value


def _aiperf(row: _Fields) -> Iterator[Measured]:
    out, rate = _avg(row, "output_sequence_length", "tokens"), _avg(row, "request_throughput", "requests/sec")
    step = row.inner("inter_token_latency").may("avg") or None
    if step is not None:
        _avg(row, "inter_token_latency", "ms")
    load = row.inner("input_config", "loadgen")
    failed = row.inner("error_request_count").may("avg")
    models = row.inner("input_config", "endpoint").value.get("model_names")
    point = Point(
        input_tokens=_avg(row, "input_sequence_length", "tokens"),
        output_tokens=out,
        requests_per_s=rate,
        offered_per_s=load.may("request_rate"),
        batch=_batch(rate, step, out),
        step_ms=step,
        ttft_p50_ms=row.inner("time_to_first_token").may("p50"),
        ttft_p99_ms=row.inner("time_to_first_token").may("p99"),
        itl_p50_ms=row.inner("inter_token_latency").may("p50"),
        itl_p99_ms=row.inner("inter_token_latency").may("p99"),
        requests=None if "request_count" not in row.value else int(row.inner("request_count").need("avg")),
        failed=int(failed or 0),
        source=row.path.name,
        line=row.line,
    )
    yield name(models[0] if isinstance(models, list) and models else ""), point


def _avg(row: _Fields, field: str, unit: str) -> float:
    """AIPerf's mean, in the unit that is expected: another one is an error, never converted in silence."""
    inner = row.inner(field)
    if inner.value and inner.value.get("unit") not in {unit, None}:
        raise inner.wrong("unit", f"is not `{unit}`; export the result in AIPerf's default units")
    value: float = inner.need("avg")
    return value


def _ours(report: _Fields) -> Iterator[Measured]:
    points = report.value.get("points")
    if not isinstance(points, list):
        raise report.wrong("points", "is missing")
    fields = ("requests_per_s", "offered_per_s", "batch", "step_ms", "ttft_p50_ms", "ttft_p99_ms")
    for number, each in enumerate(points):
        if not isinstance(each, dict):
            raise report.wrong(f"points[{number}]", "is no object")
        row = _Fields(report.path, report.line, each, f"points[{number}]")
        point = Point(
            input_tokens=row.need("input_tokens"),
            output_tokens=row.need("output_tokens"),
            **{field: row.may(field) for field in fields},
            itl_p50_ms=row.may("itl_p50_ms"),
            itl_p99_ms=row.may("itl_p99_ms"),
            cached_share=row.may("cached_share", share) or 0.0,
            requests=row.may("requests", count),
            failed=row.may("failed", count) or 0,
            source=report.path.name,
            line=report.line,
        )
        yield name(report.value.get("model")), point


def _table(path: Path) -> Iterator[Measured]:
    table = open_table(path)
    header = frozenset(table.header)
    found = {field: next((each for each in names if each in header), "") for field, names in ALIASES.items()}
    if not found["output_tokens"] or not (found["requests_per_s"] or found["output_tokens_per_s"]):
        sentence = "needs the columns input_tokens, output_tokens, requests_per_s; or output_tokens_per_s and batch"
        raise BadInput(path.name, 1, "", sentence)
    for line, cells in table:
        values = dict(zip(table.header, cells, strict=True))
        point = _row(_Fields(path, line, values), found)
        if point is not None:
            dataset = [] if point.input_tokens else [values.get(found["input_tokens"], "")]
            yield " / ".join([values[each] for each in IDENTITY if values.get(each)] + dataset), point


def _row(row: _Fields, found: Mapping[str, str]) -> Point | None:
    """A row of a table; `None` where it has neither a rate nor a batch."""

    def get(field: str) -> float | None:
        value: float | None = row.may(found[field]) if found[field] else None
        return value

    named = row.value.get(found["input_tokens"], "") if found["input_tokens"] else ""
    is_number = str(named).replace(".", "", 1).isdigit()
    out, rate, tokens, batch = get("output_tokens"), get("requests_per_s"), get("output_tokens_per_s"), get("batch")
    if out is None or not out:
        return None
    rate = rate or (None if tokens is None else tokens / out)
    # The step that makes so many tokens a second together: measured latencies leave out what stands between steps.
    step = 1000 * batch / tokens if batch and tokens else get("step_ms")
    if not rate and not (batch and step):
        return None
    return Point(
        input_tokens=float(named) if is_number else 0.0,
        output_tokens=out,
        # Lengths that are a data set's name are no shape.
        requests_per_s=rate if is_number else None,
        batch=batch,
        step_ms=step,
        source=row.path.name,
        line=row.line,
    )
