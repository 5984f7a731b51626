"""
scripts/deploy-gpu, run for real: what it says of this machine, and of one whose `nvidia-smi` is a program of ours.

What needs no GPU is done for real below a prefix: the router is installed, answers a restricted request, is upgraded
and taken back. What needs one (the driver, containers) ends in its sentence here.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from router import Router

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
SCRIPTS = ("scripts/deploy-gpu", "scripts/bootstrap", "scripts/test", "scripts/up", ".ci/run")
H100 = "0, NVIDIA H100 80GB HBM3, 81559, 580.95.05, 9.0"
RTX_4090 = "0, NVIDIA GeForce RTX 4090, 24564, 590.12, 8.9"


def driver(folder: Path, *rows: str, code: int = 0) -> Path:
    """A folder whose `nvidia-smi` prints these rows when it is asked for them, as the driver's own does."""
    folder.mkdir(exist_ok=True)
    tool = folder / "nvidia-smi"
    printed = "\n".join(rows)
    tool.write_text(
        "#!/bin/sh\n"
        'case "$1" in --query-gpu=index,name,memory.total,driver_version,compute_cap) ;; *) exit 2 ;; esac\n'
        f"cat <<'ROWS'\n{printed}\nROWS\nexit {code}\n",
        encoding="utf-8",
    )
    tool.chmod(0o755)
    return folder


def deploy(
    *arguments: str, path: Path | None = None, root: Path = ROOT, **env: str
) -> "subprocess.CompletedProcess[str]":
    """Run it, with programs of ours before those of the machine."""
    found = f"{path}:{os.environ['PATH']}" if path is not None else os.environ["PATH"]
    command = [str(root / "scripts" / "deploy-gpu"), *arguments]
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("LOCALFLEET_", "VIRTUAL_ENV"))}
    return subprocess.run(
        command, env={**kept, **env, "PATH": found}, capture_output=True, text=True, check=False, timeout=280
    )


