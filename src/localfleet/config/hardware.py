"""`hardware:`, the GPUs of this box and what they cost."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from localfleet.config.shape import Shape, Usd

__all__ = ["Gpu", "Hardware"]


class Gpu(Shape):
    """A GPU the box has, and what it costs: by the hour, or bought."""

    name: str
    count: int = Field(default=1, ge=1, le=1024)
    usd_per_hour: Usd | None = None
    purchase_usd: Usd | None = None
    life_months: int = Field(default=36, ge=1)
    residual_usd: Usd = Decimal(0)
    power_w: Annotated[Decimal, Field(ge=0)] | None = None
    usd_per_kwh: Usd = Decimal("0.15")
    pue: Annotated[Decimal, Field(ge=1)] = Decimal("1.3")
    other_usd_per_month: Usd = Decimal(0)


class Hardware(Shape):
    """The box. `detect` reads the GPUs from the driver."""

    gpus: tuple[Gpu, ...] | Literal["detect"] = "detect"
