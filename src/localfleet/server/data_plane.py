"""
The data plane: a bare ASGI endpoint for `/v1/*`, because this is the hot path (docs/adr/0002).

It reads bytes, hands a letter to the gateway, and writes bytes. What it knows of HTTP ends here.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from localfleet.actions.front import Actions
from localfleet.core.ask import Api, Ask, Caller
from localfleet.core.conversation import action_print, session_print
from localfleet.core.reason import Reason
from localfleet.errors import BadAsk, ClientLeft, FleetError, NotFound, ShuttingDown
from localfleet.gateway import Answer, Gateway
from localfleet.people.last_door import LastDoor
from localfleet.server.auth import Doorkeeper
from localfleet.server.decision_headers import plain_headers, visit_headers, waiting_headers
from localfleet.server.errors import LAST_RESORT, NO_ENDPOINT, envelope, error_event
from localfleet.server.exchange import EXCHANGE, AsgiExchange, Exchange, RawHeaders, Receive, Scope, Send, check_size
from localfleet.server.headers import Headers, read_headers
from localfleet.server.listing import list_models
from localfleet.server.news import News
from localfleet.server.recall import Recall
from localfleet.traffic import Traffic
from localfleet.visit import Visit
from localfleet.wire.read import Letter, parse_body, read_ask
from localfleet.wire.task_model import task_by_model

__all__ = ["PATHS", "DataPlane", "Porch", "rising_ids"]

PATHS = {
    "/v1/chat/completions": Api.CHAT,
    "/v1/completions": Api.COMPLETION,
    "/v1/embeddings": Api.EMBEDDING,
    "/v1/messages": Api.MESSAGES,
    "/v1/rerank": Api.RERANK,
    "/v1/responses": Api.RESPONSES,
}
RESPONSES = Api.RESPONSES
NO_ERROR = BadAsk("")
LONG_BODY_BYTES = 256 * 1024
"""Bodies beyond are read off the event loop, so that one of them blocks nobody."""
IDS_AT_ONCE = 1000


def rising_ids() -> Iterator[str]:
    """
    Ids of 24 hex digits that sort by time: milliseconds, a counter, and 36 random bits to keep routers apart.

    Those of requests under way so stand beside each other in the ledger, and a commit rewrites one page of open intents
    where random ones would be spread over all. A thousand at a time: each call of the system lets other threads in.
    """
    first = 0
    while True:
        first, many = max(first + 1, int(time.time() * 1000)), secrets.token_hex(5 * IDS_AT_ONCE)
        yield from (f"{first:012x}{at:03x}{many[10 * at : 10 * at + 9]}" for at in range(IDS_AT_ONCE))


@dataclass(slots=True, kw_only=True)
class DataPlane:
    """
    ASGI application for `/v1/*`, built for one `models.yaml`.

    A reload puts another plane in its place. A request stays in the plane it came in by, and so with one set of rules,
    models and limits, to its end.
    """

    gateway: Gateway
    doorkeeper: Doorkeeper
    recall: Recall
    body_bytes: int
    in_flight_limit: int
    body_timeout_s: float = 120.0
    fields: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """As in the file: one may stand for a task."""
    timeouts: dict[str, float] = field(default_factory=dict)
    actions: Actions | None = None
    """What takes more than one call; `None` where the file declares nothing such."""
    last_door: LastDoor | None = None
    """Where requests go that no model answered; `None` where no task ends with a person."""
    keep: Callable[[Letter, Visit], None] | None = None
    """Keeps features of an answered request, where the operator asked for it."""
    refused: Callable[[Reason], None] = lambda _: None
    request_ids: Iterator[str] = field(default_factory=rising_ids)
    traffic: Traffic = field(default_factory=Traffic)
    in_flight: int = 0
    """Requests in this plane."""
    seeking: int = 0
    """Those of them that have no answer yet, and so may still come to one of their doors."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; never raises for anything a caller or an engine does, never echoes."""
        api = PATHS.get(scope["path"])
        request_id = next(self.request_ids)
        exchange: Exchange = scope.pop(EXCHANGE, None) or AsgiExchange(receive, send)
        self.in_flight += 1
        self.traffic.in_flight += 1
        try:
            with LAST_RESORT:
                await self._serve(api, request_id, scope, exchange)
        except ClientLeft:
            return
        except FleetError as exc:
            self.refused(exc.reason)
            # An answer that has begun cannot become another one: left unfinished, the server cuts the connection.
            if not exchange.begun:
                await _send_error(exchange, exc, api, plain_headers(request_id, exc.reason))
        finally:
            self.in_flight -= 1
            self.traffic.in_flight -= 1

    async def _serve(self, api: Api | None, request_id: str, scope: Scope, exchange: Exchange) -> None:
        if self.traffic.draining:
            raise ShuttingDown("This router is shutting down. Try another, or again soon.", retry_after_s=5)
        if self.traffic.in_flight > self.in_flight_limit:
            raise ShuttingDown("This router is at its limit of requests in flight. Try again soon.", retry_after_s=1)
        headers = exchange.headers or read_headers(scope["headers"])
        if scope["path"] == "/v1/models" and scope["method"] == "GET":
            caller = self.doorkeeper.identify(headers)
            await _send_whole(
                exchange,
                200,
                list_models(self.gateway.models, caller, self._virtual, self.tasks),
                plain_headers(request_id),
            )
            return
        if api is None or scope["method"] != "POST":
            raise NotFound(NO_ENDPOINT)
        caller = self.doorkeeper.admit(headers)
        raw = await self._body(headers, exchange)
        visit, letter, error = await self.read(api, request_id, headers, caller, raw)
        if letter is None:
            await self._deliver(Answer(visit=visit, status=error.status, error=error), api, exchange)
        else:
            with exchange.staying():
                await self._answer(letter, visit, exchange)

    async def _body(self, headers: Headers, exchange: Exchange) -> bytes:
        declared = headers.get("content-length", "0")
        if declared.isascii() and declared.isdigit():
            check_size(int(declared[:12]), self.body_bytes)
        return await exchange.body(self.body_bytes, self.body_timeout_s)

    async def read(
        self, api: Api, request_id: str, headers: Headers, caller: Caller, raw: bytes
    ) -> tuple[Visit, Letter | None, FleetError]:
        """Open the letter; one that cannot be read gets a receipt too."""
        arrived = self.gateway.clock.monotonic()
        try:
            letter = await self._open(api, request_id, headers, caller, raw)
        except (BadAsk, NotFound) as exc:
            unread = Ask(request_id=request_id, api=api, model="", caller=caller, spans=())
            visit = self._visit(unread, arrived)
            self.gateway.refuse(visit, exc)
            return visit, None, exc
        return self._visit(letter.ask, arrived), letter, NO_ERROR

    async def _open(self, api: Api, request_id: str, headers: Headers, caller: Caller, raw: bytes) -> Letter:
        long = len(raw) > LONG_BODY_BYTES
        body = await asyncio.to_thread(parse_body, raw) if long else parse_body(raw)
        if api is RESPONSES:
            body = self.recall.expand(body, caller)

        def reading() -> Letter:
            return read_ask(
                body,
                api=api,
                headers=headers,
                caller=caller,
                request_id=request_id,
                size=len(raw),
                fields=self.fields,
            )

        letter = await asyncio.to_thread(reading) if long else reading()
        letter = task_by_model(letter, self.tasks, self.aliases)
        return letter if self.gateway.steering is None else self.gateway.steering.named(letter)

    async def _answer(self, letter: Letter, visit: Visit, exchange: Exchange) -> None:
        actions = self.actions if self.actions is not None and self.actions.takes(letter) else None
        news = self._news(visit, exchange) if letter.ask.stream and actions is None else None
        self.seeking += 1
        try:
            answer = await (actions or self.gateway).answer(letter, visit)
        finally:
            self.seeking -= 1
            if news is not None:
                await news.stop()
        if answer.error is not None and self.last_door is not None:
            answer.error = await self.last_door.instead(letter, visit, answer.error)
        if self.keep is not None and answer.error is None:
            self.keep(letter, visit)
        if self.actions is not None:
            answer = await self.actions.after(letter, visit, answer)
        if letter.ask.api is RESPONSES:
            self._keep(letter, answer)
        if news is not None and news.begun:
            await _go_on(exchange, answer, letter.ask.api)
        else:
            await self._deliver(answer, letter.ask.api, exchange)

    @property
    def busy(self) -> bool:
        """Whether a request or a shadow of this plane is under way."""
        return bool(self.in_flight or (self.actions is not None and self.actions.shadows.running))

    async def stop(self) -> None:
        """End the shadows that are under way; callers are not asked here."""
        if self.actions is not None:
            await self.actions.shadows.stop()

    def _news(self, visit: Visit, exchange: Exchange) -> News:
        async def begin(model: str) -> None:
            await _begin_stream(exchange, 200, "text/event-stream", waiting_headers(visit, self.gateway.models[model]))

        return News(visit, self.gateway.engines, begin=begin, comment=exchange.chunk)

    def _keep(self, letter: Letter, answer: Answer) -> None:
        """Keep the conversation in memory, for a client that goes on with `previous_response_id`."""
        if answer.whole is not None:
            self.recall.keep(letter.body, letter.ask.caller, answer.whole)
        elif answer.stream is not None:
            answer.stream = self.recall.keep_stream(letter.body, letter.ask.caller, answer.stream)

    @property
    def _virtual(self) -> tuple[str, ...]:
        return self.actions.names if self.actions is not None else ()

    def _visit(self, ask: Ask, arrived: float) -> Visit:
        session = session_print(ask, self.gateway.print_key)
        known = ask.model in self.gateway.models or ask.model in {"auto", "local"}
        aliased = ask.model in self.gateway.policy.aliases or ask.model in self._virtual
        return Visit(
            ask=ask,
            arrived=arrived,
            wanted=ask.model if known or aliased else "unknown",
            task=ask.task if ask.task in self.tasks else None,
            session=None if session is None else session.hex(),
            caller_action=action_print(ask, self.gateway.print_key),
            timeouts=self.timeouts,
        )

    async def _deliver(self, answer: Answer, api: Api, exchange: Exchange) -> None:
        headers = visit_headers(answer)
        if answer.error is not None:
            await _send_error(exchange, answer.error, api, headers)
        elif answer.stream is None:
            await _send_whole(exchange, answer.status, answer.whole or b"", headers, answer.media_type)
        else:
            await _send_stream(exchange, answer, answer.stream, headers)


