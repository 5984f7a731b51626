"""Every command as a person or a script runs it: words, streams, a state folder of its own, an exit code."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fault_rig import until
from here import run_here
from process import Tap
from router import KEY, KEY_ENV, Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import fleet, local_entry
from typer.testing import CliRunner

from localfleet.cli import COMMANDS, build_cli

SECRET_WORDS = "write to ada.lovelace@engines.uk about the engine"
PLAIN = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
E_MAIL = {"messages": [{"role": "user", "content": SECRET_WORDS}]}
FREE_PORT = 1
"""Nobody listens on it, and no test could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs `localfleet` in one folder with a minimal environment: here, or as a process where that is tested."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def run(self, *words: str, stdin: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, in this process; nothing may ever look like a crash."""
        done = run_here(*words, folder=self.folder, env=self._env(env), stdin=stdin)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, *words: str, stdin: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
        """The same as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "localfleet", *words],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=60,
            check=False,
            env=self._env(env),
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def _env(self, more: Mapping[str, str]) -> dict[str, str]:
        plain = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8", "COLUMNS": "200"}
        return {**plain, "LOCALFLEET_HOME": str(self.home), **self.env, **more}

    def ok(self, *words: str, stdin: str = "", **env: str) -> str:
        """What a command prints that must succeed."""
        done = self.run(*words, stdin=stdin, **env)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def json(self, *words: str, stdin: str = "", code: int = 0) -> Any:
        """The JSON value a command prints."""
        done = self.run(*words, "--json", stdin=stdin)
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty folder."""
    return Shell(folder=tmp_path)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]) -> Shell:
    """A folder with a models.yaml of one local and two hosted models; commands that write nothing share it."""
    folder = tmp_path_factory.mktemp("configured")
    local, openai, anthropic = shared_taps
    settings = fleet(local=local, openai=openai, anthropic=anthropic)
    (folder / "models.yaml").write_text(json.dumps(settings), encoding="utf-8")
    return Shell(folder=folder, env={KEY_ENV: KEY})


def test_init_then_check(shell: Shell) -> None:
    """The file that `init` writes is right, is not overwritten unasked, and says what was found."""
    done = shell.run("init", OPENAI_API_KEY="sk-not-to-be-written")
    assert done.returncode == 0
    assert "OPENAI_API_KEY is set" in done.stderr
    assert "localfleet up" in done.stderr
    written = (shell.folder / "models.yaml").read_text(encoding="utf-8")
    assert "sk-not-to-be-written" not in written + done.stderr + done.stdout
    assert "2 models" in shell.ok("check", OPENAI_API_KEY="sk-x")
    again = shell.run("init")
    assert (again.returncode, again.stdout) == (1, "")
    assert "--force" in again.stderr
    assert (shell.folder / "models.yaml").read_text(encoding="utf-8") == written
    seen = shell.json("init", "--force")
    assert (seen["file"], seen["provider_keys"], seen["hosted"]) == ("models.yaml", [], [])
    assert (shell.folder / "models.yaml").read_text(encoding="utf-8") == shell.ok("init", "--print")
    assert sorted(path.name for path in shell.folder.iterdir()) == ["models.yaml"], "no draft is left behind"


def test_check_names_line_and_cure(shell: Shell) -> None:
    """A missing file, a wrong key and a missing variable: exit 1, file and line, and what to do."""
    missing = shell.run("check")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "localfleet init" in missing.stderr
    file = shell.folder / "models.yaml"
    file.write_text("version: 1\nlocal:\n  small:\n    weights: none.gguf\n", encoding="utf-8")
    assert shell.run("check").stderr.startswith("models.yaml:4: local.small.weights:")
    text = "version: 1\nlocal:\n  small: {weights: smollm2-135m-instruct}\nlokal: {}\n"
    file.write_text(text, encoding="utf-8")
    told = shell.json("check", code=1)
    assert told["ok"] is False
    assert (told["problems"][0]["line"], told["problems"][0]["path"]) == (4, "lokal")


def test_explain_one_body(configured: Shell) -> None:
    """A plain question may go out; one with an e-mail address in it may not, and the words are not repeated."""
    plain = configured.json("explain", stdin=json.dumps(PLAIN))
    assert plain["label"] == "internal"
    assert {door["tier"] for door in plain["doors"] if door["legal"]} == {"local", "low_cost", "premium"}
    table = configured.run("explain", "-", stdin=json.dumps(E_MAIL))
    assert table.returncode == 0
    assert "restricted" in table.stdout
    assert "lovelace" not in table.stdout + table.stderr


