"""`models.yaml` as the commands read it: checked against the environment and the price map as well."""

import os

from localfleet.catalogue import check_settings
from localfleet.config import Settings, read_settings
from localfleet.errors import ConfigError
from localfleet.local_tier import local_problems
from localfleet.machine import look
from localfleet.price_map import PriceMap, read_price_map

__all__ = ["check_local", "load_checked"]


def load_checked(file: str) -> tuple[Settings, PriceMap]:
    """The settings, checked against the environment as well; raises `ConfigError` with every problem."""
    settings, lines = read_settings(file)
    prices = read_price_map()
    check_settings(file, settings, lines, os.environ, prices)
    return settings, prices


def check_local(file: str) -> None:
    """Raise `ConfigError` where this machine lacks a program, weights or a GPU that a local model needs."""
    settings, lines = read_settings(file)
    found = local_problems(settings, os.environ, lambda: look(os.environ))
    if problems := tuple((lines.of(where), ".".join(where), sentence) for where, sentence in found):
        raise ConfigError(file, problems)
