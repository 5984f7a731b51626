"""The documents say what the code does: every reason, every key of models.yaml, every link."""

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from localfleet.cli import COMMANDS, build_cli
from localfleet.config import (
    Audit,
    Batches,
    Difficulty,
    Gpu,
    Hardware,
    HostedModel,
    Life,
    Limits,
    LocalModel,
    People,
    Plan,
    PriceEntry,
    Privacy,
    ProviderDemand,
    ProviderFacts,
    Routing,
    Rule,
    Search,
    Settings,
    Sharing,
    Task,
    Tier,
    TierEntry,
    Traces,
    Vllm,
    parse_settings,
)
from localfleet.config.cascade import Cascade, ConfidenceJudge, ConsistencyJudge, Judges, ModelJudge
from localfleet.config.experiments import Experiment, Shadow
from localfleet.config.form import AnswerEntry, FormEntry
from localfleet.config.pipelines import Pipeline, Stage
from localfleet.config.routing import Classifier, Grade, Prior
from localfleet.config.settings import Percentiles, TaskAims
from localfleet.config.vllm import Speculative
from localfleet.core.reason import Reason

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SHIPPED = ROOT / "models.yaml"
SWITCHED_OFF = re.compile(r"^(\s*)#~ ", re.MULTILINE)
"""A line of the shipped models.yaml that is a working example, switched off."""

SECTIONS: dict[str, type[BaseModel]] = {
    "The file": Settings,
    "`hardware`": Hardware,
    "`hardware.gpus[]`": Gpu,
    "`hardware.sharing`": Sharing,
    "`local.<name>`": LocalModel,
    "`local.<name>.life`": Life,
    "`local.<name>.vllm`": Vllm,
    "`local.<name>.vllm.speculative`": Speculative,
    "`hosted.<name>`": HostedModel,
    "`hosted.<name>.form`": FormEntry,
    "`hosted.<name>.form.answer`": AnswerEntry,
    "`hosted.<name>.prices[]`": PriceEntry,
    "`hosted.<name>.prices[].tiers[]`": TierEntry,
    "`hosted.<name>.data_policy`": ProviderFacts,
    "`privacy`": Privacy,
    "`privacy.providers.<label>`": ProviderDemand,
    "`privacy.rules[]`": Rule,
    "`tasks.<name>`": Task,
    "`tasks.<name>.aims`": TaskAims,
    "`tasks.<name>.aims.ttft_ms`": Percentiles,
    "`tasks.<name>.cascade`": Cascade,
    "`tasks.<name>.cascade.judge`": Judges,
    "`tasks.<name>.cascade.judge.confidence`": ConfidenceJudge,
    "`tasks.<name>.cascade.judge.consistency`": ConsistencyJudge,
    "`tasks.<name>.cascade.judge.model`": ModelJudge,
    "`experiments.<name>`": Experiment,
    "`experiments.<name>.shadow`": Shadow,
    "`pipelines.<name>`": Pipeline,
    "`pipelines.<name>.stages[]`": Stage,
    "`search.<name>`": Search,
    "`tiers.<name>`": Tier,
    "`routing`": Routing,
    "`routing.prior`": Prior,
    "`routing.difficulty`": Difficulty,
    "`routing.difficulty.classifier`": Classifier,
    "`routing.difficulty.grade`": Grade,
    "`limits`": Limits,
    "`plans.<name>`": Plan,
    "`people`": People,
    "`audit`": Audit,
    "`traces`": Traces,
    "`batches`": Batches,
}
SEEN_BELOW = (
    ("Settings", "privacy"),
    ("Settings", "routing"),
    ("Settings", "limits"),
    ("Settings", "people"),
    ("Settings", "audit"),
    ("Hardware", "sharing"),
    ("LocalModel", "life"),
    ("Cascade", "judge"),
    ("Shadow", "judge"),
)
DEFAULTS_IN_WORDS = {
    ("LocalModel", "apis"): "all but `embedding` and `rerank`",
    ("Settings", "hardware"): "`gpus: detect`",
    **dict.fromkeys(SEEN_BELOW, "see below"),
}
"""Defaults that are told rather than quoted."""


