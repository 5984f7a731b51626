"""
The rules of the house, read from the source by `ast`: which room may see which, and who holds which power.

Each rule is a function from one source file to its breaches. Each is held against the whole tree, and each is tried
on a small bad example first, so that it is known to bite. A breach says where it is and what to do about it.
"""

import ast
import gc
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = "src/localfleet/"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file: its path from the project's root, its text, its tree."""

    path: str
    text: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """The tree, walked once for all rules."""
        return tuple(ast.walk(self.tree))

    @property
    def inside(self) -> str:
        """The path inside the package (`core/label.py`); empty for files elsewhere."""
        return self.path.removeprefix(HOUSE) if self.path.startswith(HOUSE) else ""

    @property
    def room(self) -> str:
        """The folder, or the module at the top."""
        return self.inside.split("/")[0].removesuffix(".py")


Breach = tuple[int, str]
Rule = Callable[[Source], Iterator[Breach]]

ARROWS = {
    "__init__": set[str](),
    "__main__": {"cli"},
    "core": {"core"},
    "errors": {"core"},
    "ports": {"core"},
    "wire": {"wire", "core", "errors"},
    "engines": {"engines", "core", "hub", "ports", "wire", "errors"},
    "storage": {"storage", "core", "ports", "errors"},
    "redacting": {"core", "ports", "wire"},
    "overhearing": {"core", "ports", "wire"},
    "visit": {"core", "overhearing", "ports", "redacting"},
    "judging": {"core", "ports", "redacting", "visit", "wire"},
    "steering": {"core", "ports", "errors", "wire"},
    "keeping": {"core", "visit", "wire"},
    "suites": {"suites", "core", "errors", "rulebook", "traces"},
    "priors": {"config", "core", "traces"},
    "strategies": {"config", "priors", "rulebook", "core", "errors", "steering", "wire"},
    "gateway": {
        "visit",
        "core",
        "ports",
        "errors",
        "judging",
        "overhearing",
        "redacting",
        "steering",
        "traffic",
        "wire",
    },
    "actions": {"actions", "gateway", "judging", "visit", "core", "ports", "errors", "wire"},
    "experiments": {"config", "core"},
    "workflows": {"experiments", "actions", "config", "rulebook", "core", "errors", "gateway", "wire"},
    "server": {
        "server",
        "batches",
        "people",
        "actions",
        "gateway",
        "visit",
        "explain",
        "ports",
        "traffic",
        "wire",
        "core",
        "errors",
    },
    "large_pages": set(),
    "telling": {"core"},
    "traffic": set(),
    "config": {"config", "core", "errors", "wire"},
    "price_map": {"core", "config", "errors"},
    "gpu_facts": {"core"},
    "shapes": {"core", "errors", "wire"},
    "hub": {"errors", "hub"},
    "fit_words": {"core", "fitting"},
    "fitting": {"config", "core", "engines", "errors", "gpu_facts", "hub", "local_tier", "machine", "shapes", "wire"},
    "providers": set(),
    "documents": {"core", "errors"},
    "batches": {"batches", "core", "errors"},
    "people": {"people", "batches", "core", "errors", "visit", "wire"},
    "catalogue": {"config", "core", "errors", "price_map", "providers", "rulebook", "wire"},
    "rulebook": {"config", "core", "secret_rules"},
    "secret_rules": {"core"},
    "cost": {"cost", "config", "core", "errors", "gpu_facts", "price_map", "traces", "wire"},
    "books": {"core", "errors", "ports", "storage"},
    "logs": set(),
    "gpus": {"gpus", "core"},
    "posting": set(),
    "otlp": {"otlp", "core", "posting"},
    "witness": {"witness", "core", "posting", "storage"},
    "machine": set(),
    "local_tier": {"config", "core", "engines", "errors", "hub", "machine", "shapes"},
    "notify": set(),
    "explain": {"core", "errors", "redacting", "steering", "wire"},
    "reach": {"catalogue", "config", "core", "errors", "providers"},
    "evaluate": {"core", "errors"},
    "readers": {"readers", "core", "errors"},
    "traces": {"traces", "core", "errors"},
    "bench": {"bench", "core", "errors", "ports", "wire"},
    "training": {"training", "core", "errors"},
}
SEES_ALL = {"assemble", "run", "cli"}

