"""`routing thresholds`: thresholds proposed anew from what people and judges said, each with its promise (S82)."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from localfleet.cli.parts import Config, Json, console, home_path, print_json
from localfleet.config import Cascade, Judges, Settings, load_settings
from localfleet.core.cascade_threshold import KINDS, Judged, Kind, proposed
from localfleet.core.routing.guarantee import Outcome, claimed
from localfleet.core.routing.promise import promised
from localfleet.core.routing.scorer import Scorer
from localfleet.errors import FleetError
from localfleet.keeping import kept_files
from localfleet.storage.outcomes import Rated, rated
from localfleet.strategies import build_table, threshold_of

__all__ = ["thresholds_command"]

Row = dict[str, Any]
NO_FEATURES = "it needs features of those requests: `routing.keep_features: true` keeps them"


def thresholds_command(
    days: Annotated[float, typer.Option(help="How far back.", min=0)] = 90,
    quality: Annotated[float, typer.Option(help="Of always asking the last door, at least this share.")] = 0.97,
    confidence: Annotated[float, typer.Option(help="How sure the promise is to be.")] = 0.95,
    features: Annotated[
        Path | None,
        typer.Option(help="Kept features with request ids, for the classifier; by default the router's own."),
    ] = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """
    Propose the thresholds of cascades' judges and of the classifier anew, from feedback and shadows in the ledger.

    Changes nothing: prints what to change in models.yaml, with what it promises. Exit 1 where no threshold is proven.
    """
    if not (0 < quality < 1 and 0 < confidence < 1):
        raise FleetError("--quality and --confidence lie between 0 and 1, such as 0.97 and 0.95")
    settings, now = load_settings(config), time.time()
    said = rated(home_path(), since=now - days * 86_400, until=now)
    random.Random(0).shuffle(said)  # noqa: S311  # the proof wants an order that says nothing
    rows = [*_cascades(settings, said, quality, confidence)]
    rows += _classifier(settings, said, quality, confidence, features)
    if as_json:
        print_json([{name: value for name, value in row.items() if name != "_"} for row in rows])
    else:
        _print(config, rows)
    raise typer.Exit(0 if any(row["proposed"] is not None for row in rows) else 1)


def _cascades(settings: Settings, said: Sequence[Rated], quality: float, confidence: float) -> Iterator[Row]:
    for name, task in settings.tasks.items():
        if task.cascade is None:
            continue
        kinds = _kinds(task.cascade)
        at = f"tasks.{name}.cascade.judge"
        if len(kinds) != 1:
            why = "no judge of it gives a score" if not kinds else f"{' and '.join(kinds)} both give scores: keep one"
            yield _row(at, None, None, why)
            continue
        kind = KINDS[kinds[0]]
        local = {*settings.local, *settings.adapters}
        recorded = [*_recorded(said, name, local if task.doors[-1] == "local" else {task.doors[-1]})]
        found = proposed(recorded, kind, quality=quality, confidence=confidence)
        now = _written(task.cascade.judge, kind)
        if found is None:
            yield _row(f"{at}.{kind.key}", now, None, _too_few(len(recorded), quality, confidence))
        else:
            yield {**_row(f"{at}.{kind.key}", now, found.value, ""), "claim": asdict(found.claim), "_": found.claim}


def _kinds(cascade: Cascade) -> list[str]:
    judge = cascade.judge
    return [kind for kind in KINDS if getattr(judge, kind) is not None]


def _written(judge: Judges, kind: Kind) -> float | None:
    """The value that holds now."""
    found: Any = judge
    for name in kind.key.split("."):
        found = getattr(found, name)
    return None if found is None else float(found)


def _recorded(said: Sequence[Rated], task: str, last: set[str]) -> Iterator[Judged]:
    """Every request of the task whose first answer was judged; `last` are the models that the last door can mean."""
    for one in said:
        if one.task == task and one.drafts:
            first, score = one.drafts[0]
            best = [quality for model, quality in one.said.items() if model in last and model != first]
            yield Judged(score=score, first=one.said.get(first), last=max(best, default=None))


def _classifier(
    settings: Settings, said: Sequence[Rated], quality: float, confidence: float, features: Path | None
) -> list[Row]:
    """Its threshold, from requests whose features were kept; nothing where the file names no classifier."""
    scored, at = threshold_of(build_table(settings)), "routing.difficulty.classifier.threshold"
    if scored is None:
        return []
    now = dict(scored.scores.least).get(5)
    outcomes = [*_outcomes(said, scored.scorer, features, settings)]
    claim = claimed(outcomes, quality=quality, confidence=confidence)
    if claim is None:
        why = _too_few(len(outcomes), quality, confidence)
        return [_row(at, now, None, why if outcomes else f"{why}; {NO_FEATURES}")]
    return [{**_row(at, now, claim.threshold, ""), "claim": asdict(claim), "_": claim}]


def _outcomes(said: Sequence[Rated], scorer: Scorer, features: Path | None, settings: Settings) -> Iterator[Outcome]:
    """Requests with kept features, of which something was said: the box is the weak side, hosted models the strong."""
    from localfleet.training.labelled import features_by_id  # noqa: PLC0415  # loaded when asked for

    kept = features_by_id(_kept(features))
    for one in said:
        if one.request_id not in kept or scorer.was_trained_on(kept[one.request_id].mark):
            continue
        found = scorer.score_features(kept[one.request_id].shape, kept[one.request_id].words)
        sides = {name in settings.hosted: score for name, score in one.said.items()}
        yield Outcome(score=found.value if found.known else 1.0, weak=sides.get(False), strong=sides.get(True))


def _kept(features: Path | None) -> list[Path]:
    """The file that was named, or what the router kept itself."""
    if features is not None and not features.exists():
        raise FleetError(f"{features} is not there; `routing features` makes one, or `routing.keep_features: true`")
    return [features] if features is not None else kept_files(home_path())


def _too_few(outcomes: int, quality: float, confidence: float) -> str:
    return (
        f"{outcomes} requests of which something was said do not prove {quality:.0%} with {confidence:.0%} confidence "
        "at any value; wait for more feedback, mirror some to the last door, or ask for less"
    )


def _row(at: str, now: float | None, value: float | None, why: str) -> Row:
    return {"at": at, "now": now, "proposed": value, "why": why}


def _print(config: str, rows: Sequence[Row]) -> None:
    out = console()
    for row in rows:
        claim = row.pop("_", None)
        if row["proposed"] is None or claim is None:
            out.print(f"{row['at']}: unchanged: {row['why']}", markup=False)
            continue
        key = row["at"].rpartition(".")[2]
        out.print(f"@@ {config}: {row['at']} @@", markup=False)
        if row["now"] is not None:
            out.print(f"-  {key}: {row['now']:g}", markup=False)
        out.print(f"+  {key}: {row['proposed']:g}", markup=False)
        share = f"{claim.strong_share:.0%} of the requests go on; seen, at worst: {claim.seen_quality:.1%}"
        out.print(f"   {promised(claim)}; {share}", markup=False)
    if not rows:
        out.print(f"{config} has no cascade and no classifier: no threshold to propose", markup=False)
