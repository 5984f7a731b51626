"""docs/reference/open-models.md is the catalogue, row by row."""

from pathlib import Path

from localfleet.core.fit import Division
from localfleet.core.fit.cache import build_cache
from localfleet.core.fit.weights import checkpoint_bytes
from localfleet.fit_words import gib
from localfleet.shapes import KnownModel, find_known, read_models

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "reference" / "open-models.md"


def row(model: KnownModel) -> str:
    """One line of the page."""
    shape = model.architecture
    cache = build_cache(shape, 2, Division())
    assert cache is not None
    windows, weights = len(cache.groups) > 1, gib(checkpoint_bytes(shape, shape.stored))
    return (
        f"| {model.name} | {model.licence} | {model.parameters / 10**9:.1f} | {weights} "
        f"| {shape.stored.format if shape.stored.format != 'none' else shape.stored.dtype} "
        f"| {cache.bytes_per_token:,}{' *' if windows else ''} | {shape.context_tokens:,} "
        f"| {', '.join(sorted(model.can))} | {model.tool_parser or '-'} | {model.reasoning_parser or '-'} |"
    )


def test_the_page_is_the_catalogue() -> None:
    """Every model has its row, computed; no row is stale."""
    written = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "/" in line and line.startswith("| ")]
    assert written == [row(model) for model in read_models()]


def test_names_mean_one_thing() -> None:
    """No name stands twice, under itself, as another name, or as another format."""
    names = [name.lower() for one in read_models() for name in (one.name, *one.also, *one.formats)]
    assert len(set(names)) == len(names)
    known = find_known("qwen/QWEN3-8b-fp8", read_models())
    assert known is not None
    assert known.name == "Qwen/Qwen3-8B"
