"""Each place gets a head in its form, and each way of not taking it ends in time with a fixed sentence."""

import json
import re
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest
from receivers import (
    Serve,
    answers,
    datagrams,
    dawdles,
    hangs_up,
    is_rude,
    listening,
    says_nothing,
    takes,
)

from localfleet.storage.note import Note, checkpoint_of, line_of, read_notes, signed
from localfleet.witness.places import CheckpointPlace, FilePlace, NotTaken, Place, SyslogPlace, WebhookPlace, why_not

KEY = b"k" * 32
LONG_S = 20.0
"""A limit that a machine keeps, however busy it is."""
NOTE = signed(Note(origin="localfleet/0123456789ab", seq=7, hash=b"h" * 32, root=b"r" * 32, at=1_790_000_000.0), KEY)
RFC_5424 = re.compile(rb"<110>1 2026-09-21T14:13:20Z \S+ localfleet \d+ head - (\{.*\})")


def _until(seen: list[bytes]) -> list[bytes]:
    deadline = time.monotonic() + 5
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen


def test_a_note_reads_back_from_every_form() -> None:
    """Line, checkpoint, and a line inside other text give the same note, sealed by the same key and by no other."""
    line = line_of(NOTE).decode()
    notes = list(read_notes(f"{line}\nnoise\n{checkpoint_of(NOTE, KEY).decode()}\n<110>1 - - {line}\n"))
    assert notes == [NOTE] * 3
    assert all(note.fits(KEY) and not note.fits(b"x" * 32) for note in notes)
    assert not replace(NOTE, seq=8).fits(KEY)


def test_a_checkpoint_has_the_form_of_transparency_logs() -> None:
    """Origin, size, root in base64, an empty line, and a signature line with the origin's name and a key's id."""
    lines = checkpoint_of(NOTE, KEY).decode().splitlines()
    assert lines[:3] == ["localfleet/0123456789ab", "7", "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI="]
    assert lines[5] == ""
    assert re.fullmatch("\u2014 localfleet/0123456789ab [A-Za-z0-9+/]{48}", lines[6])


def test_files_get_the_head(tmp_path: Path) -> None:
    """One line more each time in the one, the newest alone in the other; nobody else may write either."""
    lines, point = FilePlace(path=tmp_path / "heads"), CheckpointPlace(path=tmp_path / "checkpoint", key=KEY)
    later = signed(replace(NOTE, seq=9), KEY)
    for place in (lines, point):
        place.deliver(NOTE, LONG_S)
        place.deliver(later, 1)
    assert list(read_notes(lines.path.read_text())) == [NOTE, later]
    assert list(read_notes(point.path.read_text())) == [later]
    assert {path.name for path in tmp_path.iterdir()} == {"heads", "checkpoint"}
    assert all(path.stat().st_mode & 0o027 == 0 for path in tmp_path.iterdir())


def test_syslog_over_udp_and_a_unix_socket(tmp_path: Path) -> None:
    """One datagram in RFC 5424's form, with the head as JSON."""
    with datagrams(socket.AF_INET, ("127.0.0.1", 0)) as udp:
        SyslogPlace(url=f"udp://{udp.at}").deliver(NOTE, LONG_S)
        assert len(_until(udp.got)) == 1
    with datagrams(socket.AF_UNIX, str(tmp_path / "log")) as unix:
        SyslogPlace(url=f"unix:{tmp_path / 'log'}").deliver(NOTE, LONG_S)
        assert len(_until(unix.got)) == 1
    for message in (*udp.got, *unix.got):
        found = RFC_5424.fullmatch(message)
        assert found is not None
        assert json.loads(found[1]) == json.loads(line_of(NOTE))


def test_syslog_over_tcp_counts_its_octets() -> None:
    """RFC 6587: the length in front says where the message ends."""
    with listening(takes) as tcp:
        SyslogPlace(url=f"tcp://{tcp.at}").deliver(NOTE, LONG_S)
        (got,) = _until(tcp.got)
    length, _, message = got.partition(b" ")
    assert int(length) == len(message)
    assert RFC_5424.fullmatch(message)


def test_a_webhook_gets_one_post_of_json() -> None:
    """The head and nothing else of ours: no cookie, no key, no name of this machine."""
    with listening(answers(b"204 No Content")) as web:
        WebhookPlace(url=f"http://{web.at}/heads").deliver(NOTE, LONG_S)
        (got,) = _until(web.got)
    head, _, body = got.partition(b"\r\n\r\n")
    assert json.loads(body) == json.loads(line_of(NOTE))
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /heads HTTP/1.1"
    names = {line.partition(":")[0].lower() for line in lines[1:]}
    assert names == {"host", "accept-encoding", "content-length", "content-type", "user-agent", "connection"}


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        (answers(b"500 No"), "did not take"),
        (answers(b"302 Found"), "did not take"),
        (is_rude, "did not take"),
        (hangs_up, "drops"),
    ],
)
def test_a_webhook_that_does_not_take_it_is_told(serve: Serve, said: str) -> None:
    """Another status, a redirect, no HTTP, a reset: a fixed sentence of its own, long before the limit."""
    with listening(serve) as web, pytest.raises(OSError) as caught:  # noqa: PT011  # as below
        WebhookPlace(url=f"http://{web.at}/").deliver(NOTE, LONG_S)
    assert re.search(said, why_not(caught.value))


@pytest.mark.parametrize("serve", [says_nothing, dawdles])
def test_a_webhook_that_does_not_take_it_ends_in_time(serve: Serve) -> None:
    """Silence, and a byte now and then: a fixed sentence within the limit."""
    with listening(serve) as web:
        started = time.monotonic()
        with pytest.raises(OSError) as caught:  # noqa: PT011  # which one differs by row; the sentence is checked
            WebhookPlace(url=f"http://{web.at}/").deliver(NOTE, 0.5)
        assert time.monotonic() - started < 2
    assert "in time" in why_not(caught.value)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (SyslogPlace(url="tcp://127.0.0.1:1"), "refuses"),
        (SyslogPlace(url="unix:/nowhere/log"), "not there"),
        (SyslogPlace(url="udp://no-such-host.invalid:514"), "name cannot be resolved"),
        (SyslogPlace(url=f"tcp://{'a' * 70}.example:514"), "cannot be reached"),
        (WebhookPlace(url="http://127.0.0.1:1/"), "refuses"),
        (WebhookPlace(url="https://127.0.0.1:1/"), "refuses"),
        (FilePlace(path=Path("/nowhere/heads")), "not there"),
        (CheckpointPlace(path=Path("/nowhere/point"), key=KEY), "not there"),
    ],
)
def test_a_place_that_is_gone_says_so(place: Place, said: str) -> None:
    """In words of ours, never the system's or the receiver's."""
    with pytest.raises((OSError, ValueError)) as caught:  # as above
        place.deliver(NOTE, LONG_S)
    assert isinstance(caught.value, OSError | ValueError)
    assert said in why_not(caught.value)


def test_a_receiver_without_tls_is_told_from_one_that_is_gone() -> None:
    """Https to a server that speaks plain HTTP."""
    with listening(is_rude) as web, pytest.raises(OSError) as caught:  # noqa: PT011  # the sentence is checked
        WebhookPlace(url=f"https://{web.at}/").deliver(NOTE, LONG_S)
    assert "TLS" in why_not(caught.value)
    assert "took" not in why_not(NotTaken())
