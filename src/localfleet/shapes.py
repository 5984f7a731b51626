"""
What a model named by `weights:` is made of: from its own files on this machine, else from the catalogue that ships.

An edge that reads files and asks nobody. Files win over the catalogue: they are what will be loaded. A model that
neither has is `ShapeUnknown`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from localfleet.core.fit import Architecture, Format, GgufShape, Stored
from localfleet.errors import ShapeUnknown
from localfleet.wire.gguf import HEADER_BYTES, read_gguf
from localfleet.wire.model_config import architecture_of, read_model_config, read_total_size

__all__ = ["KnownModel", "find_known", "find_shape", "gguf_shape", "read_models"]

MOST_CONFIG_BYTES = 8 * 2**20
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """One entry of the catalogue. `formats`: other published weights of it, and how they are stored."""

    name: str
    also: frozenset[str]
    formats: Mapping[str, Format]
    licence: str
    parameters: int
    can: frozenset[str]
    tool_parser: str | None
    reasoning_parser: str | None
    architecture: Architecture
    source: str

    def stored_under(self, name: str) -> Architecture | None:
        """The architecture with the format of the weights of this name; `None` where it is no name of this model."""
        wanted = name.lower()
        if wanted in {one.lower() for one in (self.name, *self.also)}:
            return self.architecture
        for other, form in self.formats.items():
            if wanted == other.lower():
                stored = Stored(dtype=self.architecture.stored.dtype, format=form)
                return replace(self.architecture, stored=stored)
        return None


def read_models() -> tuple[KnownModel, ...]:
    """Every model of the catalogue, in its order."""
    text = files("localfleet").joinpath("data/model_shapes.yaml").read_bytes()
    return tuple(_known(entry) for entry in yaml.safe_load(text)["models"])


def _known(entry: Mapping[str, Any]) -> KnownModel:
    return KnownModel(
        name=entry["name"],
        also=frozenset(entry.get("also", ())),
        formats={name: Format(form) for name, form in entry.get("formats", {}).items()},
        licence=entry["licence"],
        parameters=entry["parameters"],
        can=frozenset(entry["can"]),
        tool_parser=entry.get("tool_parser"),
        reasoning_parser=entry.get("reasoning_parser"),
        architecture=architecture_of(entry["config"]),
        source=entry["source"],
    )


def find_known(name: str, models: tuple[KnownModel, ...]) -> KnownModel | None:
    """The entry that has this name, in any case of letters."""
    return next((model for model in models if model.stored_under(name) is not None), None)


def find_shape(weights: str, models: tuple[KnownModel, ...], cache: Path | None) -> Architecture:
    """
    For vLLM: a folder, or a name on the hub. `cache` is the hub's cache on this machine.

    Raises `ShapeUnknown` with a sentence that says what is missing.
    """
    folder = Path(weights).expanduser()
    if weights and folder.is_dir():
        return _from_folder(folder)
    for snapshot in _snapshots(weights, cache):
        return _from_folder(snapshot)
    for model in models:
        found = model.stored_under(weights)
        if found is not None:
            return found
    raise ShapeUnknown(
        "its files are not on this machine and the catalogue does not have it; give a folder, or a name of "
        "docs/reference/open-models.md"
    )


def _snapshots(name: str, cache: Path | None) -> Iterator[Path]:
    if cache is None or name.count("/") != 1 or ".." in name:
        return
    root = cache / f"models--{name.replace('/', '--')}" / "snapshots"
    yield from sorted(path.parent for path in root.glob("*/config.json"))


def _from_folder(folder: Path) -> Architecture:
    model = read_model_config(_read(folder / "config.json"))
    size = _stored_bytes(folder)
    return model if size is None else replace(model, stored_bytes=size)


def _stored_bytes(folder: Path) -> int | None:
    """What the index says, else the size of the safetensors themselves; their headers are below 0.1 % of it."""
    if (folder / INDEX).is_file():
        return read_total_size(_read(folder / INDEX))
    try:
        sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    except OSError:
        return None
    return sum(sizes) or None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_CONFIG_BYTES + 1)
    except OSError as exc:
        raise ShapeUnknown(f"its {path.name} cannot be read ({exc.strerror})") from exc
    if len(raw) > MOST_CONFIG_BYTES:
        raise ShapeUnknown(f"its {path.name} is larger than any that is known")
    return raw


def gguf_shape(path: Path) -> GgufShape:
    """For llama.cpp: the header of a GGUF file; raises `ShapeUnknown`."""
    try:
        with path.open("rb") as file:
            return read_gguf(file.read(HEADER_BYTES), path.stat().st_size)
    except OSError as exc:
        raise ShapeUnknown(f"the file cannot be read ({exc.strerror})") from exc
