"""Plots and pages: well-formed, inside their frame, without a request, every link with its end."""

import itertools
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from localfleet.cost.as_html import as_html
from localfleet.cost.as_markdown import as_markdown
from localfleet.cost.as_text import as_text
from localfleet.cost.figures import Book, Figure, Input
from localfleet.cost.plots.bars import Bar, Swing, bar_plot
from localfleet.cost.plots.canvas import Axis, log_ticks, short, spread, ticks
from localfleet.cost.plots.load import hours_picture, spill_picture, swings_picture
from localfleet.cost.plots.money import BoxSteps, bases_picture, border_picture, volume_picture
from localfleet.cost.sheet import Answer, Cell, Grid, Picture, Section, Sheet

BOX = BoxSteps(name="box", usd_per_box=3000, usd_staff=500, usd_per_request=1e-5, requests_per_box=1e7)
amounts = some.floats(1e-6, 1e9, allow_nan=False)


def pictures() -> list[Picture]:
    """One of each kind."""
    return [
        volume_picture([BOX], [("mini", 3e-4), ("big <&>", 5e-3)], here=1.4e7, flip=1.2e7),
        border_picture(usd_per_box=3000, requests_when_full=1e7, here=(0.3, 3e-4)),
        bases_picture([("per output", 1.58, "box"), ("unknown", None, "box"), ("all", 0.02, "hosted")]),
        spill_picture([("code", [(1, 0.0163), (2, 0.0), (3, 0.0)])], wait_s=2),
        hours_picture([0.2, 0.9, 1.3], [0.0, 0.0, 0.004]),
        swings_picture([Swing(name="volume", at_low=-5, at_high=9, low_words="1", high_words="2")], middle=3),
    ]


def numbers(svg: str) -> list[float]:
    """Every coordinate of lines, circles, rectangles and paths."""
    tree = ET.fromstring(svg)
    found = [float(item.get(key, "0")) for item in tree.iter() for key in ("x", "y", "x1", "x2", "cx", "cy")]
    return found + [float(text) for item in tree.iter() for text in re.findall(r"-?\d+\.?\d*", item.get("d", ""))]


@pytest.mark.parametrize("picture", pictures(), ids=lambda picture: picture.caption[:20])
def test_a_plot_is_well_formed_and_stays_in_its_box(picture: Picture) -> None:
    """It parses as XML, has a title for those who cannot see it, and no coordinate leaves the view box."""
    tree = ET.fromstring(picture.svg)
    width, height = (float(part) for part in tree.get("viewBox", "").split()[2:])
    assert tree.find("{*}title") is not None
    assert all(-1 <= value <= max(width, height) for value in numbers(picture.svg))
    assert picture.caption.endswith(".")


@settings(deadline=None)
@given(amounts, amounts, some.floats(1e-9, 1.0), some.none() | amounts)
def test_any_case_can_be_drawn(here: float, box_usd: float, price: float, flip: float | None) -> None:
    """No combination of volume, prices and break-even divides by zero or leaves the frame."""
    steps = BoxSteps(name="box", usd_per_box=box_usd, usd_staff=0, usd_per_request=0, requests_per_box=max(here, 1) / 3)
    for picture in (
        volume_picture([steps], [("api", price)], here=here, flip=flip),
        border_picture(usd_per_box=box_usd, requests_when_full=1e6, here=(min(here / 1e9, 1), price)),
    ):
        assert all(-1 <= value <= 401 for value in numbers(picture.svg))


def test_words_of_the_tornado_stand_over_its_lines() -> None:
    """Every label comes after every line, so its halo keeps it readable."""
    swings = [Swing(name=name, at_low=-5, at_high=9, low_words="1", high_words="2") for name in ("volume", "speed")]
    items = [item.tag.rpartition("}")[2] for item in ET.fromstring(swings_picture(swings, middle=3).svg)]
    kinds = [item.get("class") for item in ET.fromstring(swings_picture(swings, middle=3).svg)]
    labels = [
        place for place, (tag, kind) in enumerate(zip(items, kinds, strict=True)) if (tag, kind) == ("text", "label")
    ]
    lines = [place for place, kind in enumerate(kinds) if kind in {"flip", "mark"}]
    assert min(labels[-2:]) > max(lines)


@pytest.mark.parametrize("here", [1e6, 9e6, 1.4e7])
@pytest.mark.parametrize("flip", [2e5, 8e6, 1.3e7, 2e7])
def test_no_note_lies_over_the_name_of_a_line(here: float, flip: float) -> None:
    """Notes of marks and names of lines, as boxes of their letters: no two of them meet."""
    dear = BoxSteps(
        name="H100 SXM + 1 spare", usd_per_box=3000, usd_staff=500, usd_per_request=1e-5, requests_per_box=1e7
    )
    svg = volume_picture([BOX, dear], [("a-long-name-of-a-model", 3e-4)], here=here, flip=flip).svg
    words = [
        item for item in ET.fromstring(svg).iter("{*}text") if item.get("class", "").split()[0] in {"note", "name"}
    ]
    boxes = [_box_of(item) for item in words]
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (here, flip, one, other)


