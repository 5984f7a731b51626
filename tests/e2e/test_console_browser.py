"""
The console in a real browser against the real router: what a person with the printed link sees.

The browser is Debian's `chromium`, headless: it opens the page, lets a few seconds pass, and prints the document.
"""

import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fake_nvml import H100, RTX_4090, FakeDriver
from process import Tap
from router import Router
from tap_fleet import NATIVE, fleet, local_entry

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
VOID = {"meta", "link", "input", "br"}
CANARY = "CANARY-7f3e9b"
CARD = "my card is 4111 1111 1111 1111"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


class Seen(HTMLParser):
    """
    A document as a person would see it.

    `rows[key][field]` is the text of a field in a kept row (a model's name, `model:box`, a receipt's number);
    `texts[id]` the text of an element. What stands in a hidden element or a template is left out.
    """

    def __init__(self, document: str) -> None:
        """Read the whole document."""
        super().__init__()
        self.rows: dict[str, dict[str, str]] = defaultdict(dict)
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One level down."""
        if tag not in VOID:
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """One level up."""
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        """Text belongs to every element around it that has a name."""
        if any("hidden" in given or tag in {"template", "script", "style"} for tag, given in self._open):
            return
        around = [given for _, given in self._open]
        for name in (given["id"] for given in around if given.get("id")):
            self.texts[str(name)] = self.texts.get(str(name), "") + data
        key = next((given["data-key"] for given in around if "data-key" in given), None)
        field = next((given["data-f"] for given in reversed(around) if "data-f" in given), None)
        if key is not None and field is not None:
            self.rows[key][field] = self.rows[key].get(field, "") + data

    @property
    def receipts(self) -> list[dict[str, str]]:
        """The rows of receipts, as they stand."""
        return [row for key, row in self.rows.items() if key.isdigit()]


@pytest.fixture(scope="module")
def router(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """A router without traffic."""
    settings = fleet(local=shared_taps[0], openai=shared_taps[1], anthropic=shared_taps[2], claude=NATIVE)
    with Router.start(tmp_path_factory.mktemp("console"), settings) as started:
        yield started


def test_the_page_comes_with_a_strict_policy(router: Router) -> None:
    """The policy lets the page talk to its own router and to nobody else, and no other page may frame it."""
    page = router.get("/console")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.slow
def test_no_traffic_then_traffic(router: Router, tmp_path: Path) -> None:
    """An idle router shows its fleet and the request to try; then receipts and totals appear, and no words."""
    idle = look(router, f"token={token(router)}", tmp_path)
    assert (idle.texts["router"], idle.texts["ledger"]) == ("ready", "ledger ok")
    assert idle.rows["box"]["tier"] == "local"
    assert idle.rows["box"]["accepts"] == "restricted"
    assert idle.rows["box"]["private"] == "privacy tier"
    assert idle.rows["mini"]["price"] == "$0.15 in, $0.60 out"
    assert "private" not in idle.rows["mini"]
    assert f"curl {router.v1}/chat/completions" in idle.texts["quiet-curl"]
    assert not idle.receipts

    for words, model in ((CARD, "auto"), ("hello", "auto"), ("hello", f"no-such-{CANARY}")):
        body = {"model": model, "messages": [{"role": "user", "content": f"{words} {CANARY}"}]}
        router.post("/v1/chat/completions", body)
    await_receipts(router, 3)

    busy = look(router, f"token={token(router)}", tmp_path)
    unknown, hosted, kept = busy.receipts
    assert (kept["label"], kept["model"], kept["tier"], kept["cost"]) == ("restricted", "box", "local", "0.00")
    assert kept["reason"] == "restricted_stays_local"
    assert (hosted["label"], hosted["model"], hosted["outcome"]) == ("internal", "mini", "answered")
    assert re.fullmatch(r"0\.\d{2,6}", hosted["cost"])
    assert float(hosted["cost"]) > 0
    assert unknown["outcome"] == "model_not_found"
    assert (busy.rows["model:box"]["requests"], busy.rows["model:mini"]["failed"]) == ("1", "0")
    assert (busy.texts["sum-requests"], busy.texts["sum-local-count"]) == ("3", "1 of 2 answers")
    assert "quiet" not in busy.texts
    assert not [text for text in busy.texts.values() if CANARY in text]


@pytest.mark.slow
def test_gpus_are_shown_where_there_are_some(tmp_path: Path, local_tap: Tap) -> None:
    """Each card with its figures, its troubles in words; one that is lost claims nothing; no GPU, no section."""
    driver = FakeDriver.build(tmp_path / "nvml")
    driver.says(H100 | RTX_4090 | {"0.reasons": "0x60", "count": "3", "2.fails.nvmlDeviceGetHandleByIndex_v2": "15"})
    settings = {"version": 1, "local": {"box": local_entry(local_tap)}}
    with Router.start(tmp_path / "with", settings, env=driver.env) as router:
        page = look(router, f"token={token(router)}", tmp_path)
        big, small, lost = (page.rows[f"gpu:{index}"] for index in range(3))
        assert (big["name"], big["card"], big["state"]) == ("NVIDIA H100 80GB HBM3", "GPU 0", "too hot")
        assert (big["use"], big["memory"], big["power"]) == ("97.0 %", "70.0 of 80.0 GiB", "512 W of 700 W")
        assert big["processes"] == "4711 60.0 GiB, 4712 (memory unknown)"
        assert (small["state"], small["power"], small["heat"]) == ("well", "31 W", "38 °C")
        assert (lost["state"], "power" in lost) == ("lost", False)
        assert page.texts["gpus-sum"] == "543 W together"
        driver.says({"fails.nvmlDeviceGetCount_v2": "9"})
        time.sleep(3)
        page = look(router, f"token={token(router)}", tmp_path)
        assert "does not answer" in page.texts["gpus-silent"]
        assert not [key for key in page.rows if key.startswith("gpu:")]
    with Router.start(tmp_path / "without", settings) as router:
        assert "gpus-part" not in look(router, f"token={token(router)}", tmp_path).texts


@pytest.mark.parametrize(
    ("fragment", "title"),
    [
        ("token=wrong", "The router did not accept this token"),
        pytest.param("", "This page needs the console token", marks=pytest.mark.slow),
    ],
)
def test_without_the_right_token_the_page_says_what_to_do(
    router: Router, tmp_path: Path, fragment: str, title: str
) -> None:
    """A wrong token and no token each have their own sentence, a field for the right one, and nothing else."""
    page = look(router, fragment, tmp_path)
    assert page.texts["gate-title"] == title
    assert "localfleet up" in page.texts["gate"]
    assert "board" not in page.texts
    assert not page.rows


def token(router: Router) -> str:
    """The token of the link that the router printed at its last start."""
    printed: list[bytes] = re.findall(rb"/console#token=(\S+)", router.output())
    return printed[-1].decode()


def await_receipts(router: Router, number: int) -> None:
    """Wait until the ledger's reader sees so many; they are on disk within about 50 ms."""
    deadline = time.monotonic() + 10
    headers = {"authorization": f"Bearer {token(router)}"}
    while len(router.get("/api/receipts", headers).json) < number:
        assert time.monotonic() < deadline, "the receipts never came"
        time.sleep(0.05)


def look(router: Router, fragment: str, folder: Path) -> Seen:
    """Open the console with a new profile, let four seconds pass in the page's own time, and read what is there."""
    assert CHROMIUM is not None
    address = f"{router.url}/console#{fragment}"
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [CHROMIUM, *FLAGS, profile, "--virtual-time-budget=4000", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, timeout=90, check=True)
    shutil.rmtree(folder / "profile", ignore_errors=True)
    return Seen(done.stdout.decode("utf-8"))