def test_explain_many_bodies_in_order(configured: Shell) -> None:
    """`--jsonl` answers line for line; restricted has no legal hosted door; what cannot be read is restricted."""
    bodies = [PLAIN, E_MAIL, None, PLAIN, {**E_MAIL, "model": "mini"}, {**PLAIN, "model": "nobody"}]
    file = configured.folder / "bodies.jsonl"
    lines = [json.dumps(body) if body else "{not json" for body in bodies]
    file.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    rows = [json.loads(line) for line in configured.ok("explain", "--jsonl", str(file)).splitlines()]
    labels = [row["label"] for row in rows]
    assert labels == ["internal", "restricted", "restricted", "internal", "restricted", "restricted"]
    for row in rows:
        if row["label"] == "restricted":
            assert all(door["tier"] == "local" for door in row["doors"] if door["legal"])
    assert [found["kind"] for found in rows[1]["findings"]] == ["email"]
    assert rows[2]["error"]
    raised = configured.json("explain", "--privacy", "restricted", stdin=json.dumps(PLAIN))
    assert [door["tier"] for door in raised["doors"] if door["legal"]] == ["local"]


@pytest.mark.slow
def test_the_books(shell: Shell) -> None:
    """No ledger yet, then a key: create, revoke, list, verify, export, report; the token is nowhere on disk."""
    early = shell.run("audit", "verify")
    assert (early.returncode, early.stdout) == (1, "")
    assert "secret.key" in early.stderr
    made = shell.json("keys", "create", "ada", "--label", "public", "--usd-per-month", "2.50")
    assert (made["name"], made["label"]) == ("ada", "public")
    gone = shell.ok("keys", "revoke", made["id"])
    assert made["id"] in gone
    assert "no key is left: the router lets nobody in" in gone
    (row,) = shell.json("keys", "list")
    assert (row["id"], row["usd_per_month"]) == (made["id"], "2.50")
    assert row["revoked"]
    whole = shell.json("audit", "verify")
    assert (whole["ok"], whole["records"]) == (True, 2)
    noted = f"{whole['last_seq']}:{whole['last_hash']}"
    assert noted in shell.ok("audit", "verify", "--anchor", noted)
    assert shell.run("audit", "verify", "--anchor", f"9:{whole['last_hash']}").returncode == 1
    assert "2 records" in shell.ok("audit", "export", "out.jsonl")
    exported = (shell.folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in exported[1:-1]] == ["key", "revoked"]
    assert "no requests" in shell.ok("report", "--by", "day")
    kept = b"".join(path.read_bytes() for path in shell.folder.rglob("*") if path.is_file())
    assert made["token"].encode() not in kept


def test_doctor(configured: Shell, tmp_path: Path) -> None:
    """All well: exit 0 and every row. A bad file, a missing variable, an open folder: the rows say so."""
    home = tmp_path / "state"
    port = str(FREE_PORT)
    healthy = configured.run("doctor", "--json", "--port", port, LOCALFLEET_HOME=str(home))
    rows = {check["name"]: check for check in json.loads(healthy.stdout)["checks"]}
    assert (healthy.returncode, [name for name in rows if rows[name]["state"] == "fail"]) == (0, [])
    assert set(rows) == {
        *("python", "models.yaml", "provider keys", "weights", "memory", "gpu", "vllm", f"port {port}"),
        *("state folder", "disk", "ledger", "clock", "litellm", "pth files"),
    }
    home.chmod(0o755)
    ill = configured.run("doctor", "--port", port, LOCALFLEET_HOME=str(home), **{KEY_ENV: ""})
    assert ill.returncode == 1
    assert KEY_ENV in ill.stdout
    assert "chmod 700" in ill.stdout
    assert stat.S_IMODE(home.stat().st_mode) == 0o755, "it looks and changes nothing"


