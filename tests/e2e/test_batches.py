"""Files and batches with the real client: the law line by line, nothing in clear on disk, restarts, ends, strangers."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from canary import new_canary, traces
from process import Tap
from router import Router
from tap_behaviour import Behaviour
from tap_fleet import local_entry, openai_entry

from localfleet.core.label import Label
from localfleet.storage.keys import create_key

KEY = "4f" * 3 + "0123456789abcdef" * 3 + "a1b2c3d4e5"
ENV = {"LOCALFLEET_BATCH_KEY": KEY}
CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"


def settings(local: Tap, hosted: Tap, **batches: Any) -> dict[str, Any]:
    """A box and a hosted model; batches on."""
    return {
        "version": 1,
        "local": {"box": local_entry(local)},
        "hosted": {"mini": openai_entry(hosted)},
        "privacy": {"default": "public"},
        "batches": batches,
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]) -> Iterator[Router]:
    """One router for the tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("batches")
    with Router.start(folder, settings(shared_taps[0], shared_taps[1]), env=ENV) as started:
        yield started


@pytest.fixture
def router(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> Iterator[Router]:
    """The router, with the key that seals."""
    with Router.start(tmp_path, settings(local_tap, openai_tap), env=ENV) as started:
        yield started


def client(router: Router, key: str = "none") -> openai.OpenAI:
    """OpenAI's own."""
    return openai.OpenAI(base_url=router.v1, api_key=key, max_retries=0)


def line(number: int, text: str, model: str = "auto", **more: Any) -> dict[str, Any]:
    """One line of an input file."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": f"line-{number}", "method": "POST", "url": CHAT, "body": body}


def handed_in(talk: openai.OpenAI, lines: list[dict[str, Any]], headers: dict[str, str] | None = None) -> Any:
    """A file and a batch of it."""
    raw = "\n".join(map(json.dumps, lines)).encode()
    file = talk.files.create(file=("words.jsonl", io.BytesIO(raw)), purpose="batch")
    return talk.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", extra_headers=headers or {}
    )


def ended(talk: openai.OpenAI, batch_id: str, seconds: float = 20) -> Any:
    """The batch once it is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        batch = talk.batches.retrieve(batch_id)
        if batch.status in {"completed", "failed", "cancelled", "expired"}:
            return batch
        time.sleep(0.05)
    raise AssertionError("the batch did not end in time")


def rows(talk: openai.OpenAI, file_id: str) -> dict[str, dict[str, Any]]:
    """An output file by custom id."""
    found = [json.loads(one) for one in talk.files.content(file_id).text.splitlines()]
    return {row["custom_id"]: row for row in found}


def test_lines_are_answered_under_the_law(running: Router, local_tap: Tap, openai_tap: Tap) -> None:
    """A public line may leave, a private one goes to the box, a wrong one is an error of its own; all are counted."""
    talk = client(running)
    lines = [
        line(1, "What is TCP?", "mini"), line(2, "write to joe.doe@firm.io", "auto"), line(3, "x", "nobody"),
        line(4, "my mail is sue@firm.io", "mini"),
    ]  # fmt: skip
    batch = ended(talk, handed_in(talk, lines).id)
    assert (batch.status, batch.request_counts.total) == ("completed", 4)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 2)
    good, bad = rows(talk, batch.output_file_id), rows(talk, batch.error_file_id)
    assert set(good) == {"line-1", "line-2"}
    assert good["line-1"]["response"]["body"]["choices"][0]["message"]["content"]
    assert {name: row["response"]["status_code"] for name, row in bad.items()} == {"line-3": 404, "line-4": 409}
    assert b"firm.io" not in openai_tap.received()
    assert b"joe.doe@firm.io" in local_tap.received()


def test_nothing_is_on_disk_in_clear(running: Router, openai_tap: Tap) -> None:
    """While lines wait, and after: neither the words, nor names of files, nor answers, in any spelling."""
    canary, said = new_canary(), new_canary()
    openai_tap.always(Behaviour(text=said, delay_s=0.2))
    talk = client(running)
    raw = json.dumps(line(1, canary, "mini")).encode()
    file = talk.files.create(file=(f"{canary}.jsonl", io.BytesIO(raw)), purpose="batch")
    opened = talk.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"about": canary}
    )
    seen = [running.at_rest()]
    batch = ended(talk, opened.id)
    seen.append(running.at_rest())
    assert said in talk.files.content(batch.output_file_id).text
    assert talk.files.retrieve(file.id).filename == f"{canary}.jsonl"
    assert batch.metadata == {"about": canary}
    for left in seen:
        assert any(name.endswith(".sealed") for name in left)
        assert not [name for name, data in left.items() for word in (canary, said) if traces(data, word)]
        assert not [name for name in left if canary in name]


