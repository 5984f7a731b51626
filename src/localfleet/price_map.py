"""
List prices of hosted models, read from the price map that ships inside the installed litellm.

The file is found and read without importing litellm (which is slow and reaches for the network), once, at start.
Numbers go from the JSON text to `Decimal` without passing through a float. What the map does not say is `None`; a
price of zero there is a gap in the map, not a gift. Prices in `models.yaml` come first: see `price_history`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from localfleet.config import HostedModel, PriceEntry
from localfleet.core.ask import WORDLESS, Need
from localfleet.core.pricing import Price, PriceTier
from localfleet.errors import FleetError

__all__ = ["STALE_AFTER_DAYS", "Listed", "PriceMap", "price_history", "price_warning", "read_price_map"]

FILE = "model_prices_and_context_window_backup.json"
STALE_AFTER_DAYS = 60
RELEASED: Mapping[str, date] = {"1.106.2": date(2026, 10, 21)}
"""When releases of litellm came out, which says how old their prices are at most; a test holds the locked one."""
SAYS: tuple[tuple[str, Need], ...] = (
    ("supports_function_calling", Need.TOOLS),
    ("supports_response_schema", Need.JSON),
    ("supports_vision", Need.VISION),
)
"""The map says nothing about logprobs, so `Need.LOGPROBS` is never among what it lists."""
OTHER_NAMES: Mapping[str, frozenset[str]] = {
    "bedrock": frozenset({"bedrock_converse"}),
    "cohere": frozenset({"cohere_chat"}),
    "openai": frozenset({"text-completion-openai"}),
}
TIER = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """
    What the map says about one model; `None` is unknown.

    `mode` is the map's own word: chat, embedding, completion, rerank, responses, ...
    """

    name: str
    mode: str
    price: Price | None
    context_tokens: int | None
    max_output_tokens: int | None
    can: frozenset[Need]
    source: str
    retires_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMap:
    """
    The whole map. `version` names it in receipts; `dated` is the day of its release, `None` for one not known here: the
    package itself carries no date.
    """

    entries: Mapping[str, Any]
    version: str
    dated: date | None = None

    def find(self, provider: str, model: str) -> Listed | None:
        """The entry for a model at this provider, never one of another provider; `None` if there is none."""
        for name in (f"{provider}/{model}", model):
            entry = self.entries.get(name)
            if isinstance(entry, dict) and _same_provider(provider, entry.get("litellm_provider")):
                return self._listed(name, entry)
        return None

    def _listed(self, name: str, entry: Mapping[str, Any]) -> Listed:
        return Listed(
            name=name,
            mode=str(entry.get("mode", "")),
            price=self._price(entry),
            context_tokens=_context(entry),
            max_output_tokens=_whole(entry.get("max_output_tokens")),
            can=frozenset(need for key, need in SAYS if entry.get(key) is True),
            source=_source(entry),
            retires_on=_day(entry.get("deprecation_date")),
        )

    def _price(self, entry: Mapping[str, Any]) -> Price | None:
        paid_in = _per_mtok(entry.get("input_cost_per_token"))
        paid_out = _per_mtok(entry.get("output_cost_per_token"))
        if paid_out is None and entry.get("mode") in WORDLESS:
            paid_out = Decimal(0)
        if paid_in is None or paid_out is None:
            return None
        return Price(
            usd_per_mtok_in=paid_in,
            usd_per_mtok_out=paid_out,
            usd_per_mtok_cache_read=_per_mtok(entry.get("cache_read_input_token_cost")),
            usd_per_mtok_cache_write=_per_mtok(entry.get("cache_creation_input_token_cost")),
            since=self.dated,
            source=_source(entry),
            version=self.version,
            tiers=_tiers(entry, paid_out),
            usd_per_mtok_reasoning=_per_mtok(entry.get("output_cost_per_reasoning_token")),
            batch_share=_batch_share(entry, paid_in, paid_out),
        )


def read_price_map(file: Path | None = None) -> PriceMap:
    """Read the map of the installed litellm, or `file`; raise `FleetError` where it is missing or broken."""
    path = file or _installed()
    try:
        entries = json.loads(path.read_bytes(), parse_float=Decimal, parse_int=Decimal)
    except OSError as exc:
        raise FleetError("the price map inside litellm cannot be read; reinstall localfleet's environment") from exc
    except ValueError as exc:
        raise FleetError("the price map inside litellm is not valid JSON; reinstall localfleet's environment") from exc
    if not isinstance(entries, dict):
        raise FleetError("the price map inside litellm has an unknown shape; reinstall localfleet's environment")
    named = _version()
    dated = RELEASED.get(named.removeprefix("litellm-")) if file is None else None
    return PriceMap(entries=entries, version=named, dated=dated)


def price_history(model: HostedModel, listed: Listed | None) -> tuple[Price, ...]:
    """Every price known for a model, oldest first: the map's, then the dated entries of `models.yaml`."""
    own = tuple(_declared(entry) for entry in model.prices)
    return own if listed is None or listed.price is None else (listed.price, *own)


