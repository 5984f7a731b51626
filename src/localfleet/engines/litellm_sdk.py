"""
Providers without an OpenAI-compatible API, through litellm's SDK: the only place that imports it, and late.

litellm translates; all else it can do is off. Its HTTP goes through our own `Host`, so it reaches the declared host
and no other, with no proxy, redirect or retry, and with headers of the allow-list only. Its exceptions quote prompts
and answers: nothing of one is kept.
"""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, Route
from localfleet.engines.breaker import Breaker
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.litellm_line import Line
from localfleet.engines.replies import StreamReply, WholeReply, first_bytes
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Reply
from localfleet.wire.litellm_fields import litellm_fields
from localfleet.wire.relay import ChatReader, Relay, Translated
from localfleet.wire.translate import from_chat, stream_from_chat
from localfleet.wire.whole import read_whole

__all__ = ["HOSTS", "LitellmEngine", "check_litellm"]

HOSTS: Mapping[str, str | None] = {
    "anthropic": "https://api.anthropic.com",
    "bedrock": None,
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
}
"""Providers whose requests were seen to go through our line, all of them; `None` needs a `base_url:`."""
BAD_RELEASES = ("1.82.7", "1.82.8", "1.107.")
ENVIRONMENT = {
    "DISABLE_AIOHTTP_TRUST_ENV": "True",
    "LITELLM_DISABLE_BUG_REPORT_LINK": "true",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # else the first Anthropic call downloads a file
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else the import downloads the price map
    "LITELLM_MODE": "PRODUCTION",  # else the import reads `.env` of the working folder
    "LITELLM_RUST": "False",  # else HTTP may go past our line
    "LITELLM_TELEMETRY": "False",
}
SWITCHES: Mapping[str, object] = {
    "aiohttp_trust_env": False,
    "allowed_fails": 0,
    "cache": None,
    "default_fallbacks": None,
    "disable_aiohttp_trust_env": True,
    "disable_end_user_cost_tracking": True,
    "disable_hf_tokenizer_download": True,
    "disable_streaming_logging": True,
    "disable_token_counter": True,
    "drop_params": False,
    "modify_params": False,
    "num_retries": 0,
    "redact_messages_in_exceptions": True,
    "redact_user_api_key_info": True,
    "set_verbose": False,
    "suppress_debug_info": True,
    "telemetry": False,
    "turn_off_message_logging": True,
}
CALLBACKS = (
    "_async_failure_callback",
    "_async_input_callback",
    "_async_success_callback",
    "callbacks",
    "failure_callback",
    "input_callback",
    "service_callback",
    "success_callback",
)
LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Proxy.stdout", "LiteLLM Router")
QUIETER_LOGGERS = ("httpx", "httpcore", "openai")
MISHAPS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError),
    *(OSError, RuntimeError, TypeError, ValueError, StopAsyncIteration),
)
"""What translation code raises on odd values, besides litellm's own exceptions."""


def check_litellm() -> str:
    """Return the installed release without importing it; raise `EngineFailed` if it is missing or a malicious one."""
    try:
        release = version("litellm")
    except PackageNotFoundError:
        sentence = "litellm is not installed: reinstall localfleet, it brings the right release."
        raise EngineFailed(sentence, reason=Reason.ENGINE_DOWN) from None
    refuse_release(release)
    return release


def refuse_release(release: str) -> None:
    """Raise `EngineFailed` for the releases that were published with malware in them."""
    if any(release == bad or (bad.endswith(".") and release.startswith(bad)) for bad in BAD_RELEASES):
        sentence = "This release of litellm is known to be malicious: remove it, change all keys it saw, sync the lock."
        raise EngineFailed(sentence, reason=Reason.ENGINE_DOWN)


class LitellmEngine:
    """One hosted model behind litellm. Speaks chat and embeddings; Messages and Responses are translated."""

    def __init__(
        self,
        *,
        name: str,
        provider: str,
        upstream_model: str,
        base_url: str | None,
        key: Secret | None,
        client: HttpClient | None = None,
        timeout_s: float = 120.0,
        idle_timeout_s: float = 60.0,
    ) -> None:
        """Raise `ValueError` for a provider that cannot be reached this way; the sentence says what to do."""
        if provider not in HOSTS:
            raise ValueError(
                "this provider is not reached through litellm here: give the `base_url:` of its OpenAI-compatible API"
            )
        url = base_url or HOSTS[provider]
        if url is None:
            raise ValueError("this provider needs a `base_url:`, for example https://bedrock-runtime.<region>.amazonaws.com")
        self._name = name
        self._provider = provider
        self._model = f"{provider}/{upstream_model}"
        self._base_url = url.rstrip("/")
        self._host = (client or HttpClient()).origin_of(url)
        self._key = key
        self._timeout_s = timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._breaker = Breaker()
        self._in_flight = 0

    def __repr__(self) -> str:
        """The name, and nothing secret."""
        return f"LitellmEngine({self._name!r})"
