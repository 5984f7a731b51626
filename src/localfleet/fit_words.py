"""
A fit in words and rows: sentences for `check`, JSON for machines, the same figures in both.

Gibibytes (2^30) with one decimal for people, bytes for machines.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from localfleet.core.fit import EmbeddedFit, Fit, Proposal, Untold, Verdict
from localfleet.fitting import Checked

__all__ = ["gib", "parts_of", "problem_of", "row_of", "said_of", "warning_of"]

GIB = 2**30


def gib(count: int) -> str:
    """Bytes in GiB."""
    return f"{count / GIB:.1f}"


def parts_of(answer: Fit) -> str:
    """Where the memory of one GPU goes, in one line."""
    parts = answer.breakdown
    adapters = f" + adapters {gib(parts.adapter_bytes)}" if parts.adapter_bytes else ""
    return (
        f"weights {gib(parts.weight_bytes)}{adapters} + step {gib(parts.peak_bytes)} + graphs {gib(parts.graph_bytes)}"
        f" + other {gib(parts.overhead_bytes)} + KV cache {gib(parts.cache_bytes)}"
        f" = {gib(parts.budget_bytes)} of {gib(parts.usable_bytes)} GiB"
    )


def said_of(one: Checked) -> Iterator[str]:
    """What `check` and `fit` print of one model, line by line."""
    answer = one.answer
    if isinstance(answer, Untold):
        yield f"{one.name}: cannot be told: {answer.why}"
    elif isinstance(answer, EmbeddedFit):
        yield (
            f"{one.name}: {answer.verdict.value}, in main memory: file {gib(answer.file_bytes)} + KV cache"
            f" {gib(answer.cache_bytes)} + batch {gib(answer.batch_bytes)} + other {gib(answer.process_bytes)}"
            f" = {gib(answer.needed_bytes)} of {gib(answer.available_bytes)} GiB"
        )
    else:
        yield f"{one.name}: {answer.verdict.value}, each GPU ({one.place}): {parts_of(answer)}"
        yield f"  {capacity_of(answer)}"


def capacity_of(answer: Fit) -> str:
    """What the cache holds, in vLLM's measures."""
    return (
        f"{answer.capacity_tokens:,} tokens of cache at {answer.bytes_per_token:,} bytes a token; "
        f"{answer.requests:.2f} requests at full length; longest context {answer.longest_context:,}"
    )


def problem_of(one: Checked) -> str | None:
    """Why it cannot start, with what would; `None` where it can or where nobody knows."""
    answer = one.answer
    if isinstance(answer, Untold) or answer.verdict in {Verdict.FITS, Verdict.CROWDED}:
        return None
    if answer.verdict is Verdict.IMPOSSIBLE:
        return answer.why + _instead(one.proposals)
    if isinstance(answer, EmbeddedFit):
        least = f"; context_tokens: {answer.longest_context} fits" if answer.longest_context >= 128 else ""
        return f"needs {gib(answer.needed_bytes)} GiB of memory, and there are {gib(answer.available_bytes)}{least}"
    return f"does not fit on {one.place}: {parts_of(answer)}{_instead(one.proposals)}"


def _instead(proposals: tuple[Proposal, ...]) -> str:
    if not proposals:
        return ""
    ways = "; ".join(f"{one.change} ({one.fit.requests:.1f} requests at full length)" for one in proposals[:4])
    return f". What fits: {ways}"


def warning_of(one: Checked) -> str | None:
    """What is worth knowing of a model that starts, or of one that nobody can tell."""
    answer = one.answer
    if isinstance(answer, Untold):
        return f"whether it fits cannot be told: {answer.why}"
    if not isinstance(answer, Fit) or answer.verdict is not Verdict.CROWDED or one.serving is None:
        return None
    return (
        f"{answer.requests:.1f} requests at full length fit, and `parallel:` is {one.serving.parallel}: "
        f"when all are that long, some wait{_instead(one.proposals)}"
    )


def row_of(one: Checked) -> dict[str, Any]:
    """One model for `--json`, in bytes."""
    answer = one.answer
    row: dict[str, Any] = {"model": one.name, "weights": one.weights, "place": one.place, "verdict": one.verdict}
    if isinstance(answer, Untold):
        return {**row, "why": answer.why}
    if isinstance(answer, EmbeddedFit):
        return {**row, **asdict(answer), "verdict": one.verdict, "needed_bytes": answer.needed_bytes}
    return {
        **row,
        "gpus": list(one.gpus),
        **fit_row(answer),
        "proposals": [{"change": way.change, **fit_row(way.fit)} for way in one.proposals],
    }


def fit_row(answer: Fit) -> dict[str, Any]:
    """The figures of one fit."""
    return {
        "verdict": answer.verdict.value,
        "why": answer.why,
        **asdict(answer.breakdown),
        "bytes_per_token": answer.bytes_per_token,
        "request_bytes": answer.request_bytes,
        "capacity_tokens": answer.capacity_tokens,
        "requests_at_full_length": round(answer.requests, 2),
        "longest_context": answer.longest_context,
    }
