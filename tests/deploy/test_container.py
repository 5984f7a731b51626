"""Dockerfile.gpu and compose.gpu.yaml, read by the programs that people read them with: hadolint and compose itself."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from process import Tap
from router import Router
from tap_fleet import local_entry

from localfleet.run import DRAIN_S

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile.gpu"
COMPOSE = ROOT / "compose.gpu.yaml"
TOOLS = Path(sys.executable).parent


def hadolint(file: Path) -> "subprocess.CompletedProcess[str]":
    """What hadolint says, with its own defaults."""
    command = [str(TOOLS / "hadolint"), "--no-color", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def compose(file: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """The file as compose understands it: checked against the Compose Specification's schema, filled, as JSON."""
    command = [str(TOOLS / "docker-compose"), "--file", str(file), "config", "--format", "json"]
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **env}
    return subprocess.run(command, env=clean, capture_output=True, text=True, check=False, timeout=60)


def service(**env: str) -> Any:
    """The only service of the shipped file."""
    done = compose(COMPOSE, **env)
    assert done.returncode == 0, done.stderr
    (only,) = json.loads(done.stdout)["services"].values()
    return only


def lines(word: str) -> list[str]:
    """The arguments of every instruction of this kind in the Dockerfile, continued lines joined."""
    joined = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^\s*{word}\s+(.*)$", joined, re.MULTILINE)


def test_hadolint_finds_nothing_and_nothing_is_hidden_from_it(tmp_path: Path) -> None:
    """Clean without a single ignore; and it does find things."""
    done = hadolint(DOCKERFILE)
    assert (done.returncode, done.stdout) == (0, "")
    assert "hadolint ignore" not in DOCKERFILE.read_text(encoding="utf-8")
    assert not list(ROOT.glob(".hadolint*"))
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp && apt-get install curl\n", encoding="utf-8")
    assert hadolint(tmp_path / "Dockerfile").returncode == 1


def test_the_base_is_one_exact_release_the_one_that_is_locked() -> None:
    """Every stage has the same tag, and it is vLLM's release in uv.lock."""
    bases = {line.split()[0] for line in lines("FROM")}
    locked = re.search(r'^name = "vllm"\nversion = "([\d.]+)"', (ROOT / "uv.lock").read_text("utf-8"), re.MULTILINE)
    assert locked is not None
    assert bases == {f"vllm/vllm-openai:v{locked[1]}"}


def test_the_image_belongs_to_root_and_runs_as_nobody_much() -> None:
    """Each stage ends with a number that is not root's; what is copied is not given to it."""
    assert [line.split(":")[0] for line in lines("USER")] == ["0", "65534", "0", "10001"]
    assert "--chown" not in DOCKERFILE.read_text(encoding="utf-8")
    assert service()["user"] == "10001:10001"


