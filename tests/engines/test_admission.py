"""The door of one engine: bounded, fair, and every place given back exactly once, whatever ends a request."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import pytest

from localfleet.core.ask import Api, Priority
from localfleet.core.reason import Reason
from localfleet.core.usage import Usage
from localfleet.engines.admission import Admission, Pass
from localfleet.errors import EngineFailed
from localfleet.ports import Call

USED = Usage(input_tokens=10, output_tokens=5)


class Clock:
    """A hand that tests move."""

    def __init__(self) -> None:
        """Not at zero, which code may take for nothing."""
        self.at = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.at


def call(key: str = "a", **more: Any) -> Call:
    """A small request of one key."""
    facts: dict[str, Any] = {"timeout_s": 5.0, "input_tokens": 10, "output_tokens": 5, "key_id": key} | more
    return Call(request_id="r", api=Api.CHAT, body={}, stream=False, wants_usage=False, **facts)


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def refused(coming: Awaitable[Pass]) -> EngineFailed:
    """How somebody was turned away."""
    with pytest.raises(EngineFailed) as caught:
        await coming
    return caught.value


def told(story: Callable[[], Awaitable[None]]) -> None:
    """Run one story to its end."""

    async def bounded() -> None:
        async with asyncio.timeout(10):
            await story()

    asyncio.run(bounded())


def test_so_many_inside_so_many_in_line_and_the_next_is_told_to_come_back() -> None:
    """At the limit it is refused at once, with the learned time as `retry-after`."""

    async def story() -> None:
        clock = Clock()
        door = Admission(limit=4, slots=2, clock=clock)
        first, second = await door.enter(call()), await door.enter(call())
        clock.at += 6
        door.leave(first, USED)
        third = await door.enter(call())
        waiting = [asyncio.create_task(door.enter(call())) for _ in range(2)]
        await settle()
        assert (door.inside, door.waiting, door.waiting_tokens) == (2, 2, 20)
        no = await refused(door.enter(call()))
        assert (no.reason, no.status, no.retry_after_s) == (Reason.QUEUE_FULL, 503, 9)
        assert door.wait_s == 9.0
        for pass_ in (second, third):
            door.leave(pass_, USED)
        for pass_ in await asyncio.gather(*waiting):
            door.leave(pass_, USED)
        assert (door.inside, door.waiting, door.wait_s) == (0, 0, 0.0)

    told(story)


@pytest.mark.parametrize(("patience_s", "timeout_s"), [(0.02, 5.0), (inf, 0.02)])
def test_a_turn_that_does_not_come_in_time(patience_s: float, timeout_s: float) -> None:
    """Patience or time-out, whichever ends first; the line is as if nobody had been there."""

    async def story() -> None:
        door = Admission(limit=9, slots=1)
        inside = await door.enter(call())
        began = time.monotonic()
        no = await refused(door.enter(call(patience_s=patience_s, timeout_s=timeout_s)))
        assert 0.01 < time.monotonic() - began < 1
        assert (no.reason, no.status, no.retry_after_s) == (Reason.QUEUE_TOO_LONG, 503, 1)
        assert (door.inside, door.waiting, door.oldest_wait_s) == (1, 0, 0.0)
        door.leave(inside, USED)
        assert door.inside == 0

    told(story)


def test_who_is_cancelled_leaves_no_trace() -> None:
    """In the line, in the moment its turn comes, and right after it: the place goes to the next one each time."""

    async def story() -> None:
        door = Admission(limit=9, slots=1)
        inside = await door.enter(call())
        gone, early, late, stays = (asyncio.create_task(door.enter(call(key))) for key in "abcd")
        await settle()
        gone.cancel()
        await settle()
        assert (door.inside, door.waiting, door.waiting_tokens) == (1, 3, 30)
        early.cancel()
        door.leave(inside, USED)
        late.cancel()
        await settle()
        assert door.waiting == 0
        assert (await stays).queued_s >= 0
        assert door.inside == 1
        assert [task.cancelled() for task in (gone, early, late)] == [True] * 3
        door.leave(await stays, USED)
        assert (door.inside, door._line.keys_known) == (0, 0)

    told(story)


def test_a_place_is_given_back_once() -> None:
    """A second `leave` of the same pass lets nobody in."""

    async def story() -> None:
        door = Admission(limit=9, slots=1)
        pass_ = await door.enter(call())
        door.leave(pass_, USED)
        door.leave(pass_, None)
        assert door.inside == 0
        await door.enter(call())
        waits = asyncio.create_task(door.enter(call()))
        door.leave(pass_, USED)
        await settle()
        assert not waits.done()
        waits.cancel()

    told(story)


def test_the_line_is_fair_by_tokens_and_corrected_by_what_was_measured() -> None:
    """A key whose answers were far longer than guessed waits while another catches up."""

    async def story() -> None:
        door = Admission(limit=99, slots=1)
        turns: list[str] = []

        async def one(key: str, written: int) -> None:
            pass_ = await door.enter(call(key))
            turns.append(key)
            await asyncio.sleep(0)
            door.leave(pass_, Usage(input_tokens=10, output_tokens=written))

        async with asyncio.TaskGroup() as group:
            first = await door.enter(call("x"))
            for _ in range(4):
                group.create_task(one("long", 45))
            for _ in range(20):
                group.create_task(one("short", 5))
            await settle()
            door.leave(first, USED)
        assert turns[:10].count("short") == 8
        assert turns[:12].count("long") == 2

    told(story)


def test_live_before_batch_until_batch_is_old() -> None:
    """With the clock passed in: a batch request gets its turn after `batch_turn_s`."""

    async def story() -> None:
        clock = Clock()
        door = Admission(limit=99, slots=1, batch_turn_s=30, clock=clock)
        turns: list[str] = []

        async def one(name: str, priority: Priority) -> None:
            pass_ = await door.enter(call(name, priority=priority))
            turns.append(name)
            clock.at += 10
            await asyncio.sleep(0)
            door.leave(pass_, USED)

        async with asyncio.TaskGroup() as group:
            first = await door.enter(call("x"))
            group.create_task(one("batch", Priority.BATCH))
            for _ in range(9):
                group.create_task(one("live", Priority.LIVE))
            await settle()
            door.leave(first, USED)
        assert turns.index("batch") in {3, 4, 5}

    told(story)


def test_a_shut_door_keeps_the_line_and_an_open_one_lets_it_in() -> None:
    """An engine that is not ready admits nobody; when it is, with its number of slots, the line moves."""

    async def story() -> None:
        door = Admission(limit=9, slots=1, shut=True)
        waiting = [asyncio.create_task(door.enter(call())) for _ in range(3)]
        await settle()
        assert (door.inside, door.waiting) == (0, 3)
        assert door.oldest_wait_s > 0
        door.open(2)
        assert (door.inside, door.waiting) == (2, 1)
        door.shut()
        first = await waiting[0]
        door.leave(first, USED)
        await settle()
        assert (door.inside, door.waiting) == (1, 1)
        door.open()
        assert (await waiting[2]).queued_s > 0
        assert (door.inside, door.waiting) == (2, 0)

    told(story)


def test_an_engine_that_will_not_come_turns_everybody_away() -> None:
    """Those in the line and those who come after, until it is opened or shut again."""

    async def story() -> None:
        door = Admission(limit=9, slots=1)
        inside = await door.enter(call())
        waits = asyncio.create_task(door.enter(call()))
        await settle()
        door.dismiss()
        no = await refused(waits)
        assert (no.reason, no.status, no.retry_after_s) == (Reason.ENGINE_DOWN, 503, 5)
        assert (await refused(door.enter(call()))).reason is Reason.ENGINE_DOWN
        door.leave(inside, None)
        door.open()
        assert (await door.enter(call())).queued_s == 0

    told(story)


def test_the_line_is_bounded_in_tokens_too() -> None:
    """`tokens` bounds the prompts that wait; one alone may be as long as it likes."""

    async def story() -> None:
        door = Admission(limit=99, slots=1, tokens=100)
        await door.enter(call(input_tokens=5000))
        long = asyncio.create_task(door.enter(call(input_tokens=5000)))
        await settle()
        assert (await refused(door.enter(call(input_tokens=1)))).reason is Reason.QUEUE_FULL
        long.cancel()
        await settle()
        short = [asyncio.create_task(door.enter(call(input_tokens=50))) for _ in range(2)]
        await settle()
        assert (await refused(door.enter(call(input_tokens=1)))).reason is Reason.QUEUE_FULL
        assert door.waiting_tokens == 100
        for task in short:
            task.cancel()

    told(story)


def test_who_waited_is_told_how_long_and_who_did_not_is_not() -> None:
    """However the wait ended; so a receipt knows the time in line."""

    async def story() -> None:
        waits: list[float] = []
        door = Admission(limit=9, slots=1)
        inside = await door.enter(call(waited=waits.append))
        assert waits == []
        await refused(door.enter(call(waited=waits.append, patience_s=0.02)))
        cancelled = asyncio.create_task(door.enter(call(waited=waits.append)))
        await settle()
        cancelled.cancel()
        admitted = asyncio.create_task(door.enter(call(waited=waits.append)))
        await settle()
        door.leave(inside, USED)
        pass_ = await admitted
        assert len(waits) == 3
        assert waits[0] >= 0.02
        assert waits[2] == pytest.approx(pass_.queued_s, abs=0.01)

    told(story)


def test_nothing_is_learned_from_a_failure() -> None:
    """A request that got no answer says nothing of how long one takes, and keeps its prompt charged."""

    async def story() -> None:
        clock = Clock()
        door = Admission(limit=9, slots=2, clock=clock)
        other, failed = await door.enter(call("b")), await door.enter(call("a"))
        clock.at += 1000
        door.leave(failed, None)
        assert (door._service_s, door._line.counter("a")) == (0.0, 10.0)
        door.leave(other, USED)
        assert door._service_s == 1000

    told(story)


def test_a_crowd_gets_in_and_out() -> None:
    """Hundreds at once, some cancelled, some without patience: never more inside than may be, and all places back."""

    async def story() -> None:
        door = Admission(limit=400, slots=7)
        most = 0

        async def one(number: int) -> str:
            nonlocal most
            patience_s = 0.03 if number % 5 == 0 else inf
            try:
                pass_ = await door.enter(call(f"k{number % 11}", patience_s=patience_s))
            except EngineFailed as exc:
                return exc.reason
            most = max(most, door.inside)
            await asyncio.sleep(0.001)
            door.leave(pass_, USED if number % 3 else None)
            return "in"

        tasks = [asyncio.create_task(one(number)) for number in range(500)]
        await settle()
        left = sum(tasks[number].cancel() for number in range(50, 400, 7) if number % 5)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert most == 7
        assert (door.inside, door.waiting, door.waiting_tokens) == (0, 0, 0)
        assert door._line.keys_known == 0
        assert not door._turns
        assert ends.count(Reason.QUEUE_FULL) == 100
        assert sum(isinstance(end, asyncio.CancelledError) for end in ends) == left > 0
        assert ends.count("in") > 250

    told(story)


def test_with_room_nothing_waits_and_it_costs_microseconds() -> None:
    """The hot path makes no task, no timer and no future."""

    async def story() -> None:
        door = Admission(limit=9, slots=2)
        asked = call()
        rounds = 20_000
        began = time.perf_counter()
        for _ in range(rounds):
            pass_ = door.enter_now(asked)
            assert pass_ is not None
            door.leave(pass_, USED)
        each_us = (time.perf_counter() - began) / rounds * 1e6
        assert len(asyncio.all_tasks()) == 1
        assert each_us < 50, "ten times what it takes on a quiet machine"

    told(story)
