"""docs/guides/gpu-box.md: what stands there to be copied works when it is."""

import re
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from process import Tap
from prometheus_client.parser import text_string_to_metric_families
from router import Router, free_port
from tap_behaviour import Behaviour
from tap_fleet import local_entry

from localfleet.core.gpu import GpuProcess, GpuReading, GpuView
from localfleet.core.label import Label
from localfleet.ports import LedgerHealth
from localfleet.server.metrics import Metrics
from localfleet.storage.keys import create_key

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "gpu-box.md"


def block(language: str) -> str:
    """The only fenced block of a language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(text)


def test_every_gpu_series_is_told_of_and_no_other() -> None:
    """The table names each series that a card can have, and none that is not there."""
    card = GpuReading(
        index=0, name="H100", use_share=0.5, memory_used_bytes=1, memory_total_bytes=2, power_w=1.0, power_limit_w=2.0,
        temperature_c=40, energy_j=5.0, slowed_by=("heat_software",), processes=(GpuProcess(pid=1, memory_bytes=1),),
    )  # fmt: skip
    view = GpuView(driver="ok", gpus=(card,))
    text = Metrics().page({}, LedgerHealth(ok=True, unwritten=0), view).decode()
    made = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    series = {name for name in made if name.startswith("localfleet_gpu_")}
    told = GUIDE.read_text(encoding="utf-8").replace("`..._total_bytes`", "`localfleet_gpu_memory_total_bytes`")
    named = set(re.findall(r"localfleet_gpu_\w+", told))
    # The limit goes with the watts, and needs no row of its own.
    assert named == series - {"localfleet_gpu_power_limit_watts"}


def test_the_example_is_a_local_model() -> None:
    """YAML that reads, with the engine that the page is about."""
    (model,) = yaml.safe_load(block("yaml"))["local"].values()
    assert model["engine"] == "vllm"


@pytest.fixture
def proxy(tmp_path: Path, local_tap: Tap) -> Iterator[tuple[Router, int, str]]:
    """The guide's nginx before a router: router, port of the proxy, key."""
    nginx, openssl = shutil.which("nginx") or shutil.which("/usr/sbin/nginx"), shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("no nginx or no openssl here: apt-get install nginx openssl")
    certificate = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=llm.example.com")
    paths = ("-keyout", str(tmp_path / "privkey.pem"), "-out", str(tmp_path / "fullchain.pem"))
    subprocess.run([openssl, *certificate, *paths], check=True, capture_output=True, timeout=60)
    with Router.start(tmp_path / "r", {"version": 1, "local": {"box": local_entry(local_tap)}}) as router:
        port = free_port()
        text = block("nginx").replace("127.0.0.1:8080", f"127.0.0.1:{router.port}")
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        text = text.replace("/etc/letsencrypt/live/llm.example.com", str(tmp_path))
        conf = tmp_path / "nginx.conf"
        conf.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\nevents {{}}\n"
            f"http {{ client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;\n{text}}}\n",
            encoding="utf-8",
        )
        running = subprocess.Popen([nginx, "-c", str(conf), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")])
        try:
            yield router, port, create_key(router.home, name="app", label=Label.RESTRICTED, at=time.time())[1]
        finally:
            running.terminate()
            running.wait(20)


def ask(port: int, path: str, body: bytes | None = None, key: str = "") -> "urllib.request.Request":
    """A request through the proxy."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    return urllib.request.Request(f"https://127.0.0.1:{port}{path}", body, headers)


@pytest.mark.slow
def test_the_proxy_lets_streams_pass_and_nothing_else(proxy: tuple[Router, int, str], local_tap: Tap) -> None:
    """Through TLS a stream comes as it is made, restricted work stays local, and the admin plane is not to be seen."""
    router, port, key = proxy
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    time.sleep(1.5)  # a key that is made beside a running router is known to it within about a second
    for path in ("/metrics", "/console", "/api/status", "/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(ask(port, path, key=key), timeout=10, context=trust)
        assert refused.value.code == 404
        refused.value.close()
    with urllib.request.urlopen(ask(port, "/readyz"), timeout=10, context=trust) as ready:
        assert ready.status == 200
    local_tap.always(Behaviour(chunk_delay_s=0.3))
    body = b'{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "hello"}]}'
    began = time.monotonic()
    with urllib.request.urlopen(ask(port, "/v1/chat/completions", body, key), timeout=30, context=trust) as answer:
        assert answer.headers["x-localfleet-privacy"] == "restricted"
        assert answer.headers["x-localfleet-tier"] == "local"
        answer.readline()
        first_s = time.monotonic() - began
        assert answer.read().endswith(b"data: [DONE]\n\n")
    assert first_s < (time.monotonic() - began) / 2, "the proxy kept the stream until its end"
    assert router.alive()
