"""vLLM's metrics page: a real one's lines, ranks added up, and pages that are none."""

import pytest

from localfleet.core.pulse import Counters
from localfleet.wire.engine_metrics import read_counters

PAGE = b"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="big"} 2.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="big"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="big",reason="capacity"} 77.0
vllm:engine_sleep_state{engine="0",model_name="big",sleep_state="awake"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="big"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="big"} 40.0
vllm:prompt_tokens_created{engine="0",model_name="big"} 1.7e+09
vllm:generation_tokens_total{engine="0",model_name="big"} 1.2e+01
process_open_fds 12.0
"""


def test_the_counters_of_a_page() -> None:
    """Gauges and totals are read, their neighbours are not."""
    assert read_counters(PAGE) == Counters(running=2, waiting=1, tokens=52, cache_used=0.25)


def test_ranks_are_one_engine() -> None:
    """Data-parallel ranks add up; the cache is their mean."""
    second = PAGE.replace(b'engine="0"', b'engine="1"').replace(b"0.25", b"0.75")
    assert read_counters(PAGE + second) == Counters(running=4, waiting=2, tokens=104, cache_used=0.5)


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\x00\xff",
        b"vllm:num_requests_running 1\n",
        b"llamacpp:requests_processing 1\n",
        PAGE.replace(b"} 0.25", b"} NaN"),
        PAGE.replace(b"} 0.25", b"}"),
        PAGE.replace(b"} 2.0", b"} -1"),
    ],
)
def test_what_is_no_page_tells_nothing(page: bytes) -> None:
    """No counter is guessed."""
    assert read_counters(page) is None


def test_labels_may_hold_anything() -> None:
    """A brace or a space in a label does not move the value."""
    assert read_counters(PAGE.replace(b'"big"', b'"a } 9 b"')) == read_counters(PAGE)
