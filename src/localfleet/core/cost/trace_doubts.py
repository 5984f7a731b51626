"""What to doubt about a trace before its bursts decide about money, each in a sentence."""

import numpy as np

from localfleet.core.cost.traffic import Requests

__all__ = ["trace_doubts"]

DAY_S = 86_400.0
LONG_GAP_SHARE, LONG_GAP_S = 0.2, 600.0
REPEATED, SAME_MOMENT = 0.02, 0.5
FEW = 300


def trace_doubts(trace: Requests, *, spill_share: float) -> tuple[str, ...]:
    """Gaps, doubled lines, a coarse clock, a short span, too few requests for the share that is asked about."""
    return (*_few(trace, spill_share), *_gap(trace), *_repeated(trace), *_coarse(trace), *_short(trace))


def _few(trace: Requests, spill_share: float) -> tuple[str, ...]:
    if spill_share and len(trace) * spill_share < 1:
        return (f"{spill_share:.2%} of {len(trace):,} requests is less than one: the trace is too short for it",)
    return (f"{len(trace):,} requests say little about rare waits",) if len(trace) < FEW else ()


def _gap(trace: Requests) -> tuple[str, ...]:
    gaps = np.diff(trace.at_s)
    longest = float(gaps.max(initial=0.0))
    if longest < max(LONG_GAP_S, LONG_GAP_SHARE * trace.span_s):
        return ()
    sentence = (
        f"nothing came for {_told(longest)} of {_told(trace.span_s)}: means and monthly figures have that gap in them; "
        "cut the trace there if it is two recordings"
    )
    return (sentence,)


def _repeated(trace: Requests) -> tuple[str, ...]:
    columns = (trace.at_s, trace.input_tokens, trace.output_tokens)
    same = np.logical_and.reduce([np.diff(column) == 0 for column in columns])
    share = float(same.sum()) / len(trace)
    if share < REPEATED:
        return ()
    return (f"{share:.0%} of the requests repeat the one before, to the moment and the token: were lines doubled?",)


def _coarse(trace: Requests) -> tuple[str, ...]:
    moments = len(np.unique(trace.at_s))
    if moments > SAME_MOMENT * len(trace):
        return ()
    sentence = (
        f"{len(trace):,} requests share {moments:,} moments: the clock is coarse, so bursts and waits come out larger "
        "than they were"
    )
    return (sentence,)


def _short(trace: Requests) -> tuple[str, ...]:
    if trace.span_s >= DAY_S:
        return ()
    return (f"{_told(trace.span_s)} of traffic know nothing of the rest of the day",)


def _told(seconds: float) -> str:
    if seconds >= 2 * DAY_S:
        return f"{seconds / DAY_S:,.1f} days"
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds / 60:,.1f} minutes"
