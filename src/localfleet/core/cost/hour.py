"""
What a box of GPUs costs: by the hour, and by the token at a stated speed.

Fixed and marginal cost never mix: the fixed part is owed whether or not anyone asks, the marginal part is the power
above idle that a request adds. Staff is a line of its own and in neither. Shares are 0 to 1; money is US dollars.
"""

from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.amount import require
from localfleet.core.cost.capacity import Capacity

__all__ = [
    "HOURS_PER_MONTH",
    "Box",
    "HourlyCost",
    "Owned",
    "Rented",
    "capital_recovery_factor",
    "hourly_cost",
    "usd_per_box_hour_marginal",
    "usd_per_month_fixed",
    "usd_per_mtok",
    "usd_split",
]

HOURS_PER_MONTH = Decimal(730)
HOURS_PER_YEAR = Decimal(8760)
MTOK = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rented:
    """
    A box rented by the hour and kept on all month; reserved where `commit_discount_share` is over 0.

    `other_usd_per_month` is storage and traffic of the whole box. A spot box is taken away `evictions_per_hour` times
    an hour; each time `restart_hours` of it are paid for nothing, and `spill_usd_per_eviction` goes to hosted models.
    """

    usd_per_gpu_hour: Decimal
    gpus: int = 1
    commit_discount_share: Decimal = Decimal(0)
    other_usd_per_month: Decimal = Decimal(0)
    evictions_per_hour: Decimal = Decimal(0)
    restart_hours: Decimal = Decimal(0)
    spill_usd_per_eviction: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        """Refuse a free or discounted-away GPU."""
        require("evictions_per_hour", self.evictions_per_hour)
        require("restart_hours", self.restart_hours)
        require("spill_usd_per_eviction", self.spill_usd_per_eviction)
        require("usd_per_gpu_hour", self.usd_per_gpu_hour, above_low=True)
        require("gpus", Decimal(self.gpus), low=1)
        require("commit_discount_share", self.commit_discount_share, high=1)
        require("other_usd_per_month", self.other_usd_per_month)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """
    A box that was bought. `box_` figures are for the whole box: GPUs, server, network.

    `box_power_w` is drawn under full load, `idle_power_share` of it when nobody asks. With `colo_usd_per_kw_month`
    the power is contracted by the kilowatt and paid whether used or not; `pue` and `usd_per_kwh` then do not apply.
    """

    box_purchase_usd: Decimal
    gpus: int = 1
    life_months: int = 36
    cost_of_capital_per_year: Decimal = Decimal(0)
    box_residual_usd: Decimal = Decimal(0)
    box_power_w: Decimal = Decimal(0)
    idle_power_share: Decimal = Decimal(0)
    pue: Decimal = Decimal(1)
    usd_per_kwh: Decimal = Decimal(0)
    maintenance_share_per_year: Decimal = Decimal(0)
    colo_usd_per_kw_month: Decimal | None = None
    other_usd_per_month: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        """Refuse impossible boxes."""
        require("box_purchase_usd", self.box_purchase_usd, above_low=True)
        require("gpus", Decimal(self.gpus), low=1)
        require("life_months", Decimal(self.life_months), low=1)
        require("cost_of_capital_per_year", self.cost_of_capital_per_year, high=1)
        require("box_residual_usd", self.box_residual_usd, high=self.box_purchase_usd)
        require("box_power_w", self.box_power_w)
        require("idle_power_share", self.idle_power_share, high=1)
        require("pue", self.pue, low=1)
        require("usd_per_kwh", self.usd_per_kwh)
        require("maintenance_share_per_year", self.maintenance_share_per_year, high=1)
        require("other_usd_per_month", self.other_usd_per_month)
        if self.colo_usd_per_kw_month is not None:
            require("colo_usd_per_kw_month", self.colo_usd_per_kw_month)


