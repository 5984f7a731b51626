"""HTTP over a unix socket: the same client, a path that only its owner can reach, a process that is waited for."""

import asyncio
import http.server
import os
import re
import socketserver
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localfleet.core.fleet import Readiness
from localfleet.engines.client import Headers, Host, HttpClient
from localfleet.engines.launch import Launch, clean_environment
from localfleet.engines.stages import Progress, Stage
from localfleet.engines.start_log import Cause
from localfleet.engines.supervisor import Supervisor
from localfleet.engines.vllm_causes import CAUSES
from localfleet.engines.vllm_place import private_socket
from localfleet.errors import EngineFailed, FleetError

ENGINE = textwrap.dedent("""
    import http.server, json, os, socketserver, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def address_string(self):
            return "unix"
        def reply(self, body):
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def do_GET(self):
            self.reply(b"{}")
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.reply(b'{"data": [{"embedding": [0.5]}]}')
        def log_message(self, *args):
            print("a prompt: very clear", flush=True)
    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True
    Server(sys.argv[1], Handler).serve_forever()
""")


STRANGER = textwrap.dedent("""
    import os, socket, sys
    os.setgroups([])
    os.setuid(65534)
    try:
        socket.socket(socket.AF_UNIX).connect(sys.argv[1])
    except PermissionError:
        sys.exit(42)
""")


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the request line and host it saw."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say what was asked."""
        body = f"{self.path} {self.headers['host']}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """A unix peer has no address."""
        return "unix"

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """HTTP on a socket file."""

    daemon_threads = True


@pytest.fixture
def socket_file(tmp_path: Path) -> Iterator[Path]:
    """A server on a socket whose path holds what may confuse: a colon and a blank."""
    path = tmp_path / "a b:c.sock"
    with UnixServer(str(path), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield path
        server.shutdown()


async def get(host: Host, path: str) -> bytes:
    """The body of a GET."""
    deadline = asyncio.get_running_loop().time() + 5
    response = await host.get(path, Headers({}), deadline=deadline)
    return await response.read(deadline)


def test_the_client_speaks_to_a_unix_socket(socket_file: Path) -> None:
    """`unix:SOCKET:/base` reaches it, twice over one connection, and tells no path of this machine in `host`."""

    async def story() -> None:
        host = HttpClient().at(f"unix:{socket_file}:/v1")
        assert await get(host, "/models") == b"/v1/models localhost"
        assert len(host._idle) == 1
        assert await get(host, "/models") == b"/v1/models localhost"
        assert len(host._idle) == 1
        assert str(socket_file) not in repr(host)
        await host.aclose()
        bare = HttpClient().at(f"unix:{socket_file}:")
        assert await get(bare, "/health") == b"/health localhost"
        await bare.aclose()

    asyncio.run(story())


def test_a_socket_that_is_not_there_is_no_connection(tmp_path: Path) -> None:
    """As a port that nobody listens on: the same error and the same reason."""

    async def story() -> None:
        await get(HttpClient().at(f"unix:{tmp_path}/none.sock:"), "/health")

    with pytest.raises(EngineFailed, match="does not take connections"):
        asyncio.run(story())


@pytest.mark.parametrize("url", ["unix:relative.sock:/v1", "unix:/x.sock", "unix:/x.sock:v1", "unix:"])
def test_addresses_that_are_none(url: str) -> None:
    """A path that is not complete could lead elsewhere with the working directory."""
    with pytest.raises(ValueError, match="a unix socket looks like"):
        HttpClient().at(url)


def test_others_cannot_reach_the_socket(tmp_path: Path) -> None:
    """The folder is the owner's alone; another user is turned away at it, whatever the socket's own mode."""
    path = private_socket(tmp_path, "big")
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    with UnixServer(path, Echo) as server:
        Path(path).chmod(0o777)
        tmp_path.chmod(0o755)
        if os.geteuid() == 0:
            assert subprocess.run([sys.executable, "-c", STRANGER, path], check=False, timeout=30).returncode == 42
        server.server_close()


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    """What guards the engine is the folder, so it is looked at, and so is the length that the kernel takes."""
    private_socket(tmp_path, "big")
    (tmp_path / "run").chmod(0o755)
    with pytest.raises(FleetError, match="others can reach"):
        private_socket(tmp_path, "big")
    with pytest.raises(FleetError, match="set LOCALFLEET_HOME to a shorter one"):
        private_socket(tmp_path / ("x" * 100), "big")
    link = tmp_path / "link"
    link.mkdir()
    (link / "run").symlink_to(tmp_path)
    with pytest.raises(FleetError, match="others can reach"):
        private_socket(link, "big")


def launch(socket: Path, script: str, causes: tuple[Cause, ...] = (), **more: object) -> Launch:
    """A Python script as engine on a socket."""
    known: dict[str, object] = {
        "name": "tiny",
        "argv": (sys.executable, "-I", "-c", script, str(socket)),
        "env": clean_environment(os.environ),
        "socket": str(socket),
        "api_key": "planted-key",
        "causes": causes,
    }
    return Launch(**{**known, **more})  # type: ignore[arg-type]  # a table of overrides for one dataclass


def supervised(one: Launch) -> tuple[Supervisor, list[Progress]]:
    """A supervisor with a real clock, and what it tells."""
    told: list[Progress] = []
    return Supervisor(one, clock=time.monotonic, sleep=asyncio.sleep, jitter=lambda: 0.0, on_change=told.append), told


def test_a_process_on_a_socket_is_watched_like_one_on_a_port(tmp_path: Path) -> None:
    """Ready over the socket, started again after a kill although its socket file is still there; its log is drained."""
    socket = tmp_path / "e.sock"
    known = (Cause(pattern=re.compile(b"very clear"), sentence="a cause"),)

    async def story() -> None:
        supervisor, _ = supervised(launch(socket, ENGINE, causes=known))
        await supervisor.start()
        assert await supervisor.wait_ready(20)
        assert supervisor.base_url == f"unix:{socket}:"
        host = HttpClient().at(supervisor.base_url)
        assert await get(host, "/x") == b"{}"
        first = supervisor.pid
        assert first is not None
        os.kill(first, 9)
        while supervisor.pid in {first, None}:  # noqa: ASYNC110  # nothing tells when the next process begins
            await asyncio.sleep(0.02)
        assert await supervisor.wait_ready(20)
        assert socket.exists()
        # Printed by a request after it was ready: not a cause of anything.
        assert "a cause" not in supervisor.state().why
        await host.aclose()
        await supervisor.stop()
        assert not socket.exists()

    asyncio.run(story())


def test_a_known_reason_stops_for_good_and_is_told(tmp_path: Path) -> None:
    """A flag that vLLM does not have will not be there next time: down at once, in our words, none of the engine's."""
    script = "import sys; sys.exit('vllm: error: unrecognized arguments: --planted-words')"

    async def story() -> None:
        supervisor, told = supervised(launch(tmp_path / "e.sock", script, causes=CAUSES))
        await supervisor.start()
        assert not await supervisor.wait_ready(20)
        assert supervisor.state().readiness is Readiness.DOWN
        assert "does not know a flag or value" in supervisor.state().why
        assert "planted" not in repr(told)
        assert [one.stage for one in told].count(Stage.STARTING) == 1
        await supervisor.stop()

    asyncio.run(story())


def test_a_reason_that_may_pass_is_told_while_it_is_tried_again(tmp_path: Path) -> None:
    """Memory that another program holds may come free: waiting, with the reason."""
    script = "import sys; print('torch.OutOfMemoryError: CUDA out of memory'); sys.exit(1)"

    async def story() -> None:
        supervisor, told = supervised(launch(tmp_path / "e.sock", script, causes=CAUSES))
        await supervisor.start()
        while not any(one.stage is Stage.WAITING for one in told):  # noqa: ASYNC110  # progress is a list here
            await asyncio.sleep(0.02)
        assert "memory ran out while the model loaded" in supervisor.state().why
        assert supervisor.state().readiness is Readiness.LOADING
        await supervisor.stop()

    asyncio.run(story())
