"""The console's file, read as text: nothing from elsewhere, nothing parsed as markup, nothing that the API has not."""

import re
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from typing import get_args

import pytest

from localfleet.core.ask import Api
from localfleet.core.fleet import Fleet, Model, Readiness
from localfleet.core.gpu import GpuProcess, GpuReading, GpuView
from localfleet.core.label import Label
from localfleet.gpus.nvml import SLOWED
from localfleet.server.app import By, _shown
from localfleet.storage.report import Line, Total

PAGE = files("localfleet.server").joinpath("console.html").read_text(encoding="utf-8")
SCRIPT = PAGE.split("<script>")[1].split("</script>")[0]
STYLE = PAGE.split("<style>")[1].split("</style>")[0]
LOADERS = {
    "iframe",
    "frame",
    "object",
    "embed",
    "img",
    "picture",
    "video",
    "audio",
    "source",
    "track",
    "base",
    "portal",
}
ADDRESSES = {
    "src",
    "srcset",
    "href",
    "action",
    "formaction",
    "data",
    "poster",
    "background",
    "ping",
    "cite",
    "manifest",
}
FROM_TEXT_TO_CODE = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "setHTML",
    "createContextualFragment",
    "DOMParser",
    "eval(",
    "Function(",
    "import(",
    "srcdoc",
    "javascript:",
    "localStorage",
    "cookie",
    "postMessage",
    "new Worker",
    "WebSocket",
    "sendBeacon",
)
OF_AN_ELEMENT = {"dataset", "remove", "querySelector", "classList"}
ON_GROUNDS = {
    "text": ("bg", "panel", "head", "warn-bg", "bad-bg", "fresh"),
    "soft": ("bg", "panel", "head"),
    "panel": ("text",),
    "local": ("panel", "local-bg"),
    "public": ("public-bg",),
    "internal": ("internal-bg",),
    "restricted": ("restricted-bg",),
    "good": ("panel", "bg"),
    "warn": ("panel", "bg"),
    "bad": ("panel", "bg"),
}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}))


@cache
def tags() -> list[tuple[str, dict[str, str]]]:
    """Every start tag of the page with its attributes."""
    parser = _Tags()
    parser.feed(PAGE)
    return parser.seen


def test_the_page_loads_nothing() -> None:
    """One file: the only address in it is the icon, which is data; scripts and styles stand in the page."""
    addresses = [value for _, given in tags() for name, value in given.items() if name in ADDRESSES]
    assert len(addresses) == 1
    assert addresses[0].startswith("data:image/png;base64,")
    assert not LOADERS & {tag for tag, _ in tags()}
    assert not re.search(r"url\(|@import|@font-face|image-set", STYLE)
    assert "://" not in PAGE
    assert not re.search(r"""["'`(]//""", PAGE)


def test_the_page_asks_this_router_only() -> None:
    """Every request goes through one function, and its paths are absolute paths of the admin plane."""
    assert SCRIPT.count("fetch(") == 1
    asked = re.findall(r"""\bask\(["`]([^"`?]*)""", SCRIPT)
    assert set(asked) == {"/api/status", "/api/summary", "/api/receipts", "/readyz"}


@pytest.mark.parametrize("way", FROM_TEXT_TO_CODE)
def test_text_never_becomes_markup_or_code(way: str) -> None:
    """None of the ways from text to markup, code, storage that outlives the tab, or another page."""
    assert way not in PAGE


def test_markup_holds_no_code() -> None:
    """No handler and no style in an attribute, no timer that takes text, one script and one style."""
    names = {name for _, given in tags() for name in given}
    assert not {name for name in names if name.startswith("on")}
    assert "style" not in names
    assert not re.search(r"set(Timeout|Interval)\(\s*[\"'`]", SCRIPT)
    assert [tag for tag, _ in tags() if tag in {"script", "style"}] == ["style", "script"]


