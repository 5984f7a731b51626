"""What several `cost` commands take from around them: the file, the box's fixed price, the day."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from localfleet.config import Settings, load_settings
from localfleet.cost.fixed import declared_fixed_usd
from localfleet.cost.inputs import number
from localfleet.gpu_facts import read_gpus

__all__ = ["box_usd", "settings_or_none", "utc_today"]


def box_usd(settings: Settings | None, stated: str | None) -> Decimal | None:
    """The box's fixed dollars a month: as stated, else of `hardware.gpus`; `None`: neither says."""
    if stated is not None:
        return number("--fixed-usd-per-month", stated)
    return declared_fixed_usd(settings, read_gpus())


def settings_or_none(config: str | None) -> Settings | None:
    """The named file, or the one in this folder; `None` where neither was asked for nor is there."""
    if config is None and not Path("models.yaml").exists():
        return None
    return load_settings(config or "models.yaml")


def utc_today() -> date:
    """The day that prices are looked up for."""
    return datetime.now(tz=UTC).date()
