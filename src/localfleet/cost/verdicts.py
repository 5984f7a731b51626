"""Claims worked out: reproduced, impossible (proved), false (its own sum is another), open (something is not said)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localfleet.core.cost.claims import TableVerdict, check_table
from localfleet.cost.arithmetic import worked_out
from localfleet.cost.claims_file import ClaimRow, Sum
from localfleet.cost.inputs import Misuse
from localfleet.cost.paper import aligned, number, plain

__all__ = ["SumVerdict", "WorkedClaim", "claim_json", "claim_lines", "work_claim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SumVerdict:
    """A printed figure beside the sum's own value."""

    sum: Sum
    value: float

    @property
    def holds(self) -> bool:
        """Whether rounding explains the difference."""
        return abs(self.value - self.sum.printed) <= self.sum.within * (1 + 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedClaim:
    """A claim with what was found. `verdict` is one of the four words."""

    row: ClaimRow
    verdict: str
    sums: tuple[SumVerdict, ...]
    table: TableVerdict | None


def work_claim(row: ClaimRow) -> WorkedClaim:
    """Work out all sums and prove the table; raises `Misuse` naming the claim."""
    sums = tuple(SumVerdict(sum=item, value=worked_out(item.sum)) for item in row.sums)
    try:
        table = None if row.table is None else check_table(*row.table.as_core())
    except ValueError as exc:
        raise Misuse(f"claim {row.id}: {exc}") from None
    return WorkedClaim(row=row, verdict=_verdict(row, sums, table), sums=sums, table=table)


def claim_lines(done: Sequence[WorkedClaim]) -> list[str]:
    """A table of verdicts, and below each claim its figures and the nearest consistent ones."""
    lines = []
    for item in done:
        lines += [f"{item.row.id} {item.verdict}: {item.row.says}"]
        lines += [f"    {line}" for line in (*_sums(item.sums), *_bands(item.table))]
        lines += [f"    {text}" for text in (item.row.because, item.row.open and f"not said: {item.row.open}") if text]
    counts = {
        word: sum(item.verdict == word for item in done) for word in ("reproduced", "impossible", "false", "open")
    }
    lines.append(f"{len(done)} claims: " + ", ".join(f"{count} {word}" for word, count in counts.items() if count))
    return lines


def claim_json(done: Sequence[WorkedClaim]) -> list[dict[str, Any]]:
    """The same as plain values."""
    return [
        {
            "id": item.row.id,
            "says": item.row.says,
            "verdict": item.verdict,
            "because": item.row.because,
            "not_said": item.row.open,
            "sums": [{**_plain_sum(entry), "holds": entry.holds} for entry in item.sums],
            "table": plain(item.table),
        }
        for item in done
    ]


def _verdict(row: ClaimRow, sums: Sequence[SumVerdict], table: TableVerdict | None) -> str:
    if table is not None and not table.possible:
        return "impossible"
    if not all(item.holds for item in sums):
        return "false"
    return "open" if row.open or (not sums and table is None) else "reproduced"


def _plain_sum(entry: SumVerdict) -> dict[str, Any]:
    return {"name": entry.sum.name, "printed": entry.sum.printed, "sum": entry.sum.sum, "value": entry.value}


def _sums(sums: Sequence[SumVerdict]) -> list[str]:
    return aligned(
        [
            (
                entry.sum.name,
                f"printed {number(entry.sum.printed)}",
                f"{entry.sum.sum} = {number(entry.value)}",
                "" if entry.holds else "does not hold",
            )
            for entry in sums
        ]
    )


def _bands(table: TableVerdict | None) -> list[str]:
    if table is None:
        return []
    nearest = dict(table.nearest)
    rows = []
    for band in table.bands:
        low, high = number(band.low), "any" if band.high is None else number(band.high)
        can = f"can be {low}" if low == high else f"can be {low} to {high}"
        near = "" if table.possible else f"nearest consistent {number(nearest[band.name])}"
        rows.append((band.name, f"printed {number(band.usd)}", can, near))
    lines = aligned(rows)
    if table.example and table.possible:
        told = ", ".join(f"{name} {number(into)} in {number(out)} out" for name, into, out in table.example)
        lines.append(f"tokens that give it, in millions: {told}")
    return lines
