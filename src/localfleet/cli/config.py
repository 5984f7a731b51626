"""`models.yaml` as the commands read it: checked against the environment and the price map as well."""

import os
from datetime import UTC, datetime
from hashlib import sha256

from localfleet.catalogue import Checked, build_models, check_settings
from localfleet.config import Settings, parse_with_lines, read_settings, read_text
from localfleet.errors import ConfigError
from localfleet.local_tier import local_problems
from localfleet.machine import look
from localfleet.price_map import PriceMap, read_price_map
from localfleet.reach import refuse_forbidden
from localfleet.strategies import check_strategies
from localfleet.wire.yaml_lines import Lines
from localfleet.workflows import check_workflows

__all__ = ["check_local", "load_checked", "read_checked"]


def load_checked(file: str, *, price_file: bool = True) -> tuple[Settings, PriceMap]:
    """
    The settings, checked against the environment as well; raises `ConfigError` with every problem.

    `price_file`: whether the file of `routing.marginal_prices` is read too. The command that writes it does without.
    """
    settings, lines = read_settings(file)
    if not price_file:
        routing = settings.routing.model_copy(update={"marginal_prices": None})
        settings = settings.model_copy(update={"routing": routing})
    prices = read_price_map()
    check_settings(file, settings, lines, os.environ, prices)
    check_workflows(file, settings, lines)
    check_strategies(file, settings, lines)
    return settings, prices


def check_local(file: str) -> None:
    """Raise `ConfigError` where this machine lacks a program, weights or a GPU that a local model needs."""
    _check_local(file, *read_settings(file))


def read_checked(file: str, prices: PriceMap, *, local: bool) -> Checked:
    """
    All checks on one reading of the file; raises `ConfigError` with every problem. Blocks.

    `local`: whether this router starts engines, so that what they need must be here.
    """
    text = read_text(file)
    settings, lines = parse_with_lines(text, file)
    check_settings(file, settings, lines, os.environ, prices)
    check_workflows(file, settings, lines)
    check_strategies(file, settings, lines)
    refuse_forbidden(file, settings, build_models(settings, prices, datetime.now(UTC).date()))
    if local:
        _check_local(file, settings, lines)
    return Checked(settings=settings, prices=prices, sha256=sha256(text).hexdigest())


def _check_local(file: str, settings: Settings, lines: Lines) -> None:
    found = local_problems(settings, os.environ, lambda: look(os.environ))
    if problems := tuple((lines.of(where), ".".join(where), sentence) for where, sentence in found):
        raise ConfigError(file, problems)
