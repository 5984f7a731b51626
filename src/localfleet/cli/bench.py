"""`bench`: load one engine, find what it can do and what it can do within limits, write it where `cost` reads it."""

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from localfleet.assemble.under_test import local_under_test, url_under_test
from localfleet.bench.plan import Bounds, Limits, Plan, Shape, loads
from localfleet.bench.run import Told, benchmark
from localfleet.bench.sample import Target
from localfleet.cli.config import load_checked
from localfleet.cli.cost_calibrate import read_shape, show_calibration
from localfleet.cli.parts import Config, Json, console, home_path, print_json
from localfleet.core.cost.calibration import Calibration
from localfleet.errors import FleetError
from localfleet.traces.calibration_file import calibration_json, write_calibration

__all__ = ["bench_command", "calibration_path", "engine_under_test", "find_calibration", "progress_bar"]

FOLDER = "calibrations"


def bench_command(
    target: Annotated[
        str, typer.Argument(help="A local model of models.yaml, or a base URL such as http://host:8000/v1.")
    ],
    model: Annotated[str | None, typer.Option(help="With a URL: the model's name there.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="With a URL: the variable that holds its key.")] = None,
    shapes: Annotated[
        str | None, typer.Option(metavar="INxOUT,...", help="Request shapes; default: eight that fit the context.")
    ] = None,
    together: Annotated[
        str | None, typer.Option(metavar="N,...", help="Loads: requests together; default: 1 up to the engine's slots.")
    ] = None,
    context_tokens: Annotated[int, typer.Option(min=128, help="With a URL: its context.")] = 4096,
    ttft_p99_ms: Annotated[float, typer.Option(min=1, help="Limit: 99 % of first tokens within.")] = 2000,
    tpot_ms: Annotated[float, typer.Option(min=0.1, help="Limit: mean time for each further token.")] = 50,
    slo: Annotated[bool, typer.Option("--slo/--no-slo", help="Look for the rate that keeps the limits.")] = True,
    rounds: Annotated[int, typer.Option(min=3, max=1000, help="Answers for each slot and shape.")] = 6,
    seconds: Annotated[float, typer.Option(min=10, help="All of it takes no longer than this.")] = 900,
    seed: Annotated[int, typer.Option(help="Of prompts and arrival times.")] = 1,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: in the state folder, by model.")] = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Measure rates, time to first token and between tokens under real load, and calibrate the cost model with it."""
    wanted = None if shapes is None else tuple(_shape(text) for text in shapes.split(","))
    sizes = None if together is None else tuple(_count(text) for text in together.split(","))
    limits, bounds = Limits(ttft_p99_ms=ttft_p99_ms, tpot_ms=tpot_ms), Bounds(rounds=rounds, total_s=seconds)
    try:
        plan = Plan(shapes=wanted, loads=sizes or (1,), limits=limits, bounds=bounds, slo=slo)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--shapes") from None

    def planned(found: Target) -> Plan:
        return replace(plan, loads=sizes or loads(found.slots))

    with tempfile.TemporaryDirectory(prefix="localfleet-bench-") as folder:
        engine = engine_under_test(target, model, api_key_env, context_tokens, sizes, config, Path(folder))
        found = asyncio.run(_measure(engine, planned, seed))
    today, path = datetime.now(UTC).date(), out or calibration_path(home_path(), found.name)
    write_calibration(path, found, made=today, source=f"localfleet bench {target}")
    if as_json:
        print_json(calibration_json(found, made=today, source=f"localfleet bench {target}"))
    else:
        show_calibration(found)
        console().print(f"written to {path}", markup=False)
    raise typer.Exit(0 if found.work is not None else 1)


def calibration_path(home: Path, kind: str) -> Path:
    """Where the calibration of a model lies: its name with plain characters."""
    plain = "".join(each if each.isalnum() or each in "._-" else "-" for each in kind).strip("-.")
    return home / FOLDER / f"{plain or 'model'}.json"


def find_calibration(home: Path) -> Path:
    """The newest calibration in the state folder; raises `FleetError` where there is none."""
    found = sorted((home / FOLDER).glob("*.json"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise FleetError("no calibration was made here yet: run `localfleet bench`, or name one with --calibration")
    return found[-1]


def engine_under_test(
    target: str,
    model: str | None,
    key_env: str | None,
    context_tokens: int,
    sizes: tuple[int, ...] | None,
    config: str,
    folder: Path,
) -> AbstractAsyncContextManager[Target]:
    """The engine that a person named: a model of the file, with sockets in `folder`, or a URL. Raises `FleetError`."""
    if target.startswith(("http://", "https://")):
        if model is None:
            raise typer.BadParameter("say the model's name at this URL", param_hint="--model")
        if key_env is not None and not os.environ.get(key_env):
            raise typer.BadParameter("this variable is not set; export it", param_hint="--api-key-env")
        slots = None if sizes is None else max(sizes)
        return url_under_test(
            target, model, key_env=key_env, env=os.environ, context_tokens=context_tokens, slots=slots
        )
    settings, _ = load_checked(config)
    return local_under_test(target, settings, env=os.environ, home=folder)


async def _measure(
    engine: AbstractAsyncContextManager[Target], planned: Callable[[Target], Plan], seed: int
) -> Calibration:
    with progress_bar() as told:
        async with engine as target:
            draw = random.Random(seed).random  # noqa: S311  # words and arrival times, no secret
            return await benchmark(target, planned(target), draw=draw, told=told)


@contextmanager
def progress_bar() -> Iterator[Told]:
    """A bar on stderr, so that stdout holds the result alone; nothing where stderr is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    shown = Console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("loading the model", total=1.0)

        def told(share: float, what: str) -> None:
            bar.update(task, completed=share, description=what)

        yield told


def _shape(text: str) -> Shape:
    into, out = read_shape(text, "--shapes")
    return int(into), int(out)


def _count(text: str) -> int:
    if not text.strip().isdigit() or not 1 <= int(text) <= 4096:
        raise typer.BadParameter("numbers from 1 to 4096, such as 1,8,64", param_hint="--together")
    return int(text)