def test_the_page_finds_its_own_parts() -> None:
    """Every id and field that the script names stands once in the markup, and every label points at something."""
    ids = [given["id"] for _, given in tags() if "id" in given]
    assert len(ids) == len(set(ids))
    named = set(re.findall(r'byId\("([\w-]+)"\)', SCRIPT))
    named |= set(re.findall(r'"([\w-]+-(?:card|row))"', SCRIPT))
    assert named <= set(ids)
    assert {given["aria-labelledby"] for _, given in tags() if "aria-labelledby" in given} <= set(ids)
    fields = {given["data-f"] for _, given in tags() if "data-f" in given}
    assert set(re.findall(r'\bat\("(\w+)"\)', SCRIPT)) == fields


def test_the_page_reads_what_the_api_gives() -> None:
    """Receipts, totals and models have every field that the script reads of them."""
    model = Model(name="m", tier="local", accepts=None, context_tokens=1, apis=frozenset({Api.CHAT}))
    shown = set(_shown(model, Fleet(models=(model,))))
    assert set(re.findall(r"\bline\.(\w+)", SCRIPT)) <= set(Line.__slots__)
    assert set(re.findall(r"\bmodel\.(\w+)", SCRIPT)) <= shown
    assert set(re.findall(r"\bgpu\.(\w+)", SCRIPT)) == set(GpuReading.__slots__) - {"energy_j"}
    assert set(re.findall(r"\bone\.(\w+)", SCRIPT)) == set(GpuProcess.__slots__)
    assert set(re.findall(r"\bseen\.(\w+)", SCRIPT)) == set(GpuView.__slots__)
    sums = set(re.findall(r"\brow\.(\w+)", SCRIPT)) | set(re.findall(r'\bsum\("(\w+)"\)', SCRIPT))
    assert sums - OF_AN_ELEMENT == set(Total.__slots__)


def test_the_page_knows_the_words_of_the_router() -> None:
    """Dimensions, labels and states are the ones that the code has; each label has a look of its own."""
    assert {given["value"] for _, given in tags() if given.get("name") == "by"} == set(get_args(By))
    words = [label.word for label in Label]
    menu = PAGE.split('<select id="want-label">')[1].split("</select>")[0]
    assert re.findall(r"<option>(\w+)</option>", menu) == words
    assert all(f".label-{word} {{ color:" in STYLE for word in words)
    kinds = re.search(r"KINDS = \{(.*?)\}", SCRIPT)
    assert kinds is not None
    assert set(re.findall(r"(\w+):", kinds[1])) == {state.value for state in Readiness}
    slow = re.search(r"SLOW = \{(.*?)\}", SCRIPT, re.DOTALL)
    assert slow is not None
    assert set(re.findall(r"(\w+):", slow[1])) == set(SLOWED.values())


def test_tables_have_headers() -> None:
    """Every table is named and each column has a header; a row has as many cells as there are headers."""
    tables = re.findall(r"<table.*?</table>", PAGE, re.DOTALL)
    assert len(tables) == 2
    for table, template in zip(tables, ("total-row", "receipt-row"), strict=True):
        row = PAGE.split(f'<template id="{template}">')[1].split("</template>")[0]
        assert "aria-labelledby" in table
        assert table.count('<th scope="col"') == len(re.findall(r"<(?:td|th)\b", row))


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_can_be_read(mode: str) -> None:
    """WCAG AA: every colour of text has a contrast of 4.5 or more on every ground it stands on."""
    colours = _colours(mode)
    weak = {
        (ink, ground): round(ratio, 2)
        for ink, grounds in ON_GROUNDS.items()
        for ground in grounds
        if (ratio := _contrast(colours[ink], colours[ground])) < 4.5
    }
    assert not weak


def test_light_dark_and_still() -> None:
    """Dark on request, on paper always light; movement only for those who did not ask for less."""
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE
    assert "@media print" in STYLE
    moving = STYLE.split("@media (prefers-reduced-motion: no-preference) {")[1].split("\n}")[0]
    assert STYLE.count("animation") == moving.count("animation") == 1
    assert "transition" not in STYLE
    assert ":focus-visible { outline: 2px" in STYLE
    assert "outline: none" not in STYLE


def _colours(mode: str) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    assert len(blocks) == 2
    found = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]
    assert found[0].keys() == found[1].keys()
    return found[("light", "dark").index(mode)]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
