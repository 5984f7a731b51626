"""
What vLLM needs of this machine: the program, the weights, a private folder for its socket. Reads files, starts nothing.

Weights are looked for where vLLM itself would find them without a network, so that `check` can say what is missing
before a start of minutes ends in it.
"""

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from localfleet.errors import ConfigError, FleetError
from localfleet.hub.place import HUB_NAME, snapshot

__all__ = ["find_program", "find_vllm_weights", "private_socket", "vllm_release"]

LONGEST_SOCKET_BYTES = 107
"""The kernel's limit for the path of a unix socket."""
MADE_OF = ("*.safetensors", "*.bin", "*.pt")


def find_program(wanted: str, environ: Mapping[str, str]) -> str:
    """
    The complete path of `vllm`, or of the Python, that `program:` names; raises `ConfigError` where there is none.

    A symbolic link stays one: the Python of a virtual environment is a link, and is another when followed.
    """
    if "/" in wanted:
        path = Path(wanted).expanduser().absolute()
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
        raise _wrong("vllm.program", "no such program; give the path of `vllm`, or of a Python that has vLLM")
    found = shutil.which(wanted, path=environ.get("PATH", ""))
    if found is None:
        raise _wrong(
            "vllm.program",
            f"`{wanted}` is not on the PATH: install vLLM in an environment of its own (`pip install vllm==0.32.*`), "
            "and give the path of its `vllm`, for example /opt/vllm/bin/vllm",
        )
    return str(Path(found).absolute())


def vllm_release(program: str) -> str | None:
    """The release beside a program, such as `0.32.0`, by its files; `None`: it cannot tell."""
    for library in sorted(Path(program).parent.parent.glob("lib/python3*/*-packages")):
        for folder in sorted(library.glob("vllm-*.dist-info")) + sorted(library.glob("vllm_*.dist-info")):
            return folder.name.removesuffix(".dist-info").rpartition("-")[2]
    return None


def find_vllm_weights(wanted: str, *, revision: str | None, pull: bool, environ: Mapping[str, str]) -> str:
    """
    A folder's complete path, or a name that is in the cache of the Hugging Face hub (or may be fetched, with `pull`).

    Raises `ConfigError` with what to do.
    """
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return str(folder.resolve())
    if not HUB_NAME.fullmatch(wanted):
        raise _wrong("weights", "there is no such folder; a name on the Hugging Face hub looks like Qwen/Qwen3-8B")
    if not pull and not _cached(wanted, revision, environ):
        raise _wrong(
            "weights",
            "these weights are not on this machine: fetch them (`localfleet pull`), name the folder they are in, "
            "or let vLLM fetch them with `vllm: {pull: true}`",
        )
    return wanted


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file() and not (folder / "params.json").is_file():
        raise _wrong("weights", "this folder has no config.json, so it is no model that vLLM can read")
    if not any(next(folder.glob(pattern), None) for pattern in MADE_OF):
        raise _wrong("weights", "this folder has a config.json and no weights beside it: the download is not complete")


def _cached(name: str, revision: str | None, environ: Mapping[str, str]) -> bool:
    folder = snapshot(name, revision, environ)
    return folder is not None and (folder / "config.json").is_file()


def private_socket(home: Path, name: str) -> str:
    """
    The path of the socket of one model, in a folder that only its owner can enter; makes the folder.

    Raises `FleetError` where others could reach it: what guards the engine is the folder.
    """
    folder = home.absolute() / "run"
    socket = folder / f"{name}.sock"
    if len(os.fsencode(socket)) > LONGEST_SOCKET_BYTES:
        raise FleetError(f"the path of {socket} is too long for a socket: set LOCALFLEET_HOME to a shorter one")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        seen = folder.lstat()
    except OSError as exc:
        raise FleetError(f"{folder} cannot be made ({exc.strerror}); set LOCALFLEET_HOME to a folder of yours") from exc
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o077:
        raise FleetError(f"others can reach {folder}, where the engines listen: delete it, and start again")
    return str(socket)


def _wrong(key: str, sentence: str) -> ConfigError:
    return ConfigError("models.yaml", ((None, key, sentence),))