LIBRARIES = {
    "wire": {"orjson"},
    "engines": {"orjson"},
    "storage": {"sqlalchemy", "orjson"},
    "witness": {"orjson"},
    "otlp": {"orjson"},
    "server": {"fastapi", "starlette", "pydantic", "uvicorn", "orjson", "prometheus_client"},
    "config": {"pydantic"},
    "rulebook": {"re2"},
    "secret_rules": {"re2"},
    "cost": {"pydantic", "pydantic_core", "rich"},
    "evaluate": {"orjson"},
    "suites": {"orjson"},
    "batches": {"orjson"},
    "people": {"orjson"},
    "keeping": {"orjson"},
    "overhearing": {"orjson"},
    "traces": {"orjson"},
    "bench": {"orjson"},
    "training": {"numpy", "orjson"},
    "assemble": {"re2", "uvicorn", "uvloop"},
    "run": {"uvicorn", "uvloop"},
    "cli": {"click", "typer", "rich", "uvicorn", "uvloop", "orjson"},
}
"""Libraries a whole room may use; every other room and library: none."""
LIBRARIES_BY_FILE = {
    "core/cost/fit.py": {"numpy"},
    "cost/hours.py": {"numpy"},
    "core/cost/hosted_trace.py": {"numpy"},
    "core/cost/trace_doubts.py": {"numpy"},
    "core/cost/replay.py": {"numpy"},
    "core/cost/shadow.py": {"numpy"},
    "core/cost/sleep.py": {"numpy"},
    "core/cost/traffic.py": {"numpy"},
    "core/cost/week.py": {"numpy"},
    "core/detectors/sieve.py": {"re2"},
    "core/names.py": {"re2"},
    "core/detectors/states.py": {"stdnum"},
    "batches/sealed.py": {"cryptography"},
    "wire/yaml_lines.py": {"yaml"},
    "gpu_facts.py": {"yaml"},
    "shapes.py": {"yaml"},
    "engines/http1.py": {"httptools"},
    "engines/litellm_line.py": {"httpx"},
    "engines/litellm_sdk.py": {"litellm"},
    "engines/llamacpp_child.py": {"xllamacpp"},
    "gpus/nvml.py": {"pynvml"},
    "hub/fetch.py": {"httpx", "huggingface_hub"},
    "documents.py": {"pypdf"},
    "readers/eight_bits.py": {"google", "numpy"},
    "readers/embedder.py": {"numpy", "onnxruntime", "tokenizers"},
    "readers/rampart.py": {"numpy", "onnxruntime", "tokenizers"},
}

LOUD_MODULES = """
asyncio concurrent ctypes fcntl getpass glob http importlib io locale logging mmap multiprocessing os pathlib platform
queue random sched secrets select selectors shutil signal smtplib socket socketserver sqlite3 ssl subprocess sys syslog
tempfile threading time urllib.request uuid warnings zoneinfo
"""
LOUD_CALLS = {"open", "print", "input", "breakpoint", "exec", "eval", "compile", "__import__"}
CLOCK_READS = {"now", "utcnow", "today"}
LIVE_THINGS = """
FastAPI Starlette APIRouter Typer create_engine create_async_engine Client ClientBuilder AsyncClient Session Lock RLock
Event Condition Semaphore Queue SimpleQueue Thread ThreadPoolExecutor ProcessPoolExecutor ContextVar
defaultdict OrderedDict Counter deque WeakKeyDictionary WeakValueDictionary Random
"""
MARK = re.compile(r"#\s*(noqa|type: ignore)\b")
MARK_WITH_REASON = re.compile(r"#\s*(noqa: [A-Z0-9, ]+|type: ignore\[[a-z, -]+\])  # \w")
BROAD = {"Exception", "BaseException"}
MAY_CATCH_BROADLY = {"judging.py", "server/errors.py"}


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Yield `(line, dotted name)` of all that a file imports, names included, also inside functions and by string."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(source, node)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"} and node.args:
            first = node.args[0]
            yield node.lineno, str(first.value) if isinstance(first, ast.Constant) else "unknown_at_reading_time"


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = ("localfleet/" + source.inside).split("/")[: -node.level]
    return ".".join([*parts, *([node.module] if node.module else [])])


