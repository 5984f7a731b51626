"""The harness around the router, tried on a small server: it sees output, files, deaths and cores."""

import resource
import signal
import sys
from pathlib import Path

import pytest
from process import Tap
from router import KEY, Router
from tap_fleet import fleet

from localfleet.config import parse_settings

SERVER = """
import http.server, os, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["LOCALFLEET_HOME"].encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        print(text.decode(), flush=True)
        pathlib.Path(os.environ["TMPDIR"], "spill").write_bytes(text)
        self.send_response(200); self.send_header("Content-Length", "100"); self.end_headers()
        self.wfile.write(b"half")
print(sys.argv[1:], flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""
PROGRAM = (sys.executable, "-c", SERVER)


def test_the_harness_sees_everything(tmp_path: Path) -> None:
    """Output, temp files, arguments, environment and half answers of the started process are all visible."""
    with Router.start(tmp_path, {"version": 1}, program=PROGRAM) as router:
        assert router.get("/healthz").body == str(router.home).encode()
        answer = router.post("/v1/x", {"word": "CANARY"})
        assert (answer.status, answer.body, answer.broken) == (200, b"half", True)
        rest = router.at_rest()
        assert b'"CANARY"' in rest["output.log"]
        assert b'"CANARY"' in rest["tmp/spill"]
        assert b"--port" in rest["arguments"]
        assert [name for name, data in rest.items() if KEY.encode() in data] == ["environment"]
        router.kill()
        assert not router.alive()
        assert router.get("/healthz").broken
        router.restart()
        assert router.alive()
    assert not router.alive()


def test_a_router_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    """An early exit is told with the process's own words."""
    with pytest.raises(RuntimeError, match="no such fleet"):
        Router.start(tmp_path, {}, program=(sys.executable, "-c", "raise SystemExit('no such fleet')"))


def test_a_core_would_be_found(tmp_path: Path) -> None:
    """A process that crashes leaves a core where the harness looks; where the kernel writes none, that is said."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 or pattern.startswith(("|", "/")):
        pytest.skip("this machine writes cores elsewhere or not at all")
    router = Router.start(tmp_path, {}, program=PROGRAM)
    assert router.signal(signal.SIGABRT) == -signal.SIGABRT
    assert router.cores()
    with pytest.raises(AssertionError, match="core file"):
        router.stop()


def test_the_tap_fleet_is_a_valid_file(local_tap: Tap, openai_tap: Tap, anthropic_tap: Tap, tmp_path: Path) -> None:
    """The written models.yaml passes the router's own check."""
    settings = fleet(local=local_tap, openai=openai_tap, anthropic=anthropic_tap, privacy={"default": "internal"})
    with Router.start(tmp_path, settings, program=PROGRAM) as router:
        checked = parse_settings((router.folder / "models.yaml").read_bytes())
    assert checked.names == {"box", "mini", "claude"}
