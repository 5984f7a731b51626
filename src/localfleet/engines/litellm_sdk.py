"""
Providers without an OpenAI-compatible API, through litellm's SDK: the only place that imports it, and late.

litellm translates; all else it can do is off. Its HTTP goes through our own `Host`, so it reaches the declared host
and no other, with no proxy, redirect or retry, and with headers of the allow-list only. Its exceptions quote prompts
and answers: nothing of one is kept.
"""

import asyncio
import logging
import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import orjson

from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, Route
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.http1 import Trouble
from localfleet.engines.litellm_line import Line
from localfleet.engines.replies import StreamReply, WholeReply, stream_reply, whole_reply
from localfleet.engines.turnstile import Turnstile
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Reply
from localfleet.wire.litellm_fields import FieldRefused, litellm_fields
from localfleet.wire.relay import GeminiReader, MessagesReader, Reader

__all__ = ["HOSTS", "LitellmEngine", "check_litellm", "load_litellm"]

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
READERS: Mapping[str, Callable[[], Reader]] = {"anthropic": MessagesReader, "gemini": GeminiReader}
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
    """
    One hosted model behind litellm. Speaks chat; Messages and Responses are translated.

    No embeddings: litellm sends those past our line (seen with Gemini's in 1.106.2).
    """

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
            raise ValueError(
                "this provider needs a `base_url:`, for example https://bedrock-runtime.<region>.amazonaws.com"
            )
        parts = urlsplit(url)
        self._name = name
        self._model = f"{provider}/{upstream_model}"
        self._base_url = url.rstrip("/").removesuffix("/v1") if provider == "anthropic" else url.rstrip("/")
        self._host = (client or HttpClient()).at(f"{parts.scheme}://{parts.netloc}")
        self._reader = READERS.get(provider, GeminiReader)  # Bedrock's streams are no SSE: not watched
        self._key = key
        self._sdk: Any = None
        self._turnstile = Turnstile(name, timeout_s=timeout_s)
        self._timeout_s = timeout_s
        self._idle_timeout_s = idle_timeout_s

    def __repr__(self) -> str:
        """The name, and nothing secret."""
        return f"LitellmEngine({self._name!r})"

    def state(self) -> EngineState:
        """How it is, from memory."""
        return self._turnstile.state()

    async def send(self, route: Route, call: Call) -> Reply:
        """Ask; raise `EngineFailed` if no first byte came, `TypeError` for a route to elsewhere (law 3)."""
        if not isinstance(route, HostedRoute) or route.model != self._name:
            raise TypeError("this route does not lead to this engine")
        return await self._turnstile.through(partial(self._ask, call), given_s=call.timeout_s)

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._host.aclose()

    async def _ask(self, call: Call) -> StreamReply | WholeReply:
        deadline = asyncio.get_running_loop().time() + min(call.timeout_s, self._timeout_s)
        try:
            fields = litellm_fields(call.api, call.body)
        except FieldRefused as refused:
            raise EngineFailed(
                f"This model cannot take `{refused.field}`: leave it out, or choose another model.",
                reason=Reason.UPSTREAM_REJECTED,
                upstream_code="unsupported_parameter",
            ) from None
        sdk = await self._loaded(deadline)
        reader = self._reader() if call.stream else None
        line = Line(
            self._host,
            reader=reader,
            deadline=deadline,
            idle_timeout_s=self._idle_timeout_s,
            request_id=call.request_id,
        )
        talk = _Talk(sdk, line, partial(self._call, sdk, line, fields, stream=call.stream))
        if not call.stream:
            return whole_reply(call, Api.CHAT, await talk.whole(deadline), model=self._name)
        return await stream_reply(
            call, Api.CHAT, talk, model=self._name, deadline=deadline, idle_timeout_s=self._idle_timeout_s
        )

    async def _loaded(self, deadline: float) -> Any:
        if self._sdk is None:
            try:
                async with asyncio.timeout_at(deadline):
                    self._sdk = await asyncio.to_thread(load_litellm)
            except TimeoutError:
                raise Trouble.TIMED_OUT.failure() from None
        hush(self._sdk)
        return self._sdk

    async def _call(self, sdk: Any, line: Line, fields: dict[str, Any], *, stream: bool) -> Any:
        handler = import_module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler
        ours = {
            "model": self._model,
            "api_base": self._base_url,
            "api_key": None if self._key is None else self._key.reveal(),
            "client": handler(transport=line, follow_redirects=False),
            "max_retries": 0,
            "num_retries": 0,
            "caching": False,
            "no-log": True,
        }
        more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        # Without this switch, tools make litellm import a server that is not installed.
        return await sdk.acompletion(**fields, **ours, **more, _skip_mcp_handler=True)