def last_name(node: ast.AST | None) -> str:
    """The last name of a dotted expression: `Lock` for `asyncio.Lock`; empty for anything else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    return last_name(node.func)


def arrows_point_inward(source: Source) -> Iterator[Breach]:
    """A room imports only the rooms that the plan gives it."""
    if not source.inside or source.room in SEES_ALL:
        return
    if source.room not in ARROWS:
        yield 1, f"the room `{source.room}` is not on the plan; give it its arrows here and in docs/architecture.md"
        return
    for line, name in imports(source):
        parts = name.split(".")
        if parts[0] != "localfleet" or parts[1] == "__version__":
            continue
        target = parts[1]
        if target not in ARROWS[source.room]:
            yield line, f"{source.room} may not import {target}; pass the value in, or move the line to its room"
        if source.room == "config" and target == "wire" and parts[2] != "yaml_lines":
            yield line, "config reads YAML through wire.yaml_lines and nothing else of wire"


def libraries_stay_in_their_rooms(source: Source) -> Iterator[Breach]:
    """A third-party library is imported only in the room that it belongs to."""
    if not source.inside:
        return
    allowed = LIBRARIES.get(source.room, set()) | LIBRARIES_BY_FILE.get(source.inside, set())
    for line, name in imports(source):
        top = name.split(".")[0]
        if top != "localfleet" and top not in sys.stdlib_module_names and top not in allowed:
            yield line, f"{source.inside} may not import {top}; go through the room that owns it"


def litellm_is_imported_lazily(source: Source) -> Iterator[Breach]:
    """Litellm takes seconds and memory to import: never at the top of a module."""
    if not source.inside:
        return
    for node in source.tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.split(".")[0] == "litellm" for name in names):
            yield node.lineno, "import it inside the function that needs it"


def core_and_wire_are_quiet(source: Source) -> Iterator[Breach]:
    """No I/O, clock, random, environment or logging in core and wire: such values are passed in."""
    if source.room not in {"core", "wire"}:
        return
    for line, name in imports(source):
        if {name, name.split(".")[0], ".".join(name.split(".")[:2])} & set(LOUD_MODULES.split()):
            yield line, f"{source.room} may not import {name}; read it at the edge and pass the value in"
    for node in source.nodes:
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in LOUD_CALLS:
                yield node.lineno, f"{source.room} may not call {node.func.id}(); that happens at the edge"
            if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READS:
                yield node.lineno, f"{source.room} may not read the clock; take the time as an argument"


def core_and_wire_never_wait(source: Source) -> Iterator[Breach]:
    """No async in core and wire."""
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    for node in source.nodes:
        if source.room in {"core", "wire"} and isinstance(node, kinds):
            yield node.lineno, f"{source.room} is synchronous; await in gateway, engines, storage or server"


def only_the_policy_builds_hosted_routes(source: Source) -> Iterator[Breach]:
    """Law 3: a HostedRoute is made in core/policy.py and nowhere else, not under another name either."""
    if not source.inside or source.inside == "core/policy.py":
        return
    advice = "only core/policy.py builds a HostedRoute; take the one in the decision"
    for node in source.nodes:
        if isinstance(node, ast.Call) and called(node) not in {"isinstance", "issubclass"}:
            if "HostedRoute" in {called(node), *(last_name(arg) for arg in node.args)}:
                yield node.lineno, advice
        elif (isinstance(node, ast.alias) and node.asname and node.name.endswith("HostedRoute")) or (
            isinstance(node, ast.Assign) and last_name(node.value) == "HostedRoute"
        ):
            yield node.lineno, advice


def only_the_draft_builds_a_proof_of_redaction(source: Source) -> Iterator[Breach]:
    """A Redacted, which opens doors, is made in core/redaction/draft.py, where the text is read again."""
    if not source.inside or source.inside == "core/redaction/draft.py":
        return
    for node in source.nodes:
        if isinstance(node, ast.alias) and node.name == "as_if_redacted" and source.inside != "core/paths.py":
            yield node.lineno, "a redaction that is only supposed is for the proof of paths"
        if isinstance(node, ast.Call) and called(node) not in {"isinstance", "issubclass"}:
            if "Redacted" in {called(node), *(last_name(arg) for arg in node.args)}:
                yield node.lineno, "only core/redaction/draft.py proves a redaction; take the one it made"
        elif isinstance(node, ast.alias) and node.asname and node.name.endswith("Redacted"):
            yield node.lineno, "only core/redaction/draft.py proves a redaction; take the one it made"


def broad_catches_are_counted(source: Source) -> Iterator[Breach]:
    """`Exception` is caught once in judging.py (around the classifier), and asked for once in server/errors.py."""
    if not source.inside:
        return
    found = sorted(line for node in source.nodes for line in _broad_catches(node))
    for line in found[1:] if source.inside in MAY_CATCH_BROADLY else found:
        yield line, "catch the named errors; a broad catch hides the next mistake and may hide a leak"


def _broad_catches(node: ast.AST) -> Iterator[int]:
    """The line of a handler or a `suppress` for everything, and of an `__exit__` that asks whether it is anything."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in {"__exit__", "__aexit__"}:
        yield from (inner.lineno for inner in ast.walk(node) if _names_broadly(inner, "isinstance"))
    elif isinstance(node, ast.ExceptHandler):
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if node.type is None or not BROAD.isdisjoint(map(last_name, caught)):
            yield node.lineno
    elif _names_broadly(node, "suppress"):
        yield node.lineno


