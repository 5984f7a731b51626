"""
Where Hugging Face's libraries keep what they fetched, and what a name on the hub looks like.

The layout is huggingface_hub's own (its guide, "Understand caching"): `models--ORG--NAME/refs/REVISION` names a commit,
`snapshots/COMMIT/` has its files. Reads, never fetches.
"""

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["HUB_FILE", "HUB_NAME", "find_file", "hub_cache", "snapshot"]

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
HUB_NAME = re.compile(f"{_PART}/{_PART}")
"""A model: `Qwen/Qwen3-8B`."""
HUB_FILE = re.compile(rf"(?P<repo>{_PART}/{_PART})/(?P<file>(?:{_PART}/)*{_PART}\.gguf)", re.IGNORECASE)
"""One file of a model: `Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf`."""


def hub_cache(environ: Mapping[str, str]) -> Path:
    """Where the files are, by the variables that Hugging Face's libraries read."""
    if hub := environ.get("HF_HUB_CACHE"):
        return Path(hub).expanduser()
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(environ.get("HF_HOME") or f"{cache}/huggingface").expanduser() / "hub"


def snapshot(name: str, revision: str | None, environ: Mapping[str, str]) -> Path | None:
    """The folder of a model at a revision (the hub's `main` without one); `None`: nothing of it was fetched."""
    model = hub_cache(environ) / f"models--{name.replace('/', '--')}"
    try:
        commit = (model / "refs" / (revision or "main")).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        commit = revision or ""
    folder = model / "snapshots" / commit
    return folder if commit and folder.is_dir() else None


def find_file(wanted: str, environ: Mapping[str, str]) -> Path | None:
    """The path of one fetched file, named as `HUB_FILE` has it; `None`: no such name, or not fetched."""
    named = HUB_FILE.fullmatch(wanted)
    folder = snapshot(named["repo"], None, environ) if named else None
    path = folder / named["file"] if named and folder else None
    return path if path is not None and path.is_file() else None
