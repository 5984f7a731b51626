"""A dry run of the first half of the story: read, classify, decide. Nothing is dispatched, nothing is written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from localfleet.core.ask import Api, Ask, Caller, Span
from localfleet.core.classify import Rules, classify, named, names_to_read, unclassified
from localfleet.core.fleet import EngineState, Fleet, Model, Readiness
from localfleet.core.label import Label, Verdict
from localfleet.core.names import Entity, Reader, read_all
from localfleet.core.policy import AUTO, Policy, decide, resolve
from localfleet.core.reading import Reading
from localfleet.core.reason import Reason
from localfleet.core.redaction.proof import Redacted
from localfleet.core.route import Decision, Door
from localfleet.core.routing.asked import Asked
from localfleet.core.routing.moment import Moment
from localfleet.core.routing.prior import Outcomes
from localfleet.core.routing.scored import Scored
from localfleet.core.routing.table import Said
from localfleet.core.shadow import Shadow, as_if_asked, once
from localfleet.errors import FleetError, NotFound
from localfleet.redacting import Redactor, redact_now
from localfleet.steering import TaskFinder, moment_of
from localfleet.wire.read import Letter, parse_body, read_ask
from localfleet.wire.task_model import task_by_model

__all__ = ["Explained", "Explainer"]

READY = EngineState(readiness=Readiness.READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What would happen to one body."""

    ask: Ask
    verdict: Verdict
    decision: Decision
    redacted: Redacted | None = None
    """The proof that opens hosted doors to the redacted text, where there is one."""
    moment: Moment | None = None
    said: tuple[Said, ...] = ()
    """What each strategy did to the order, the strongest first."""
    shadows: tuple[tuple[Shadow, Door], ...] = ()
    """Where requests of this task would be mirrored to, and whether they may."""
    classifier: Scored | None = None
    """Where one says how hard requests are: by which threshold."""
    quality: tuple[tuple[str, float | None, str], ...] = ()
    """Where scores are published: each model, how right it is at this task, and where that comes from."""
    forms: tuple[tuple[Model, Label], ...] = ()
    """Open hosted doors that add words of their own: the label of the request's words and theirs, read together."""

    def row(self) -> dict[str, Any]:
        """Plain values, as `explain --json` prints them."""
        counts: dict[str, int] = {}
        for found in self.verdict.findings:
            counts[found.kind] = counts.get(found.kind, 0) + found.count
        return {
            "label": self.verdict.label.word,
            "because": list(self.verdict.because),
            "findings": [{"kind": kind, "count": count} for kind, count in counts.items()],
            **({} if self.redacted is None else {"redacted": _redacted_row(self.redacted)}),
            "reason": self.decision.reason,
            **self._routing(),
            **self._mirrored(),
            **self._formed(),
            "doors": [
                {
                    "model": door.model,
                    "tier": door.tier,
                    "legal": door.legal,
                    "why": door.why,
                    "cost_usd": _usd(door.cost_usd),
                }
                for door in self.decision.doors
            ],
        }

    def _formed(self) -> dict[str, Any]:
        """Doors whose own words were read beside the caller's, and whether they may leave together."""
        rows = [
            {
                "model": model.name,
                "label": label.word,
                "sent": label < Label.RESTRICTED and model.accepts is not None and label <= model.accepts,
            }
            for model, label in self.forms
        ]
        return {"forms": rows} if rows else {}

    def _mirrored(self) -> dict[str, Any]:
        """The experiments that mirror this task's requests; nothing where none does."""
        rows = [
            {
                "experiment": shadow.name,
                "model": door.model,
                "share": shadow.experiment.share,
                "by": shadow.experiment.by,
                "legal": door.legal,
                "why": door.why,
                "cost_usd": _usd(door.cost_usd),
            }
            for shadow, door in self.shadows
        ]
        return {"shadows": rows} if rows else {}

    def _routing(self) -> dict[str, Any]:
        """What strategies saw and did; nothing where the file names none."""
        if self.moment is None:
            return {}
        said = [
            {
                "strategy": one.strategy,
                "why": one.why,
                "moved": [{"model": name, "from": was + 1, "to": now + 1} for name, was, now in one.moved],
            }
            for one in self.said
        ]
        tokens = self.moment.parts.row()
        by: dict[str, Any] = {} if self.classifier is None else {"classifier": self.classifier.row()}
        if self.quality:
            by["quality"] = [{"model": name, "quality": right, "why": why} for name, right, why in self.quality]
        return {**by, "task": self.ask.task, "level": self.moment.level, "tokens": tokens, "strategies": said}


