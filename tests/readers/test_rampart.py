"""The model of names, for real: what it finds, in windows, aside of the event loop, within a budget."""

import asyncio
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from localfleet.core.names import Entity, Reader, read_all
from localfleet.readers.aside import Aside
from localfleet.readers.load import load_reader

Windows = list[tuple[int, str]]


@pytest.fixture(scope="module")
def model() -> Reader:
    """The shipped model."""
    return load_reader()


def names(model: Reader, text: str) -> set[str]:
    """The pieces of names that were found."""
    return {text[e.start : e.end] for e in read_all(model, text) if e.kind in {"GIVEN_NAME", "SURNAME"}}


def test_names_and_addresses_are_found_at_their_places(model: Reader) -> None:
    """Offsets are those of the text as given, accents and all."""
    text = "Lettre à Béatrice Dubois, 14 Elm Street, Springfield."
    assert "Dubois" in names(model, text)
    assert "STREET_NAME" in {entity.kind for entity in read_all(model, text)}
    assert not names(model, "the boiling point of water at sea level")
    assert read_all(model, "") == []


def test_a_long_text_is_read_to_its_end(model: Reader) -> None:
    """Windows cover it all; a name across a border is found as well."""
    filler = "The river flows past the old mill. " * 60
    for cut in (0, 470, 2000, len(filler)):
        text = f"{filler[:cut]} Please call Jasmine Freeman tomorrow. {filler[cut:]}"
        assert "Freeman" in names(model, text)
    covered = [start for batch in model.batches(filler) for start, _ in batch]
    assert covered[0] == 0
    assert covered[-1] + 512 >= len(filler)


@pytest.mark.parametrize("length", [0, 1, 512, 513, 532, 960, 961, 2000, 2113])
def test_windows_of_a_text_are_of_one_width(model: Reader, length: int) -> None:
    """A short last window would cost as much as a full one: all are alike to a few characters, and overlap by 64."""
    text = ("x" * 7 + " ") * 300
    windows = [one for batch in model.batches(text[:length]) for one in batch]
    assert all(len(part) <= 512 for _, part in windows)
    assert max(len(part) for _, part in windows) - min(len(part) for _, part in windows) <= len(windows)
    ends = [start + len(part) for start, part in windows]
    assert ends[-1] == length
    assert all(end - after >= 64 for end, (after, _) in zip(ends, windows[1:], strict=False))


def test_aside_finds_the_same_off_the_loop(model: Reader) -> None:
    """And a text that takes longer than the budget raises `TimeoutError`: the caller makes it restricted."""
    text = "Please call Jasmine Freeman tomorrow. " * 30

    async def run() -> None:
        aside = Aside(model)
        assert list(await aside.read(text, 30.0, whose="k")) == read_all(model, text)
        with pytest.raises(TimeoutError):
            await aside.read(text * 400, 0.05, whose="k")
        aside.close()

    asyncio.run(run())


def test_a_piece_is_read_once() -> None:
    """A piece is known when its caller sends it again, also where nothing was found; nobody else can time that."""
    read: list[str] = []

    class Counting:
        def batches(self, text: str) -> list[Windows]:
            """All of it."""
            return [[(0, text)]]

        def read(self, batch: Sequence[tuple[int, str]]) -> list[Entity]:
            """Counts."""
            read.extend(text for _, text in batch)
            return [Entity(kind="CITY", start=0, end=1, score=1.0)] if "x" in batch[0][1] else []

    async def run() -> None:
        aside = Aside(Counting())
        first = [await aside.read(text, 30.0, whose="ada") for text in ("axa", "bbb", "axa", "bbb", "axb")]
        assert await aside.read("axa", 30.0, whose="bob") == first[0]
        aside.close()
        assert first[0] == first[2]
        assert [len(found) for found in first] == [1, 0, 1, 0, 1]

    asyncio.run(run())
    assert read == ["axa", "bbb", "axb", "axa"]


class Slow:
    """A reader of twenty batches, each slow."""

    def batches(self, text: str) -> list[Windows]:
        """One batch for each character."""
        return [[(at, char)] for at, char in enumerate(text)]

    def read(self, batch: Sequence[tuple[int, str]]) -> list[Entity]:
        """Takes a twentieth of a second."""
        time.sleep(0.05)
        return [Entity(kind="CITY", start=start, end=start + 1, score=1.0) for start, _ in batch]


def test_a_long_text_lets_short_ones_pass() -> None:
    """The one thread changes hands after each batch: a short text need not wait for all of a long one."""

    async def run() -> tuple[float, float]:
        aside, began = Aside(Slow()), time.monotonic()
        long = asyncio.create_task(aside.read("x" * 20, 30.0, whose="k"))
        await asyncio.sleep(0.01)
        await aside.read("y", 30.0, whose="k")
        short_s = time.monotonic() - began
        await long
        aside.close()
        return short_s, time.monotonic() - began

    short_s, long_s = asyncio.run(run())
    assert short_s < long_s / 2


def test_the_runtime_has_no_telemetry_in_it(model: Reader) -> None:
    """ONNX Runtime 1.30 for Linux holds Microsoft's 1DS client and calls out (law 10); what is locked must not."""
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    libraries = [path for path in Path(spec.origin).parent.rglob("*.so*") if path.is_file()]
    assert libraries
    assert not [path.name for path in libraries if b"OneDsTelemetry" in path.read_bytes()]
