"""A local engine behind its line, on real sockets: every end gives the place back, and a full engine is knocked at."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from raw_server import Handler, Peer, RawServer

from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState, Readiness
from localfleet.core.reason import Reason
from localfleet.core.route import LocalRoute
from localfleet.engines.admission import Admission
from localfleet.engines.client import HttpClient
from localfleet.engines.http_engine import HttpEngine
from localfleet.engines.in_line import InLine
from localfleet.errors import EngineFailed
from localfleet.ports import Call

ROUTE = LocalRoute(model="m")
USAGE = {"prompt_tokens": 9, "completion_tokens": 3}
WHOLE = orjson.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}], "usage": USAGE})
FULL = b'{"error":{"message":"The engine is busy","type":"Service Unavailable","param":null,"code":503}}'
"""What vLLM 0.32 says beyond --max-num-queued-reqs: the form of its `create_error_response(QueueOverflowError())`."""
FAULT = b'{"error":{"message":"Please retry","type":"ServiceUnavailableError","param":null,"code":503}}'
"""Its other 503, `RetryableRequestError`: the engine failed."""


def event(content: str) -> bytes:
    """One piece of a stream."""
    return b"data: %b\n\n" % orjson.dumps({"choices": [{"index": 0, "delta": {"content": content}}]})


def call(*, stream: bool = False, **more: Any) -> Call:
    """A small request."""
    facts: dict[str, Any] = {"timeout_s": 5.0, "input_tokens": 9, "output_tokens": 3} | more
    return Call(request_id="r", api=Api.CHAT, body={"messages": []}, stream=stream, wants_usage=False, **facts)


def run(handler: Handler, story: Callable[[InLine, RawServer], Awaitable[None]], **more: Any) -> None:
    """Tell one story about an engine with one slot, or as told."""

    async def bounded() -> None:
        async with asyncio.timeout(10), RawServer(handler).running() as server:
            http = HttpEngine(
                name="m", upstream_model="m", base_url=server.url, key=None, dialect="openai",
                speaks=frozenset({Api.CHAT}), hosted=False, client=HttpClient(), timeout_s=5.0, idle_timeout_s=0.2,
            )  # fmt: skip
            line = InLine(engine=http, admission=Admission(**{"limit": 9, "slots": 1} | more), jitter=lambda: 0.0)
            await story(line, server)
            assert (line.admission.inside, line.admission.waiting) == (0, 0)
            await line.aclose()

    asyncio.run(bounded())


async def good(peer: Peer) -> None:
    """Answer after a moment."""
    await asyncio.sleep(0.03)
    await peer.answer(WHOLE)


async def slow_half(peer: Peer) -> None:
    """Begin a stream and go."""
    await peer.stream(event("Par"), end=False)
    peer.cut()


async def error(peer: Peer) -> None:
    """Fail."""
    await peer.answer(FAULT, status=503)


async def rude(peer: Peer) -> None:
    """Cut the connection."""
    peer.cut()


async def silent(peer: Peer) -> None:
    """Say nothing."""
    await peer.left()


def test_one_at_a_time_and_the_others_in_line() -> None:
    """The engine never sees more than its slots, the state tells who waits, and the time in line is told."""

    async def story(line: InLine, server: RawServer) -> None:
        waits: list[float] = []
        inside: list[int] = []

        async def one() -> None:
            reply = await line.send(ROUTE, call(waited=waits.append))
            inside.append(line.admission.inside)
            await reply.aclose()

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(one())
            await asyncio.sleep(0.02)
            state = line.state()
            assert (state.readiness, state.in_flight, state.waiting) == (Readiness.READY, 1, 3)
            assert state.oldest_wait_s > 0
            assert len(server.requests) == 1
        assert len(server.requests) == 4
        assert [round(wait, 1) for wait in waits] == pytest.approx([0.0, 0.1, 0.1], abs=0.06)
        assert line.state() == EngineState(readiness=Readiness.READY)

    run(good, story)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (error, Reason.UPSTREAM_ERROR),
        (rude, Reason.CONNECT_FAILED),
        (silent, Reason.TIMED_OUT),
    ],
)
def test_a_failure_gives_the_place_back(handler: Handler, reason: Reason) -> None:
    """Whatever the engine does instead of answering."""

    async def story(line: InLine, server: RawServer) -> None:
        for _ in range(2):
            with pytest.raises(EngineFailed) as caught:
                await line.send(ROUTE, call(timeout_s=0.1))
            assert caught.value.reason in {reason, Reason.UPSTREAM_ERROR}
            assert line.admission.inside == 0

    run(handler, story)


def test_a_stream_holds_its_place_until_it_is_closed() -> None:
    """Not only until the first byte; and a stream that dies, or that nobody reads, gives it back too."""

    async def story(line: InLine, server: RawServer) -> None:
        for read in (True, False):
            reply = await line.send(ROUTE, call(stream=True))
            assert line.admission.inside == 1
            waits = asyncio.create_task(line.send(ROUTE, call(stream=True)))
            await asyncio.sleep(0.02)
            assert line.admission.waiting == 1
            if read:
                assert b"".join([chunk async for chunk in reply])
                assert reply.failure is Reason.DIED_MIDSTREAM
            await reply.aclose()
            await reply.aclose()
            second = await waits
            assert (line.admission.inside, line.admission.waiting) == (1, 0)
            await second.aclose()

    run(slow_half, story)


def test_who_leaves_while_the_engine_works_gives_the_place_back() -> None:
    """A cancelled request lets the next one in, and the engine's connection is cut."""

    async def story(line: InLine, server: RawServer) -> None:
        working = asyncio.create_task(line.send(ROUTE, call()))
        waiting = asyncio.create_task(line.send(ROUTE, call()))
        await asyncio.sleep(0.05)
        working.cancel()
        await asyncio.sleep(0.05)
        assert (line.admission.inside, line.admission.waiting, len(server.requests)) == (1, 0, 2)
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)

    run(silent, story)


