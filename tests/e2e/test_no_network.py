"""With no route to anywhere (a network namespace that has loopback only) the box works and nothing tries to get out."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Runs inside the namespace: starts the router with hosted models configured, asks the local one, then reads the
# kernel's own counters of packets that found no route. A DNS query, a price map, telemetry: each would count.
INSIDE = """
import json, os, subprocess, sys, time, urllib.request
from pathlib import Path

def no_routes():
    lines = Path("/proc/net/snmp").read_text().splitlines()
    names, values = [line.split() for line in lines if line.startswith("Ip:")]
    v6 = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    return int(dict(zip(names, values))["OutNoRoutes"]) + int(v6.get("Ip6OutNoRoutes", 0))

def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request("http://127.0.0.1:8099" + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode(), answer.headers

folder = Path(sys.argv[1])
log = (folder / "log").open("wb")
router = subprocess.Popen(
    [Path(sys.executable).with_name("localfleet"), "up", "--config", folder / "models.yaml", "--port", "8099"],
    stdout=log, stderr=log, cwd=folder, env={**os.environ, "LOCALFLEET_HOME": str(folder / "home"), "KEY": "sk-x"},
)
try:
    for _ in range(600):
        try:
            if json.loads(ask("/readyz")[0])["models"]["small"]["state"] == "ready":
                break
        except OSError:
            pass
        time.sleep(0.1)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    text, headers = ask("/v1/chat/completions", {"model": "local", "messages": messages, "temperature": 0})
    before = no_routes()
    # The proof that the counters would tell: one packet of our own to an address outside.
    subprocess.run([sys.executable, "-c", PROBE], check=True)
    tier = headers["x-localfleet-tier"]
    print(json.dumps({"text": text, "tier": tier, "out": before, "probe": no_routes() - before}))
finally:
    router.terminate()
    router.wait(20)
"""
PROBE = "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError: pass\n"
MODELS = """
version: 1
local:
  small: {weights: smollm2-135m-instruct, threads: 1}
hosted:
  mini: {provider: openai, model: gpt-4o-mini, tier: low_cost, api_key_env: KEY, accepts: internal}
  best: {provider: anthropic, model: claude-sonnet-4-5, tier: premium, api_key_env: KEY, accepts: public}
"""


def namespace_or_skip() -> None:
    """Skip where this user may not make a network namespace."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare (util-linux) and ip (iproute2)")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not make a network namespace here")


@pytest.mark.slow
def test_without_a_network_everything_local_works_and_nothing_reaches_out(tmp_path: Path) -> None:
    """The real model answers, and the kernel saw no packet that wanted to leave; one sent on purpose it does see."""
    namespace_or_skip()
    (tmp_path / "models.yaml").write_text(MODELS)
    program = tmp_path / "inside.py"
    program.write_text(f"PROBE = {PROBE!r}\n{INSIDE}")
    command = f"ip link set lo up && exec {sys.executable} {program} {tmp_path}"
    ran = subprocess.run(
        ["unshare", "-n", "sh", "-c", command], capture_output=True, check=False, timeout=110, env=dict(os.environ)
    )
    assert ran.returncode == 0, ran.stderr.decode() + (tmp_path / "log").read_text()
    seen = json.loads(ran.stdout)
    assert "Paris" in seen["text"]
    assert seen["tier"] == "local"
    assert seen["out"] == 0
    assert seen["probe"] > 0