@dataclass(slots=True)
class Porch:
    """Where requests come in: at the plane of the `models.yaml` that holds now."""

    plane: DataPlane


async def _send_error(exchange: Exchange, error: FleetError, api: Api | None, headers: RawHeaders) -> None:
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    await _send_whole(exchange, error.status, envelope(error, api), headers)


async def _send_whole(
    exchange: Exchange, status: int, body: bytes, headers: RawHeaders, media_type: str = "application/json"
) -> None:
    sized = [(b"content-type", media_type.encode("latin-1")), (b"content-length", str(len(body)).encode()), *headers]
    await exchange.whole(status, sized, body)


async def _send_stream(exchange: Exchange, answer: Answer, stream: AsyncGenerator[bytes], headers: RawHeaders) -> None:
    """Relay a stream as it comes."""
    async with aclosing(stream):
        await _begin_stream(exchange, answer.status, answer.media_type, headers)
        async for chunk in stream:
            await exchange.chunk(chunk)
    await exchange.end()


async def _go_on(exchange: Exchange, answer: Answer, api: Api) -> None:
    """What follows in a stream whose head went out while its model came: the answer, or a typed error event."""
    if answer.stream is None:
        assert answer.error is not None, "a stream was asked for"
        await exchange.chunk(error_event(answer.error, api))
    else:
        async with aclosing(answer.stream) as stream:
            async for chunk in stream:
                await exchange.chunk(chunk)
    await exchange.end()


async def _begin_stream(exchange: Exchange, status: int, media_type: str, headers: RawHeaders) -> None:
    start = [(b"content-type", media_type.encode("latin-1")), (b"cache-control", b"no-cache"), *headers]
    await exchange.begin(status, start)
