"""Where the router listens: each failure says what to do next. And what it knows of those who come."""

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from localfleet.errors import FleetError
from localfleet.run import Place, bind


def test_a_place_that_cannot_be_had_says_what_to_try() -> None:
    """A port in use, an address of another machine, no keys: three sentences with three ways out."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FleetError, match=f"another router running.*--port {port + 1}$"):
            bind(Place(host="127.0.0.1", port=port), has_keys=False)
    with pytest.raises(FleetError, match="--host must be an address of this machine"):
        bind(Place(host="192.0.2.1", port=0), has_keys=True)
    with pytest.raises(FleetError, match="localfleet keys create"):
        bind(Place(host="192.0.2.1", port=0), has_keys=False)


_HALF_A_REQUEST = """
import asyncio, os, socket
from functools import partial
from pathlib import Path
import uvloop
from localfleet.assemble import assemble
from localfleet.cli.config import read_checked
from localfleet.price_map import read_price_map
from localfleet.run import serve

read = partial(read_checked, "models.yaml", read_price_map(), local=False)
house = assemble(read(), home=Path("home"), env=os.environ, start_engines=False, read_again=read, on_progress=print)
sock = socket.create_server(("127.0.0.1", 0))

async def story():
    up = asyncio.Event()
    serving = asyncio.create_task(serve(house, sock, up.set))
    await up.wait()
    _, caller = await asyncio.open_connection(*sock.getsockname())
    caller.write(b"POST /v1/chat/completions HTTP/1.1\\r\\nhost: 127.0.0.1\\r\\ncontent-length: 9\\r\\n\\r\\n{")
    counts = []
    for awaited in (1, 0):
        async with asyncio.timeout(10):
            while len(house.ground.traffic.begun) != awaited:
                await asyncio.sleep(0.01)
        counts.append(awaited)
        caller.close()
    print("begun", counts)
    os.kill(os.getpid(), 15)
    await serving

uvloop.run(story())
"""


def test_the_server_s_tasks_tell_which_requests_came_together(tmp_path: Path) -> None:
    """A request counts from its first byte, before anything is known of it, until it is gone."""
    (tmp_path / "models.yaml").write_text(
        "version: 1\nlocal: {box: {engine: endpoint, url: 'http://127.0.0.1:1/v1'}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _HALF_A_REQUEST], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert "begun [1, 0]" in done.stdout, done.stderr[-2000:]