def test_doctor_tells_a_stranger_on_the_port(configured: Shell) -> None:
    """A program that is no router on the router's port is a failure, even one that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        answering = threading.Thread(target=_answer_badly, args=(stranger,))
        answering.start()
        told = configured.json("doctor", "--port", str(port), code=1)
        answering.join()
    (row,) = [check for check in told["checks"] if check["name"] == f"port {port}"]
    assert (row["state"], row["says"]) == ("fail", "another program listens here")


def _answer_badly(stranger: socket.socket) -> None:
    connection, _ = stranger.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")


def test_doctor_knows_malware_by_its_file(shell: Shell) -> None:
    """The file that a malicious litellm left, and an unknown one that runs code; a plain path is neither."""
    from localfleet.cli.doctor import pth_files

    (shell.folder / "plain.pth").write_text("/some/path\n", encoding="utf-8")
    (shell.folder / "_virtualenv.pth").write_text("import _virtualenv\n", encoding="utf-8")
    assert pth_files([shell.folder]).state == "ok"
    (shell.folder / "odd.pth").write_text("/a\nimport os; os.getpid()\n", encoding="utf-8")
    odd = pth_files([shell.folder])
    assert (odd.state, "odd.pth" in odd.says) == ("warn", True)
    (shell.folder / "litellm_init.pth").write_text("import os\n", encoding="utf-8")
    assert pth_files([shell.folder]).state == "fail"


def test_doctor_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No models.yaml: a failure that names `localfleet init`, and no other row trips over it."""
    monkeypatch.setenv("LOCALFLEET_HOME", str(tmp_path / "state"))
    done = CliRunner().invoke(build_cli("doctor"), ["doctor", "--config", "none.yaml", "--port", "1", "--json"])
    failed = [check for check in json.loads(done.stdout)["checks"] if check["state"] == "fail"]
    assert (done.exit_code, [check["name"] for check in failed]) == (1, ["models.yaml"])
    assert "localfleet init" in failed[0]["says"]


def test_doctor_distrusts_the_clock() -> None:
    """Before 2025, or before the last receipt: wrong."""
    from localfleet.cli.doctor import clock

    assert clock(1_500_000_000, None).state == "fail"
    assert clock(1_800_000_000, 1_800_000_001).state == "fail"
    assert clock(1_800_000_000, 1_799_999_999).state == "ok"


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]) -> Iterator[Router]:
    """A running router with one local model, a tap."""
    settings = {"version": 1, "local": {"box": local_entry(shared_taps[0])}}
    with Router.start(tmp_path_factory.mktemp("talking"), settings) as router:
        yield router


@pytest.mark.slow
def test_chat_once(talking: Router, local_tap: Tap, shell: Shell) -> None:
    """The answer alone on stdout, the decision on stderr; `--json` has both, with the tap's text unchanged."""
    done = shell.run("chat", "--url", talking.url, "--once", "hello")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "box | local | internal" in done.stderr
    row = shell.json("chat", "--url", talking.v1, "--once", "hello")  # the URL of /v1 is understood too
    assert (row["answer"], row["model"], row["tier"], row["error"]) == (done.stdout.strip(), "box", "local", None)
    assert local_tap.posts()[-1].json["stream"] is True


def test_chat_from_a_script(talking: Router, local_tap: Tap, shell: Shell) -> None:
    """One message a line, remembered until /new; a label holds for the next turns; no word reaches the disk."""
    script = "first zebra\n\nsecond\n/restricted\n/new\nthird\n/quit\nnever\n"
    done = shell.run("chat", "--url", talking.url, "--model", "box", stdin=script)
    assert done.returncode == 0, done.stderr
    assert [len(post.json["messages"]) for post in local_tap.posts()] == [1, 3, 1]
    decisions = [line for line in done.stderr.splitlines() if line.startswith("[box")]
    assert [line.split(" | ")[2] for line in decisions] == ["internal", "internal", "restricted"]
    kept = b"".join(path.read_bytes() for path in shell.folder.rglob("*") if path.is_file())
    assert b"zebra" not in kept


