"""Where providers listen, by the name used in `provider:`; facts from each provider's documentation."""

from typing import Literal
from urllib.parse import urlsplit

__all__ = ["BASE_URLS", "base_url_of", "dialect_of", "host_of", "unreachable"]

BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "cerebras": "https://api.cerebras.ai/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "deepseek": "https://api.deepseek.com/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "together_ai": "https://api.together.xyz/v1",
    "xai": "https://api.x.ai/v1",
}


THROUGH_LITELLM = frozenset({"bedrock"})
"""Reached through litellm, with a `base_url:` of one's own region."""


def dialect_of(provider: str) -> Literal["openai", "anthropic", "litellm"]:
    """Which way to speak to a provider; an unknown one is an OpenAI-compatible host at its `base_url`."""
    if provider == "anthropic":
        return "anthropic"
    if provider in THROUGH_LITELLM:
        return "litellm"
    return "openai"


def base_url_of(provider: str, base_url: str | None) -> str:
    """Where requests for a provider's model go; empty where nobody said (`unreachable` then says so)."""
    return (base_url or BASE_URLS.get(provider, "")).rstrip("/")


def host_of(url: str) -> str:
    """The host of a URL in lower case, with its port where one is named; empty where there is none."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if host and parts.port is not None else host


def unreachable(provider: str, base_url: str | None) -> str | None:
    """What is missing to reach a provider, as a sentence; `None` where nothing is."""
    if provider in THROUGH_LITELLM and base_url is None:
        return "this provider needs a `base_url:`, for example https://bedrock-runtime.eu-central-1.amazonaws.com"
    if provider not in BASE_URLS and provider not in THROUGH_LITELLM and base_url is None:
        known = ", ".join(sorted({*BASE_URLS, *THROUGH_LITELLM}))
        return f"say the `base_url:` of its OpenAI-compatible API; without one these are known: {known}"
    return None