def _names_broadly(node: ast.AST, function: str) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and called(node) == function and not BROAD.isdisjoint(map(last_name, node.args))


def no_globals(source: Source) -> Iterator[Breach]:
    """State has an owner; no `global` statement."""
    for node in source.nodes:
        if isinstance(node, ast.Global):
            yield node.lineno, "keep the state in an object that assemble builds and passes on"


def nothing_lives_at_module_level(source: Source) -> Iterator[Breach]:
    """No application, client, lock, cache or registry at module level; typer apps of the commands are the exception."""
    if not source.inside:
        return
    for node in source.tree.body:
        value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.AnnAssign) else None
        empty = value is not None and ast.unparse(value) in {"{}", "[]", "dict()", "list()", "set()"}
        name = called(value) if isinstance(value, ast.Call) else ""
        if empty or (name in LIVE_THINGS.split() and not (name == "Typer" and source.room == "cli")):
            yield node.lineno, "build it in assemble.py and pass it on; a module holds values and functions only"


def names_say_what_is_inside(source: Source) -> Iterator[Breach]:
    """No drawer for odds and ends."""
    stem = source.path.rsplit("/", 1)[-1].removesuffix(".py").strip("_")
    if stem in {"util", "utils", "helper", "helpers", "misc", "common", "stuff", "tools"}:
        yield 1, "name the file after the one idea in it"


