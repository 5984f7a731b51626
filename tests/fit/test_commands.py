"""`localfleet check` and `localfleet fit`, as they are typed: what they print, and how they exit."""

import json
import os
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from here import run_here

BOX = "hardware: {gpus: [{name: H100-80GB-SXM, count: 2}]}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with a `vllm` on the PATH that does nothing."""
    tool = tmp_path / "bin" / "vllm"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n", encoding="utf-8")
    tool.chmod(0o755)
    return tmp_path


def run(folder: Path, *words: str) -> CompletedProcess[str]:
    """A command in a folder, with little else around it."""
    env = {
        "PATH": f"{folder / 'bin'}{os.pathsep}/usr/bin:/bin",
        "HOME": str(folder),
        "HF_HUB_CACHE": str(folder / "hub"),
    }
    return run_here(*words, folder=folder, env=env)


def checked(folder: Path, local: str, hardware: str = BOX) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of `check` for some entries of `local:`."""
    (folder / "models.yaml").write_text(f"version: 1\n{hardware}\nlocal:\n{local}\n", encoding="utf-8")
    done = run(folder, "check", "--json")
    assert "Traceback" not in done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, value


def entry(name: str, weights: str, more: str = "", vllm: str = "") -> str:
    """One model for vLLM."""
    return f"  {name}: {{engine: vllm, weights: {weights}, {more} vllm: {{pull: true, {vllm}}}}}"


@pytest.mark.slow
def test_a_model_that_fits_is_told_in_figures(folder: Path) -> None:
    """Exit 0, and the memory of each part, tokens and requests, in bytes."""
    code, told = checked(folder, entry("mid", "Qwen/Qwen3-32B-FP8", "context_tokens: 16384, parallel: 8,"))
    assert (code, told["ok"], told["problems"]) == (0, True, [])
    (row,) = told["fits"]
    assert (row["model"], row["verdict"], row["gpus"]) == ("mid", "fits", [0])
    assert row["bytes_per_token"] == 262_144
    parts = ("weight_bytes", "adapter_bytes", "peak_bytes", "graph_bytes", "overhead_bytes", "cache_bytes")
    assert sum(row[part] for part in parts) == row["budget_bytes"]
    printed = run(folder, "check").stdout
    assert "mid: fits, each GPU (1 of 2 x H100 SXM): weights 32.0" in printed
    assert "requests at full length" in printed


def test_a_model_that_does_not_fit_is_a_problem_with_proposals(folder: Path) -> None:
    """Exit 1, the line, the sum, and what would fit, each with its own figures."""
    code, told = checked(folder, entry("large", "meta-llama/Llama-3.3-70B-Instruct", "parallel: 4,"))
    assert (code, told["ok"]) == (1, False)
    (problem,) = told["problems"]
    assert (problem["line"], problem["path"]) == (4, "local.large")
    assert "does not fit" in problem["problem"]
    assert "What fits: " in problem["problem"]
    changes = [way["change"] for way in told["fits"][0]["proposals"]]
    assert "tensor_parallel: 4 (with 4 x H100 SXM)" in changes
    assert all(way["verdict"] == "fits" and way["capacity_tokens"] > 0 for way in told["fits"][0]["proposals"])
    assert run(folder, "check").stderr.startswith("models.yaml:4: local.large: does not fit")


@pytest.mark.slow
def test_the_vllm_section_is_in_the_sum(folder: Path) -> None:
    """Tensor parallelism, quantisation and cache type change what is computed; adapters and a set cache too."""
    wide = "context_tokens: 8192, parallel: 4,"
    model = "meta-llama/Llama-3.3-70B-Instruct"
    sections = {
        "plain": "",
        "two": "tensor_parallel: 2, quantization: fp8",
        "cache": "tensor_parallel: 2, quantization: fp8, kv_cache_dtype: fp8",
        "lora": "tensor_parallel: 2, quantization: fp8, lora: {a: /x}, lora_rank: 64",
        "fixed": "tensor_parallel: 2, quantization: fp8, kv_cache_gib: 5",
        "eager": "tensor_parallel: 2, quantization: fp8, enforce_eager: true, gpu_memory_utilization: 0.5",
    }
    found = {name: checked(folder, entry("m", model, wide, vllm))[1]["fits"][0] for name, vllm in sections.items()}
    assert found["plain"]["verdict"] == "too_large"
    assert found["two"]["verdict"] == "fits"
    assert found["two"]["weight_bytes"] < found["plain"]["weight_bytes"] / 3
    assert found["cache"]["bytes_per_token"] * 2 == found["two"]["bytes_per_token"]
    assert found["lora"]["adapter_bytes"] > 0
    assert found["fixed"]["cache_bytes"] == 5 * 2**30
    assert found["eager"]["graph_bytes"] == 0
    assert found["eager"]["budget_bytes"] * 2 == pytest.approx(found["eager"]["usable_bytes"], abs=2)


@pytest.mark.slow
def test_what_cannot_be_told_is_a_warning(folder: Path) -> None:
    """An unknown model, an unknown format, a GPU of unknown size: exit 0, with a sentence; with --strict exit 1."""
    cases = {
        "the catalogue does not have it": (entry("a", "nobody/nothing"), BOX),
        "`quantization: torchao`": (entry("a", "Qwen/Qwen3-8B", vllm="quantization: torchao"), BOX),
        "names none whose memory is known": (entry("a", "Qwen/Qwen3-8B"), "hardware: {gpus: [{name: Voodoo 2}]}"),
        "the layers that `mtp` adds": (entry("a", "deepseek-ai/DeepSeek-R1", vllm="speculative: {method: mtp}"), BOX),
    }
    for words, (local, hardware) in cases.items():
        code, told = checked(folder, local, hardware)
        assert code == 0, told
        assert told["fits"][0]["verdict"] == "unknown"
        assert any(words in warning for warning in told["warnings"]), told["warnings"]
    assert run(folder, "check", "--strict").returncode == 1


def test_a_model_that_is_crowded_is_a_warning(folder: Path) -> None:
    """It starts, but eight requests of full length do not fit together: exit 0, and what to do."""
    code, told = checked(folder, entry("m", "Qwen/Qwen3-32B-FP8", "context_tokens: 32768, parallel: 8,"))
    assert (code, told["fits"][0]["verdict"]) == (0, "crowded")
    warning = next(one for one in told["warnings"] if "full length" in one)
    assert "`parallel:` is 8" in warning
    assert "kv_cache_dtype: fp8" in warning


@pytest.mark.slow
def test_models_on_one_gpu_are_added_up(folder: Path) -> None:
    """Two shares of 0.6 on GPU 0 are too much; on two GPUs they are not."""
    half = "gpu_memory_utilization: 0.6"
    same = "\n".join(entry(name, "Qwen/Qwen3-8B", vllm=half) for name in ("a", "b"))
    _, told = checked(folder, same)
    assert any("ask for 1.20 of its memory (a 0.60, b 0.60)" in warning for warning in told["warnings"])
    apart = "\n".join(entry(name, "Qwen/Qwen3-8B", vllm=f"{half}, gpus: [{i}]") for i, name in enumerate(("a", "b")))
    _, told = checked(folder, apart)
    assert not any("together" in warning for warning in told["warnings"])


def test_the_driver_s_word_counts_more_than_the_file_s(folder: Path) -> None:
    """On a box with a driver, models must fit what is there, whatever `hardware:` says."""
    tool = folder / "bin" / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA L4, 23034 MiB'\n", encoding="utf-8")
    tool.chmod(0o755)
    code, told = checked(folder, entry("m", "Qwen/Qwen3-32B-FP8", "parallel: 4,"))
    assert code == 1
    assert told["fits"][0]["place"] == "1 of 1 x NVIDIA L4"


def test_a_gguf_that_needs_more_than_there_is(folder: Path) -> None:
    """The embedded engine reserves all at once: too long a context for this machine is a problem, with what fits."""
    local = "  small: {weights: smollm2-135m-instruct, context_tokens: 8192, parallel: 256}"
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    code, told = checked(folder, local)
    needed = told["fits"][0]["needed_bytes"]
    assert (code == 1) == (needed > memory * 1024)
    assert told["fits"][0]["cache_bytes"] == 23_040 * 8192 * 256


@pytest.mark.slow
def test_fit_answers_before_anything_is_there(folder: Path) -> None:
    """A model, a card, a wish: figures and exit 0; too large: proposals and exit 1; unknown: a sentence and exit 1."""
    fine = run(folder, "fit", "Qwen/Qwen3-8B", "--gpu", "4090", "--parallel", "4")
    assert fine.returncode == 0, fine.stderr
    assert "Qwen/Qwen3-8B: fits, each GPU (1 x RTX 4090)" in fine.stdout
    large = run(folder, "fit", "meta-llama/Llama-3.3-70B-Instruct", "--count", "2", "--quantization", "fp8", "--json")
    row = json.loads(large.stdout)
    assert (large.returncode, row["verdict"], row["gpus"]) == (0, "fits", [0, 1])
    none = run(folder, "fit", "meta-llama/Llama-3.1-405B-Instruct", "--gpu", "h100")
    assert none.returncode == 1
    assert "too_large" in none.stdout
    unknown = run(folder, "fit", "nobody/nothing")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "cannot be told" in unknown.stderr
