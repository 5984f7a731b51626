"""A `models.yaml`, as plain values, whose every model is a tap: one local, two hosted."""

from typing import Any

from process import Tap
from router import KEY_ENV

__all__ = ["NATIVE", "Entry", "anthropic_entry", "fleet", "local_entry", "openai_entry"]

Entry = dict[str, Any]
ALL_APIS = ["chat", "completion", "embedding", "messages", "rerank", "responses"]
ALL_NEEDS = ["tools", "json", "vision", "logprobs"]
PRICES = [{"since": "2025-01-01", "usd_per_mtok_in": "0.15", "usd_per_mtok_out": "0.60", "source": "test"}]


NATIVE: Entry = {"apis": ["messages"]}
"""For an Anthropic model in a story without chat to it: the router need not load litellm (2.3 s of CPU)."""


def local_entry(tap: Tap, **more: Any) -> Entry:
    """A tap as a local engine that can do everything."""
    entry = {"engine": "endpoint", "url": tap.v1, "context_tokens": 1_000_000, "queue_limit": 256, "parallel": 64}
    return {**entry, "can": ALL_NEEDS, "apis": ALL_APIS, "timeout_s": 10, **more}


def openai_entry(tap: Tap, **more: Any) -> Entry:
    """A tap as an OpenAI model that can do everything."""
    entry = {"provider": "openai", "model": "gpt-4o-mini", "base_url": tap.v1, "tier": "low_cost"}
    return {**entry, **_hosted(), "apis": [*ALL_APIS], **more}


def anthropic_entry(tap: Tap, **more: Any) -> Entry:
    """A tap as an Anthropic model; dearer than the OpenAI one, so it comes second."""
    prices = [{**PRICES[0], "usd_per_mtok_in": "3", "usd_per_mtok_out": "15"}]
    entry = {"provider": "anthropic", "model": "claude-sonnet-4-5", "base_url": tap.url, "tier": "premium"}
    return {**entry, **_hosted(), "prices": prices, "apis": ["chat", "messages", "responses"], **more}


def fleet(*, local: Tap, openai: Tap, anthropic: Tap, claude: Entry | None = None, **sections: Any) -> Entry:
    """The whole file: models `box`, `mini` and `claude` (with these changes), and any other sections as given."""
    return {
        "version": 1,
        "local": {"box": local_entry(local)},
        "hosted": {"mini": openai_entry(openai), "claude": anthropic_entry(anthropic, **(claude or {}))},
        **sections,
    }


def _hosted() -> Entry:
    return {
        "api_key_env": KEY_ENV,
        "accepts": "internal",
        "can": [*ALL_NEEDS],
        "context_tokens": 1_000_000,
        "prices": [dict(price) for price in PRICES],
        "timeout_s": 5,
    }
