"""`routing`: train, measure and use the local classifier that says how much a prompt needs the stronger model."""

import datetime as dt
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import orjson
import typer

from localfleet.cli.embeds import Vectors, vectors_at, vectors_for
from localfleet.cli.parts import Config, Json, console, home_path, print_json
from localfleet.core.routing.guarantee import Claim, claimed
from localfleet.core.routing.lens import Lens, engine_of
from localfleet.core.routing.promise import promised
from localfleet.core.routing.scorer import Scorer, load, with_claim
from localfleet.errors import FleetError
from localfleet.keeping import kept_files

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from localfleet.training.table import Table

__all__ = ["read_model", "routing_app"]

routing_app = typer.Typer(no_args_is_help=True)
MODELS_YAML = "models.yaml"
CLAIMED = {"keywords": "about 70 %", "length": "about 65 %", "classifier": "85 to 90 %"}
"""What the articles say of a router's accuracy."""

LINES = "JSON lines with `text` and `weak`/`strong` or `scores`; - for stdin"
Weak = Annotated[str | None, typer.Option(help="The model that is enough at best; by default `weak` or the cheapest.")]
Strong = Annotated[str | None, typer.Option(help="The model that costs more; by default `strong` or the best.")]
Receipts = Annotated[
    bool,
    typer.Option(
        help="Label lines by their `id`, a request id: what /api/feedback said of the box and of hosted models."
    ),
]
Model = Annotated[
    Path | None, typer.Option(help="The classifier's file; by default routing.model in the state folder.")
]


Embeddings = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|model:NAME",
        help="What is read beside shape and words: a folder (ONNX, a static table), or a local model of models.yaml.",
    ),
]


@routing_app.callback()
def _routing() -> None:
    """Train, measure and use the local classifier; no prompt leaves this machine, none is kept."""