def files_hold_one_idea(source: Source) -> Iterator[Breach]:
    """A file of the package has at most 400 lines."""
    lines = source.text.count("\n")
    if source.inside and lines > 400:
        yield 400, f"{lines} lines; split it where the second idea begins"


def functions_fit_a_screen(source: Source) -> Iterator[Breach]:
    """A function of the package has at most 60 lines."""
    for node in source.nodes:
        if source.inside and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # From the first statement on: a command's options are a list, however long.
            lines = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
            if lines > 60:
                yield node.lineno, f"{node.name} has {lines} lines; name its steps and call them"


def every_door_has_a_plate(source: Source) -> Iterator[Breach]:
    """Every module starts with a docstring."""
    if not ast.get_docstring(source.tree):
        yield 1, "begin with a docstring: what lives here, what may not, why"


def only_commands_print(source: Source) -> Iterator[Breach]:
    """`print` belongs to the command line."""
    for node in source.nodes:
        builtin = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if builtin and source.inside and source.room != "cli" and isinstance(node, ast.Call):
            yield node.lineno, "return the value, or log named fields without text"


def privates_stay_private(source: Source) -> Iterator[Breach]:
    """No module imports another module's `_name`."""
    for line, name in imports(source):
        if source.inside and name.startswith("localfleet.") and any(re.match("_[^_]", p) for p in name.split(".")):
            yield line, "make the name public where it lives, or do without"


def marks_have_a_reason(source: Source) -> Iterator[Breach]:
    """What switches a check off for a line says why, on that line."""
    for line, text in enumerate(source.text.splitlines(), 1):
        if MARK.search(text) and not MARK_WITH_REASON.search(text):
            yield line, "say why behind the mark: `# noqa: CODE  # the reason`"


def fakes_are_real(source: Source) -> Iterator[Breach]:
    """Tests bend the environment at most: no mocks, no attribute patched."""
    if not source.path.startswith("tests/"):
        return
    for node in source.nodes:
        bent = node.attr if isinstance(node, ast.Attribute) and last_name(node.value) == "monkeypatch" else "setenv"
        if bent not in {"setenv", "delenv", "chdir"} and isinstance(node, ast.Attribute):
            yield node.lineno, "use a real server or a real class that satisfies the port"
    for line, name in imports(source):
        if name.split(".")[0] in {"mock", "pytest_mock"} or name.startswith("unittest.mock"):
            yield line, "use a real server or a real class that satisfies the port"


ROUTE = "from localfleet.core.route import HostedRoute"

