"""`routing audit`: past calls of a log sorted by kind and difficulty, beside what this models.yaml would have done."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import Config, Json, console, print_json
from localfleet.core.fleet import Model
from localfleet.core.label import Label
from localfleet.core.pricing import Price, usd_for_mean
from localfleet.core.routing.audit import OTHER, Audited, Call, advice, usual_level
from localfleet.core.routing.kinds import kind_of
from localfleet.errors import FleetError
from localfleet.price_map import PriceMap, read_price_map
from localfleet.wire.parts import parts_of

if TYPE_CHECKING:
    from localfleet.explain import Explained, Explainer

__all__ = ["audit_command"]

WRAPPED = ("body", "request", "kwargs")
SPOKEN = ("messages", "prompt", "input")
COUNTS_IN, COUNTS_OUT = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")
MONEY = ("spend", "cost_usd", "response_cost")
NO_CALLS = "holds no call that can be read: a line is a JSON object with `messages`, `prompt` or `input`, and `model`"


def audit_command(
    file: Annotated[Path, typer.Argument(help="JSON lines of past calls, with their messages; - for stdin.")],
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Sort past calls by kind of work and difficulty: what is simple, what may not leave, what this table would do."""
    from localfleet.cli.check import explainer_of  # noqa: PLC0415  # loaded when asked for

    explainer, models = explainer_of(config)
    prices, seen, unread = read_price_map(), Audited(), 0
    for row in _rows(file):
        call = None if row is None else _call(row, explainer, models, prices)
        if call is None:
            unread += 1
        else:
            seen.add(call)
    if not seen.calls:
        raise FleetError(f"{file} {NO_CALLS}")
    table = explainer.policy.preference.table
    measured = ", ".join(str(signal.reason) for signal in table.signals) if table is not None else ""
    told = advice(seen, measured or None)
    if as_json:
        print_json(_plain(seen, unread, measured, told))
    else:
        _print(seen, unread, config)
        for sentence in told:
            console().print(sentence, markup=False)


def _rows(file: Path) -> Iterator[dict[str, Any] | None]:
    """Each line's object; `None` for a line that is none."""
    try:
        opened = nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb")
    except OSError as exc:
        raise FleetError(f"{file} cannot be read ({exc.strerror}); give a file of JSON lines, or -") from exc
    with opened as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                row = None
            yield row if isinstance(row, dict) else None


def _call(row: Mapping[str, Any], explainer: "Explainer", models: Mapping[str, Model], prices: PriceMap) -> Call | None:
    """What a line tells; `None` where it holds no request that can be read."""
    body = _body(row)
    was = next((one["model"] for one in (row, body) if isinstance(one.get("model"), str) and one["model"]), "unknown")
    if not any(key in body for key in SPOKEN):
        return None
    sent = {**body, "model": "auto"}
    try:
        explained = explainer.explain(orjson.dumps(sent), {})
    except FleetError:
        return None
    parts, text = parts_of(explained.ask, sent)
    kind = kind_of(explained.ask, parts, text)
    tokens_in = _count(row, COUNTS_IN, explained.ask.input_tokens)
    tokens_out = _count(row, COUNTS_OUT, 0)
    priced = partial(_usd, tokens_in=tokens_in, tokens_out=tokens_out)
    said_usd = _said_usd(row)
    door = next((door.model for door in explained.decision.doors if door.legal), None)
    return Call(
        kind=kind or OTHER,
        level=_level(explained, kind, explainer),
        was=was,
        restricted=explained.verdict.label is Label.RESTRICTED,
        left=not (was in models and models[was].local),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        usd=priced(_listed(was, models, prices)) if said_usd is None else said_usd,
        door=door,
        usd_there=None if door is None else Decimal(0) if models[door].local else priced(models[door].price),
    )


def _level(explained: "Explained", kind: str | None, explainer: "Explainer") -> int:
    """As the file's signals say; where it has none, what such work usually asks for."""
    table = explainer.policy.preference.table
    if table is not None and table.signals and explained.moment is not None and explained.moment.level is not None:
        return explained.moment.level
    return usual_level(kind, explained.ask.input_tokens)


