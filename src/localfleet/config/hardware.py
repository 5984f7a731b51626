"""`hardware:`, the GPUs of this box and what they cost."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from localfleet.config.shape import Shape, Usd

__all__ = ["Gpu", "Hardware", "Sharing"]

Gib = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


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


class Sharing(Shape):
    """How local models share the memory of the box."""

    gpu_gib: Gib | None = None
    """What models may take of each GPU; default: its whole memory, as the driver or the data sheet says."""
    ram_gib: Gib | None = None
    """What llama.cpp models may take of main memory; default: no bound."""
    evict: Literal["cost", "lru"] = "cost"
    """Who makes room: the one that is cheap to bring back and long idle, or just the one longest idle."""
    turn_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """The shortest time a model stays once it came; default: four times what the change takes, at least 5."""


class Hardware(Shape):
    """The box. `detect` reads the GPUs from the driver."""

    gpus: tuple[Gpu, ...] | Literal["detect"] = "detect"
    sharing: Sharing = Sharing()
