"""
Fetching weights from the Hugging Face hub: what is missing here, from where it broke off, byte for byte right.

huggingface_hub fetches; that what arrived is what the hub lists (SHA-256 of large files, git's SHA-1 of small ones) is
checked here, because the library checks sizes alone. Nothing runs unless `localfleet pull` asks for it (law 10).
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging as hub_logging

from localfleet.errors import FleetError
from localfleet.hub.place import hub_cache, snapshot

__all__ = ["Listing", "PullFailed", "Remote", "Wanted", "list_files", "missing", "pull"]

WEIGHTS = (".safetensors", ".bin", ".pt")
"""In this order; vLLM reads the first kind that is there."""
BESIDE = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".py")
"""Configuration, tokenizer, templates, and code that `trust_remote_code` would run."""
OTHER_FORMS = ("original", "onnx", "openvino", "metal", "coreml", "gguf")
"""Folders with the same weights for other programs."""
CHUNK_BYTES = 1 << 20
TRIES = 2

Heard = Callable[[int], None]
"""Told of bytes as they come; negative where some have to come again."""


class PullFailed(FleetError):
    """The hub cannot be reached or has it not, the disk is full, or the bytes are wrong."""

    status = 502
    code = "pull_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an entry of `models.yaml` names: a model, or one file of it."""

    repo: str
    revision: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A file as the hub lists it. Large ones have a SHA-256, all have the SHA-1 that git names them by."""

    name: str
    size_bytes: int
    sha256: str | None
    git_sha1: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files to have, at one commit."""

    wanted: Wanted
    commit: str
    files: tuple[Remote, ...]


def list_files(wanted: Wanted, token: str | None, environ: Mapping[str, str]) -> Listing:
    """What the hub has of it, less what no engine here reads; raises `PullFailed`."""
    with _said(wanted.repo):
        api = HfApi(endpoint=environ.get("HF_ENDPOINT"), token=token)
        info = api.model_info(wanted.repo, revision=wanted.revision, files_metadata=True)
    files = tuple(
        Remote(
            name=one.rfilename,
            size_bytes=one.size or 0,
            sha256=one.lfs.sha256 if one.lfs else None,
            git_sha1=one.blob_id or "",
        )
        for one in info.siblings or ()
    )
    chosen = _one_file(wanted, files) if wanted.file else _of_a_model(wanted.repo, files)
    return Listing(wanted=wanted, commit=info.sha or "", files=chosen)


def _one_file(wanted: Wanted, files: Sequence[Remote]) -> tuple[Remote, ...]:
    chosen = tuple(one for one in files if one.name == wanted.file)
    if not chosen:
        others = ", ".join(one.name for one in files if one.name.lower().endswith(".gguf")) or "none"
        raise PullFailed(f"{wanted.repo} has no file {wanted.file}; its .gguf files: {others}")
    return chosen


def _of_a_model(repo: str, files: Sequence[Remote]) -> tuple[Remote, ...]:
    own = [one for one in files if one.name.split("/")[0] not in OTHER_FORMS]
    kind = next((kind for kind in WEIGHTS if any(one.name.endswith(kind) for one in own)), None)
    if kind is None:
        raise PullFailed(f"{repo} has no weights that vLLM reads ({', '.join(WEIGHTS)}); of a .gguf name the file")
    return tuple(one for one in own if one.name.endswith((kind, *BESIDE)))


def missing(listing: Listing, environ: Mapping[str, str]) -> tuple[Remote, ...]:
    """The files that are not here in full; sizes are compared, bytes are not."""
    folder = snapshot(listing.wanted.repo, listing.commit, environ)
    return tuple(one for one in listing.files if not _whole(folder, one))


def _whole(folder: Path | None, one: Remote) -> bool:
    try:
        return folder is not None and (folder / one.name).stat().st_size == one.size_bytes
    except OSError:
        return False