def _body(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request itself: the line, or what stands in it under `body` or `request`."""
    inner = next((row[key] for key in WRAPPED if isinstance(row.get(key), dict)), row)
    return {key: value for key, value in inner.items() if key in {*SPOKEN, "model", "system", "tools", "documents"}}


def _count(row: Mapping[str, Any], keys: tuple[str, ...], otherwise: int) -> int:
    usage = row.get("usage")
    for place in (row, usage if isinstance(usage, dict) else {}):
        for key in keys:
            if isinstance(place.get(key), int) and place[key] >= 0:
                return int(place[key])
    return otherwise


def _said_usd(row: Mapping[str, Any]) -> Decimal | None:
    said = next((row[key] for key in MONEY if isinstance(row.get(key), int | float | str)), None)
    try:
        usd = None if said is None or isinstance(said, bool) else Decimal(str(said))
    except InvalidOperation:
        return None
    return usd if usd is not None and usd.is_finite() and usd >= 0 else None


def _listed(was: str, models: Mapping[str, Model], prices: PriceMap) -> Price | None:
    """The price of the model that was asked: of this file, or of the price map under that name."""
    if was in models:
        return models[was].price
    entry = prices.entries.get(was)
    provider = entry.get("litellm_provider") if isinstance(entry, dict) else None
    listed = prices.find(str(provider), was.removeprefix(f"{provider}/")) if provider else None
    return None if listed is None else listed.price


def _usd(price: Price | None, *, tokens_in: int, tokens_out: int) -> Decimal | None:
    return None if price is None else usd_for_mean(price, input_tokens=tokens_in, output_tokens=tokens_out)


def _plain(seen: Audited, unread: int, measured: str, told: Any) -> dict[str, Any]:
    kinds = [
        {"kind": kind, "level": level, "calls": many} for (kind, level), many in sorted(seen.by_kind_and_level.items())
    ]
    return {
        "calls": seen.calls,
        "unread": unread,
        "levels_by": measured or "habit",
        "by_kind_and_level": kinds,
        "by_model": dict(seen.by_model.most_common()),
        "by_door": dict(seen.by_door.most_common()),
        "simple_share": seen.simple_share,
        "restricted": seen.restricted,
        "restricted_left": seen.restricted_left,
        "input_tokens": seen.input_tokens,
        "output_tokens": seen.output_tokens,
        "usd": f"{seen.usd:f}",
        "usd_unknown": seen.usd_unknown,
        "compared": seen.compared,
        "usd_before": f"{seen.usd_before:f}",
        "usd_there": f"{seen.usd_there:f}",
        "advice": list(told),
    }


def _print(seen: Audited, unread: int, config: str) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for heading in ("level 1", "2", "3", "4", "5", "calls"):
        table.add_column(heading, justify="right")
    kinds = dict.fromkeys(kind for kind, _ in seen.by_kind_and_level)
    sums = {kind: [seen.by_kind_and_level[kind, level] for level in range(1, 6)] for kind in kinds}
    for kind in sorted(kinds, key=lambda kind: -sum(sums[kind])):
        table.add_row(kind, *(str(many or "-") for many in sums[kind]), str(sum(sums[kind])))
    out = console()
    out.print(table)
    unknown = f" + {seen.usd_unknown} unknown" if seen.usd_unknown else ""
    tokens = f"{seen.input_tokens:,} tokens in, {seen.output_tokens:,} out"
    lines = (
        f"{seen.calls} calls, {unread} lines that hold none: {tokens}, {seen.usd:.6f} USD{unknown}",
        f"asked: {_shares(seen.by_model.most_common(6), seen.calls)}",
        f"with {config}, every engine ready: {_shares(seen.by_door.most_common(6), seen.calls)}",
        f"restricted: {seen.restricted} calls; simple: {seen.simple}, {seen.simple_usd:.6f} USD",
    )
    for line in lines:
        out.print(line, markup=False)


def _shares(counted: list[tuple[str, int]], calls: int) -> str:
    return ", ".join(f"{name} {many / calls:.0%}" for name, many in counted)