def headings(file: Path) -> list[str]:
    """The titles of a Markdown file's headings, fenced code left out."""
    prose = re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+?)\s*$", prose, flags=re.MULTILINE)


def rows(title: str) -> dict[str, str]:
    """Key -> default, from the table under a heading of the models.yaml reference."""
    text = (DOCS / "reference" / "models-yaml.md").read_text(encoding="utf-8")
    section = re.split(r"^#+ ", text.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, flags=re.MULTILINE))


def told(shape: type[BaseModel], key: str, field: FieldInfo) -> str:
    """How the reference writes a default."""
    if (shape.__name__, key) in DEFAULTS_IN_WORDS:
        return DEFAULTS_IN_WORDS[shape.__name__, key]
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str | int | float | Decimal):
        return f"`{value}`"
    return "none" if not value else f"`{value}`"


def shapes(value: Any) -> Iterator[BaseModel]:
    """All config objects inside a value, itself included."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from shapes(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from shapes(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from shapes(item)


@pytest.fixture(scope="module")
def everything() -> Settings:
    """The shipped models.yaml with every example switched on."""
    return parse_settings(SWITCHED_OFF.sub(r"\1", SHIPPED.read_text(encoding="utf-8")).encode())


def test_every_reason_has_a_heading_and_no_heading_is_stale() -> None:
    """Reasons and headings are the same set, and no reason stands twice."""
    found = [title.strip("`") for title in headings(DOCS / "reference" / "reasons.md") if title.startswith("`")]
    assert sorted(found) == sorted(Reason)


def test_the_shipped_file_runs_as_it_is() -> None:
    """A stranger's first start needs no key and no edit: one local model, nothing hosted."""
    settings = parse_settings(SHIPPED.read_bytes())
    assert list(settings.local) == ["small"]
    assert settings.local["small"].weights == "smollm2-135m-instruct"
    assert not settings.hosted


def test_the_shipped_file_loads_with_every_example_switched_on(everything: Settings) -> None:
    """Every example is right, and together they have the three hosted tiers."""
    assert {model.tier for model in everything.hosted.values()} == {"low_cost", "balanced", "premium"}
    assert {model.accepts for model in everything.hosted.values()} == {"public", "internal"}


@pytest.mark.parametrize("shape", SECTIONS.values(), ids=lambda shape: shape.__name__)
def test_the_shipped_file_shows_every_key(shape: type[BaseModel], everything: Settings) -> None:
    """The manual has every key of every section, as a line that works."""
    shown = {key for one in shapes(everything) if type(one) is shape for key in one.model_fields_set}
    assert shown == set(shape.model_fields)


def test_shipped_values_are_the_defaults_they_claim_to_be(everything: Settings) -> None:
    """Sections that the shipped file writes out, to show them, change nothing."""
    settings = parse_settings(SHIPPED.read_bytes())
    assert settings.privacy == Privacy()
    assert settings.routing == Routing()
    assert settings.limits == Limits()
    small = settings.local["small"].model_dump(exclude={"weights", "can"})
    assert small == LocalModel(weights="x").model_dump(exclude={"weights", "can"})
    assert everything.limits != Limits()


@pytest.mark.parametrize(("title", "shape"), SECTIONS.items())
def test_the_reference_has_every_key_with_its_default(title: str, shape: type[BaseModel]) -> None:
    """The tables of docs/reference/models-yaml.md are the shapes of config.py, defaults included."""
    assert rows(title) == {key: told(shape, key, field) for key, field in shape.model_fields.items()}


def test_every_section_of_the_config_is_known_here(everything: Settings) -> None:
    """A new class in config.py must be added to SECTIONS, or its keys would go unchecked."""
    assert {type(one) for one in shapes(everything)} == set(SECTIONS.values())


def test_every_detector_is_documented() -> None:
    """`privacy.detectors` takes names; the list of names is complete and has none that is gone."""
    from localfleet.core.detectors import KINDS

    text = (DOCS / "concepts" / "privacy-law.md").read_text(encoding="utf-8")
    table = text.split("## The detectors\n", 1)[1].split("\n## ", 1)[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == sorted(KINDS)


def links() -> list[tuple[str, str]]:
    """Every link of every Markdown file that points into the project, as `(file, target)`."""
    files = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
    found = [(file, target) for file in files for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text("utf-8"))]
    return [(str(file.relative_to(ROOT)), target) for file, target in found if "://" not in target]


