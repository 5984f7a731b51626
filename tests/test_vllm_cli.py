"""`check`, `up`, `doctor` and `init` about vLLM: they agree on what is missing, before a start of minutes."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from localfleet.cli import build_cli
from localfleet.cli.init import fitted, read_manual
from localfleet.config import parse_settings
from localfleet.machine import GpuSeen, Machine


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a vLLM that is only a name, weights that are only files, and a driver that shows one GPU."""
    for name, text in (("vllm", "exit 1"), ("nvidia-smi", "echo 'NVIDIA H100 80GB HBM3, 81559 MiB'")):
        program = tmp_path / "venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    (tmp_path / "venv" / "lib" / "python3.12" / "site-packages" / "vllm-0.32.0.dist-info").mkdir(parents=True)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}", encoding="utf-8")
    (weights / "model.safetensors").write_bytes(b"")
    monkeypatch.setenv("LOCALFLEET_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", f"{tmp_path}/venv/bin")
    return tmp_path


def ran(
    place: Path, command: str, *options: str, engine: str = "auto", can: tuple[str, ...] = (), **vllm: Any
) -> Result:
    """Run a command on a file with one model for vLLM."""
    entry = {"engine": engine, "weights": str(place / "weights"), "can": list(can), "vllm": vllm}
    config = place / "models.yaml"
    config.write_text(json.dumps({"version": 1, "local": {"big": entry}}), encoding="utf-8")
    return CliRunner().invoke(build_cli(command), [command, "--config", str(config), *options])


def vllm_row(result: Result) -> dict[str, str]:
    """What `doctor` says of vLLM."""
    (row,) = [check for check in json.loads(result.stdout)["checks"] if check["name"] == "vllm"]
    return dict(row)


def test_all_is_there(place: Path) -> None:
    """`check` and `doctor` are content, and `doctor` names the release."""
    assert ran(place, "check").exit_code == 0
    row = vllm_row(ran(place, "doctor", "--json", "--port", "1"))
    assert (row["state"], row["says"]) == ("ok", "big: release 0.32.0")


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("venv/bin/vllm", "`vllm` is not on the PATH"),
        ("venv/bin/nvidia-smi", "these weights need vLLM, and `auto` takes it only where"),
        ("weights/config.json", "this folder has no config.json"),
    ],
)
def test_they_agree_on_what_is_missing(place: Path, missing: str, says: str) -> None:
    """Three commands, one sentence, and nothing was started."""
    (place / missing).unlink()
    check = json.loads(ran(place, "check", "--json").stdout)
    assert says in check["problems"][0]["problem"]
    row = vllm_row(ran(place, "doctor", "--json", "--port", "1"))
    assert row["state"] == "fail"
    assert says in row["says"]
    up = ran(place, "up", "--port", "0")
    assert up.exit_code != 0
    assert says in str(up.exception)


def test_without_a_gpu_vllm_is_tried_where_it_is_named(place: Path) -> None:
    """`engine: vllm` insists, for builds that need no CUDA."""
    (place / "venv/bin/nvidia-smi").unlink()
    assert ran(place, "check", engine="vllm").exit_code == 0


def test_another_release_is_pointed_out(place: Path) -> None:
    """Flags were checked with 0.32; another release may know others."""
    folder = place / "venv" / "lib" / "python3.12" / "site-packages"
    (folder / "vllm-0.32.0.dist-info").rename(folder / "vllm-0.45.0.dist-info")
    row = vllm_row(ran(place, "doctor", "--json", "--port", "1"))
    assert row["state"] == "warn"
    assert "0.45.0" in row["says"]


def test_check_warns_of_what_opens_something(place: Path) -> None:
    """Allowed, and worth knowing: foreign code, the hub, hosts that callers can make it ask, tools without a parser."""
    quiet = json.loads(ran(place, "check", "--json", can=("tools",), tool_parser="hermes").stdout)
    assert [warning for warning in quiet["warnings"] if "local.big.vllm" in warning or "tools" in warning] == []
    loud = json.loads(
        ran(
            place,
            "check",
            "--json",
            can=("tools",),
            trust_remote_code=True,
            pull=True,
            allowed_media_domains=["img.example.org"],
            media_on_premises=True,
        ).stdout
    )
    assert loud["ok"]
    for key in ("vllm.trust_remote_code", "vllm.pull", "vllm.allowed_media_domains", "can: tools need"):
        assert any(f"local.big.{key}" in warning for warning in loud["warnings"]), key


def test_init_on_a_gpu_box_leads_to_the_example() -> None:
    """The file of a machine with GPUs proposes a model that fits them, as an example that is right once switched on."""
    machine = Machine(
        driver="ok",
        gpus=(GpuSeen(name="NVIDIA H100", memory_mib=81559, count=2),),
        cores=8,
        memory_bytes=None,
        memory_free_bytes=None,
        provider_keys=(),
    )
    text = fitted(read_manual(), machine)
    proposed = parse_settings(text.replace("#~ ", "").encode()).local["main"]
    assert proposed.engine == "vllm"
    assert proposed.vllm is not None
    assert proposed.vllm.tensor_parallel in {1, 2}
