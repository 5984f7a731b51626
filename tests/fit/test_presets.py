"""The presets: each loads, each passes `localfleet check`, and its computed fit is what the guide prints."""

import os
from pathlib import Path

import pytest

from localfleet.cli.init import fitted, read_manual
from localfleet.config import Settings, parse_settings
from localfleet.core.fit import Fit, Verdict
from localfleet.fit_words import gib
from localfleet.fitting import Checked, check_fits, too_much_together
from localfleet.local_tier import local_problems
from localfleet.machine import GpuSeen, Machine
from localfleet.shapes import find_known, read_models

ROOT = Path(__file__).resolve().parent.parent.parent
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
GUIDE = ROOT / "docs" / "guides" / "presets.md"
MODELS = read_models()
MARK = "#~ "


def machine(*gpus: GpuSeen) -> Machine:
    """A box with these GPUs, and a driver where there are any."""
    return Machine(
        driver="ok" if gpus else "absent",
        gpus=gpus,
        cores=8,
        memory_bytes=64 * 2**30,
        memory_free_bytes=None,
        provider_keys=(),
    )


def load(preset: Path) -> Settings:
    """A preset, as `localfleet` reads it."""
    return parse_settings(preset.read_bytes(), str(preset))


def fits_of(preset: Path) -> tuple[Checked, ...]:
    """What `check` computes of it on a machine without a driver, so for the GPUs that it names."""
    return check_fits(load(preset), machine(), {"HF_HUB_CACHE": "/nonexistent"})


@pytest.fixture
def with_vllm(tmp_path: Path) -> dict[str, str]:
    """An environment with a `vllm` on its PATH, for `check` looks whether there is one."""
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}{os.pathsep}/usr/bin"}


def test_there_are_presets() -> None:
    """Small, mid, large, several GPUs, mixture of experts, vision, reasoning, and two models on one box."""
    assert len(PRESETS) >= 8


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_right_and_fits(preset: Path, with_vllm: dict[str, str]) -> None:
    """Nothing is wrong with it where vLLM is installed, and all its requests fit at full length."""
    settings = load(preset)
    assert list(local_problems(settings, with_vllm, machine)) == []
    for one in fits_of(preset):
        assert isinstance(one.answer, Fit), one.answer
        assert one.answer.verdict is Verdict.FITS, (one.answer.verdict, one.proposals)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_says_what_the_catalogue_says(preset: Path) -> None:
    """Abilities and parsers are those of the model's entry."""
    for model in load(preset).local.values():
        known = find_known(model.weights or "", MODELS)
        assert known is not None
        assert model.vllm is not None
        assert {need.value for need in model.can} <= known.can
        assert (model.vllm.tool_parser, model.vllm.reasoning_parser) == (known.tool_parser, known.reasoning_parser)


def test_two_models_that_take_turns_are_told() -> None:
    """Together they ask for more than the GPU has; every other preset asks for less."""
    together = {preset.stem: list(too_much_together(fits_of(preset))) for preset in PRESETS}
    found = {name: said for name, said in together.items() if said}
    assert set(found) == {"h100-two-models"}
    assert found["h100-two-models"][0].startswith("GPU 0: its models together ask for 1.87")


def rows() -> list[str]:
    """The table of the guide, from the code."""
    lines = []
    for preset in PRESETS:
        settings = load(preset)
        for one in fits_of(preset):
            assert isinstance(one.answer, Fit)
            model, parts, known = settings.local[one.name], one.answer.breakdown, find_known(one.weights, MODELS)
            assert known is not None
            lines.append(
                f"| [`{preset.name}`](../../presets/{preset.name}) | {one.weights} | {known.licence} | {one.place} "
                f"| {gib(parts.weight_bytes)} | {gib(parts.peak_bytes + parts.graph_bytes + parts.overhead_bytes)} "
                f"| {gib(parts.cache_bytes)} | {one.answer.capacity_tokens:,} | {model.context_tokens:,} "
                f"| {model.parallel} | {one.answer.requests:.1f} |"
            )
    return lines


def test_the_guide_prints_what_is_computed() -> None:
    """Every row of docs/guides/presets.md is the code's, and none is stale."""
    written = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("| [`")]
    assert written == rows()


BOXES = (
    GpuSeen(name="NVIDIA GeForce RTX 3060", memory_mib=12_288, count=1),
    GpuSeen(name="NVIDIA L4", memory_mib=23_034, count=1),
    GpuSeen(name="NVIDIA GeForce RTX 4090", memory_mib=24_564, count=2),
    GpuSeen(name="NVIDIA H100 80GB HBM3", memory_mib=81_559, count=1),
    GpuSeen(name="NVIDIA H100 80GB HBM3", memory_mib=81_559, count=8),
    GpuSeen(name="NVIDIA A100-SXM4-40GB", memory_mib=40_960, count=3),
)


@pytest.mark.slow
@pytest.mark.parametrize("gpu", BOXES, ids=lambda gpu: f"{gpu.count} x {gpu.name}")
def test_what_init_proposes_fits_the_box(gpu: GpuSeen) -> None:
    """Switched on, the proposal is a right entry whose requests all fit, on as many GPUs as can share it."""
    box = machine(gpu)
    text = fitted(read_manual(), box)
    begin = text.index(f"{MARK}  main:\n")
    entry = text[begin : text.index("\n\n", begin)]
    opened = text.replace(entry, "\n".join(line.removeprefix(MARK) for line in entry.splitlines()))
    settings = parse_settings(opened.encode())
    main = next(one for one in check_fits(settings, box, {}) if one.name == "main")
    assert isinstance(main.answer, Fit)
    assert main.answer.verdict is Verdict.FITS
    assert main.gpus == tuple(range(max(n for n in (1, 2, 4, 8) if n <= gpu.count)))
    asked = settings.local["main"].vllm
    assert asked is not None
    assert asked.expert_parallel == (gpu.count == 8), "eight-bit experts stay whole"


@pytest.mark.parametrize("memory_mib", [4096, None])
def test_a_box_that_is_too_small_is_told_so(memory_mib: int | None) -> None:
    """No entry is invented where nothing fits, or where the driver does not tell how much there is."""
    text = fitted(read_manual(), machine(GpuSeen(name="NVIDIA T400", memory_mib=memory_mib, count=1)))
    assert f"{MARK}  main:" not in text
    assert "`localfleet fit MODEL`" in text