class _Talk:
    """One call of the SDK as a source of chat bytes."""

    def __init__(self, sdk: Any, line: Line, start: Callable[[], Awaitable[Any]]) -> None:
        self._mishaps = (*MISHAPS, *sdk.LITELLM_EXCEPTION_TYPES)
        self._line = line
        self._start = start
        self._chunks: AsyncIterator[Any] | None = None
        self._done = False

    async def whole(self, deadline: float) -> bytes:
        """The whole answer as JSON."""
        answer = await self._guarded(self._start, deadline)
        return _json(answer)

    async def chunk(self, deadline: float) -> bytes:
        """The next chunk as an event; `[DONE]` after the last one."""
        if self._done:
            return b""
        if self._chunks is None:
            self._chunks = aiter(await self._guarded(self._start, deadline))
        piece = await self._guarded(partial(anext, self._chunks, None), deadline)
        if piece is None:
            self._done = True
            return b"data: [DONE]\n\n"
        return b"data: %b\n\n" % _json(piece)

    def close(self) -> None:
        """Cut the connection."""
        self._line.close()

    def linger(self) -> None:
        """The end was read; give the connection back."""
        self._line.close()

    async def _guarded(self, step: Callable[[], Awaitable[Any]], deadline: float) -> Any:
        """Do a step; whatever litellm makes of a failure, raise the one that the line saw."""
        try:
            async with asyncio.timeout_at(deadline):
                return await step()
        except TimeoutError:
            failure = self._line.failure or Trouble.TIMED_OUT.failure()
        except self._mishaps:
            failure = self._line.failure or EngineFailed(
                "This request or its answer could not be translated for this model: simplify the request.",
                reason=Reason.UPSTREAM_REJECTED if not self._line.used else Reason.UPSTREAM_GARBLED,
                upstream_code=None if self._line.used else "unsupported_parameter",
            )
        self._line.close()
        raise failure


def load_litellm() -> Any:
    """Import litellm, hushed. Takes seconds the first time: call it in a thread, at start if it will be needed."""
    check_litellm()
    os.environ.update(ENVIRONMENT)
    _hush_loggers()  # its import logs too
    sdk = import_module("litellm")
    hush(sdk)
    return sdk


def hush(sdk: Any) -> None:
    """Switch off all that logs, calls back, retries or phones home; again before each call, in case of a new switch."""
    for name, value in SWITCHES.items():
        setattr(sdk, name, value)
    for name in CALLBACKS:
        getattr(sdk, name).clear()
    _hush_loggers()
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings")  # they quote values


def _hush_loggers() -> None:
    for name in LOGGERS:  # they print prompts
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
        logger.disabled = True


def _json(answer: Any) -> bytes:
    """Write a litellm object as OpenAI writes it: a usage chunk has no choices, a choice always its finish reason."""
    data = answer.model_dump(mode="json", exclude_none=True, warnings=False)
    choices = data.get("choices", [])
    for choice in choices:
        choice.setdefault("finish_reason", None)
    if "usage" in data and data.get("object") == "chat.completion.chunk" and not any(map(_says, choices)):
        data["choices"] = []
    return orjson.dumps(data)


def _says(choice: Mapping[str, Any]) -> bool:
    return bool(choice.get("delta")) or choice["finish_reason"] is not None
