"""What the box of models.yaml costs in a month in which nobody asks, and what a busy hour of it adds."""

from decimal import Decimal

from localfleet.config import Settings
from localfleet.core.cost.hour import Box, usd_per_box_hour_marginal, usd_per_month_fixed
from localfleet.cost.inputs import BoxAsked, the_box
from localfleet.gpu_facts import GpuFacts, find_gpu

__all__ = ["declared_fixed_usd", "declared_marginal_usd"]

NOTHING_SAID = BoxAsked(
    gpus=None,
    usd_per_hour=None,
    commit_discount=Decimal(0),
    own=False,
    purchase_usd=None,
    residual_usd=None,
    life_months=None,
    cost_of_capital=Decimal("0.10"),
    power_w=None,
    idle_share=None,
    pue=None,
    usd_per_kwh=None,
    maintenance=Decimal("0.03"),
    colo_usd_per_kw_month=None,
    other_usd_per_month=None,
)


def declared_fixed_usd(settings: Settings | None, gpus: tuple[GpuFacts, ...]) -> Decimal | None:
    """
    The sum over `hardware.gpus`, US dollars a month; `None` where the file describes none.

    Raises `Misuse` where the cost of a card is neither stated nor known.
    """
    boxes = _boxes(settings, gpus)
    return sum(map(usd_per_month_fixed, boxes), Decimal(0)) if boxes else None


def declared_marginal_usd(settings: Settings | None, gpus: tuple[GpuFacts, ...]) -> Decimal | None:
    """
    What a fully busy hour of `hardware.gpus` adds, US dollars: power above idle; `None` where none is described.

    Raises `Misuse` as above.
    """
    boxes = _boxes(settings, gpus)
    return sum(map(usd_per_box_hour_marginal, boxes), Decimal(0)) if boxes else None


def _boxes(settings: Settings | None, gpus: tuple[GpuFacts, ...]) -> list[Box]:
    if settings is None or settings.hardware.gpus == "detect":
        return []
    return [the_box(NOTHING_SAID.with_file(gpu), find_gpu(gpu.name, gpus))[0] for gpu in settings.hardware.gpus or ()]
