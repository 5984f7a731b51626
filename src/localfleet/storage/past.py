"""Recorded requests as `localfleet replay` reads them: facts, doors that were shut, money, what was said."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.replay import Past
from localfleet.storage.reading import reading

__all__ = ["Recorded", "recorded"]

_SQL = "SELECT kind, body FROM chain WHERE kind IN ('receipt', 'feedback') ORDER BY seq"
NO_MODEL = frozenset({"", "unknown"})


@dataclass(slots=True)
class Recorded:
    """The requests between two times, and how many were left out: pipelines, unread ones, names nobody knew."""

    pasts: list[Past] = field(default_factory=list)
    left_out: int = 0


@dataclass(slots=True)
class _Action:
    """What is known of one request so far."""

    root: Mapping[str, Any] | None = None
    tokens: tuple[int, int] = (0, 0)
    usd: Decimal | None = Decimal(0)
    said: float | None = None


def recorded(home: Path, *, since: float, until: float) -> Recorded:
    """Requests with `since <= at < until` (Unix seconds), oldest first. Raises `LedgerFault`."""
    actions: dict[str, _Action] = {}
    with reading(home) as database:
        if database is None:
            return Recorded()
        with database.snapshot(), database.stream(_SQL) as records:
            for kind, text in records:
                body = orjson.loads(text)
                if kind == "feedback":
                    _hear(actions, body)
                elif since <= body["at"] < until and body.get("role") != "shadow":
                    _note(actions.setdefault(body.get("action") or body["request_id"], _Action()), body)
    found = Recorded()
    for action in actions.values():
        if action.root is None:
            continue  # the judges of a shadow, or an action that began before
        past = _past(action)
        if past is None:
            found.left_out += 1
        else:
            found.pasts.append(past)
    found.pasts.sort(key=lambda past: past.at)
    return found


def _note(action: _Action, body: Mapping[str, Any]) -> None:
    cost = body["cost_usd"]
    action.usd = None if cost is None or action.usd is None else action.usd + Decimal(cost)
    counted = (body["input_tokens"] or 0, body["output_tokens"] or 0)
    if body.get("action") is None:
        action.root = body
        action.tokens = counted if any(counted) else action.tokens
    elif body.get("role") == "draft":
        action.tokens = counted  # of the last draft: the one that answered


def _hear(actions: Mapping[str, _Action], body: Mapping[str, Any]) -> None:
    action = actions.get(body["request_id"])
    if action is None or action.root is None or body["key_id"] not in {None, action.root["key_id"]}:
        return
    said = body["score"]
    if said is None:
        said = 0.0 if body["corrected"] else None if body["accepted"] is None else float(body["accepted"])
    action.said = said if said is not None else 1.0


def _past(action: _Action) -> Past | None:
    root = action.root
    if root is None or root["wanted"] in NO_MODEL or str(root["wanted"]).startswith("pipeline/"):
        return None
    shut = dict(_shut(root.get("doors", ())))
    return Past(
        at=root["at"],
        api=Api(root["api"]),
        wanted=root["wanted"],
        label=Label(root["label"]),
        task=root["task"],
        plan=root["plan"],
        model=root["model"],
        tier=root["tier"],
        input_tokens=action.tokens[0],
        output_tokens=action.tokens[1],
        usd=action.usd,
        quality=action.said if action.said is not None else _judged(root),
        shut=shut,
        arm=root.get("arm"),
    )


def _judged(root: Mapping[str, Any]) -> float | None:
    """What a judge said of the answer that went out, where its word was a score."""
    scores = [part[9] for part in root.get("parts", ()) if part[1] == "draft" and part[9] is not None]
    return float(scores[-1]) if scores and root["outcome"] == Reason.ANSWERED else None


def _shut(doors: Any) -> Iterator[tuple[str, Reason]]:
    for model, _, legal, why, _ in doors:
        with suppress(ValueError):  # a reason of another release
            if not legal:
                yield model, Reason(why)
