"""Results of vLLM bench serve, GuideLLM, AIPerf, our own bench and tables: the same box measures the same points."""

import json
from pathlib import Path
from typing import Any

import pytest

from localfleet.core.cost.points import Point
from localfleet.errors import BadInput
from localfleet.traces.benchmarks import CALIBRATION_FORMAT, measured

VLLM = {
    "backend": "vllm",
    "model_id": "Qwen/Qwen3-8B",
    "request_rate": "inf",
    "duration": 20.0,
    "completed": 40,
    "failed": 0,
    "total_input_tokens": 20_000,
    "total_output_tokens": 4_000,
    "request_throughput": 2.0,
    "mean_tpot_ms": 20.0,
    "median_ttft_ms": 100.0,
    "p99_ttft_ms": 400.0,
    "median_itl_ms": 19.0,
    "p99_itl_ms": 45.0,
}
"""What `vllm bench serve --save-result` writes (vLLM 0.32, `vllm/benchmarks/serve.py`), without the lists."""


def spread(mean: float, p99: float) -> dict[str, Any]:
    """GuideLLM's distribution summary."""
    return {"successful": {"mean": mean, "median": mean, "percentiles": {"p99": p99}}}


GUIDELLM = {
    "args": {"model": "Qwen/Qwen3-8B"},
    "benchmarks": [
        {
            "type_": "generative_benchmark",
            "config": {"strategy": {"type_": "throughput"}},
            "metrics": {
                "request_totals": {"successful": 40, "incomplete": 0, "errored": 0, "total": 40},
                "requests_per_second": spread(2.0, 2.0),
                "prompt_token_count": spread(500.0, 500.0),
                "output_token_count": spread(100.0, 100.0),
                "time_to_first_token_ms": spread(100.0, 400.0),
                "inter_token_latency_ms": spread(20.0, 45.0),
            },
        }
    ],
}
"""GuideLLM's report, `src/guidellm/benchmark/schemas/generative/`."""
AIPERF = {
    "request_throughput": {"unit": "requests/sec", "avg": 2.0},
    "input_sequence_length": {"unit": "tokens", "avg": 500.0},
    "output_sequence_length": {"unit": "tokens", "avg": 100.0},
    "inter_token_latency": {"unit": "ms", "avg": 20.0, "p50": 19.0, "p99": 45.0},
    "time_to_first_token": {"unit": "ms", "avg": 130.0, "p50": 100.0, "p99": 400.0},
    "request_count": {"unit": "requests", "avg": 40.0},
    "error_request_count": None,
    "input_config": {"endpoint": {"model_names": ["Qwen/Qwen3-8B"]}, "loadgen": {"concurrency": 4}},
}
"""AIPerf's `profile_export_aiperf.json`."""
OURS = {
    "format": CALIBRATION_FORMAT,
    "model": "Qwen/Qwen3-8B",
    "points": [
        {
            "input_tokens": 500,
            "output_tokens": 100,
            "requests_per_s": 2.0,
            "batch": 3.96,
            "step_ms": 20.0,
            "ttft_p50_ms": 100.0,
            "ttft_p99_ms": 400.0,
            "requests": 40,
        }
    ],
}


def saved(folder: Path, value: Any, name: str = "result.json") -> Path:
    """A file with this JSON."""
    path = folder / name
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("result", [VLLM, GUIDELLM, AIPERF, OURS], ids=["vllm", "guidellm", "aiperf", "localfleet"])
def test_every_tool_says_the_same(tmp_path: Path, result: dict[str, Any]) -> None:
    """One box, one load, four files: the same point, and the model's name."""
    ((model, point),) = measured(saved(tmp_path, result))
    assert model == "Qwen/Qwen3-8B"
    assert (point.input_tokens, point.output_tokens, point.requests_per_s) == (500, 100, 2.0)
    assert (point.ttft_p50_ms, point.ttft_p99_ms, point.step_ms) == (100.0, 400.0, 20.0)
    assert point.batch == pytest.approx(2.0 * 0.02 * 99)
    assert (point.requests, point.failed, point.free) == (40, 0, True)


def test_appended_vllm_results_and_an_offered_rate(tmp_path: Path) -> None:
    """`--append-result` writes a line for each run; a rate that was met shows the load, not the box."""
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(VLLM) + "\n" + json.dumps({**VLLM, "request_rate": 2.0}) + "\n")
    first, second = (point for _, point in measured(path))
    assert (first.free, second.free) == (True, False)
    assert (first.line, second.line) == (1, 2)


@pytest.mark.parametrize(
    ("result", "field", "says"),
    [
        ({**VLLM, "completed": 0}, "completed", "nothing was measured"),
        ({**VLLM, "total_output_tokens": None}, "total_output_tokens", "missing"),
        ({**VLLM, "request_throughput": -1}, "request_throughput", "negative"),
        ({**AIPERF, "inter_token_latency": {"unit": "s", "avg": 0.02}}, "inter_token_latency.unit", "not `ms`"),
        ({"benchmarks": [{"metrics": {}}]}, "benchmarks[0].metrics.requests_per_second.successful.mean", "missing"),
        ({"format": CALIBRATION_FORMAT, "points": [{"input_tokens": 5}]}, "points[0].output_tokens", "missing"),
        ({"something": "else"}, "", "is no result of vllm bench serve"),
    ],
)
def test_a_bad_result_names_its_field(tmp_path: Path, result: dict[str, Any], field: str, says: str) -> None:
    """Nothing is guessed, and no unit converted in silence."""
    with pytest.raises(BadInput, match=says) as caught:
        measured(saved(tmp_path, result))
    assert caught.value.field == field


def test_a_table_of_points(tmp_path: Path) -> None:
    """Also with the short names that public tables use; lengths that are a data set's name make a curve, no shape."""
    path = tmp_path / "points.csv"
    path.write_text(
        "gpu,model,isl,osl,req_per_s,out_tok_s,avg_batch\n"
        "H100,M,128,128,100,,\nH100,M,dataset:chat,400,,1000,8\nH100,M,64,0,1,,\n"
    )
    (name, shape), (chat, curve) = measured(path)
    assert (name, shape) == (
        "H100 / M",
        Point(input_tokens=128, output_tokens=128, requests_per_s=100, source=path.name, line=2),
    )
    assert chat == "H100 / M / dataset:chat"
    assert (curve.step_ms, curve.batch, curve.requests_per_s) == (8.0, 8.0, None)
