"""
The GPUs localfleet knows: specifications and dated prices from `data/gpus.yaml`, and finding one by a loose name.

Reads the file that ships in the package and nothing else. A figure the file does not hold is `None`, never a guess.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from importlib.resources import files
from typing import Any

import yaml

from localfleet.core.cost.capacity import Silicon

__all__ = ["DatedUsd", "GpuFacts", "find_gpu", "read_gpus"]

NOISE = frozenset({"nvidia", "amd", "geforce", "tesla", "gpu", "card"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedUsd:
    """A price with where it was read and when; `since` is `None` for an undated page."""

    usd: Decimal
    since: date | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """One entry of the file. `rent` is per GPU and hour, `purchase` per card without a server."""

    name: str
    family: str
    also: frozenset[str]
    silicon: Silicon
    power_w: Decimal
    spec_source: str
    rent: DatedUsd | None
    purchase: DatedUsd | None

    @property
    def words(self) -> frozenset[str]:
        """The words of its name, lower case."""
        return _words(self.name)


def read_gpus() -> tuple[GpuFacts, ...]:
    """Every GPU of the shipped file, in its order."""
    text = files("localfleet").joinpath("data/gpus.yaml").read_bytes()
    return tuple(_facts(entry) for entry in yaml.safe_load(text)["gpus"])


def find_gpu(name: str, gpus: tuple[GpuFacts, ...]) -> GpuFacts:
    """The GPU meant by a loose name (`h100`, `NVIDIA H100 80GB HBM3`, `4090`); raise `ValueError` listing the names."""
    found = _best(name, gpus)
    families = {gpu.family for gpu in found}
    if len(families) == 1:
        return found[0]
    names = ", ".join(gpu.name for gpu in gpus)
    if families:
        several = ", ".join(gpu.name for gpu in found)
        msg = f"fits several GPUs ({several}); name one of: {names}"
        raise ValueError(msg)
    near = get_close_matches(name.lower(), [gpu.name.lower() for gpu in gpus], n=1, cutoff=0.5)
    hint = "".join(f"; did you mean {gpu.name}?" for gpu in gpus if gpu.name.lower() in near)
    msg = f"is no GPU known here{hint} Known: {names}" if hint else f"is no GPU known here; known: {names}"
    raise ValueError(msg)


def _best(name: str, gpus: tuple[GpuFacts, ...]) -> tuple[GpuFacts, ...]:
    for fits in (_same_name, _within_name, _holds_name):
        found = tuple(gpu for gpu in gpus if fits(name, gpu))
        if found:
            return found
    return ()


def _same_name(name: str, gpu: GpuFacts) -> bool:
    return _joined(name) in {_joined(gpu.name), gpu.family}


def _within_name(name: str, gpu: GpuFacts) -> bool:
    """Every word asked for is one of this GPU's."""
    asked = _words(name)
    return bool(asked & gpu.words) and asked <= gpu.words | gpu.also


def _holds_name(name: str, gpu: GpuFacts) -> bool:
    """Every word of this GPU's name was asked for, and none that tells it from a sister."""
    return gpu.words <= _words(name)


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", name.lower())) - NOISE


def _joined(name: str) -> str:
    return "".join(re.findall(r"[a-z0-9]+", name.lower()))


def _facts(entry: Mapping[str, Any]) -> GpuFacts:
    optional = (
        {"bandwidth_efficiency": Decimal(entry["bandwidth_efficiency"])} if "bandwidth_efficiency" in entry else {}
    )
    return GpuFacts(
        name=entry["name"],
        family=entry["family"],
        also=frozenset(entry["also"]),
        silicon=Silicon(
            memory_gib=Decimal(entry["memory_gib"]),
            bandwidth_gb_per_s=Decimal(entry["bandwidth_gb_per_s"]),
            bf16_tflops=_number(entry.get("bf16_tflops")),
            fp8_tflops=_number(entry.get("fp8_tflops")),
            **optional,
        ),
        power_w=Decimal(entry["power_w"]),
        spec_source=entry["spec_source"],
        rent=_dated(entry.get("rent"), "usd_per_gpu_hour"),
        purchase=_dated(entry.get("purchase"), "usd_per_gpu"),
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _dated(entry: Mapping[str, Any] | None, key: str) -> DatedUsd | None:
    if entry is None:
        return None
    return DatedUsd(usd=Decimal(entry[key]), since=entry.get("date"), source=entry["source"])