def test_nothing_secret_and_nothing_unneeded_can_get_into_a_layer() -> None:
    """The build sees a list of files and no others; no instruction takes a key; each copied file is on the list."""
    first, *allowed = (
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert first == "*"
    seen = {line.removeprefix("!") for line in allowed if line.startswith("!")}
    sources = {word for line in lines("COPY") if "--from=" not in line for word in line.split()[:-1]}
    assert sources <= seen
    assert all((ROOT / name).exists() for name in seen)
    assert not re.search(r"(?i)(key|token|secret|password)\s*=", "\n".join([*lines("ENV"), *lines("ARG")]))
    assert "/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_packages_come_by_the_hashes_of_the_lock_file() -> None:
    """The uv by `--require-hashes`, everything else by `--frozen`, and no other way in."""
    runs = "\n".join(lines("RUN"))
    assert "--require-hashes -r /build/uv-requirements.txt" in runs
    assert all("--frozen" in command for command in re.findall(r"uv sync[^&\n]*", runs))
    assert not re.search(r"\b(apt-get|curl|wget|git)\b", runs)
    assert len(re.findall(r"pip install", runs)) == 1


def test_compose_takes_it_and_would_not_take_a_mistake(tmp_path: Path) -> None:
    """Valid by the schema that compose carries; a word it does not know, or a wrong type, is refused."""
    assert compose(COMPOSE).returncode == 0
    text = COMPOSE.read_text(encoding="utf-8")
    for right, wrong in (("read_only: true\n    user", "read_onyl: true\n    user"), ("core: 0", "core: none")):
        assert right in text
        (tmp_path / "compose.yaml").write_text(text.replace(right, wrong), encoding="utf-8")
        assert compose(tmp_path / "compose.yaml").returncode != 0


def test_the_container_is_shut_in() -> None:
    """No capability, no new privileges, no place to write but volumes and /tmp, no core dump, bounds on what grows."""
    box = service()
    assert box["cap_drop"] == ["ALL"]
    assert "cap_add" not in box
    assert box["security_opt"] == ["no-new-privileges:true"]
    assert box["read_only"] is True
    assert not box.get("privileged")
    written = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["localfleet"]
    assert written["ulimits"]["core"] == 0
    assert box["pids_limit"] > 0
    assert box["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    (tmp,) = box["tmpfs"]
    assert tmp.startswith("/tmp:")
    assert "exec" in tmp.split(":")[1].split(",")
    (port,) = box["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "8080", 8080)
    assert lines("EXPOSE") == ["8080"]


def test_what_it_keeps_lies_in_two_volumes() -> None:
    """State apart from weights; configuration and keys come in read-only."""
    mounts = {mount["target"]: mount for mount in service()["volumes"]}
    kept = {target for target, mount in mounts.items() if mount["type"] == "volume"}
    assert kept == set(json.loads(lines("VOLUME")[0])) == {"/state", "/models"}
    assert all(mount["read_only"] for target, mount in mounts.items() if target not in kept)
    env = dict(re.findall(r"(\w+)=(\S+)", lines("ENV")[-1]))
    assert env["LOCALFLEET_HOME"] == "/state"
    assert all(env[name].startswith("/models/") for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME"))


def test_it_has_the_gpus_and_room_for_several() -> None:
    """All cards, with what NVML needs; shared memory beyond Docker's 64 MB, for tensor parallel."""
    box = service()
    (device,) = box["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"]) == ("nvidia", -1)
    assert {"gpu", "compute", "utility"} <= set(device["capabilities"])
    assert int(box["shm_size"]) >= 8 * 2**30
    assert box["ipc"] == "private"


def test_it_may_finish_what_it_does() -> None:
    """SIGTERM, an init that reaps, and more time than the drain takes; it comes back after a crash and a restart."""
    box = service()
    assert lines("STOPSIGNAL") == ["SIGTERM"]
    assert box["init"] is True
    assert box["stop_grace_period"] == "1m0s"
    assert DRAIN_S + 10 < 60
    assert box["restart"] == "unless-stopped"


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    """Address, models.yaml and the folder of keys, without editing the file."""
    box = service(
        LOCALFLEET_LISTEN="10.0.0.5:9000", LOCALFLEET_MODELS="/srv/models.yaml", LOCALFLEET_SECRETS=str(tmp_path)
    )
    (port,) = box["ports"]
    assert (port["host_ip"], port["published"]) == ("10.0.0.5", "9000")
    sources = {mount["target"]: mount["source"] for mount in box["volumes"]}
    assert sources["/etc/localfleet/models.yaml"] == "/srv/models.yaml"
    assert sources["/run/secrets/localfleet"] == str(tmp_path)


@pytest.mark.slow
def test_the_health_check_tells_alive_from_dead(tmp_path: Path, local_tap: Tap) -> None:
    """The command of the image, and compose's the same, run for real: well while the router lives, ill without it."""
    image = json.loads(lines("HEALTHCHECK")[0].split("CMD", 1)[1])
    kind, *composed = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["localfleet"]["healthcheck"][
        "test"
    ]
    assert (kind, composed) == ("CMD", image)
    assert image[0] == "/opt/localfleet/bin/python"
    with Router.start(tmp_path, {"version": 1, "local": {"box": local_entry(local_tap)}}) as router:
        command = [sys.executable, *(word.replace(":8080/", f":{router.port}/") for word in image[1:])]
        assert subprocess.run(command, check=False, timeout=30).returncode == 0
        router.stop()
        assert subprocess.run(command, check=False, timeout=30, capture_output=True).returncode != 0


READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
for place in $(awk '{print $2}' /proc/mounts | grep -v -e '^/proc' -e '^/sys' -e '^/dev'); do
  [ "$place" = "$1" ] || mount -o remount,bind,ro "$place" 2>/dev/null || true
done
if touch /usr/written 2>/dev/null; then echo 'the root is not read-only' >&2; exit 9; fi
shift
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
"""


@pytest.mark.slow
def test_a_read_only_root_and_no_capability_are_enough(tmp_path: Path) -> None:
    """`up` with the embedded model writes to its state folder alone, as compose.gpu.yaml lets it, and answers."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespace here: needs root and unshare")
    shut_in = ("unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(tmp_path))
    program = (*shut_in, str(TOOLS / "localfleet"))
    settings = {"version": 1, "local": {"small": {"weights": "smollm2-135m-instruct"}}}
    with Router.start(tmp_path, settings, verb="up", program=program) as router:
        body = {"model": "auto", "max_tokens": 8, "messages": [{"role": "user", "content": "Capital of France?"}]}
        answer = router.post("/v1/chat/completions", body, {"x-localfleet-privacy": "restricted"}, timeout_s=90)
        assert (answer.status, answer.headers["x-localfleet-tier"]) == (200, "local")
