"""What vLLM needs of this machine, and what is said where it is not there: programs, weights, adapters, a GPU."""

import json
from pathlib import Path
from typing import Any

import pytest

from localfleet.config import Settings, parse_settings
from localfleet.config.local import SHIPPED_WEIGHTS
from localfleet.engines.vllm_place import find_program, find_vllm_weights, vllm_release
from localfleet.engines.weights import SMOLLM2
from localfleet.errors import ConfigError
from localfleet.local_tier import chosen_engine, local_problems, vllm_job
from localfleet.machine import GpuSeen, Machine

H100 = GpuSeen(name="NVIDIA H100", memory_mib=81559, count=1)


def machine(*gpus: GpuSeen) -> Machine:
    """A machine with these GPUs."""
    return Machine(
        driver="ok" if gpus else "absent",
        gpus=gpus,
        cores=8,
        memory_bytes=None,
        memory_free_bytes=None,
        provider_keys=(),
    )


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """An environment with a `vllm` in it."""
    folder = tmp_path / "venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("vllm", "python"):
        (folder / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    (tmp_path / "venv" / "lib" / "python3.12" / "site-packages" / "vllm-0.32.1.dist-info").mkdir(parents=True)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like weights."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def settings(weights: str, engine: str = "vllm", **vllm: Any) -> Settings:
    """One local model `big`."""
    entry = {"engine": engine, "weights": weights, **({"vllm": vllm} if vllm else {})}
    return parse_settings(json.dumps({"version": 1, "local": {"big": entry}}).encode())


def problems(one: Settings, env: dict[str, str], *gpus: GpuSeen) -> list[str]:
    """What keeps it from starting, as `check` shows it."""
    return [f"{'.'.join(where)}: {text}" for where, text in local_problems(one, env, lambda: machine(*gpus))]


def test_the_program_is_found_on_the_path_or_by_its_own(bin_folder: Path) -> None:
    """A bare name is looked up where the router's PATH says; a path must lead to a program; links are kept."""
    assert find_program("vllm", {"PATH": str(bin_folder)}) == str(bin_folder / "vllm")
    assert find_program(str(bin_folder / "python"), {}) == str(bin_folder / "python")
    with pytest.raises(ConfigError, match="is not on the PATH: install vLLM"):
        find_program("vllm", {"PATH": str(bin_folder.parent)})
    with pytest.raises(ConfigError, match="no such program"):
        find_program("/nowhere/vllm", {})
    link = bin_folder / "other"
    link.symlink_to("/bin/sh")
    assert find_program(str(link), {}) == str(link)


def test_the_release_is_read_from_files(bin_folder: Path, tmp_path: Path) -> None:
    """`doctor` tells the release without starting a program that takes ten seconds."""
    assert vllm_release(str(bin_folder / "vllm")) == "0.32.1"
    assert vllm_release(str(tmp_path / "elsewhere" / "bin" / "vllm")) is None


def test_a_folder_must_hold_a_whole_model(model: Path, tmp_path: Path) -> None:
    """Half a download is found before a start of minutes ends in it."""
    assert find_vllm_weights(str(model), revision=None, pull=False, environ={}) == str(model)
    (model / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="the download is not complete"):
        find_vllm_weights(str(model), revision=None, pull=False, environ={})
    (model / "config.json").unlink()
    with pytest.raises(ConfigError, match="has no config"):
        find_vllm_weights(str(model), revision=None, pull=False, environ={})
    with pytest.raises(ConfigError, match="no such folder"):
        find_vllm_weights(str(tmp_path / "none"), revision=None, pull=False, environ={})


def test_a_hub_name_must_be_in_the_cache_unless_pull_is_asked_for(tmp_path: Path) -> None:
    """Nothing is fetched unasked (law 10): what is not here is said at once, with three ways on."""
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen3-8B" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}", encoding="utf-8")
    home = {"HF_HOME": str(tmp_path)}
    with pytest.raises(ConfigError, match="not on this machine"):
        find_vllm_weights("Qwen/Qwen3-8B", revision=None, pull=False, environ=home)
    assert find_vllm_weights("Qwen/Qwen3-8B", revision="abc", pull=False, environ=home) == "Qwen/Qwen3-8B"
    refs = snapshot.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc", encoding="ascii")
    for environ in (home, {"HF_HUB_CACHE": str(tmp_path / "hub")}):
        assert find_vllm_weights("Qwen/Qwen3-8B", revision=None, pull=False, environ=environ) == "Qwen/Qwen3-8B"
    assert find_vllm_weights("Qwen/Other", revision=None, pull=True, environ=home) == "Qwen/Other"