def _with_names(reader: Reader, ask: Ask, verdict: Verdict, rules: Rules) -> Verdict:
    for piece in names_to_read(ask.whole, verdict, rules):
        verdict = named(verdict, rules, piece, read_all(reader, piece))
        if verdict.label is Label.RESTRICTED:
            break
    return verdict


def _reads_nothing(_text: str) -> Sequence[Entity]:
    return ()


def _redacted_row(redacted: Redacted) -> dict[str, Any]:
    """What would leave in place of the text: its label, and how many values of which kind are replaced."""
    replaced = [{"kind": one.kind.partition(":")[2], "count": one.count} for one in redacted.replaced]
    return {"label": redacted.label.word, "replaced": replaced}


def _usd(usd: Decimal | None) -> str | None:
    return None if usd is None else f"{usd:f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """The models as configured, all taken to be ready: `explain` needs no running engine."""

    models: tuple[Model, ...]
    rules: Rules
    policy: Policy
    caller: Caller
    reading: Reading | None = None
    """Which layers read whose requests; else `rules` read all."""
    fields: frozenset[str] = frozenset()
    reader: Reader | None = None
    """The model of names, where that layer is on."""
    redactor: Redactor | None = None
    """Where the file says `on_restricted: redact`."""
    tasks: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """As in the file: one may stand for a task."""
    finder: TaskFinder | None = None
    """Where the file says `infer_task: true`."""
    classifier: Scored | None = None
    embed: Callable[[str], Sequence[float]] | None = None
    """Makes the embedding of a text, where the classifier was trained with some."""
    outcomes: Outcomes | None = None
    """What callers said of answers, where scores are published."""
    shadows: Mapping[str, tuple[Shadow, ...]] = field(default_factory=dict)
    """By task."""

    def explain(self, raw: bytes, headers: dict[str, str]) -> Explained:
        """Explain one JSON body; raise `BadAsk` or `NotFound`. A body without `model` asks for `auto`."""
        letter = self._read(raw, headers)
        table = self.policy.preference.table
        if self.finder is not None and letter.ask.task is None:
            letter = replace(letter, ask=replace(letter.ask, task=self.finder.find(letter)))
        moment = None if table is None else table.judged(letter.ask, self._moment(letter))
        states = {model.name: READY for model in self.models}
        fleet = Fleet(models=self.models, states=states, moment=moment)
        if resolve(letter.ask.model, self.policy, fleet) is None:
            raise NotFound("No model of that name in models.yaml; use one of its names, `auto` or `local`.")
        verdict = self._verdict(letter.ask)
        proof = self._redacted(letter, verdict)
        decision = decide(letter.ask, verdict, fleet, self.policy, proof)
        said = () if table is None else table.said(table.asked(letter.ask, fleet), self._considered(decision))
        shadows = self.shadows.get(letter.ask.task or "", ())
        return Explained(
            ask=letter.ask,
            verdict=verdict,
            decision=decision,
            redacted=proof,
            moment=moment,
            said=said,
            classifier=self.classifier,
            quality=() if table is None or self.outcomes is None else self._quality(table.asked(letter.ask, fleet)),
            forms=tuple(self._formed(letter.ask, decision)),
            shadows=tuple((one, self._mirror(letter.ask, verdict, fleet, one, proof)) for one in shadows),
        )

    def _formed(self, ask: Ask, decision: Decision) -> Iterator[tuple[Model, Label]]:
        """As the gateway does before a door with a `form:` is asked."""
        open_ = {door.model for door in decision.doors if door.legal}
        for model in self.models:
            if not model.local and model.name in open_ and model.form is not None and model.form.texts:
                own = tuple(Span(where="form", text=text) for text in model.form.texts)
                yield model, self._verdict(replace(ask, spans=(*ask.spans, *own))).label

    def _quality(self, asked: Asked) -> tuple[tuple[str, float | None, str], ...]:
        return tuple((model.name, asked.quality(model), asked.quality_words(model)) for model in self.models)

    def _moment(self, letter: Letter) -> Moment:
        moment = replace(moment_of(letter), outcomes=self.outcomes)
        return replace(moment, vector=self.embed(moment.text)) if self.embed is not None and moment.text else moment

    def _mirror(self, ask: Ask, verdict: Verdict, fleet: Fleet, shadow: Shadow, proof: Redacted | None) -> Door:
        """The one door of its shadow, by the same law."""
        wished = as_if_asked(ask, shadow.model, verdict.label)
        return decide(wished, verdict, replace(fleet, moment=None), once(self.policy), proof).doors[0]

    def _considered(self, decision: Decision) -> list[Model]:
        """The doors that strategies were asked about, in the file's order."""
        names = {door.model for door in decision.doors if door.legal or door.why is Reason.FALLBACK_LIMIT}
        return [model for model in self.models if model.name in names]

    def _redacted(self, letter: Letter, verdict: Verdict) -> Redacted | None:
        if self.redactor is None or verdict.label is not Label.RESTRICTED:
            return None
        steps = self.redactor.steps(letter, verdict, self._rules(letter.ask))
        found = redact_now(steps, _reads_nothing if self.reader is None else partial(read_all, self.reader))
        return None if found is None else found.proof

    def _rules(self, ask: Ask) -> Rules:
        return self.rules if self.reading is None else self.reading.rules(ask)

    def _read(self, raw: bytes, headers: dict[str, str]) -> Letter:
        body = parse_body(raw)
        body.setdefault("model", AUTO)
        letter = read_ask(
            body,
            api=api_of(body),
            headers=headers,
            caller=self.caller,
            request_id="explain",
            size=len(raw),
            fields=self.fields,
        )
        return task_by_model(letter, self.tasks, self.aliases)

    def from_public(self, raw: bytes) -> Verdict:
        """What the detectors and rules make of a body whose caller's default is `public`; raises `BadAsk`."""
        ask = self._read(raw, {}).ask
        return self._verdict(replace(ask, caller=replace(ask.caller, default_label=Label.PUBLIC)))

    def redacted_from_public(self, raw: bytes) -> tuple[str, ...] | None:
        """The texts that would leave in place of such a body, if it is restricted and can be redacted."""
        letter = self._read(raw, {})
        caller = replace(letter.ask.caller, default_label=Label.PUBLIC)
        letter = Letter(ask=replace(letter.ask, caller=caller), body=letter.body, wants_usage=letter.wants_usage)
        proof = self._redacted(letter, self._verdict(letter.ask))
        return None if proof is None else proof.texts

    def _verdict(self, ask: Ask) -> Verdict:
        try:
            rules = self._rules(ask)
            verdict = classify(ask, rules)
            return verdict if self.reader is None else _with_names(self.reader, ask, verdict, rules)
        except (ValueError, RecursionError, OverflowError):
            return unclassified("detector_failed")

    def line(self, raw: bytes) -> dict[str, Any]:
        """One row of `--jsonl`: a body that cannot be read is restricted, with the error named."""
        try:
            return self.explain(raw, {}).row()
        except FleetError as exc:
            return {
                "label": Label.RESTRICTED.word,
                "because": ["unread"],
                "findings": [],
                "reason": exc.reason,
                "doors": [],
                "error": exc.message,
            }


def api_of(body: dict[str, Any]) -> Api:
    """Which API a body looks like: by the field that only it has; chat otherwise."""
    if "messages" in body:
        return Api.MESSAGES if "system" in body else Api.CHAT
    if "query" in body and "documents" in body:
        return Api.RERANK
    if "prompt" in body:
        return Api.COMPLETION
    return Api.RESPONSES if "input" in body else Api.CHAT
