"""`check` and `explain`: what the file says, and what would happen to a request."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from localfleet.catalogue import anyone, build_models, build_policy, planned, read_bid
from localfleet.cli.config import check_local, load_checked
from localfleet.cli.explained import print_explained
from localfleet.cli.parts import Config, Json, console, home_path, print_json
from localfleet.cli.paths import paths_command
from localfleet.cli.promises import threshold_lines, threshold_warnings
from localfleet.config import HostedModel, Search, Settings, Vllm, load_settings, read_settings
from localfleet.core.ask import Need
from localfleet.core.fleet import Model
from localfleet.core.layers import LAYERS
from localfleet.core.routing.lens import engine_of
from localfleet.core.routing.prior import Outcomes
from localfleet.core.routing.scored import Scored
from localfleet.core.winnow import Documents
from localfleet.documents import FILE_NAME as PRINTS
from localfleet.documents import read_documents
from localfleet.errors import ConfigError, FleetError
from localfleet.experiments import read_states
from localfleet.explain import Explainer
from localfleet.fit_words import problem_of, row_of, said_of, warning_of
from localfleet.fitting import Checked, check_fits, too_much_together
from localfleet.local_tier import chosen_engine
from localfleet.machine import look
from localfleet.price_map import PriceMap, price_warning, read_price_map
from localfleet.priors import build_priors
from localfleet.reach import refuse_forbidden
from localfleet.readers.embedder import the_embedder
from localfleet.readers.load import load_meaning, load_reader
from localfleet.redacting import Redactor, Sessions
from localfleet.rulebook import build_reading, build_rules, field_names, layers_ever, layers_on, plan_layers
from localfleet.strategies import build_finder, build_table, threshold_of
from localfleet.wire.yaml_lines import Lines
from localfleet.workflows import build_shadows

__all__ = ["check_command", "explain_command", "explainer_of"]

FACTS_DAYS = 366
EXTRA_LAYERS = frozenset({"topics", "names"})
"""Off unless switched on: told, and no reason for a warning."""
Complaint = tuple[int | None, str, str]
"""A line, a path, and what is wrong."""


def check_command(
    config: Config = "models.yaml",
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as problems.")] = False,
    paths: Annotated[
        bool, typer.Option("--paths", help="Every way by which text of a label could reach a host.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Validate models.yaml: file, line, what is wrong, how to mend it."""
    if paths:
        paths_command(config, as_json=as_json)
    fits: tuple[Checked, ...] = ()
    warnings: list[str] = []
    try:
        settings, lines = read_settings(config)
        fits = check_fits(settings, look(os.environ), os.environ)
        problems = [*_every_problem(config), *_fit_problems(fits, lines)]
        warnings = [] if problems else [*_warnings(settings, read_price_map()), *_fit_warnings(fits)]
    except ConfigError as exc:
        problems = list(exc.problems)
    failed = bool(problems) or (strict and bool(warnings))
    if as_json:
        print_json(_report(config, problems, warnings, fits, ok=not failed))
    else:
        _print_report(config, problems, warnings, fits)
        if not problems:
            off, found = _layers_off(settings), [_counted(len(settings.local) + len(settings.hosted), "model")]
            layers = f", layers off: {', '.join(off)}" if off else ""
            found += [_counted(len(settings.search), "search endpoint")] if settings.search else []
            seen = f"{', '.join(found)}, {_counted(len(settings.privacy.rules), 'rule')}"
            console().print(f"{config}: {seen}{layers}: ok", markup=False)
            for line in _switched(settings):
                console().print(f"{config}: {line}", markup=False)
    raise typer.Exit(1 if failed else 0)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _every_problem(file: str) -> Iterator[Complaint]:
    """Of the environment first; of this machine where the environment is right."""
    try:
        settings, prices = load_checked(file)
        refuse_forbidden(file, settings, build_models(settings, prices, datetime.now(UTC).date()))
        check_local(file)
    except ConfigError as exc:
        yield from exc.problems