def _box_of(item: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of one line of text, 10 high, about 5.6 for each letter."""
    left, base, wide = float(item.get("x", "0")), float(item.get("y", "0")), len(item.text or "") * 5.6
    if item.get("text-anchor") == "end":
        left -= wide
    return left, base - 9, left + wide, base + 1


def test_the_staircase_has_a_step_at_each_box() -> None:
    """Where the first box is full, the bill jumps by one box and no more."""
    assert BOX.usd(1e7 * 1.001) - BOX.usd(1e7) == pytest.approx(3000, rel=0.01)
    assert BOX.usd(0) == 3500


@given(some.floats(-1e6, 1e6), some.floats(1e-3, 1e6))
def test_ticks_are_round_and_inside(low: float, span: float) -> None:
    """At most seven, evenly apart, none outside the range."""
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 8
    assert all(low - span * 1e-6 <= value <= low + span * (1 + 1e-6) for value in found)


@given(some.floats(1e-6, 1e3), some.floats(2.5, 1e6))
def test_log_ticks_are_inside(low: float, times: float) -> None:
    """A log axis has marks, all inside its range."""
    assert all(low * 0.999 <= value <= low * times * 1.001 for value in log_ticks(low, low * times))


def test_numbers_are_short() -> None:
    """Three digits and a unit."""
    shown = [short(value) for value in (0, 1.5e6, 319_480, 0.05, 999.7, 12, 2.5e9, -1200)]
    assert shown == ["0", "1.5M", "319k", "0.05", "1k", "12", "2.5B", "-1.2k"]


@given(some.lists(some.floats(0, 200), min_size=1, max_size=8))
def test_names_do_not_collide(wanted: list[float]) -> None:
    """Places keep their order and their distance, as long as they fit."""
    placed = sorted(spread(wanted, gap=12, low=0, high=200))
    assert all(b - a >= 12 - 1e-6 for a, b in itertools.pairwise(placed))


def test_a_bar_of_nothing_is_drawn() -> None:
    """All zero is no division by zero."""
    assert "rect" in bar_plot([Bar(name="x", value=0.0, words="0")], name="x", says="x")


def test_an_axis_keeps_values_inside() -> None:
    """What is outside is held at the edge, on both kinds of scale."""
    assert Axis(title="", low=1, high=100, log=True).at(10, 0, 100) == 50
    assert Axis(title="", low=0, high=10).at(99, 0, 100) == 100


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    """A small report with hostile words in it."""
    book = Book()
    stated = Input(name="r", value=3.99, unit="USD/GPU-h", source="a <page>, 2026-11-09")
    book.put(
        Figure(id="bill.total", value=2913.0, unit="USD a month", formula="r x 730", basis="total", inputs=(stated,))
    )
    grid = Grid(
        head=["option", "USD a month, total"], rows=[["a|b <i>", Cell(words="$2,913", id="bill.total")]], strong=0
    )
    return Sheet(
        title="Rent or buy?",
        verdict="Take the box & be done.",
        answers=[Answer(question="Which?", short="box", detail="4.7 % error", id="bill.total")],
        sections=[Section(title="Bill", prose=["All <total>."], grids=[grid], pictures=pictures())],
        warnings=["a price has no date"],
        book=book,
        made="localfleet, today",
    )


class Links(HTMLParser):
    """Collects tags, ids, links and everything that would make a request."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.requests: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        found = dict(attrs)
        self.ids |= {str(found["id"])} if "id" in found else set()
        self.links += [str(found["href"])] if tag == "a" else []
        self.requests += [tag] if tag in {"script", "link", "img", "iframe", "object"} or "src" in found else []
        if tag not in {"meta", "br", "line", "rect", "circle", "path"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Tags close in order."""
        if tag not in {"line", "rect", "circle", "path"}:
            assert self.open.pop() == tag


def test_the_page_makes_no_request_and_every_link_has_an_end(sheet: Sheet) -> None:
    """Self-contained: no script, no image, no style sheet from elsewhere; each number leads to how it was made."""
    page = as_html(sheet)
    seen = Links()
    seen.feed(page)
    assert not seen.open
    assert seen.requests == []
    assert "url(" not in page
    assert "@import" not in page
    assert seen.links
    assert {link.removeprefix("#") for link in seen.links} <= seen.ids


def test_words_cannot_become_tags(sheet: Sheet) -> None:
    """What a source or a model is called is text, in both forms."""
    page, text = as_html(sheet), as_markdown(sheet)
    assert "&lt;total&gt;" in page
    assert "<i>" not in page
    assert "a\\|b &lt;i>" in text


def test_three_pens_write_the_same_answers(sheet: Sheet) -> None:
    """Answer, figure and doubt stand in each form; the verdict is the last line of the terminal."""
    for form in (as_html(sheet), as_markdown(sheet), "\n".join(as_text(sheet))):
        assert "$2,913" in form
        assert "a price has no date" in form
        assert "Which?" in form
    assert as_text(sheet)[-1] == sheet.verdict


def test_a_figure_stands_once_and_is_found_by_a_part_of_its_id(sheet: Sheet) -> None:
    """An id is whole, a beginning, or a part; mistyped ones have neighbours."""
    book = sheet.book
    assert [figure.id for figure in book.find("bill")] == ["bill.total"]
    assert book.find("nothing") == ()
    assert book.near("bil.totl") == ["bill.total"]
    with pytest.raises(ValueError, match="stands twice"):
        book.put(book.figures["bill.total"])