def test_time_in_line_is_taken_off_the_time_out() -> None:
    """`timeout_s` covers the line and the engine together."""

    async def story(line: InLine, server: RawServer) -> None:
        first = asyncio.create_task(line.send(ROUTE, call(timeout_s=0.3)))
        await asyncio.sleep(0.01)
        began = time.monotonic()
        with pytest.raises(EngineFailed) as caught:
            await line.send(ROUTE, call(timeout_s=0.5))
        assert caught.value.reason is Reason.TIMED_OUT
        assert 0.4 < time.monotonic() - began < 0.7
        await asyncio.gather(first, return_exceptions=True)

    run(silent, story)


@pytest.mark.slow
def test_nobody_stands_in_line_before_a_shut_breaker() -> None:
    """The one request that tries again takes the only place, and says nothing; the others hear at once."""
    mute = False

    async def ill(peer: Peer) -> None:
        await (peer.left() if mute else peer.answer(b"", status=500))

    async def story(line: InLine, server: RawServer) -> None:
        nonlocal mute
        for _ in range(3):
            with pytest.raises(EngineFailed):
                await line.send(ROUTE, call())
        mute = True
        await asyncio.sleep(1.05)
        trying = asyncio.create_task(line.send(ROUTE, call(timeout_s=0.5)))
        await asyncio.sleep(0.02)
        began = time.monotonic()
        with pytest.raises(EngineFailed) as caught:
            await line.send(ROUTE, call())
        assert (caught.value.reason, caught.value.retry_after_s) == (Reason.ENGINE_DOWN, 1)
        assert time.monotonic() - began < 0.1
        await asyncio.gather(trying, return_exceptions=True)

    run(ill, story)


def test_a_full_engine_is_knocked_at_again_within_the_time() -> None:
    """The own 503 of vLLM is a line that is full, not an engine that is broken: it costs pauses and shuts nothing."""
    left = 3

    async def full_at_first(peer: Peer) -> None:
        nonlocal left
        left -= 1
        await (peer.answer(FULL, status=503) if left >= 0 else peer.answer(WHOLE))

    async def story(line: InLine, server: RawServer) -> None:
        waits: list[float] = []
        reply = await line.send(ROUTE, call(waited=waits.append))
        assert b"Paris" in b"".join([chunk async for chunk in reply])
        assert len(server.requests) == 4
        assert waits == [0.1, 0.2, 0.4]
        assert line.state().readiness is Readiness.READY

    run(full_at_first, story)


@pytest.mark.parametrize("bound", [{"patience_s": 0.25}, {"timeout_s": 0.25}])
def test_a_full_engine_sends_on_when_the_patience_ends(bound: dict[str, Any]) -> None:
    """Then it is `queue_full` with a time to come back, also for the fifth caller: no breaker opened."""

    async def full(peer: Peer) -> None:
        await peer.answer(FULL, status=503)

    async def story(line: InLine, server: RawServer) -> None:
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(EngineFailed) as caught:
                await line.send(ROUTE, call(**bound))
            no = caught.value
            assert (no.reason, no.status, no.upstream_status, no.retry_after_s) == (Reason.QUEUE_FULL, 503, 503, 1)
            assert time.monotonic() - began < 0.3
        assert line.state().readiness is Readiness.READY

    run(full, story)


def test_a_full_queue_told_inside_a_stream_is_one_too() -> None:
    """An engine may find out after it began its answer: the same error as the first event."""

    async def told_late(peer: Peer) -> None:
        await peer.stream(b"data: " + FULL + b"\n\n", b"data: [DONE]\n\n")

    async def story(line: InLine, server: RawServer) -> None:
        with pytest.raises(EngineFailed) as caught:
            await line.send(ROUTE, call(stream=True, patience_s=0.05))
        assert caught.value.reason is Reason.QUEUE_FULL

    run(told_late, story)