def _fit_problems(fits: tuple[Checked, ...], lines: Lines) -> Iterator[Complaint]:
    for one in fits:
        if (sentence := problem_of(one)) is not None:
            yield lines.of(("local", one.name)), f"local.{one.name}", sentence


def _fit_warnings(fits: tuple[Checked, ...]) -> Iterator[str]:
    for one in fits:
        if (sentence := warning_of(one)) is not None:
            yield f"local.{one.name}: {sentence}"
    for sentence in too_much_together(fits):
        yield f"{sentence}; they take turns (docs/concepts/life-cycle.md)"


def _report(
    file: str, problems: list[Complaint], warnings: list[str], fits: tuple[Checked, ...], *, ok: bool
) -> dict[str, Any]:
    return {
        "file": file,
        "ok": ok,
        "problems": [{"line": line, "path": path, "problem": text} for line, path, text in problems],
        "warnings": warnings,
        "fits": [row_of(one) for one in fits],
    }


def _print_report(file: str, problems: list[Complaint], warnings: list[str], fits: tuple[Checked, ...]) -> None:
    if problems:
        sys.stderr.write(ConfigError(file, tuple(problems)).message + "\n")
    for line in (line for one in fits for line in said_of(one)):
        console().print(line, markup=False)
    for warning in warnings:
        console().print(f"{file}: warning: {warning}", markup=False)


def _warnings(settings: Settings, prices: PriceMap) -> list[str]:
    found = [
        f"search.{name}: what a query costs is unknown; budgets will refuse it. Add `usd_per_query:`"
        for name, search in settings.search.items()
        if search.usd_per_query is None
    ]
    for model in build_models(settings, prices, datetime.now(UTC).date()):
        if model.local or model.name in settings.search:
            continue
        if model.price is None:
            found.append(f"hosted.{model.name}: the price is unknown; budgets will refuse it. Add `prices:`")
        elif (old := price_warning(model.price, datetime.now(UTC).date())) is not None:
            found.append(f"hosted.{model.name}: price: {old}")
    found += _old_facts(settings, datetime.now(UTC).date())
    if settings.privacy.detectors != "all":
        found.append("privacy.detectors: some detectors are off; what they would find may leave")
    found += _layer_warnings(settings)
    found += _redaction_warnings(settings)
    if settings.privacy.default == "public":
        found.append("privacy.default is public: what no detector or rule finds may go to any hosted model")
    if not settings.local:
        found.append("no local model: restricted requests will be refused")
    if settings.routing.keep_features == "restricted":
        found.append("routing.keep_features: restricted: who has the file can guess words of restricted requests")
    found += _price_file_warnings(settings, datetime.now(UTC))
    found += threshold_warnings(threshold_of(build_table(settings)))
    return [*found, *_vllm_warnings(settings)]


def _price_file_warnings(settings: Settings, now: datetime) -> Iterator[str]:
    """A file of marginal prices that is out of date has no say; nothing stops for it."""
    file = settings.routing.marginal_prices
    if file is not None and now.timestamp() >= (until_s := read_bid(file).until_s):
        last = datetime.fromtimestamp(until_s - 1, UTC).date().isoformat()
        yield (
            f"routing.marginal_prices: the file was valid until {last}, so it has no say: write it anew with "
            "`localfleet cost export-router`, and reload"
        )


def _old_facts(settings: Settings, today: date) -> Iterator[str]:
    """Providers change their terms: what was looked up long ago is worth another look."""
    places: list[tuple[str, HostedModel | Search]] = [(f"hosted.{name}", one) for name, one in settings.hosted.items()]
    places += [(f"search.{name}", one) for name, one in settings.search.items()]
    for place, one in places:
        if one.data_policy is not None and (today - one.data_policy.checked).days > FACTS_DAYS:
            yield f"{place}.data_policy: checked more than a year ago; look again and change `checked:`"


def _layers_off(settings: Settings) -> list[str]:
    return [layer for layer in LAYERS if layer not in layers_on(settings)]


