"""What the machine has, and the models.yaml that `init` fits to it."""

import time
from pathlib import Path

import pytest

from localfleet.catalogue import check_settings
from localfleet.cli.init import fitted, read_manual
from localfleet.config import parse_settings, read_settings
from localfleet.gpu_facts import find_gpu, read_gpus
from localfleet.machine import GpuSeen, Machine, look
from localfleet.price_map import read_price_map

ROOT = Path(__file__).resolve().parent.parent
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
L4 = GpuSeen(name="NVIDIA L4", memory_mib=23034, count=1)
H100 = GpuSeen(name="NVIDIA H100 80GB HBM3", memory_mib=81559, count=2)


def machine(gpus: tuple[GpuSeen, ...] = (), keys: tuple[str, ...] = ()) -> Machine:
    """A machine with these GPUs and keys."""
    return Machine(
        driver="ok" if gpus else "absent",
        gpus=gpus,
        cores=2,
        memory_bytes=8 * 2**30,
        memory_free_bytes=4 * 2**30,
        provider_keys=keys,
    )


def driver(folder: Path, script: str) -> dict[str, str]:
    """An environment whose `nvidia-smi` is this shell script."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    tool.chmod(0o755)
    return {"PATH": str(folder)}


def test_the_shipped_file_is_the_manual_of_a_plain_machine() -> None:
    """models.yaml at the root is what `localfleet init --print` gives without GPU and without keys."""
    assert fitted(read_manual(), machine()) == (ROOT / "models.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("keys", [(), KEYS[:1], KEYS[1:], KEYS])
@pytest.mark.parametrize("gpus", [(), (L4,), (L4, H100)])
def test_every_fitted_file_is_right(tmp_path: Path, gpus: tuple[GpuSeen, ...], keys: tuple[str, ...]) -> None:
    """Whatever was found, the result passes every check, and holds what was found and nothing else."""
    file = tmp_path / "models.yaml"
    file.write_text(fitted(read_manual(), machine(gpus, keys)), encoding="utf-8")
    settings, lines = read_settings(str(file))
    check_settings(str(file), settings, lines, dict.fromkeys(keys, "sk-x"), read_price_map())
    assert {model.api_key_env for model in settings.hosted.values()} == set(keys)
    assert set(settings.local) == {"small"}
    named = settings.hardware.gpus
    assert [(gpu.name, gpu.count) for gpu in named if not isinstance(gpu, str)] == [(g.name, g.count) for g in gpus]
    assert (named == "detect") == (not gpus)


def test_the_costs_of_a_gpu_can_be_switched_on_beside_what_was_found() -> None:
    """The example's cost lines still fit below the GPU that took the example's place."""
    text = fitted(read_manual(), machine((H100,)))
    opened = "\n".join(
        line.removeprefix("#~ ") if line.startswith(("#~       ", "#~     - name: L40S")) else line
        for line in text.partition("# ---- local")[0].splitlines()
    )
    settings = parse_settings((opened + "\nlocal: {a: {weights: smollm2-135m-instruct}}\n").encode())
    assert not isinstance(settings.hardware.gpus, str)
    first, second = settings.hardware.gpus
    assert (first.name, str(first.purchase_usd)) == (H100.name, "28000")
    assert second.usd_per_hour is not None


def test_the_cost_reports_know_the_driver_s_names() -> None:
    """A name as the driver gives it finds its GPU in the data that ships."""
    assert find_gpu(H100.name, read_gpus()).name.startswith("H100")
    assert find_gpu(L4.name, read_gpus()).name.startswith("L4")


def test_the_driver_is_asked(tmp_path: Path) -> None:
    """Cards of one kind are counted, in the driver's order; odd signs cannot reach the YAML."""
    rows = ["NVIDIA H100 80GB HBM3, 81559 MiB", "NVIDIA H100 80GB HBM3, 81559 MiB", "A: {b}, [N/A]"]
    seen = look(driver(tmp_path, "\n".join(f"echo '{row}'" for row in rows)))
    assert seen.driver == "ok"
    assert seen.gpus == (H100, GpuSeen(name="A- -b-", memory_mib=None, count=1))


@pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'", "exec /bin/sleep 9"])
def test_a_driver_that_does_not_answer(tmp_path: Path, script: str) -> None:
    """A broken or hanging driver is `silent`, soon, and gives no GPU."""
    began = time.monotonic()
    seen = look(driver(tmp_path, script), wait_s=0.5)
    assert (seen.driver, seen.gpus) == ("silent", ())
    assert time.monotonic() - began < 5


def test_no_driver(tmp_path: Path) -> None:
    """Without the tool there is no driver; cores and memory are still told."""
    seen = look({"PATH": str(tmp_path)})
    assert (seen.driver, seen.gpus) == ("absent", ())
    assert seen.cores >= 1
    assert seen.memory_bytes is not None
    assert seen.memory_free_bytes is not None
    assert 0 < seen.memory_free_bytes <= seen.memory_bytes


def test_memory_is_unknown_where_the_kernel_does_not_tell(tmp_path: Path) -> None:
    """No /proc/meminfo: no figure, and no error."""
    assert look({"PATH": ""}, meminfo=tmp_path / "none").memory_bytes is None


def test_of_a_key_only_the_name_is_kept() -> None:
    """Names of variables with something like a key in them; no value anywhere."""
    secret = "sk-very-secret"
    seen = look({"PATH": "", "OPENAI_API_KEY": secret, "ANTHROPIC_API_KEY": ""})
    assert seen.provider_keys == ("OPENAI_API_KEY",)
    assert secret not in repr(seen)
    assert look({"PATH": "", "OPENAI_API_KEY": "two words"}).provider_keys == ()