Box = Rented | Owned


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyCost:
    """Dollars for each GPU and hour, part by part. Staff is not in it."""

    rent: Decimal = Decimal(0)
    capital: Decimal = Decimal(0)
    power: Decimal = Decimal(0)
    maintenance: Decimal = Decimal(0)
    colocation: Decimal = Decimal(0)
    other: Decimal = Decimal(0)
    interruptions: Decimal = Decimal(0)
    """What evictions of a spot box cost: restarts paid for nothing, and what spills meanwhile."""

    @property
    def usd_per_gpu_hour(self) -> Decimal:
        """All parts together."""
        return (
            self.rent + self.capital + self.power + self.maintenance + self.colocation + self.other + self.interruptions
        )


def capital_recovery_factor(*, rate_per_year: Decimal, years: Decimal) -> Decimal:
    """The yearly payment, per dollar lent, that repays a loan over `years` at `rate_per_year`."""
    if rate_per_year == 0:
        return 1 / years
    return rate_per_year / (1 - (1 + rate_per_year) ** -years)


def hourly_cost(box: Box, *, load: Decimal) -> HourlyCost:
    """What each GPU costs an hour while the box is busy for a share `load` (0 to 1) of the time."""
    require("load", load, high=1)
    other = box.other_usd_per_month / HOURS_PER_MONTH / box.gpus
    if isinstance(box, Rented):
        rent = box.usd_per_gpu_hour * (1 - box.commit_discount_share)
        lost = box.restart_hours * rent + box.spill_usd_per_eviction / box.gpus
        return HourlyCost(rent=rent, other=other, interruptions=box.evictions_per_hour * lost)
    contracted = box.colo_usd_per_kw_month or Decimal(0)
    return HourlyCost(
        capital=_capital_usd_per_box_hour(box) / box.gpus,
        power=(_idle_usd_per_box_hour(box) + load * usd_per_box_hour_marginal(box)) / box.gpus,
        maintenance=box.maintenance_share_per_year * box.box_purchase_usd / HOURS_PER_YEAR / box.gpus,
        colocation=box.box_power_w / 1000 * contracted / HOURS_PER_MONTH / box.gpus,
        other=other,
    )


def usd_per_month_fixed(box: Box) -> Decimal:
    """What the whole box costs in a month in which nobody asks."""
    return hourly_cost(box, load=Decimal(0)).usd_per_gpu_hour * box.gpus * HOURS_PER_MONTH


def usd_per_box_hour_marginal(box: Box) -> Decimal:
    """What a fully busy hour adds: power above idle. Zero where power is in the rent or contracted by the kilowatt."""
    if isinstance(box, Rented):
        return Decimal(0)
    return _power_usd_per_box_hour(box) * (1 - box.idle_power_share)


def usd_per_mtok(*, usd_per_gpu_hour: Decimal, tokens_per_second_per_gpu: Decimal, utilisation: Decimal) -> Decimal:
    """Dollars per million tokens, on the basis (output, or input and output) in which the rate is given."""
    require("usd_per_gpu_hour", usd_per_gpu_hour)
    require("tokens_per_second_per_gpu", tokens_per_second_per_gpu, above_low=True)
    require("utilisation", utilisation, high=1, above_low=True)
    return usd_per_gpu_hour * MTOK / (3600 * tokens_per_second_per_gpu * utilisation)


def usd_split(usd: Decimal, capacity: Capacity) -> tuple[Decimal, Decimal]:
    """One request's dollars, divided into what its input and what its output cause by their part of its work."""
    require("usd", usd)
    out = (capacity.output_s + capacity.output_squared_s) / capacity.box_seconds_per_request
    return usd * (1 - out), usd * out


def _capital_usd_per_box_hour(box: Owned) -> Decimal:
    years = Decimal(box.life_months) / 12
    growth: Decimal = (1 + box.cost_of_capital_per_year) ** years
    factor = capital_recovery_factor(rate_per_year=box.cost_of_capital_per_year, years=years)
    return (box.box_purchase_usd - box.box_residual_usd / growth) * factor / HOURS_PER_YEAR


def _power_usd_per_box_hour(box: Owned) -> Decimal:
    if box.colo_usd_per_kw_month is not None:
        return Decimal(0)
    return box.box_power_w / 1000 * box.pue * box.usd_per_kwh


def _idle_usd_per_box_hour(box: Owned) -> Decimal:
    return _power_usd_per_box_hour(box) * box.idle_power_share
