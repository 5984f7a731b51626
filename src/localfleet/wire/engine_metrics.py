"""
vLLM's `/metrics` page -> the few counters that tell how it is.

The page is Prometheus' text format 0.0.4. Only sums are read: labels (`engine`, `model_name`, `finished_reason`) are
added up, so that data-parallel ranks count as one engine. Names are those of vLLM 0.32, `vllm/v1/metrics/loggers.py`.
"""

from collections.abc import Iterator

from localfleet.core.pulse import Counters

__all__ = ["read_counters"]

RUNNING = b"vllm:num_requests_running"
WAITING = b"vllm:num_requests_waiting"
CACHE = b"vllm:kv_cache_usage_perc"
PROMPT = b"vllm:prompt_tokens_total"
OUTPUT = b"vllm:generation_tokens_total"
NAMES = frozenset({RUNNING, WAITING, CACHE, PROMPT, OUTPUT})
PREFIX = b"vllm:"


def read_counters(page: bytes) -> Counters | None:
    """The counters of a page; `None` where it is not vLLM's, or lacks one of them."""
    sums: dict[bytes, float] = {}
    ranks = 0
    for name, value in _samples(page):
        sums[name] = sums.get(name, 0.0) + value
        ranks += name == CACHE
    if sums.keys() != NAMES:
        return None
    return Counters(
        running=int(sums[RUNNING]),
        waiting=int(sums[WAITING]),
        tokens=int(sums[PROMPT] + sums[OUTPUT]),
        cache_used=sums[CACHE] / ranks,
    )


def _samples(page: bytes) -> Iterator[tuple[bytes, float]]:
    for line in page.splitlines():
        if not line.startswith(PREFIX):
            continue
        name = line.partition(b"{")[0].partition(b" ")[0]
        if name in NAMES:
            try:
                # A label may hold any text, a time stamp may follow: the value is the first word after the labels.
                value = float(line.rpartition(b"}")[2].removeprefix(name).split()[0])
            except (ValueError, IndexError):
                continue
            if 0 <= value < 1e18:
                yield name, value
