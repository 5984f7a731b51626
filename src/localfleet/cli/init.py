"""
`init`: the manual, fitted to this machine, as `models.yaml`.

The manual is `data/models.yaml`; its examples are lines that start with `#~ `. Fitting it means to switch on the
examples that this machine can use, and nothing else: on a plain machine the result is the manual itself.
"""

import os
import re
import secrets
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from localfleet.cli.init_gpu import suggest, suggestion_lines
from localfleet.cli.parts import Config, Json, print_json
from localfleet.errors import FleetError
from localfleet.machine import GpuSeen, Machine, look

__all__ = ["STACKS", "fitted", "init_command", "read_manual", "with_stack"]

MARK = "#~ "
STACKS = ("chatbot", "code", "rag", "support")
"""Files in `data/stacks/`: sections of `models.yaml` that name no hosted model, so they hold on every machine."""
EXAMPLE_OF = {"OPENAI_API_KEY": "mini", "ANTHROPIC_API_KEY": "haiku"}
"""The hosted example of the manual that each key opens."""
GPU_EXAMPLE = ("#~     - name: ", "#~       count: ")
NOTHING_FITS = "  # No model of the short list fits these GPUs; `localfleet fit MODEL` computes any other."


def init_command(
    config: Config = "models.yaml",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Tasks and strategies of a stack: chatbot, code, rag, support.")
    ] = None,
    to_stdout: Annotated[bool, typer.Option("--print", help="Print it; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented models.yaml for this machine (detects GPUs, memory, provider keys)."""
    if to_stdout and as_json:
        raise typer.BadParameter("prints the file itself; choose one of --print and --json", param_hint="--print")
    machine = look(os.environ)
    text = fitted(with_stack(read_manual(), _stack(preset)), machine)
    if to_stdout:
        sys.stdout.write(text)
        return
    path = Path(config)
    _write(path, text, force=force)
    if as_json:
        print_json({"file": config, **_plain(machine)})
        return
    sys.stderr.write("".join(f"{line}\n" for line in (*_seen(machine), f"{config} written", _next(config))))


def _stack(preset: str | None) -> str:
    """The stack's sections; empty for none."""
    if preset is None:
        return ""
    if preset not in STACKS:
        raise typer.BadParameter(f"one of {', '.join(STACKS)}", param_hint="--preset")
    return files("localfleet").joinpath(f"data/stacks/{preset}.yaml").read_text(encoding="utf-8")


def with_stack(manual: str, stack: str) -> str:
    """The manual with a stack's sections: each before the manual's examples, or first in the manual's own section."""
    lines = manual.splitlines()
    for block in re.split(r"^(?=[a-z])", stack, flags=re.MULTILINE)[1:]:
        head, *rows = block.rstrip("\n").splitlines()
        if head in lines:
            at = lines.index(head) + 1
            lines[at:at] = rows
        else:
            at = lines.index(MARK + head)
            lines[at:at] = [head, *rows]
    return "\n".join(lines) + "\n"


def read_manual() -> str:
    """The file that ships in the package."""
    return files("localfleet").joinpath("data/models.yaml").read_text(encoding="utf-8")


def fitted(manual: str, machine: Machine) -> str:
    """The manual with the examples switched on that this machine can use."""
    lines = manual.splitlines()
    if machine.gpus:
        lines = _with_gpus(lines, machine.gpus)
    opened = [EXAMPLE_OF[name] for name in machine.provider_keys]
    if opened:
        lines = _switched_on(lines, "hosted:")
    for example in opened:
        lines = _switched_on(lines, f"  {example}:")
    return "\n".join(lines) + "\n"


def _switched_on(lines: list[str], opening: str) -> list[str]:
    """The example that begins with `opening`, without its marks: that line, and the deeper ones up to the next gap."""
    begin = lines.index(MARK + opening)
    if opening == "hosted:":  # its members are examples of their own
        return [*lines[:begin], opening, *lines[begin + 1 :]]
    end = lines.index("", begin)
    deeper = MARK + " " * (len(opening) - len(opening.lstrip()) + 2)
    body = (line.removeprefix(MARK) if line.startswith(deeper) else line for line in lines[begin + 1 : end])
    return [*lines[:begin], opening, *body, *lines[end:]]


def _with_gpus(lines: list[str], gpus: tuple[GpuSeen, ...]) -> list[str]:
    """The GPUs found in place of the first one of the example: the cost lines after it are then about the last."""
    head = lines.index(f"{MARK}hardware:")
    at = next(i for i in range(head, len(lines)) if lines[i].startswith(GPU_EXAMPLE[0]))
    assert lines[at + 1].startswith(GPU_EXAMPLE[1]), "the manual names a GPU and then how many"
    section = [line.removeprefix(MARK) for line in lines[head:at]]
    found = [row for gpu in gpus for row in (f"    - name: {gpu.name}", f"      count: {gpu.count}")]
    here = lines.index("local:")
    return [*lines[:head], *section, *found, *lines[at + 2 : here + 1], *_proposed(gpus), *lines[here + 1 :]]


def _proposed(gpus: tuple[GpuSeen, ...]) -> Iterable[str]:
    """A model for these GPUs, switched off."""
    found = suggest(gpus)
    return (NOTHING_FITS,) if found is None else suggestion_lines(found, MARK)


def _write(path: Path, text: str, *, force: bool) -> None:
    """Whole or not at all: a full disk must not cost the file that was there."""
    if not force and (path.exists() or path.is_symlink()):
        raise FleetError(f"{path} is there already; edit it, or replace it with --force")
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise FleetError(f"{path} cannot be written ({exc.strerror}); name a file in a folder of yours") from exc


def _seen(machine: Machine) -> Iterable[str]:
    memory = f", {machine.memory_bytes / 1024**3:.0f} GiB of memory" if machine.memory_bytes else ""
    yield f"this machine: {machine.cores} cores{memory}"
    for gpu in machine.gpus:
        size = f", {gpu.memory_mib / 1024:.0f} GiB each" if gpu.memory_mib else ""
        yield f"GPU: {gpu.count} x {gpu.name}{size}"
    if machine.gpus and (found := suggest(machine.gpus)) is not None:
        yield f"GPU: {found.weights} fits; it stands under `local:` as `main`, switched off"
    if machine.driver == "silent":
        yield "GPU: nvidia-smi is there but does not answer; `localfleet doctor` says more"
    elif not machine.gpus:
        yield "GPU: none found; the embedded model runs on the CPU"
    for name in machine.provider_keys:
        yield f"key: {name} is set, so the hosted model `{EXAMPLE_OF[name]}` is switched on"
    if not machine.provider_keys:
        yield "key: no OPENAI_API_KEY or ANTHROPIC_API_KEY; all stays on this box until you add a hosted model"


def _next(config: str) -> str:
    option = "" if config == "models.yaml" else f" --config {config}"
    return f"next: `localfleet up{option}`"


def _plain(machine: Machine) -> dict[str, object]:
    return {
        "gpus": [{"name": gpu.name, "memory_mib": gpu.memory_mib, "count": gpu.count} for gpu in machine.gpus],
        "cores": machine.cores,
        "memory_bytes": machine.memory_bytes,
        "provider_keys": list(machine.provider_keys),
        "hosted": [EXAMPLE_OF[name] for name in machine.provider_keys],
    }
