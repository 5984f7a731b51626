"""The parts of batches alone: sealed records against every changed byte, forms out of bytes, sweeping, cancelling."""

import asyncio
import contextlib
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.batches.desk import Desk
from localfleet.batches.runner import Answered, Runner
from localfleet.batches.sealed import SealedFolder
from localfleet.config import read_key
from localfleet.core.ask import Api, Caller
from localfleet.core.label import Label
from localfleet.errors import BadAsk, FleetError
from localfleet.wire.multipart import parts_of

KEY = bytes(range(32))
NAME, OTHER = "data-" + "0" * 24, "data-" + "1" * 24
CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
CHAT = "/v1/chat/completions"


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    """A record opens with its own key, under its own name, unchanged, and in no other way."""
    folder = SealedFolder(tmp_path, KEY)
    folder.put(NAME, b"words")
    assert folder.get(NAME) == b"words"
    path = tmp_path / f"{NAME}.sealed"
    raw = path.read_bytes()
    assert b"words" not in raw
    assert path.stat().st_mode & 0o077 == 0
    for at in range(8, len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        with pytest.raises(FleetError, match="cannot be opened"):
            folder.get(NAME)
    path.write_bytes(raw)
    path.rename(tmp_path / f"{OTHER}.sealed")
    with pytest.raises(FleetError, match="cannot be opened"):
        folder.get(OTHER)


def test_frames_are_in_their_places_and_a_cut_one_is_dropped(tmp_path: Path) -> None:
    """Two frames cannot change places; what a crash left half written goes, and the next frame takes its place."""
    folder = SealedFolder(tmp_path, KEY)
    for place, data in enumerate((b"one", b"two", b"three")):
        folder.append(NAME, place, data)
    path = tmp_path / f"{NAME}.sealed"
    raw = path.read_bytes()
    path.write_bytes(raw[:-3])
    assert list(folder.frames(NAME)) == [b"one", b"two"]
    assert folder.mend(NAME) == 2
    folder.append(NAME, 2, b"again")
    assert list(folder.frames(NAME)) == [b"one", b"two", b"again"]
    size = len(raw) - len(b"three") - 36 - len(b"two") - 36
    path.write_bytes(raw[size : 2 * size] + raw[:size])
    with pytest.raises(FleetError, match="cannot be opened"):
        list(folder.frames(NAME))


@pytest.mark.parametrize("name", ["../x", "data-1", "DATA-" + "0" * 24, "", "data-" + "g" * 24])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    """A record's name is a kind and 24 hexadecimal digits, so no caller's id leads out of the folder."""
    with pytest.raises(ValueError, match="no name"):
        SealedFolder(tmp_path, KEY).put(name, b"x")


@pytest.mark.parametrize("text", ["", "00" * 32, "zz" * 32, "0123", "ab" * 16])
def test_a_key_that_nobody_drew_is_refused(text: str) -> None:
    """Too short, no hexadecimal, or one byte over and over."""
    with pytest.raises(ValueError, match="hex"):
        read_key(text)


def form(*parts: bytes, mark: bytes = b"xx") -> bytes:
    """A form of these parts."""
    return b"".join(b"--" + mark + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + mark + b"--\r\n"


def test_a_form_is_read() -> None:
    """Fields and a file whose content looks like anything, line ends and half a boundary included."""
    content = b'{"a": 1}\r\n--x\r\n\0\xff\n'
    body = form(
        b'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch',
        b'content-disposition: form-data; name="file"; filename="a b.jsonl"\r\nContent-Type: x/y\r\n\r\n' + content,
    )
    for kind in ("multipart/form-data; boundary=xx", 'Multipart/Form-Data; charset=x; boundary="xx"'):
        purpose, file = parts_of(kind, body)
        assert (purpose.name, purpose.filename, purpose.content) == ("purpose", None, b"batch")
        assert (file.name, file.filename, file.content) == ("file", "a b.jsonl", content)


@given(
    st.binary(max_size=60), st.sampled_from(["multipart/form-data; boundary=xx", "text/plain", "multipart/form-data"])
)
def test_what_is_no_form_is_refused(raw: bytes, kind: str) -> None:
    """Whatever comes: parts, or one fixed sentence."""
    for body in (raw, b"--xx" + raw, b"--xx\r\n" + raw + b"\r\n--xx--"):
        with contextlib.suppress(BadAsk):
            assert all(part.content in body for part in parts_of(kind, body))
    with pytest.raises(BadAsk, match="no form"):
        parts_of(kind, b"xx" + raw)


def desk(folder: Path, now: list[float]) -> Desk:
    """A desk whose clock is a list."""
    made = Desk(folder=SealedFolder(folder, KEY), now=lambda: now[0], keep_s=100, most_lines=9)
    made.load()
    return made


def lines(count: int) -> bytes:
    """An input file."""
    row = {"method": "POST", "url": CHAT, "body": {"model": "auto"}}
    return b"\n".join(orjson.dumps({**row, "custom_id": str(number)}) for number in range(count))


def test_what_has_had_its_time_is_gone_from_disk(tmp_path: Path) -> None:
    """Files and batches go together; before their time nothing does, and after a restart the times still hold."""
    now = [0.0]

    async def story() -> None:
        first = desk(tmp_path, now)
        file = await first.keep_file(CALLER, lines(2), filename="a", purpose="batch")
        await first.open_batch(CALLER, input_file_id=file.id, endpoint=CHAT, window="24h", headers={}, metadata=None)
        now[0] = 99.0
        again = desk(tmp_path, now)
        await again.sweep()
        assert (len(again.files), len(again.batches)) == (1, 1)
        now[0] = 101.0
        await again.sweep()
        assert not again.files
        assert not again.batches

    asyncio.run(story())
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_is_cancelled_keeps_what_it_has(tmp_path: Path) -> None:
    """Lines under way end, no other begins, the answers that came are an output file, the rest is not counted."""

    async def story() -> None:
        here = desk(tmp_path, [0.0])
        asked: list[bytes] = []

        async def ask(api: Api, headers: dict[str, str], caller: Caller, raw: bytes) -> Answered:
            assert (api, headers["x-localfleet-priority"], caller) == (Api.CHAT, "batch", CALLER)
            asked.append(raw)
            if len(asked) == 3:
                await here.cancel(CALLER, batch.id)
            return Answered(status=200, request_id=str(len(asked)), body=b"{}")

        runner = Runner(desk=here, ask=ask, caller_of=lambda _: CALLER, parallel=1)  # type: ignore[arg-type]  # a dict
        file = await here.keep_file(CALLER, lines(9), filename="a", purpose="batch")
        batch = await here.open_batch(
            CALLER, input_file_id=file.id, endpoint=CHAT, window="24h", headers={}, metadata=None
        )
        running = asyncio.create_task(runner.run())
        for _ in range(200):
            await asyncio.sleep(0.01)
            if batch.over:
                break
        running.cancel()
        assert (batch.status, batch.completed, len(asked)) == ("cancelled", 3, 3)
        assert batch.output_file_id is not None
        assert len((await here.content(CALLER, batch.output_file_id)).splitlines()) == 3

    asyncio.run(story())


def test_a_batch_of_a_revoked_key_fails(tmp_path: Path) -> None:
    """Nobody is asked for anything on behalf of a key that is no more."""

    async def story() -> None:
        here = desk(tmp_path, [0.0])

        async def ask(*_: object) -> Answered:
            raise AssertionError("nobody may be asked")

        runner = Runner(desk=here, ask=ask, caller_of=lambda _: None, parallel=2)
        file = await here.keep_file(CALLER, lines(2), filename="a", purpose="batch")
        batch = await here.open_batch(
            CALLER, input_file_id=file.id, endpoint=CHAT, window="24h", headers={}, metadata=None
        )
        running = asyncio.create_task(runner.run())
        for _ in range(200):
            await asyncio.sleep(0.01)
            if batch.over:
                break
        running.cancel()
        assert batch.status == "failed"

    asyncio.run(story())