def pull(listing: Listing, token: str | None, environ: Mapping[str, str], *, heard: Heard, verify: bool) -> Path:
    """
    Fetch what is missing and check it; `verify`: read the files that were here as well. Returns the folder.

    Goes on where an earlier run broke off. Raises `PullFailed`; what was fetched in full stays.
    """
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    cache, absent = hub_cache(environ), missing(listing, environ)
    _room(cache, sum(one.size_bytes for one in absent))
    for one in listing.files:
        if one in absent or (verify and not _right(_folder(cache, listing) / one.name, one)):
            _fetch(listing, one, token, environ, heard)
    folder = snapshot(listing.wanted.repo, listing.wanted.revision, environ)
    if folder is None or folder.name != listing.commit:
        raise PullFailed(f"{listing.wanted.repo} was changed on the hub meanwhile; run it again, or name a revision")
    return folder


def _room(cache: Path, needed_bytes: int) -> None:
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if (free := shutil.disk_usage(there).free) < needed_bytes:
        raise PullFailed(
            f"{needed_bytes / 1e9:.1f} GB are missing and {free / 1e9:.1f} GB are free at {there}: make room, or point "
            "HF_HOME to another disk"
        )


def _folder(cache: Path, listing: Listing) -> Path:
    return cache / f"models--{listing.wanted.repo.replace('/', '--')}" / "snapshots" / listing.commit


def _fetch(listing: Listing, one: Remote, token: str | None, environ: Mapping[str, str], heard: Heard) -> None:
    wanted = listing.wanted
    # What lies there in full and is wrong must not be taken for fetched.
    anew = one not in missing(listing, environ)
    for again in range(TRIES):
        with _said(wanted.repo):
            path = Path(
                hf_hub_download(
                    wanted.repo,
                    one.name,
                    revision=wanted.revision,
                    cache_dir=hub_cache(environ),
                    endpoint=environ.get("HF_ENDPOINT"),
                    token=token,
                    force_download=anew or again > 0,
                    tqdm_class=_bar(heard),
                )
            )
        if _right(path, one):
            return
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        heard(-one.size_bytes)
    raise PullFailed(
        f"{one.name} of {wanted.repo} came with other bytes than the hub lists, twice, and was thrown away: look for a "
        "proxy that changes what passes, or a failing disk"
    )


def _right(path: Path, one: Remote) -> bool:
    """Whether a file has the bytes that the hub lists."""
    large = one.sha256 is not None
    # Git names a file by the SHA-1 of a short head and its bytes (Pro Git, 10.2); it guards against damage, no more.
    digest = hashlib.sha256() if large else hashlib.sha1(b"blob %d\x00" % one.size_bytes, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return False
    return digest.hexdigest() == (one.sha256 if large else one.git_sha1)


def _bar(heard: Heard) -> Any:
    """What huggingface_hub takes for a progress bar: it passes on how many bytes came."""

    class Bar:
        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            heard(initial)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing is held."""

        def update(self, count: float | None = 1) -> None:
            heard(int(count or 0))

        def set_description(self, *_: object, **__: object) -> None:
            """The caller has its own."""

        def close(self) -> None:
            """Nothing is held."""

    return Bar


@contextmanager
def _said(repo: str) -> Iterator[None]:
    """The library's errors as sentences that say what to do."""
    try:
        yield
    except GatedRepoError:
        raise PullFailed(f"{repo} is gated: accept its terms on the hub, and give a token (`hf_token_env`)") from None
    except RepositoryNotFoundError:
        raise PullFailed(f"the hub has no model {repo}, or shows it only with a token (`hf_token_env`)") from None
    except RevisionNotFoundError:
        raise PullFailed(f"{repo} has no such revision; write a branch, a tag or a commit of it") from None
    except OfflineModeIsEnabled:
        raise PullFailed("HF_HUB_OFFLINE is set, so nothing may be fetched; unset it for this command") from None
    except HfHubHTTPError as exc:
        raise PullFailed(f"the hub refused {repo} with {exc.response.status_code}; try again later") from None
    except (LocalEntryNotFoundError, httpx.HTTPError):
        raise PullFailed(f"the hub broke off or cannot be reached for {repo}; run it again: it goes on") from None
    except OSError as exc:
        full = exc.errno == errno.ENOSPC
        cure = "make room and run it again: it goes on" if full else "see to it and run it again: it goes on"
        raise PullFailed(f"{repo}: {os.strerror(exc.errno) if exc.errno else 'it came in part only'}; {cure}") from None
