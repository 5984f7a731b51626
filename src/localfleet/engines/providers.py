"""Where providers listen, by the name used in `provider:`; facts from each provider's documentation."""

from typing import Literal

__all__ = ["BASE_URLS", "dialect_of"]

BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
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


def dialect_of(provider: str, base_url: str | None) -> Literal["openai", "anthropic", "litellm"]:
    """Which way to speak to a provider; a `base_url` of an unknown provider means an OpenAI-compatible host."""
    if provider == "anthropic":
        return "anthropic"
    return "openai" if provider in BASE_URLS or base_url is not None else "litellm"