def faults(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """What it found wrong, each with its remedy on the next line."""
    found = re.findall(r"FAULT  (.*)\n +remedy: (.+)", done.stderr)
    assert len(found) == done.stderr.count("FAULT")
    return [sentence for sentence, _ in found]


@pytest.fixture
def port() -> str:
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_shellcheck_finds_nothing() -> None:
    """In this script and in every other one."""
    command = [str(TOOLS / "shellcheck"), "--external-sources", *SCRIPTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_our_driver_prints_what_nvidias_does(tmp_path: Path) -> None:
    """The program of ours answers this one question, in NVIDIA's form, and refuses others as it would."""
    tool = str(driver(tmp_path / "bin", H100) / "nvidia-smi")
    query = "--query-gpu=index,name,memory.total,driver_version,compute_cap"
    done = subprocess.run([tool, query, "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True)
    assert done.stdout == H100 + "\n"
    assert subprocess.run([tool, "--nonsense"], check=False).returncode == 2


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has a driver")
def test_a_box_without_a_gpu_is_told_so(tmp_path: Path, port: str) -> None:
    """One sentence with a remedy, exit 1, nothing made; with --cpu it is no fault."""
    done = deploy("--prefix", str(tmp_path / "x"), "--port", port, "--weights-gib", "0")
    assert done.returncode == 1
    assert faults(done) == ["no nvidia-smi: there is no NVIDIA driver on this machine"]
    assert "nothing was changed" in done.stderr
    assert not (tmp_path / "x").exists()
    assert deploy("--check", "--cpu", "--prefix", str(tmp_path / "x"), "--port", port).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ((H100,), ""),
        ((RTX_4090, RTX_4090.replace("0,", "1,", 1)), ""),
        (
            (H100.replace("580.95.05", "550.54.15"),),
            "GPU 0 (NVIDIA H100 80GB HBM3) has driver 550.54.15; vLLM 0.32 (CUDA 13.0) wants 580 or later",
        ),
        (
            ("0, Tesla V100-SXM2-32GB, 32768, 580.95.05, 7.0",),
            "GPU 0 (Tesla V100-SXM2-32GB) has compute capability 7.0; CUDA 13.0 wants 7.5 (Turing) or later",
        ),
        (
            ("0, NVIDIA T400 4GB, 4096, 580.95.05, 7.5",),
            "the largest GPU has 4 GiB; under 8 GiB no preset fits",
        ),
        (
            ("0, NVIDIA A100-SXM4-40GB, [N/A], 580.95.05, 8.0",),
            "GPU 0 (NVIDIA A100-SXM4-40GB) does not tell its driver or memory",
        ),
        ((), "nvidia-smi is there but shows no GPU"),
    ],
)
def test_what_the_driver_tells_is_weighed(tmp_path: Path, port: str, rows: tuple[str, ...], sentence: str) -> None:
    """Good cards pass; an old driver, an old card, a small one and one that does not tell each have their sentence."""
    path = driver(tmp_path / "bin", *rows)
    done = deploy("--check", "--prefix", str(tmp_path / "x"), "--port", port, "--weights-gib", "0", path=path)
    assert faults(done) == ([sentence] if sentence else [])
    assert done.returncode == (1 if sentence else 0)
    if not sentence:
        assert done.stderr.count("ok     GPU") == len(rows)


def test_a_driver_that_fails(tmp_path: Path, port: str) -> None:
    """nvidia-smi is there and ends with an error: after an update, before the restart."""
    path = driver(tmp_path / "bin", "Failed to initialize NVML: Driver/library version mismatch", code=18)
    done = deploy("--check", "--prefix", str(tmp_path), "--port", port, "--weights-gib", "0", path=path)
    assert faults(done) == ["nvidia-smi is there but shows no GPU"]


@pytest.mark.slow
def test_disk_and_port_are_looked_at(tmp_path: Path) -> None:
    """Too little room, and a port that another program has: both are told in one run."""
    path = driver(tmp_path / "bin", H100)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = str(stranger.getsockname()[1])
        done = deploy("--check", "--prefix", str(tmp_path / "x"), "--weights-gib", "900000", "--port", taken, path=path)
    room, port = faults(done)
    assert re.fullmatch(r"\d+ GiB free at \S+; about 900015 GiB are wanted for software and weights", room)
    assert port == f"port {taken} of this machine is taken by another program"


def test_containers_want_a_daemon_and_nvidias_toolkit(tmp_path: Path, port: str) -> None:
    """Each part that is missing has its own sentence: docker, the daemon, compose, the toolkit, the runtime."""
    path = driver(tmp_path / "bin", H100)
    state = tmp_path / "docker-state"

    def told(**parts: str) -> list[str]:
        tool = path / "docker"
        cases = "\n".join(f'  *"{words}"*) {answer} ;;' for words, answer in parts.items())
        tool.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}\n  *) exit 1 ;;\nesac\n', encoding="utf-8")
        tool.chmod(0o755)
        return faults(deploy("--docker", "--check", "--port", port, "--weights-gib", "0", path=path))

    state.mkdir()
    root = {".DockerRootDir": f"echo {state}"}
    assert told(**root) == ["the Docker daemon does not answer", "docker has no compose plugin"]
    running = {"compose version": "exit 0", **root}
    runtimes = {".Runtimes": """echo '{"runc":{}}'""", **running, "info": "exit 0"}
    assert told(**runtimes) == ["no nvidia-ctk: the NVIDIA container toolkit is not installed"]
    (path / "nvidia-ctk").write_text("#!/bin/sh\n", encoding="utf-8")
    (path / "nvidia-ctk").chmod(0o755)
    assert told(**runtimes) == ["docker does not know NVIDIA's runtime"]
    assert told(**{**runtimes, ".Runtimes": """echo '{"nvidia":{},"runc":{}}'"""}) == []


@pytest.mark.parametrize("way", ["--systemd", "--docker"])
def test_a_dry_run_shows_every_step_and_does_none(tmp_path: Path, port: str, way: str) -> None:
    """All steps in order, no file anywhere; faults still end it with 1."""
    path = driver(tmp_path / "bin", H100)
    where = ("--prefix", str(tmp_path / "x")) if way == "--systemd" else ()
    done = deploy(way, "--dry-run", *where, "--port", port, "--weights-gib", "0", path=path)
    steps = re.findall(r"^step: +(.*)$", done.stdout, re.MULTILINE)
    wanted = {
        "--systemd": ["the router", "folders", "vLLM", "models.yaml", "check", "API key", "port", "unit"],
        "--docker": ["provider keys", "image", "API key", "container", "waiting for an open door"],
    }[way]
    assert len(steps) == len(wanted)
    assert all(word in step for word, step in zip(wanted, steps, strict=True))
    assert not (tmp_path / "x").exists()
    assert done.returncode == (1 if faults(done) else 0)
    assert "lf_" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--frobnicate",), 2),
        (("--port",), 1),
        (("--port", "eighty"), 1),
        (("--port", "70000"), 1),
        (("--docker", "--cpu"), 1),
    ],
)
def test_misuse_is_told(arguments: tuple[str, ...], code: int) -> None:
    """An option that is not there, a value that is not given or makes no sense."""
    done = deploy(*arguments)
    assert done.returncode == code
    assert done.stderr.strip()