BREAKS: tuple[tuple[Rule, str, str], ...] = (
    (arrows_point_inward, "core/x.py", "from localfleet.engines.pool import Pool"),
    (arrows_point_inward, "core/x.py", "from ..wire import chat"),
    (arrows_point_inward, "server/x.py", "def f():\n    import localfleet.storage.ledger"),
    (arrows_point_inward, "server/x.py", "from localfleet import engines"),
    (arrows_point_inward, "config/x.py", "from localfleet.wire.chat import read_chat"),
    (arrows_point_inward, "gateway.py", "from localfleet.server import app"),
    (arrows_point_inward, "annex.py", ""),
    (libraries_stay_in_their_rooms, "core/x.py", "import orjson"),
    (libraries_stay_in_their_rooms, "engines/x.py", "def f():\n    import litellm"),
    (libraries_stay_in_their_rooms, "engines/x.py", "import httpx"),
    (libraries_stay_in_their_rooms, "server/x.py", "from sqlalchemy import select"),
    (libraries_stay_in_their_rooms, "wire/x.py", "import yaml"),
    (libraries_stay_in_their_rooms, "server/x.py", "import importlib\nimportlib.import_module('litellm')"),
    (libraries_stay_in_their_rooms, "server/x.py", "import importlib\nimportlib.import_module(name)"),
    (litellm_is_imported_lazily, "engines/litellm_sdk.py", "import litellm.main"),
    (litellm_is_imported_lazily, "engines/litellm_sdk.py", "from litellm import acompletion"),
    (core_and_wire_are_quiet, "core/x.py", "import os"),
    (core_and_wire_are_quiet, "core/x.py", "from pathlib import Path"),
    (core_and_wire_are_quiet, "wire/x.py", "import urllib.request"),
    (core_and_wire_are_quiet, "core/x.py", "from datetime import datetime\ndatetime.now()"),
    (core_and_wire_are_quiet, "core/x.py", "from datetime import date\ndate.today()"),
    (core_and_wire_are_quiet, "core/x.py", "open('x')"),
    (core_and_wire_never_wait, "core/x.py", "async def f(): ..."),
    (core_and_wire_never_wait, "wire/x.py", "async def f():\n    async with x: ..."),
    (only_the_policy_builds_hosted_routes, "engines/x.py", f"{ROUTE}\nHostedRoute(model='x')"),
    (
        only_the_policy_builds_hosted_routes,
        "core/x.py",
        "from localfleet.core import route\nroute.HostedRoute(model='x')",
    ),
    (only_the_policy_builds_hosted_routes, "engines/x.py", f"{ROUTE} as Way"),
    (only_the_policy_builds_hosted_routes, "engines/x.py", f"{ROUTE}\nWay = HostedRoute"),
    (only_the_policy_builds_hosted_routes, "engines/x.py", f"{ROUTE}\nobject.__new__(HostedRoute)"),
    (only_the_draft_builds_a_proof_of_redaction, "gateway.py", "Redacted(verdict=x)"),
    (only_the_draft_builds_a_proof_of_redaction, "core/policy.py", "object.__new__(Redacted)"),
    (
        only_the_draft_builds_a_proof_of_redaction,
        "gateway.py",
        "from localfleet.core.redaction.draft import as_if_redacted",
    ),
    (
        only_the_draft_builds_a_proof_of_redaction,
        "explain.py",
        "from localfleet.core.redaction.proof import Redacted as R",
    ),
    (broad_catches_are_counted, "engines/x.py", "try: ...\nexcept Exception: ..."),
    (broad_catches_are_counted, "engines/x.py", "try: ...\nexcept: ..."),
    (broad_catches_are_counted, "engines/x.py", "try: ...\nexcept (OSError, BaseException): ..."),
    (broad_catches_are_counted, "engines/x.py", "with contextlib.suppress(Exception): ..."),
    (
        broad_catches_are_counted,
        "engines/x.py",
        "def __exit__(self, _, exc, __): isinstance(exc, Exception)",
    ),
    (broad_catches_are_counted, "judging.py", "try: ...\nexcept Exception: ...\n" * 2),
    (no_globals, "engines/x.py", "def f():\n    global x\n    x = 1"),
    (nothing_lives_at_module_level, "server/x.py", "app = FastAPI()"),
    (nothing_lives_at_module_level, "server/x.py", "app: Any = typer.Typer()"),
    (nothing_lives_at_module_level, "engines/x.py", "_engines: dict[str, int] = {}"),
    (nothing_lives_at_module_level, "engines/x.py", "seen = set()"),
    (names_say_what_is_inside, "core/_utils.py", ""),
    (files_hold_one_idea, "core/x.py", "x = 1\n" * 401),
    (functions_fit_a_screen, "core/x.py", "def f():\n" + "    x = 1\n" * 61),
    (every_door_has_a_plate, "core/x.py", "x = 1"),
    (only_commands_print, "server/x.py", "print(1)"),
    (privates_stay_private, "server/x.py", "from localfleet.gateway import _walk"),
    (marks_have_a_reason, "core/x.py", "import os  # " + "noqa: F401"),
    (marks_have_a_reason, "core/x.py", "import os  # " + "noqa  # everything"),
    (marks_have_a_reason, "core/x.py", "x = y  # " + "type: ignore[index]"),
    (fakes_are_real, "tests/test_x.py", "def test(monkeypatch): monkeypatch.setattr(a, 'b', 1)"),
    (fakes_are_real, "tests/test_x.py", "from unittest.mock import patch"),
)
"""One row for each way to break a rule."""