def price_warning(price: Price, today: date) -> str | None:
    """A sentence where a price is old or has no date; `None` where it is fresh."""
    if price.since is None:
        return f"date unknown, release {price.version}" if price.version else "date unknown"
    age_days = (today - price.since).days
    if age_days > STALE_AFTER_DAYS:
        return f"{age_days} days old: check it at its source"
    return None


def _installed() -> Path:
    spec = find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        return Path(folder) / FILE
    raise FleetError("litellm is not installed, so no list price is known; reinstall localfleet's environment")


def _version() -> str:
    try:
        return f"litellm-{version('litellm')}"
    except PackageNotFoundError:
        return "litellm-unknown"


def _batch_share(entry: Mapping[str, Any], paid_in: Decimal, paid_out: Decimal) -> Decimal | None:
    """The dearer of both rates over the plain ones; unknown where either is."""
    batch_in = _per_mtok(entry.get("input_cost_per_token_batches"))
    batch_out = _per_mtok(entry.get("output_cost_per_token_batches"))
    if batch_in is None or batch_out is None or not paid_out:
        return None
    return max(batch_in / paid_in, batch_out / paid_out)


def _same_provider(provider: str, listed: object) -> bool:
    """`vertex_ai` also answers to `vertex_ai-language-models`, which is how the map files its models."""
    if not isinstance(listed, str):
        return False
    return listed == provider or listed.startswith(f"{provider}-") or listed in OTHER_NAMES.get(provider, ())


def _per_mtok(value: object) -> Decimal | None:
    """Dollars per million from dollars per token; zero and nonsense are unknown."""
    if not isinstance(value, Decimal) or not value.is_finite() or value <= 0:
        return None
    return value.scaleb(6) + Decimal(0)


def _context(entry: Mapping[str, Any]) -> int | None:
    """The input limit; the old `max_tokens` means it only where no output limit is given."""
    if entry.get("max_output_tokens") is None:
        return _whole(entry.get("max_input_tokens")) or _whole(entry.get("max_tokens"))
    return _whole(entry.get("max_input_tokens"))


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, Decimal) and value.is_finite() and value >= 1 else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _source(entry: Mapping[str, Any]) -> str:
    source = entry.get("source")
    return source if isinstance(source, str) else ""


def _tiers(entry: Mapping[str, Any], paid_out: Decimal) -> tuple[PriceTier, ...]:
    """The rates of long requests, the lowest step first; output without a step of its own stays at `paid_out`."""
    found: list[PriceTier] = []
    for step in sorted(int(match[1]) for key in entry if (match := TIER.fullmatch(key))):
        above = f"above_{step}k_tokens"
        paid_in = _per_mtok(entry.get(f"input_cost_per_token_{above}"))
        if paid_in is not None:
            found.append(
                PriceTier(
                    above_input_tokens=step * 1000,
                    usd_per_mtok_in=paid_in,
                    usd_per_mtok_out=_per_mtok(entry.get(f"output_cost_per_token_{above}")) or paid_out,
                    usd_per_mtok_cache_read=_per_mtok(entry.get(f"cache_read_input_token_cost_{above}")),
                    usd_per_mtok_cache_write=_per_mtok(entry.get(f"cache_creation_input_token_cost_{above}")),
                )
            )
    return tuple(found)


def _declared(entry: PriceEntry) -> Price:
    return Price(
        usd_per_mtok_in=entry.usd_per_mtok_in,
        usd_per_mtok_out=entry.usd_per_mtok_out,
        usd_per_mtok_cache_read=entry.usd_per_mtok_cache_read,
        usd_per_mtok_cache_write=entry.usd_per_mtok_cache_write,
        since=entry.since,
        source=entry.source,
        version=f"models.yaml@{entry.since.isoformat()}",
        tiers=tuple(
            PriceTier(
                above_input_tokens=tier.above_input_tokens,
                usd_per_mtok_in=tier.usd_per_mtok_in,
                usd_per_mtok_out=tier.usd_per_mtok_out,
                usd_per_mtok_cache_read=tier.usd_per_mtok_cache_read,
                usd_per_mtok_cache_write=tier.usd_per_mtok_cache_write,
            )
            for tier in entry.tiers
        ),
    )
