"""
One question as checked numbers: the work of a month, the hosted prices, the box, and how work arrives.

`plan.yaml`, the options of `compare` and the ledger all become a `Case`; what follows (`bills.py`, `chances.py`,
`sheets.py`) sees nothing else. Floats here: this is planning, not the ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from localfleet.core.cost.capacity import Capacity
from localfleet.core.cost.hour import Box
from localfleet.core.pricing import Price

__all__ = ["CERTAIN", "Arrivals", "BoxCase", "Case", "Hosted", "Sigmas", "Triangle", "Work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """
    One workflow of a month. Tokens are means; `cache_read_share` and `cache_write_share` are parts of the input.

    `fallback_share` of the requests go on to a hosted model after the box and pay both; `retry_share` are asked again
    where they are. `success_local` and `success_hosted` are the shares that end well. `must_stay` work never leaves.
    """

    name: str
    requests: float
    input_tokens: float
    output_tokens: float
    cache_read_share: float = 0.0
    cache_write_share: float = 0.0
    retry_share: float = 0.0
    fallback_share: float = 0.0
    fallback: str = ""
    """The hosted model it goes on to; empty: the one that the box is held against."""
    success_local: float = 1.0
    success_hosted: float = 1.0
    check_usd: float = 0.0
    """Classifier and judge, for each request, wherever it is answered first."""
    must_stay: bool = False
    batch: bool = False

    @property
    def tokens(self) -> float:
        """Input and output of one request."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """A hosted model. `price` of `None` is unknown; `notes` say why it may not do (`usable` false) or what to know."""

    name: str
    price: Price | None
    batch_share: float | None = None
    """What batch work pays of the price; `None`: no batch price."""
    tokens_ratio: float = 1.0
    usable: bool = True
    notes: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """Where the price comes from and when it was true."""
        if self.price is None:
            return "unknown"
        day = self.price.since.isoformat() if self.price.since else "date unknown"
        return ", ".join(part for part in (self.price.source or self.price.version, day) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxCase:
    """
    The box. `capacity` holds, for each work, the seconds of the whole box that one request takes when it is full.

    `derate` is what the response-time target leaves of the saturated rate; `busy_limit` the busy share that the peak
    may reach; `spare` boxes stand by. `origin` says where its price comes from, `speed` where its capacity does.
    """

    name: str
    box: Box
    capacity: Mapping[str, Capacity]
    derate: float
    busy_limit: float
    spare: int
    staff_usd: float
    origin: str
    speed: str
    purchase_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """
    How work arrives: the busiest hour over the mean hour, as stated or as a replay makes it, and what one may wait.

    `spills` is what a replay found: by number of boxes, the share of requests (0 to 1) that finds them too busy.
    """

    peak_to_mean: float = 2.0
    wait_s: float = 2.0
    spills: tuple[tuple[int, float], ...] = ()


Triangle = tuple[float, float, float]
"""Lowest, likeliest, highest."""
CERTAIN: Triangle = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmas:
    """
    How uncertain each input is, as a factor on its value.

    Volume, prices and the length of answers by the standard deviation of their logarithm; the others from lowest over
    likeliest to highest. `api_change` and `gpu_change` are changes of the price a year (-0.2 is a fifth less), felt in
    the mean over the horizon. Draws are independent but for the two prices (`price_correlation`, of logarithms).
    """

    volume: float = 0.35
    api: float = 0.20
    gpu: float = 0.25
    speed: Triangle = (0.8, 1.0, 1.2)
    output: float = 0.0
    cached: Triangle = CERTAIN
    fallback: Triangle = CERTAIN
    success: Triangle = CERTAIN
    derate: Triangle = CERTAIN
    price_correlation: float = 0.0
    api_change: Triangle = (0.0, 0.0, 0.0)
    gpu_change: Triangle = (0.0, 0.0, 0.0)
    horizon_years: float = 3.0
    draws: int = 20_000
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The whole question. `warnings` are what to doubt about the inputs, the gravest first."""

    title: str
    works: tuple[Work, ...]
    hosted: tuple[Hosted, ...]
    box: BoxCase
    today: date
    arrivals: Arrivals = Arrivals()
    sigmas: Sigmas = Sigmas()
    against: str | None = None
    assumed: tuple[tuple[str, str, str], ...] = ()
    """What it rests on: name, value, who says so."""
    warnings: tuple[str, ...] = field(default=())