@routing_app.command("train")
def train(
    data: Annotated[
        list[Path] | None,
        typer.Argument(help=f"{LINES}; by default what ships, with --receipts what the router kept."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write it; by default routing.model in the state folder.")
    ] = None,
    weak: Weak = None,
    strong: Strong = None,
    receipts: Receipts = False,
    embeddings: Embeddings = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Train on labelled prompts and write the classifier's file; the same data gives the same file but for its date."""
    from localfleet.training.file import bytes_of  # noqa: PLC0415  # numpy comes with it
    from localfleet.training.fit import facts_of  # noqa: PLC0415  # the same
    from localfleet.training.share import trained  # noqa: PLC0415  # the same
    from localfleet.training.table import pair_of  # noqa: PLC0415  # the same

    model = None if embeddings is None else vectors_at(embeddings, config)
    more = None if model is None else model.of
    table, lens = _seen(_table(data or (_kept() if receipts else _shipped()), receipts=receipts, more=more), model)
    pair = pair_of(table, weak, strong)
    found = trained(table, pair)
    facts = {**facts_of(table, pair), "trained": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}"}
    file = out or _default_model()
    _write(file, bytes_of(found, facts, lens))
    if as_json:
        print_json({"model": str(file), **facts})
        return
    said = f"trained on {len(table)} prompts: when does {facts['strong']} answer well where {facts['weak']} does not"
    use = f"routing: {{order: standard, difficulty: {{classifier: {{file: {file}}}}}}}"
    console().print(f"{said}\nwritten to {file}\nto route by it, in models.yaml: {use}", markup=False)


@routing_app.command("score")
def score(
    jsonl: Annotated[Path, typer.Option(help="JSON lines with `text`, `prompt` or `messages`; - for stdin.")] = Path(
        "-"
    ),
    model: Model = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """One number a line, 0 to 1: how much the prompt needs the stronger model. With --json an object a line."""
    from localfleet.training.labelled import read_features  # noqa: PLC0415  # loaded when asked for

    scorer = read_model(model)
    with _opened(jsonl) as lines:
        for shape, words in read_features(lines, name=str(jsonl), more=_eye(scorer, config)):
            found = scorer.score_features(shape, words)
            if as_json:
                row = {"score": found.value, "known": found.known, "gain": found.gain}
                sys.stdout.write(orjson.dumps(row | {"chances": scorer.chances_features(shape, words)}).decode() + "\n")
            else:
                sys.stdout.write(f"{found.value:.9f}\n")


@routing_app.command("evaluate")
def evaluate(
    data: Annotated[list[Path] | None, typer.Argument(help=f"{LINES}; by default the prompts that ship.")] = None,
    model: Model = None,
    weak: Weak = None,
    strong: Strong = None,
    embeddings: Embeddings = None,
    config: Annotated[
        str | None,
        typer.Option(
            help="A models.yaml: the words of `routing.difficulty.keywords` are measured too; it has the `model:NAME`.",
            metavar="FILE",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """How well it orders prompts: a file's classifier on this data, or without --model by five folds of the data."""
    from localfleet.training.reports import choices, folded, on_file  # noqa: PLC0415  # numpy comes with it
    from localfleet.training.table import pair_of  # noqa: PLC0415  # the same

    scorer, given = read_model(model) if model else None, data or _shipped()
    place = embeddings or ("" if scorer is None or scorer.lens is None else scorer.lens.folder)
    levels = None if config is None else _levels(config, required=engine_of(place) is None)
    if scorer is not None:
        eye = _eye(scorer, config or MODELS_YAML)
        found = {"routers": on_file(_table(given, more=eye, levels=levels), scorer, weak, strong)}
    else:
        reader = None if embeddings is None else vectors_at(embeddings, config or MODELS_YAML)
        table, _ = _seen(_table(given, more=None if reader is None else reader.of, levels=levels), reader)
        found = {"routers": folded(table, weak, strong, told=_progress), **choices(table, pair_of(table, weak, strong))}
    if as_json:
        print_json(found)
    else:
        _print(found)


@routing_app.command("calibrate")
def calibrate(
    data: Annotated[list[Path] | None, typer.Argument(help=f"{LINES}; outcomes of your own models.")] = None,
    model: Model = None,
    quality: Annotated[float, typer.Option(help="Of always asking the strong model, at least this share.")] = 0.97,
    confidence: Annotated[float, typer.Option(help="How sure the promise is to be.")] = 0.95,
    weak: Weak = None,
    strong: Strong = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """
    Find the threshold whose promise of quality the outcomes prove, and write it into the classifier's file.

    Exit 1 where outcomes are too few to promise anything; then no threshold is written, and an older one that promised
    as much is marked as refused. Prompts of the training do not count.
    """
    from localfleet.training.reports import outcomes_of, unseen  # noqa: PLC0415  # numpy comes with it
    from localfleet.training.table import pair_of  # noqa: PLC0415  # the same

    if not (0 < quality < 1 and 0 < confidence < 1):
        raise FleetError("--quality and --confidence lie between 0 and 1, such as 0.97 and 0.95")
    if not data:
        why = "name outcomes of your own models: a promise about those of the prompts that ship is none about yours"
        raise typer.BadParameter(why, param_hint="DATA")
    file = model or _default_model()
    scorer = read_model(model)
    table = unseen(_table(data, more=_eye(scorer, config)), scorer)
    outcomes = outcomes_of(table, scorer, pair_of(table, weak, strong))
    random.Random(0).shuffle(outcomes)  # noqa: S311  # files are often sorted; the proof wants an order that says nothing
    claim, today = claimed(outcomes, quality=quality, confidence=confidence), f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}"
    if claim is None:
        _refuse(file, scorer.claim, quality, confidence, today)
        raise FleetError(
            f"{len(outcomes)} outcomes do not prove {quality:.0%} of the strong model's quality with {confidence:.0%} "
            "confidence at any threshold; record more, or ask for less with --quality or --confidence"
        )
    claim = replace(claim, at=today)
    _write(file, with_claim(file.read_bytes(), claim))
    if as_json:
        print_json(asdict(claim))
    else:
        console().print(_promise(claim, file), markup=False)


@routing_app.command("features")
def features(
    jsonl: Annotated[Path, typer.Option(help="JSON lines with prompts, labelled or not; - for stdin.")] = Path("-"),
) -> None:
    """Turn prompts into the features that training needs, without their text: what may be kept or handed on."""
    from localfleet.training.labelled import kept_features  # noqa: PLC0415  # loaded when asked for

    with _opened(jsonl) as lines:
        for row in kept_features(lines, name=str(jsonl)):
            sys.stdout.write(orjson.dumps(row).decode() + "\n")


def read_model(file: Path | None) -> Scorer:
    """A classifier's file, by default the one that `routing train` writes; raises `FleetError` that says what to do."""
    chosen = file or _default_model()
    try:
        return load(chosen.read_bytes())
    except OSError as exc:
        advice = "make one with `localfleet routing train`, or name yours with --model"
        raise FleetError(f"the classifier {chosen} cannot be read ({exc.strerror}); {advice}") from exc
    except ValueError as exc:
        raise FleetError(f"{chosen} cannot be used: {exc}") from exc


def _write(file: Path, raw: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(raw)
    except OSError as exc:
        raise FleetError(f"{file} cannot be written ({exc.strerror}); choose another place") from exc


def _refuse(file: Path, older: Claim | None, quality: float, confidence: float, today: str) -> None:
    """An older promise that newer outcomes do not prove is marked: who routes by it must hear of that."""
    if older is not None and quality <= older.quality and confidence <= older.confidence:
        _write(file, with_claim(file.read_bytes(), replace(older, refused_at=today)))


def _promise(claim: Claim, file: Path) -> str:
    return (
        f"threshold {claim.threshold:.2f}: {promised(claim)}\n"
        f"seen: {claim.seen_quality:.1%} of it, with {claim.strong_share:.0%} of the prompts to the strong model\n"
        f"written to {file}"
    )


def _default_model() -> Path:
    return home_path() / "routing.model"


@contextmanager
def _opened(file: "Path | Traversable") -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        lines = file.open("rb")
    except OSError as exc:
        raise FleetError(f"{file} cannot be read ({exc.strerror}); give a file of JSON lines") from exc
    with lines:
        yield lines


def _shipped() -> "list[Traversable]":
    """The labelled prompts that ship, and a word on them."""
    from localfleet.training.shipped import said_of_shipped, shipped_outcomes  # noqa: PLC0415  # loaded when asked for

    sys.stderr.write(f"{said_of_shipped()}\n")
    return [shipped_outcomes()]


def _progress(line: str) -> None:
    """Minutes pass on a large file; a person waits."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _kept() -> list[Path]:
    """What the router kept itself, the older file first."""
    files = kept_files(home_path())
    if not files:
        raise FleetError("the router kept no features; set `routing.keep_features: true`, or name a file of them")
    return files


def _seen(table: "Table", model: Vectors | None) -> "tuple[Table, Lens | None]":
    """The table with what a classifier will see of the embeddings."""
    from localfleet.training.lens import through_lens  # noqa: PLC0415  # numpy comes with it

    if model is None:
        return table, None
    return through_lens(table, folder=model.place, digest=model.digest)


def _eye(scorer: Scorer, config: str) -> Callable[[str], Sequence[float]] | None:
    """What a classifier reads of a text beside its shape and words; nothing where it was trained without embeddings."""
    lens = scorer.lens
    if lens is None:
        return None
    model = vectors_for(lens, config)
    return lambda text: lens.of(model.of(text))


def _levels(config: str, *, required: bool) -> Callable[[str], float] | None:
    """
    What a file's words for difficulty say of a text: the level, or the usual one where none of them stands in it.

    A file without words is refused where it can have been named for nothing else; else `None`.
    """
    from localfleet.config import load_settings  # noqa: PLC0415  # loaded when asked for
    from localfleet.strategies import build_keywords  # noqa: PLC0415  # the same

    shape = load_settings(config).routing.difficulty
    words = None if shape is None else build_keywords(shape)
    if shape is None or words is None:
        if not required:
            return None
        raise FleetError(f"{config} declares no `routing.difficulty.keywords`; there are no words of yours to measure")
    return lambda text: float(max(words.level_of(text) or 0, shape.usual))


def _table(
    data: "Sequence[Path | Traversable]",
    *,
    receipts: bool = False,
    more: Callable[[str], Sequence[float]] | None = None,
    levels: Callable[[str], float] | None = None,
) -> "Table":
    from localfleet.training.labelled import Labelled, read_labelled  # noqa: PLC0415  # loaded when asked for
    from localfleet.training.table import tabled  # noqa: PLC0415  # numpy comes with it

    judged = _judged() if receipts else None
    rows: list[Labelled] = []
    for file in data:
        with _opened(file) as lines:
            rows.extend(read_labelled(lines, name=str(file), judged=judged, more=more, levels=levels))
    return tabled(rows)


def _judged() -> dict[str, dict[str, float]]:
    """Request id -> how well the box (weak) or a hosted model (strong) answered, as people said."""
    from localfleet.storage.judged import judged  # noqa: PLC0415  # the ledger comes with it

    return {one.request_id: {"weak" if one.local else "strong": one.score} for one in judged(home_path())}


def _print(found: dict[str, Any]) -> None:
    out = console()
    out.print(
        "prompts              router       number   APGR   95 % interval    CPT50  CPT80  right (95 %)      "
        "claimed      known",
        markup=False,
    )
    for row in found["routers"]:
        known = f"  {row['known']:.2f}" if "known" in row else ""
        right = f"{row['accuracy']:3.0%} ({row['accuracy_low']:.0%} to {row['accuracy_high']:.0%})"
        claimed = CLAIMED.get(row["router"], "")
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        start = f"{row['set']:<20} {row['router']:<11} {row['prompts']:7}  {row['apgr']:.3f}   {interval}"
        end = f"{row['cpt50']:.2f}   {row['cpt80']:.2f}   {right:<16}  {claimed:<11}{known}"
        out.print(f"{start}   {end}".rstrip(), markup=False)
    never = found["routers"][0]["never"]
    out.print(
        f"sending none to the strong model is right for {never:.0%}; who is right less often may still order well\n"
        "claimed: how often it is right, as the articles that recommend it say"
    )
    for row in found.get("choice", []):
        out.print(
            f"{row['way']:<29} mean score {row['mean']:.3f}   {row['low']:.3f} to {row['high']:.3f}", markup=False
        )
    if saving := found.get("saving"):
        kept = f"{saving['kept']:.1%} ({saving['kept_low']:.1%} to {saving['kept_high']:.1%})"
        saved = f"{saving['saved']:.1%} ({saving['saved_low']:.1%} to {saving['saved_high']:.1%})"
        out.print(
            f"a choice by chance and price saves {saved}, and keeps {kept} of the best model's quality", markup=False
        )