def _switched(settings: Settings) -> Iterator[str]:
    """Where other layers read than usual, and what reads answers."""
    usual = layers_on(settings)
    for name, plan in settings.plans.items():
        if plan.layers is not None:
            yield f"plans.{name}: layers off: {_named_off(plan_layers(plan, usual))}"
    for name, task in settings.tasks.items():
        if more := [layer for layer in LAYERS if layer in task.layers and layer not in usual]:
            yield f"tasks.{name}: layers off: {_named_off(usual | {*more})}"
    if settings.routing.keep_features:
        labels = "all" if settings.routing.keep_features == "restricted" else "public and internal"
        most = f"at most {settings.routing.keep_features_mib} MiB"
        yield f"routing.keep_features: features of {labels} requests, no text, in the state folder, {most}"
    yield from threshold_lines(threshold_of(build_table(settings)))
    if (priors := build_priors(settings)) is not None:
        known = sum(map(len, priors.known.values()))
        yield f"routing.prior: {priors.rows} scores, for {known} models and tasks (`localfleet routing prior`)"
    for name, one in settings.experiments.items():
        if one.shadow is not None:
            bounds = f"{one.shadow.usd_per_day:f} USD a day, {one.shadow.requests_per_hour} requests an hour"
            yield f"experiments.{name}: {one.share:.0%} of {one.task} also go to {one.first}, unseen; at most {bounds}"
    if settings.privacy.output_layers:
        yield f"answers: layers off: {_named_off(frozenset(settings.privacy.output_layers))}"


def _named_off(on: frozenset[str]) -> str:
    return ", ".join(layer for layer in LAYERS if layer not in on) or "none"


def _layer_warnings(settings: Settings) -> Iterator[str]:
    usual = layers_on(settings)
    for name, plan in settings.plans.items():
        fewer = [layer for layer in LAYERS if layer in usual and layer not in plan_layers(plan, usual)]
        if fewer:
            yield f"plans.{name}.layers: off: {', '.join(fewer)}; what they would find there may leave"
    off = list(_layers_off(settings))
    if off:
        yield f"privacy.layers: off: {', '.join(off)}; what they would find may leave"


def _redaction_warnings(settings: Settings) -> Iterator[str]:
    if settings.privacy.on_restricted == "redact":
        unread = [layer for layer in _layers_off(settings) if layer in EXTRA_LAYERS]
        also = f"; {' and '.join(unread)} are not read" if unread else ""
        yield f"privacy.on_restricted: redact: what no layer finds in a restricted text leaves with it{also}"


def _vllm_warnings(settings: Settings) -> Iterator[str]:
    for name, model in settings.local.items():
        asked = model.vllm or Vllm()
        if chosen_engine(model) != "vllm":
            continue
        if asked.trust_remote_code:
            yield f"local.{name}.vllm.trust_remote_code: Python that came with the weights runs with your rights"
        if asked.pull:
            yield f"local.{name}.vllm.pull: vLLM may ask the Hugging Face hub when it starts"
        if asked.allowed_media_domains:
            yield f"local.{name}.vllm.allowed_media_domains: callers can make vLLM fetch from these hosts"
        if Need.TOOLS in model.can and asked.tool_parser is None:
            yield f"local.{name}.can: tools need `vllm.tool_parser:`; without it vLLM refuses `tool_choice: auto`"