FINE: tuple[tuple[Rule, str, str], ...] = (
    (arrows_point_inward, "assemble/x.py", "from localfleet.storage.ledger import Ledger"),
    (arrows_point_inward, "config/x.py", "from localfleet.wire.yaml_lines import read_yaml"),
    (libraries_stay_in_their_rooms, "engines/litellm_sdk.py", "def f():\n    import litellm"),
    (core_and_wire_are_quiet, "core/x.py", "from datetime import date, datetime\nfrom urllib.parse import urlsplit"),
    (core_and_wire_are_quiet, "core/x.py", "import re\nX = re.compile('x')"),
    (only_the_policy_builds_hosted_routes, "core/policy.py", f"{ROUTE}\nHostedRoute(model='x')"),
    (only_the_policy_builds_hosted_routes, "engines/x.py", f"{ROUTE}\nisinstance(x, HostedRoute)"),
    (broad_catches_are_counted, "judging.py", "try: ...\nexcept Exception: ..."),
    (nothing_lives_at_module_level, "cli/keys.py", "app = typer.Typer()"),
    (nothing_lives_at_module_level, "core/x.py", "KINDS = {'a': 1}\nVALUES = dict(zip('ab', (1, 2)))"),
    (fakes_are_real, "tests/test_x.py", "def test(monkeypatch): monkeypatch.setenv('A', 'b')"),
)

RULES = tuple(dict.fromkeys(rule for rule, _, _ in BREAKS))


def read(path: Path) -> Source:
    """Read one file of the tree."""
    text = path.read_text(encoding="utf-8")
    return Source(path=path.relative_to(ROOT).as_posix(), text=text, tree=ast.parse(text))


@pytest.fixture(scope="module")
def house() -> tuple[Source, ...]:
    """All Python files of the package and its tests."""
    files = (*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py")))
    assert len(files) > 20, "the tree was not found; every rule would pass on nothing"
    gc.disable()  # half a million nodes at once, and none of them garbage
    try:
        return tuple(read(path) for path in files)
    finally:
        gc.enable()


def breaches(rule: Rule, path: str, text: str) -> list[Breach]:
    """What a rule says of a made-up file of the package or the tests."""
    path = path if path.startswith("tests/") else HOUSE + path
    return list(rule(Source(path=path, text=text, tree=ast.parse(text))))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_holds(rule: Rule, house: tuple[Source, ...]) -> None:
    """No file of the tree breaks the rule; a breach names file, line and what to do."""
    found = [f"{source.path}:{line}: {advice}" for source in house for line, advice in rule(source)]
    assert not found, f"{rule.__doc__}\n" + "\n".join(found)


@pytest.mark.parametrize(("rule", "path", "text"), BREAKS)
def test_the_rule_bites(rule: Rule, path: str, text: str) -> None:
    """Every rule finds the bad example made for it, on a line of the file."""
    found = breaches(rule, path, text)
    assert found
    assert all(1 <= line <= max(1, text.count("\n") + 1) for line, _ in found)


@pytest.mark.parametrize(("rule", "path", "text"), FINE)
def test_the_rule_lets_good_code_pass(rule: Rule, path: str, text: str) -> None:
    """A rule that forbids what is right would be switched off within a week."""
    assert not breaches(rule, path, text)


def test_every_rule_has_a_bad_example() -> None:
    """A rule without a bad example is not held against the house, so there must be none."""
    here = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    written = {
        node.name
        for node in here.body
        if isinstance(node, ast.FunctionDef) and ast.unparse(node.returns or ast.Constant(None)) == "Iterator[Breach]"
    }
    assert written == {rule.__name__ for rule in RULES}
