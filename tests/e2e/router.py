"""
Starts the real router as a process of its own, in a folder of its own, and looks at everything it leaves behind.

    with Router.start(folder, fleet(local=..., openai=..., anthropic=...)) as router:
        answer = router.post("/v1/chat/completions", {"model": "auto", "messages": [...]})
        assert answer.headers["x-localfleet-tier"] == "local"

The router sees a minimal environment, no proxy, and temp, home and state folders below `folder`, so that `at_rest`
finds every file it can write. Cores are allowed on purpose: a router that must not leave one has to see to it.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from here import run_here
from process_sinks import what_shows

__all__ = ["KEY", "KEY_ENV", "Response", "Router", "free_port"]

KEY_ENV = "TAP_KEY"
KEY = "sk-tap-provider-key-0123456789"
PROGRAM = (str(Path(sys.executable).with_name("localfleet")),)
WITH_CORES = ("/bin/sh", "-c", 'ulimit -c "$(ulimit -Hc)"; exec "$@"', "sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer, read to its end. `headers` have lower-case names. `broken` says the connection died first."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    broken: bool = False

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)

    @property
    def everything(self) -> bytes:
        """Headers and body: all that the caller saw."""
        head = "\r\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return head.encode("latin-1", "replace") + b"\r\n\r\n" + self.body


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Router:
    """One router process and the folder it lives in. `restart` starts it again there, on the same port."""

    def __init__(self, folder: Path, command: Sequence[str], env: Mapping[str, str], port: int) -> None:
        """Use `start`."""
        self.folder = folder
        self.port = port
        self.home = folder / "state"
        self.log = folder / "output.log"
        self._command = command
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        verb: str = "serve",
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
        ready_s: float = 60,
    ) -> Self:
        """
        Write `settings` as models.yaml into `folder`, start `localfleet VERB` there, wait for `/healthz`.

        `env` adds to the minimal environment. Raises `RuntimeError` with the output if it ends or is not alive in time.
        """
        for name in ("state", "tmp", "work"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        config = folder / "models.yaml"
        config.write_text(yaml.safe_dump(json.loads(json.dumps(settings)), sort_keys=False), encoding="utf-8")
        port = free_port()
        command = [*program, verb, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        router = cls(folder, command, {**_minimal_env(folder), **(env or {})}, port)
        router.restart(ready_s=ready_s)
        return router

    @property
    def url(self) -> str:
        """The base URL without `/v1`, as Anthropic's client wants it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def v1(self) -> str:
        """The base URL with `/v1`, as OpenAI's client wants it."""
        return f"{self.url}/v1"

    @property
    def pid(self) -> int:
        """The router's process id."""
        return self._running().pid

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def restart(self, *, ready_s: float = 60) -> None:
        """Start the process (again) in the same folder and on the same port; wait for `/healthz`."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*WITH_CORES, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder / "work",
                env=dict(self._env),
                start_new_session=True,
            )
        self._wait_until_alive(ready_s)

    def run(self, *arguments: str, program: Sequence[str] = PROGRAM) -> "subprocess.CompletedProcess[bytes]":
        """Run another `localfleet` command on the same configuration and state, such as `audit verify`."""
        command = [*program, *arguments, "--config", str(self.folder / "models.yaml")]
        return subprocess.run(
            command, env=dict(self._env), cwd=self.folder / "work", capture_output=True, timeout=60, check=False
        )

    def here(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The same without a process of its own, for commands that only read or write the books; not in threads."""
        words = (*arguments, "--config", str(self.folder / "models.yaml"))
        return run_here(*words, folder=self.folder / "work", env=self._env)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None, timeout_s: float = 30) -> Response:
        """POST a JSON value, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "surrogatepass")
        pairs = (("content-type", "application/json"), *(headers or {}).items())
        return self.send("POST", path, data, pairs, timeout_s=timeout_s)

    def get(self, path: str, headers: Mapping[str, str] | None = None, timeout_s: float = 30) -> Response:
        """GET a path."""
        return self.send("GET", path, None, (*(headers or {}).items(),), timeout_s=timeout_s)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Sequence[tuple[str, str]],
        *,
        timeout_s: float = 30,
        leave_after_bytes: int | None = None,
    ) -> Response:
        """
        One request on a connection of its own, read to the end; a death on the way is a `broken` response.

        `headers` may name one twice. With `leave_after_bytes` the caller hangs up after so many bytes of the body.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            _write(connection, method, path, body, headers)
            answer = connection.getresponse()
            seen = {name.lower(): value for name, value in answer.getheaders()}
            try:
                return Response(status=answer.status, headers=seen, body=answer.read(leave_after_bytes))
            except http.client.IncompleteRead as cut:
                return Response(status=answer.status, headers=seen, body=cut.partial, broken=True)
        except (ConnectionError, http.client.RemoteDisconnected):
            return Response(status=0, headers={}, body=b"", broken=True)
        finally:
            connection.close()

    def output(self) -> bytes:
        """Everything the process has printed, on both streams, over all its lives."""
        return self.log.read_bytes()

    def at_rest(self) -> dict[str, bytes]:
        """Name -> bytes of all that is left behind or visible from outside: files, output, the process, metrics."""
        found: dict[str, bytes] = {}
        for file in sorted(self.folder.rglob("*")):
            if file.is_file():
                with contextlib.suppress(FileNotFoundError):  # a write-ahead log may go while we look
                    found[str(file.relative_to(self.folder))] = file.read_bytes()
        found["names of files"] = "\n".join(found).encode()
        if self.alive():
            found |= what_shows(self.pid, beside=self.folder)
            found["metrics"] = self.get("/metrics").everything
        return found

    def cores(self) -> list[Path]:
        """Core files below the router's folder."""
        return [file for file in self.folder.rglob("core*") if file.is_file() and file.read_bytes()[:4] == b"\x7fELF"]

    def signal(self, number: signal.Signals, wait_s: float = 20) -> int:
        """Send a signal and wait for the end; returns the exit code, or minus the signal. Then clears the group."""
        process = self._running()
        process.send_signal(number)
        try:
            return process.wait(timeout=wait_s)
        finally:
            self._clear_group(process)

    def kill(self) -> None:
        """`kill -9`."""
        self.signal(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit code; 0 if it was not running. No core may be there."""
        code = self.signal(signal.SIGTERM) if self.alive() else 0
        assert not self.cores(), "the router left a core file: it holds words of requests"
        return code

    def __enter__(self) -> Self:
        """The router itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Stop it, if it still runs."""
        self.stop()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("the router was never started")
        return self._process

    def _wait_until_alive(self, ready_s: float) -> None:
        deadline = time.monotonic() + ready_s
        while time.monotonic() < deadline:
            if not self.alive():
                code = self._running().returncode
                raise RuntimeError(f"the router ended with {code}:\n{self.output().decode('utf-8', 'replace')}")
            if self.get("/healthz", timeout_s=5).status == 200:
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the router is not alive after {ready_s} s:\n{self.output().decode('utf-8', 'replace')}")

    def _clear_group(self, process: "subprocess.Popen[bytes]") -> None:
        """End what the router started and left: engines of `up`. The group is the router's own session."""
        if process.poll() is None:
            process.kill()
            process.wait()
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _write(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: Sequence[tuple[str, str]],
) -> None:
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)


def _minimal_env(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(folder / "work"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "LOCALFLEET_HOME": str(folder / "state"),
        KEY_ENV: KEY,
    }
