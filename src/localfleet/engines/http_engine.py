"""
Models behind HTTP: any OpenAI-compatible server, and Anthropic's Messages API in its own dialect.

What leaves is built here: the caller's parsed body with our model's name, without localfleet's own metadata, under
headers of ours. An engine that does not speak the caller's API is asked in chat, or for vectors where it shall rank,
and its answer is translated.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Literal

from localfleet.core.ask import WORDLESS, Api
from localfleet.core.fleet import EngineState
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, LocalRoute, Route
from localfleet.engines.client import Headers, HttpClient, Response, Secret
from localfleet.engines.refused import refused
from localfleet.engines.replies import StreamReply, WholeReply, garbled, stream_reply, whole_reply
from localfleet.engines.turnstile import Turnstile
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Reply
from localfleet.wire.outbound import outbound_body

__all__ = ["HttpEngine"]

CHAT, RERANK = Api.CHAT, Api.RERANK
PATHS = {
    CHAT: "/chat/completions",
    Api.COMPLETION: "/completions",
    Api.EMBEDDING: "/embeddings",
    Api.MESSAGES: "/messages",
    RERANK: "/rerank",
    Api.RESPONSES: "/responses",
}
UNCHANGED = {Api.COMPLETION, *WORDLESS}
"""Completions are made alike in their own form, and vectors and scores have nothing to be made alike."""
ANTHROPIC_VERSION = "2023-06-01"


class HttpEngine:
    """One model of one server. `readiness` tells a supervised process's state; a breaker tells whether it works."""

    def __init__(
        self,
        *,
        name: str,
        upstream_model: str,
        base_url: str,
        key: Secret | None,
        dialect: Literal["openai", "anthropic"],
        speaks: frozenset[Api],
        hosted: bool,
        client: HttpClient,
        readiness: Callable[[], EngineState] | None = None,
        timeout_s: float = 600.0,
        idle_timeout_s: float = 60.0,
        store_false: bool = False,
        prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
        impose: Callable[[Call, Api], Mapping[str, Any]] | None = None,
    ) -> None:
        """
        `timeout_s` is until the first byte, `idle_timeout_s` between two.

        `store_false` is for hosted Responses; `prepare` adapts a chat body to local weights; `impose` says the fields
        that are not the caller's to say, for a call and the API that the engine is asked in.
        """
        self._name = name
        self._upstream_model = upstream_model
        self._speaks = speaks
        self._route_kind = HostedRoute if hosted else LocalRoute
        self._host = client.at(base_url)
        self._headers = {stream: _headers(dialect, key, stream=stream) for stream in (False, True)}
        self._turnstile = Turnstile(name, readiness, timeout_s=timeout_s)
        self._timeout_s = timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._store_false = store_false
        self._prepare = prepare
        self._impose = impose

    def __repr__(self) -> str:
        """The name, and nothing secret."""
        return f"HttpEngine({self._name!r})"

    def state(self) -> EngineState:
        """How it is, from memory."""
        return self._turnstile.state()

    def refuse(self) -> None:
        """Raise `EngineFailed` while the breaker keeps requests out."""
        self._turnstile.refuse()

    def send(self, route: Route, call: Call) -> Coroutine[Any, Any, Reply]:
        """Ask; raise `EngineFailed` if no first byte came, `TypeError` for a route to elsewhere (law 3)."""
        if not isinstance(route, self._route_kind) or route.model != self._name:
            raise TypeError("this route does not lead to this engine")
        ask = partial(self._stream if call.stream else self._whole, call, self._asked(call))
        return self._turnstile.through(ask, given_s=call.timeout_s)

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._host.aclose()

    def _asked(self, call: Call) -> Api:
        """The API to ask in: the caller's where it is spoken."""
        if call.api is RERANK and call.api not in self._speaks:
            return Api.EMBEDDING
        # Answers are made alike in chat's form, and translated from there.
        alike = call.answers is not None and call.api not in UNCHANGED and CHAT in self._speaks
        return call.api if call.api in self._speaks and not alike else CHAT

    async def _post(self, call: Call, asked: Api) -> tuple[Response, float]:
        try:
            body = outbound_body(
                call.api,
                asked,
                call.body,
                model=self._upstream_model,
                stream=call.stream,
                wants_usage=call.wants_usage,
                store_false=self._store_false,
                prepare=self._prepare,
                imposed=None if self._impose is None else self._impose(call, asked),
            )
        except ValueError:
            sentence = "This request cannot be put in the words of this model's API."
            raise EngineFailed(sentence, reason=Reason.UPSTREAM_REJECTED) from None
        deadline = asyncio.get_running_loop().time() + min(call.timeout_s, self._timeout_s)
        response = await self._host.post(
            PATHS[asked], self._headers[call.stream], body, deadline=deadline, request_id=call.request_id
        )
        if response.status != 200:
            try:
                failure = await refused(response, deadline)
            finally:
                response.close()
            raise failure
        return response, deadline

    async def _whole(self, call: Call, asked: Api) -> WholeReply:
        response, deadline = await self._post(call, asked)
        try:
            if response.content_type != b"application/json":
                raise garbled()
            body = await response.read(deadline)
        finally:
            response.close()
        return whole_reply(call, asked, body, model=self._name)

    async def _stream(self, call: Call, asked: Api) -> StreamReply:
        response, deadline = await self._post(call, asked)
        if response.content_type != b"text/event-stream":
            response.close()
            raise garbled()
        return await stream_reply(
            call, asked, response, model=self._name, deadline=deadline, idle_timeout_s=self._idle_timeout_s
        )


def _headers(dialect: Literal["openai", "anthropic"], key: Secret | None, *, stream: bool) -> Headers:
    plain = {"content-type": "application/json", "accept": "text/event-stream" if stream else "application/json"}
    if dialect == "anthropic":
        plain["anthropic-version"] = ANTHROPIC_VERSION
        return Headers(plain, secret=None if key is None else ("x-api-key", "", key))
    return Headers(plain, secret=None if key is None else ("authorization", "Bearer ", key))