def anchor(title: str) -> str:
    """The anchor that a Markdown heading gets."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_there_are_links_to_check() -> None:
    """An empty list would pass the next test without looking."""
    assert len(links()) > 10


@pytest.mark.parametrize(("file", "target"), links())
def test_every_link_resolves(file: str, target: str) -> None:
    """A link points to a file that is there, and to a heading that is in it."""
    path, _, fragment = target.partition("#")
    there = (ROOT / file).parent / path if path else ROOT / file
    assert there.exists()
    assert not fragment or fragment in {anchor(title) for title in headings(there)}


def named_tests() -> list[tuple[str, str]]:
    """Every `tests/...` that a document names, as `(file, name)`: a folder, a file, or a test in one."""
    files = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
    shape = re.compile(r"\btests/[\w/]*(?:\.py)?(?:::\w+)?")
    return sorted({(str(file.relative_to(ROOT)), name) for file in files for name in shape.findall(file.read_text())})


def functions_of(file: Path) -> set[str]:
    """The names of the functions at the top of a Python file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_a_document_names_is_there() -> None:
    """Evidence that is gone is no evidence."""
    named = named_tests()
    places = {place for _, name in named for place in [name.partition("::")[0]]}
    gone = {place for place in places if not (ROOT / place).exists()}
    written = {place: functions_of(ROOT / place) for place in places - gone if place.endswith(".py")}
    stale = [
        (file, name)
        for file, name in named
        for place, _, test in [name.partition("::")]
        if place in gone or (test and test not in written[place])
    ]
    assert len(named) > 50
    assert stale == []


def feature_rows() -> list[tuple[str, str, str]]:
    """The rows of docs/features.md as `(key, status, evidence)`."""
    text = (DOCS / "features.md").read_text(encoding="utf-8")
    return re.findall(r"^\| ([A-Z]\d+) \| .+? \| ([^|]+?) \| ?(.*?) ?\|$", text, flags=re.MULTILINE)


def test_every_feature_row_has_a_status_and_stands_once() -> None:
    """Three words and no others, so that the page can be counted."""
    rows = feature_rows()
    text = (DOCS / "features.md").read_text(encoding="utf-8")
    assert len(rows) == len(re.findall(r"^\| [A-Z]\d+ ", text, flags=re.MULTILINE)) > 150
    assert {status for _, status, _ in rows} == {"done", "partly", "not yet"}
    assert len({key for key, _, _ in rows}) == len(rows)


def test_what_is_claimed_names_a_command_or_a_test() -> None:
    """A row that is done, or partly so, says what to run; a command must be one of ours."""
    shown = re.compile(r"`(?:tests/\S+::\w+|localfleet (?P<command>\w[^`]*)|python (?:bench|scripts)/\w+\.py)`")
    for key, status, evidence in feature_rows():
        found = list(shown.finditer(evidence))
        assert status == "not yet" or found, f"{key} shows nothing"
        for command in {one["command"] for one in found} - {None}:
            assert unknown_words(command) == [], f"{key} names a command that is not there"


@pytest.mark.parametrize(("command", "word"), [("nap", "nap"), ("audit nap", "nap"), ("check --nap", "--nap")])
def test_a_command_that_is_not_there_is_seen(command: str, word: str) -> None:
    """The search for stale commands bites: on a command, on one inside a group, on an option."""
    assert unknown_words(command) == [word]


def unknown_words(line: str) -> list[str]:
    """Those of a command line (without `localfleet`) that name no command and no option of it."""
    name, *rest = line.split()
    if name not in COMMANDS:
        return [name]
    command = get_command(build_cli(name)).commands[name]  # type: ignore[attr-defined]  # many commands make a group
    while (inside := getattr(command, "commands", None)) and rest:
        if (word := rest.pop(0)) not in inside:
            return [word]
        command = inside[word]
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    return [word for word in rest if word.startswith("--") and word not in known]