@pytest.mark.slow
def test_ctrl_c_stops_the_answer_and_not_the_program(talking: Router, local_tap: Tap, shell: Shell) -> None:
    """An interrupt while the engine thinks ends that turn, which is then forgotten; the next one is answered."""
    local_tap.script(Behaviour(fault=Fault.HANG))
    chat = subprocess.Popen(
        [sys.executable, "-m", "localfleet", "chat", "--url", talking.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=shell.folder,
        text=True,
    )
    assert chat.stdin is not None
    chat.stdin.write("first\n")
    chat.stdin.flush()
    assert until(lambda: len(local_tap.posts()) == 1, 10)
    chat.send_signal(signal.SIGINT)
    out, notes = chat.communicate("second\n", timeout=20)
    assert "stopped" in notes.splitlines()[0]
    assert chat.returncode == 0, notes
    assert len(local_tap.posts()[-1].json["messages"]) == 1
    assert "Traceback" not in notes
    assert out.strip()


def test_chat_tells_what_failed(talking: Router, local_tap: Tap, shell: Shell) -> None:
    """No such model, an engine that fails, an answer that is cut, no router: one sentence, exit 1."""
    nobody = shell.run("chat", "--url", talking.url, "--model", "nobody", "--once", "hello")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert len(nobody.stderr.strip().splitlines()) <= 2
    local_tap.always(Behaviour(fault=Fault.STATUS, status=500))
    assert shell.run("chat", "--url", talking.url, "--once", "hello").returncode == 1
    down = shell.run("chat", "--url", f"http://127.0.0.1:{FREE_PORT}", "--once", "hello")
    assert (down.returncode, down.stdout) == (1, "")
    assert "start one with `localfleet up`" in down.stderr


def test_a_model_cannot_steer_the_terminal(talking: Router, local_tap: Tap, shell: Shell) -> None:
    """Escape sequences in an answer lose their escape; line feeds stay."""
    local_tap.always(Behaviour(text="a\x1b[2Jb\nc\x07"))
    done = shell.start("chat", "--url", talking.url, "--once", "hello")
    assert done.stdout == "a[2Jb\nc\n"


def test_doctor_beside_a_router(talking: Router) -> None:
    """It finds the router on its port, and the books readable beneath it."""
    done = talking.run("doctor", "--json", "--port", str(talking.port))
    told = json.loads(done.stdout)
    rows = {check["name"]: check for check in told["checks"]}
    assert rows[f"port {talking.port}"]["says"].startswith("a router runs: box")
    assert rows["ledger"]["state"] == "ok"


BAD_USAGE = (
    ["init", "--print", "--json"],
    ["check", "--strickt"],
    ["fit", "Qwen/Qwen3-8B", "--gpu", "z80"],
    ["serve", "--port", "70000"],
    ["up", "--port", "many"],
    ["pull", "--nonsense"],
    ["chat", "--url", "not-a-url"],
    ["explain", "a", "b"],
    ["keys", "create", "ada", "--label", "secret"],
    ["privacy", "evaluate"],
    ["privacy", "register", "--label"],
    ["routing", "train", "--nonsense"],
    ["keys", "create", " "],
    ["audit", "export"],
    ["audit", "prove", "--host", "api.example.com", "--from", "yesterday"],
    ["audit", "left", "--from", "2026-01-02", "--to", "2026-01-01"],
    ["report", "--by", "colour"],
    ["replay"],
    ["routing", "calibrate"],
    ["cost", "compare", "--nonsense"],
    ["routing", "score", "more"],
    ["bench", "--nonsense"],
    ["doctor", "--port", "0"],
)


def test_misuse_of_the_program(shell: Shell) -> None:
    """Exit 2, nothing on stdout, help on stderr."""
    done = shell.start("chekc")
    assert (done.returncode, done.stdout) == (2, "")
    assert "chekc" in done.stderr


@pytest.mark.parametrize("words", BAD_USAGE, ids=" ".join)
def test_misuse_of_a_command(words: list[str]) -> None:
    """The same, from every command; in this process, because there are many."""
    done = CliRunner().invoke(build_cli(words[0]), words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.strip()


def test_every_command_is_misused() -> None:
    """A new command belongs into the list above."""
    assert {words[0] for words in BAD_USAGE} == set(COMMANDS)


def test_the_collector_rests_while_a_command_is_loaded(shell: Shell) -> None:
    """It would look again and again through modules that stay: a tenth of the time that a start of the router takes."""
    program = (
        "import atexit, gc, sys\nfrom localfleet.cli import main\nruns = []\n"
        "gc.callbacks.append(lambda phase, _: runs.append(phase))\natexit.register(lambda: print(len(runs)))\n"
        "sys.argv[1:] = ['check', '--help']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=shell.folder)
    assert int(done.stdout.splitlines()[-1]) < 100  # 264 with it


def test_the_list_of_commands(shell: Shell) -> None:
    """`--help` names every command in the words of its own docstring; `--version` is one line."""
    page = shell.start("--help").stdout
    assert all(name in page for name in COMMANDS)
    for name, (says, _) in COMMANDS.items():
        loaded = build_cli(name)
        own = [info.callback.__doc__ for info in loaded.registered_commands if info.name == name and info.callback]
        groups = [group.name for group in loaded.registered_groups]
        assert own == [says] or groups == [name]


@pytest.mark.slow
def test_help_waits_for_nothing_heavy(shell: Shell) -> None:
    """`--help` loads neither database nor web server nor pydantic; `check` and `explain` only what they need."""
    program = "import sys\nfrom localfleet.cli import build_cli\nbuild_cli({!r})\nprint(*sys.modules)"
    heavy = {"sqlalchemy", "fastapi", "uvicorn", "litellm"}
    for wanted, never in ((None, {*heavy, "pydantic", "re2"}), ("check", heavy), ("explain", heavy), ("chat", heavy)):
        done = subprocess.run(
            [sys.executable, "-c", program.format(wanted)], capture_output=True, text=True, check=True, env=os.environ
        )
        assert not never & set(done.stdout.split()), wanted
