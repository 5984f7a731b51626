"""
`privacy evaluate`: what the layers find in labelled prompts, what they flag wrongly, and how long they take.

The prompts are judged as requests are, from the body on. What comes out are counts, shares, times and ids of rows: the
text of a row is in no result.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import orjson

from localfleet.core.interval import wilson
from localfleet.core.label import Label, Verdict
from localfleet.core.layers import LAYERS, layer_of
from localfleet.errors import FleetError

__all__ = ["Judged", "Sample", "judge_all", "leak", "read_samples", "summary"]

DIRECT = frozenset(
    (
        *("PERSON", "STREET_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "EMAIL_ADDRESS"),
        *("IP_ADDRESS", "US_DRIVER_LICENSE"),
    )
)
"""Kinds of annotated spans that name or reach one person; a document with none but others counts for neither side."""
FOUND = frozenset({"local", "restricted", "1", "true"})
CLEAR = frozenset({"any", "public", "internal", "0", "false"})
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled prompt: its body as a client would send it; `wanted` is `None` where either answer is right."""

    id: str
    category: str
    wanted: bool | None
    body: bytes
    units: tuple[str, ...] = ()
    """Pieces of its text that must not leave, where the row names them (`must`, or direct `spans`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was said of one sample, and the milliseconds that took."""

    sample: Sample
    found: bool
    layers: frozenset[str]
    ms: float


def read_samples(lines: Iterable[bytes]) -> Iterator[Sample]:
    """
    Read JSON lines: `messages` or `text`; `label` (local/any, restricted/public, 1/0) or annotated `spans`.

    Raises `FleetError` with the number of the line that is none of these.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _sample(orjson.loads(line), number)
            except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as exc:
                raise FleetError(f"line {number}: give one object with `messages` or `text`, and a `label`") from exc


def _sample(row: Mapping[str, Any], number: int) -> Sample:
    messages = row.get("messages") or [{"role": "user", "content": row["text"]}]
    body = {"messages": messages} | ({"tools": row["tools"]} if row.get("tools") else {})
    category, wanted = _wanted(row)
    return Sample(
        id=str(row.get("id", number)), category=category, wanted=wanted, body=orjson.dumps(body), units=_units(row)
    )


def _units(row: Mapping[str, Any]) -> tuple[str, ...]:
    spans = (row["text"][start:end] for kind, start, end in row.get("spans", ()) if kind in DIRECT)
    return tuple(dict.fromkeys((*(str(unit) for unit in row.get("must", ())), *spans)))


def _wanted(row: Mapping[str, Any]) -> tuple[str, bool | None]:
    """The category of a row, and whether it should be restricted."""
    category = str(row.get("category") or row.get("cat") or "prompts")
    if "spans" in row and "label" not in row:
        kinds = {kind for kind, *_ in row["spans"]}
        wanted = True if kinds & DIRECT else None if kinds else False
        return {True: "direct", None: "indirect", False: "clean"}[wanted], wanted
    label = str(row["label"]).casefold()
    return category, True if label in FOUND else False if label in CLEAR else None


def judge_all(samples: Iterable[Sample], judge: Callable[[bytes], Verdict], clock: Callable[[], float]) -> list[Judged]:
    """Judge each sample once; `clock` gives seconds."""
    rows = []
    for sample in samples:
        began = clock()
        verdict = judge(sample.body)
        ms = (clock() - began) * 1000
        layers = frozenset(layer_of(found.kind) for found in verdict.findings if found.label is Label.RESTRICTED)
        found = verdict.label is Label.RESTRICTED
        rows.append(Judged(sample=sample, found=found, layers=layers, ms=ms))
    return rows


def summary(rows: Sequence[Judged]) -> dict[str, Any]:
    """The tables: by category and layer, latency, and the ids of what was missed and of what was flagged wrongly."""
    categories = sorted({row.sample.category for row in rows})
    wanted = [row for row in rows if row.sample.wanted is True]
    clear = [row for row in rows if row.sample.wanted is False]
    return {
        "samples": len(rows),
        "recall": [_share(c, [row for row in wanted if c in {ALL, row.sample.category}]) for c in (ALL, *categories)],
        "false_alarms": [
            _share(c, [row for row in clear if c in {ALL, row.sample.category}]) for c in (ALL, *categories)
        ],
        "either": [_share(ALL, [row for row in rows if row.sample.wanted is None])],
        "latency": [
            _latency("decided by a pattern", [row for row in rows if row.layers and "names" not in row.layers]),
            _latency("everything ran", [row for row in rows if not row.layers or "names" in row.layers]),
        ],
        "missed": [row.sample.id for row in wanted if not row.found],
        "flagged": [row.sample.id for row in clear if row.found],
    }


def leak(samples: Iterable[Sample], redact: Callable[[bytes], Sequence[str] | None]) -> dict[str, Any]:
    """
    Of the units of what would leave redacted, how many survive; ids of the rows that hold them.

    `redact` gives the texts that would leave in place of a body, `None` where the body stays or is not restricted.
    """
    units = survived = out = 0
    rows: list[str] = []
    for sample in samples:
        texts = redact(sample.body) if sample.units else None
        if texts is None:
            continue
        out += 1
        left = sum(any(unit in text for text in texts) for unit in sample.units)
        units, survived = units + len(sample.units), survived + left
        rows += [sample.id] * bool(left)
    low, high = wilson(survived, units)
    share = survived / units if units else None
    return {
        "redacted": out, "units": units, "survived": survived, "share": share, "low": low, "high": high, "rows": rows,
    }  # fmt: skip


def _share(category: str, rows: Sequence[Judged]) -> dict[str, Any]:
    hits = sum(row.found for row in rows)
    low, high = wilson(hits, len(rows))
    return {
        "category": category,
        "of": len(rows),
        "found": hits,
        "share": hits / len(rows) if rows else None,
        "low": low,
        "high": high,
        "layers": {layer: sum(layer in row.layers for row in rows) for layer in LAYERS},
    }


def _latency(what: str, rows: Sequence[Judged]) -> dict[str, Any]:
    times = sorted(row.ms for row in rows)
    if not times:
        return {"what": what, "of": 0, "median_ms": None, "p95_ms": None}
    p95 = quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else times[0]
    return {"what": what, "of": len(times), "median_ms": median(times), "p95_ms": p95}