def test_auto_is_decided_by_the_weights_and_needs_a_gpu_for_vllm(model: Path, bin_folder: Path) -> None:
    """GGUF goes to llama.cpp; a folder or a hub name goes to vLLM, on a GPU; `engine: vllm` insists without one."""
    env = {"PATH": str(bin_folder)}
    assert chosen_engine(settings(SHIPPED_WEIGHTS, "auto").local["big"]) == "llamacpp"
    assert chosen_engine(settings("x.GGUF", "auto").local["big"]) == "llamacpp"
    auto = settings(str(model), "auto")
    assert chosen_engine(auto.local["big"]) == "vllm"
    assert problems(auto, env, H100) == []
    [sentence] = problems(auto, env)
    assert sentence.startswith("local.big.engine: these weights need vLLM")
    assert problems(settings(str(model)), env) == []
    assert SHIPPED_WEIGHTS == SMOLLM2


def test_the_driver_is_asked_only_where_it_matters(model: Path, bin_folder: Path) -> None:
    """Asking takes seconds where a driver hangs: not for llama.cpp, nor where vLLM was named."""

    def never() -> Machine:
        raise AssertionError("nobody needs to know")

    for one in (settings(SHIPPED_WEIGHTS, "auto"), settings(str(model))):
        assert list(local_problems(one, {"PATH": str(bin_folder)}, never)) == []


@pytest.fixture
def env(bin_folder: Path) -> dict[str, str]:
    """A PATH with vLLM on it."""
    return {"PATH": str(bin_folder)}


def test_what_is_missing_is_named_by_its_key(model: Path, env: dict[str, str], tmp_path: Path) -> None:
    """Each file that a key names is looked for, and a missing one is told by file and key."""
    assert problems(settings(str(model)), {})[0].startswith("local.big.vllm.program: `vllm` is not on the PATH")
    assert problems(settings("Qwen/Qwen3-8B"), env)[0].startswith("local.big.weights: these weights are not on this")
    adapter = settings(str(model), lora={"legal": str(tmp_path)})
    assert problems(adapter, env)[0].startswith("local.big.vllm.lora.legal: there is no such adapter")
    template = settings(str(model), chat_template=str(tmp_path / "none.jinja"))
    assert problems(template, env) == ["local.big.vllm.chat_template: there is no such file"]
    draft = settings(str(model), speculative={"model": "a/b"})
    assert problems(draft, env)[0].startswith("local.big.vllm.speculative.model: these weights are not on this machine")
    token = settings(str(model), pull=True, hf_token_env="HF_TOKEN")
    assert problems(token, env) == ["local.big.vllm.hf_token_env: the variable HF_TOKEN is not set; export it"]


def test_the_job_of_an_entry(model: Path, env: dict[str, str], tmp_path: Path) -> None:
    """Paths are complete, the key is new each time, the token comes from the environment and only there."""
    (tmp_path / "legal").mkdir()
    (tmp_path / "legal" / "adapter_config.json").write_text("{}", encoding="utf-8")
    one = settings(
        str(model),
        lora={"legal": str(tmp_path / "legal" / ".." / "legal")},
        pull=True,
        hf_token_env="HF_TOKEN",
        gpus=[1],
        sleep=True,
        load_timeout_s=60,
        env={"VLLM_CPU_KVCACHE_SPACE": 1},
    ).local["big"]
    job = vllm_job("big", one, env={**env, "HF_TOKEN": "hf_x"}, home=tmp_path, resolve=True)
    assert (job.program, job.weights) == (f"{env['PATH']}/vllm", str(model))
    assert job.socket == str(tmp_path / "run" / "big.sock")
    assert json.dumps({"name": "legal", "path": str(tmp_path / "legal")}) in job.flags
    assert (job.gpus, job.sleep, job.pull, job.hf_token, job.start_timeout_s) == ((1,), True, True, "hf_x", 60)
    assert job.env == {"VLLM_CPU_KVCACHE_SPACE": "1"}
    assert job.api_key != vllm_job("big", one, env={**env, "HF_TOKEN": "y"}, home=tmp_path, resolve=True).api_key


def test_a_router_alone_looks_for_nothing(tmp_path: Path) -> None:
    """`serve` starts no engine, so what an engine would need may be missing, and no folder is made."""
    job = vllm_job("big", settings("Qwen/Qwen3-8B").local["big"], env={}, home=tmp_path, resolve=False)
    assert job.socket == ""
    assert list(tmp_path.iterdir()) == []