@pytest.mark.slow
def test_the_label_of_a_batch_holds_for_all_its_lines(router: Router, openai_tap: Tap) -> None:
    """Its header is said of each line; they stay, whatever they say themselves."""
    talk = client(router)
    batch = ended(
        talk, handed_in(talk, [line(1, "hello"), line(2, "x", "mini")], {"x-localfleet-privacy": "restricted"}).id
    )
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)
    assert not openai_tap.posts()


@pytest.mark.slow
def test_a_restart_goes_on_where_it_was(router: Router, openai_tap: Tap) -> None:
    """Killed in the middle: what was answered is not asked again, what was not is, and all lines come out once."""
    openai_tap.always(Behaviour(delay_s=0.15))
    talk = client(router)
    batch = handed_in(talk, [line(number, f"Say {number}", "mini") for number in range(30)])
    while talk.batches.retrieve(batch.id).to_dict()["request_counts"]["completed"] < 6:  # type: ignore[index]  # JSON
        time.sleep(0.02)
    router.kill()
    before = len(openai_tap.posts())
    openai_tap.always(Behaviour())
    router.restart()
    done = ended(client(router), batch.id)
    assert (done.status, done.request_counts.completed) == ("completed", 30)
    assert len(rows(client(router), done.output_file_id)) == 30
    assert 6 <= before < 30
    assert len(openai_tap.posts()) <= 30 + 4


@pytest.mark.slow
def test_time_deletes_and_so_do_callers(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """A file that was deleted is gone from disk; what has had its time is gone at the next look."""
    with Router.start(tmp_path, settings(local_tap, openai_tap, keep_hours=0.0005), env=ENV) as router:
        talk = client(router)
        file = talk.files.create(file=("a.jsonl", io.BytesIO(b"{}")), purpose="batch")
        folder = router.home / "batches"
        assert len(list(folder.glob("*.sealed"))) == 2
        assert talk.files.delete(file.id).deleted
        assert not list(folder.glob("*.sealed"))
        handed_in(talk, [line(1, "x", "mini")])
        time.sleep(2)
        handed_in(talk, [line(1, "x", "mini")])  # wakes the runner, which sweeps
        time.sleep(0.3)
        assert len(talk.files.list().data) <= 3


@pytest.mark.slow
def test_a_caller_sees_what_its_own_key_made(router: Router) -> None:
    """Another key finds neither file nor batch; a revoked one's batch fails."""
    mine, theirs = (create_key(router.home, name=name, at=time.time(), label=Label.PUBLIC)[1] for name in ("a", "b"))
    time.sleep(1.5)
    talk, other = client(router, mine), client(router, theirs)
    batch = handed_in(talk, [line(1, "x", "mini")])
    ended(talk, batch.id)
    for ask in (
        lambda: other.batches.retrieve(batch.id), lambda: other.files.retrieve(batch.input_file_id),
        lambda: other.files.content(batch.input_file_id), lambda: other.batches.cancel(batch.id),
        lambda: other.files.delete(batch.input_file_id), client(router, "lf_x").files.list,
    ):  # fmt: skip
        with pytest.raises((openai.NotFoundError, openai.AuthenticationError)):
            ask()
    assert other.files.list().data == []
    assert other.batches.list().data == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"nonsense", "one JSON object"), (b'{"custom_id": "a"}', "one JSON object"), (b"\n", "at least one line"),
        (json.dumps(line(1, "x") | {"url": "/v1/embeddings"}).encode(), "POST to the endpoint"),
        (json.dumps(line(1, "x", stream=True)).encode(), "do not stream"),
        (b"\n".join([json.dumps(line(1, "x")).encode()] * 2), "the same custom_id"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_batch_is_refused_without_an_echo(router: Router, raw: bytes, says: str) -> None:
    """Every line is read before anything runs; the sentence says what is wrong, and repeats nothing."""
    talk = client(router)
    file = talk.files.create(file=("a.jsonl", io.BytesIO(raw)), purpose="batch")
    with pytest.raises(openai.BadRequestError, match=says):
        talk.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")


@pytest.mark.slow
def test_without_the_key_nothing_starts(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """No variable, no router; another key than the one that sealed, no router either; both say so."""
    with pytest.raises(RuntimeError, match="LOCALFLEET_BATCH_KEY"):
        Router.start(tmp_path, settings(local_tap, openai_tap), ready_s=20)
    with Router.start(tmp_path, settings(local_tap, openai_tap), env=ENV) as started:
        client(started).files.create(file=("a.jsonl", io.BytesIO(b"{}")), purpose="batch")
    with pytest.raises(RuntimeError, match="sealed with another key"):
        Router.start(tmp_path, settings(local_tap, openai_tap), env={"LOCALFLEET_BATCH_KEY": KEY[::-1]}, ready_s=20)
