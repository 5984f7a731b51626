"""The look at a running process, tried on one that shows words in every way that a process can."""

import subprocess
import sys
from pathlib import Path

import pytest
from canary import kin, new_canary, traces
from process_sinks import what_shows

LOUD = """
import ctypes, os, sys, tempfile, threading
folder, outside, word = sys.argv[1:4]
unlinked = tempfile.TemporaryFile(dir=folder, buffering=0)
unlinked.write(os.environ["UNLINKED"].encode())
elsewhere = open(os.path.join(outside, "elsewhere"), "wb", buffering=0)
elsewhere.write(os.environ["ELSEWHERE"].encode())
shared = os.memfd_create(os.environ["NAMED"])
os.write(shared, os.environ["IN_MEMORY"].encode())
ctypes.CDLL(None).prctl(15, os.environ["THREAD"].encode()[6:21], 0, 0, 0)
if os.fork() == 0:
    child = "import sys; print('ready', flush=True); sys.stdin.read()"
    os.execv(sys.executable, [sys.executable, "-c", child, os.environ["CHILD"]])
sys.stdin.read()
os.wait()
"""
SHOWN = {
    "ARGUMENT": "arguments",
    "CHILD": "arguments",
    "UNLINKED": "open file",
    "ELSEWHERE": "open file",
    "IN_MEMORY": "open file",
    "NAMED": "names of open files",
    "THREAD": "names of threads",
}


@pytest.fixture
def words() -> dict[str, str]:
    """A canary for each way to show one."""
    canary = new_canary()
    return {name: kin(canary, number) for number, name in enumerate(SHOWN)}


def test_every_word_that_a_process_shows_is_seen(tmp_path: Path, words: dict[str, str]) -> None:
    """Arguments, a child's too, the environment, names of threads and files, files deleted, elsewhere, in memory."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    command = [sys.executable, "-c", LOUD, str(folder), str(outside), words["ARGUMENT"]]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=words, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        shown = what_shows(process.pid, beside=folder)
        process.communicate()
    places = {name: [place for place, data in shown.items() if traces(data, word)] for name, word in words.items()}
    assert all("environment" in found for found in places.values()), places
    for name, place in SHOWN.items():
        assert any(one.startswith(place) for one in places[name]), (name, places[name])


def test_a_process_that_is_gone_shows_nothing(tmp_path: Path) -> None:
    """A process that ended between two looks is no error."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert set(what_shows(process.pid, beside=tmp_path).values()) == {b""}
