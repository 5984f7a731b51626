"""`models.yaml` as the commands read it: checked against the environment and the price map as well."""

import os

from localfleet.catalogue import check_settings
from localfleet.config import Settings, read_settings
from localfleet.price_map import PriceMap, read_price_map

__all__ = ["load_checked"]


def load_checked(file: str) -> tuple[Settings, PriceMap]:
    """The settings, checked against the environment as well; raises `ConfigError` with every problem."""
    settings, lines = read_settings(file)
    prices = read_price_map()
    check_settings(file, settings, lines, os.environ, prices)
    return settings, prices