def explain_command(
    file: Annotated[str, typer.Argument(help="A file with one JSON body, or - for stdin.")] = "-",
    jsonl: Annotated[Path | None, typer.Option("--jsonl", help="Many bodies, one JSON object a line.")] = None,
    privacy: Annotated[str | None, typer.Option("--privacy", help="As the header x-localfleet-privacy.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="As the header x-localfleet-task.")] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="As a key of this plan.")] = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Dry-run a request: label, findings, doors in order, reason, price of each door."""
    explainer, models = explainer_of(config, plan=plan)
    if task is not None and task not in explainer.tasks:
        tasks = ", ".join(sorted(explainer.tasks)) or "none"
        sys.stderr.write(f"--task: {config} has no task of that name, and none is routed by it; its tasks: {tasks}\n")
    if jsonl is not None:
        _explain_lines(explainer, jsonl)
        return
    raw = sys.stdin.buffer.read() if file == "-" else _bytes_of(file)
    headers = {"x-localfleet-privacy": privacy, "x-localfleet-task": task}
    explained = explainer.explain(raw, {name: value for name, value in headers.items() if value is not None})
    if as_json:
        print_json(explained.row())
    else:
        print_explained(explained, models)


def _bytes_of(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as exc:
        raise FleetError(f"{file} cannot be read ({exc.strerror}); give a file with one JSON body, or -") from exc


def explainer_of(
    config: str, layers: frozenset[str] | None = None, *, redact: bool = False, plan: str | None = None
) -> tuple[Explainer, dict[str, Model]]:
    """
    The explainer of a models.yaml and its models by name.

    `layers` names the only layers that read; `redact` redacts whatever the file says.
    """
    # Missing provider keys do not matter here: nothing is sent.
    settings = load_settings(config)
    models = build_models(settings, read_price_map(), datetime.now(UTC).date())
    if plan is not None and plan not in settings.plans:
        raise FleetError(f"{config} has no plan of that name; its plans: {', '.join(settings.plans) or 'none'}")
    caller = planned(replace(anyone(settings), plan=plan), settings)
    documents = registered()
    reading = build_reading(settings, load_meaning(), documents)
    reader = load_reader() if "names" in (layers or layers_ever(settings)) else None
    rules = reading.full if layers is None else build_rules(settings, layers, load_meaning(), documents)
    table = build_table(settings)
    explainer = Explainer(
        models=models,
        rules=rules,
        reading=reading if layers is None and (reading.plans or reading.tasks) else None,
        reader=reader,
        policy=build_policy(settings, table),
        classifier=threshold_of(table),
        tasks=frozenset(settings.tasks),
        aliases=settings.aliases,
        embed=_embed(threshold_of(table)),
        finder=build_finder(settings),
        outcomes=_outcomes(settings),
        shadows=build_shadows(settings, read_states(home_path())),
        caller=caller,
        fields=field_names(settings),
        redactor=_redactor(settings, asked=redact),
    )
    return explainer, {model.name: model for model in models}


def _embed(scored: Scored | None) -> Callable[[str], Sequence[float]] | None:
    """What makes the embeddings that a classifier was trained with; raises `FleetError` where it cannot be had."""
    if scored is None or scored.scorer.lens is None or engine_of(scored.scorer.lens.folder) is not None:
        return None  # a dry run starts no engine: the classifier abstains
    try:
        return the_embedder(scored.scorer.lens).of
    except ValueError as exc:
        raise FleetError(str(exc)) from exc


def _outcomes(settings: Settings) -> Outcomes | None:
    if settings.routing.prior is None:
        return None
    from localfleet.cli.prior import outcomes_here  # noqa: PLC0415  # only where scores are blended with outcomes

    return outcomes_here()


def _redactor(settings: Settings, *, asked: bool) -> Redactor | None:
    """With a key of its own: nothing is sent, and pseudonyms of a dry run are nobody's business."""
    if settings.privacy.on_restricted != "redact" and not asked:
        return None
    return Redactor(key=secrets.token_bytes(32), sessions=Sessions(now=time.monotonic))


def registered() -> Documents | None:
    """The documents of this state folder; `None` where there are none, or no router was ever started."""
    home = home_path()
    if not (home / PRINTS).exists():
        return None
    from localfleet.storage.secret import derive, read_secret  # noqa: PLC0415  # the database comes with it

    return read_documents(home, derive(read_secret(home), "documents"))


def _explain_lines(explainer: Explainer, file: Path) -> None:
    import orjson  # noqa: PLC0415  # only this path needs speed

    out = sys.stdout.buffer
    with _opened(file) as lines:
        for line in lines:
            if line.strip():
                out.write(orjson.dumps(explainer.line(line)) + b"\n")
    out.flush()


def _opened(file: Path) -> Any:
    try:
        return sys.stdin.buffer if str(file) == "-" else file.open("rb")
    except OSError as exc:
        raise FleetError(f"{file} cannot be read ({exc.strerror}); give a file of JSON lines") from exc