def test_help_is_the_head_of_the_file() -> None:
    """Every option that is read is told about."""
    told = deploy("--help").stdout
    text = (ROOT / "scripts" / "deploy-gpu").read_text(encoding="utf-8")
    read = set(re.findall(r"^      (--[a-z-]+)", text, re.MULTILINE)) | {
        "--models",
        "--port",
        "--weights-gib",
        "--prefix",
    }
    assert read - {"--help", "--systemd"} <= set(re.findall(r"--[a-z-]+", told))


def project(folder: Path) -> Path:
    """A copy of what a clone holds, so that it can be changed."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_installs_answers_upgrades_and_goes_back(tmp_path: Path, port: str) -> None:
    """From nothing to a restricted answer by the printed key; a second run changes nothing; an upgrade is undone."""
    clone, prefix = project(tmp_path / "clone"), tmp_path / "root"
    ask = ("--cpu", "--prefix", str(prefix), "--port", port)
    first = deploy(*ask, root=clone)
    assert first.returncode == 0, first.stderr
    (key,) = re.findall(r"lf_[\w-]{20,}", first.stdout)
    assert "restricted" in first.stdout
    current = prefix / "opt/localfleet/current"
    old = current.readlink()
    unit = (prefix / "etc/systemd/system/localfleet.service").read_text(encoding="utf-8")
    assert f"ExecStart={current}/bin/localfleet up" in unit
    assert (prefix / "etc/localfleet/localfleet.env").read_text() == f"LOCALFLEET_PORT={port}\n"
    assert (prefix / "etc/localfleet/keys").stat().st_mode & 0o777 == 0o700
    assert (prefix / "etc/localfleet/models.yaml").stat().st_mode & 0o007 == 0
    assert (prefix / "var/lib/localfleet").stat().st_mode & 0o777 == 0o700
    if shutil.which("systemd-analyze"):
        command = ["systemd-analyze", "verify", "--man=no", str(prefix / "etc/systemd/system/localfleet.service")]
        assert subprocess.run(command, capture_output=True, check=True, timeout=60).stderr == b""

    program = (str(current / "bin/localfleet"),)
    with Router.start(
        tmp_path / "run",
        {"version": 1, "local": {"small": {"weights": "smollm2-135m-instruct"}}},
        verb="up",
        program=program,
        env={"LOCALFLEET_HOME": str(prefix / "var/lib/localfleet")},
    ) as router:
        body = {"model": "auto", "max_tokens": 8, "messages": [{"role": "user", "content": "Capital of France?"}]}
        headers = {"x-localfleet-privacy": "restricted"}
        assert router.post("/v1/chat/completions", body, headers).status == 401
        headers["authorization"] = f"Bearer {key}"
        answer = router.post("/v1/chat/completions", body, headers, timeout_s=90)
        assert (answer.status, answer.headers["x-localfleet-tier"]) == (200, "local")

    again = deploy(*ask, root=clone)
    assert (again.returncode, "lf_" in again.stdout) == (0, False)
    assert "there already" in again.stderr
    assert current.readlink() == old

    with (clone / "src/localfleet/__init__.py").open("a", encoding="utf-8") as file:
        file.write("# the next release\n")
    lock = (clone / "uv.lock").read_text(encoding="utf-8")
    (clone / "uv.lock").write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", lock), encoding="utf-8")
    broken = deploy(*ask, root=clone)
    assert broken.returncode != 0
    assert current.readlink() == old
    assert [path.name for path in (prefix / "opt/localfleet/releases").iterdir()] == [old.name]

    (clone / "uv.lock").write_text(lock, encoding="utf-8")
    assert deploy(*ask, root=clone).returncode == 0
    new = current.readlink()
    assert new != old
    assert deploy("--rollback", "--prefix", str(prefix), root=clone).returncode == 0
    assert (current.readlink(), current.with_name("previous").readlink()) == (old, new)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_models_file_with_a_mistake_is_not_taken(tmp_path: Path, port: str) -> None:
    """The problem is shown with its line, the file that was there is there again, and the service is not touched."""
    clone, prefix = project(tmp_path / "clone"), tmp_path / "root"
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("version: 1\nlocal:\n  mine: {weights: smollm2-135m-instruct}\n", encoding="utf-8")
    bad.write_text("version: 1\nlocal:\n  mine: {weight: smollm2-135m-instruct}\n", encoding="utf-8")
    ask = ("--cpu", "--prefix", str(prefix), "--port", port, "--models")
    assert deploy(*ask, str(good), root=clone).returncode == 0
    done = deploy(*ask, str(bad), root=clone)
    assert done.returncode == 1
    assert "models.yaml:3" in done.stderr
    assert (prefix / "etc/localfleet/models.yaml").read_text() == good.read_text()
