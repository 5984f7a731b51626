"""
How private a request is: everything said and found about it, joined upwards.

Pure: detectors and operator rules come in as values. A failure here is not caught here: the caller turns any exception
or time-out into restricted (law 2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from localfleet.core.ask import Ask, Span
from localfleet.core.detectors import fold, scan
from localfleet.core.label import RESTRICTED, Finding, Label, Verdict
from localfleet.core.meaning import Meaning
from localfleet.core.names import Entity
from localfleet.core.winnow import Documents

__all__ = ["FieldRule", "Matcher", "Rules", "TextRule", "classify", "named", "names_to_read", "unclassified"]


class Matcher(Protocol):
    """Counts matches in a text; linear in its length."""

    def count(self, text: str) -> int:
        """How often the rule matches."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRule:
    """An operator's words or pattern, compiled at the edge."""

    name: str
    label: Label
    matcher: Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """An operator's field rule: the text at `where` equals one of `values`, any case."""

    name: str
    label: Label
    where: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What raises labels: detectors by kind, operator rules, and the tasks' own labels."""

    kinds: frozenset[str] | None = None
    """Kinds of detectors that are on; `None` means all."""
    texts: tuple[TextRule, ...] = ()
    fields: tuple[FieldRule, ...] = ()
    documents: Documents | None = None
    """Documents of the operator's that are known again by parts of them."""
    tasks: Mapping[str, Label] = field(default_factory=dict)
    topics: Meaning | None = None
    """Whether a text speaks of somebody's own affairs; `None`: that layer is off."""
    names: Meaning | None = None
    """What names mean, once a reader has found them; `None`: that layer is off."""


def classify(
    ask: Ask, rules: Rules, remembered: Label | None = None, by: str = "conversation", *, text: str | None = None
) -> Verdict:
    """
    Join every source that says something; labels only go up (law 1), the unreadable is restricted (law 2).

    `remembered` is what the past says, and `by` what of it: `conversation` or `known_chunk`. `text` is
    `ask.whole`, from whoever has it.
    """
    text = ask.whole if text is None else text
    findings = _detect(text, rules)
    if rules.fields:
        findings = (*findings, *_fields(ask.spans, rules))
    said: list[tuple[Label, str]] = [(ask.caller.default_label, "key_default")]
    if ask.declared is not None:
        said.append((ask.declared, ask.declared_by))
    if rules.tasks:
        tasks = [task for task in (ask.task, ask.also_task) if task is not None and task in rules.tasks]
        said += [(rules.tasks[task], f"task:{task}") for task in tasks]
    if remembered is not None:
        said.append((remembered, by))
    if ask.unreadable:
        said += [(RESTRICTED, f"unreadable:{kind}") for kind in ask.unreadable]
    if findings:
        said += [(found.label, found.kind if ":" in found.kind else f"detector:{found.kind}") for found in findings]
    if rules.documents is not None and not _restricts(said):
        known = rules.documents.found(text)
        findings = (*findings, *known)
        said += [(found.label, found.kind) for found in known]
    if rules.topics is not None and not _restricts(said) and (topics := rules.topics.of(text)):
        findings = (*findings, *topics)
        said += [(found.label, found.kind) for found in topics]
    return _joined(said, findings)


def _restricts(said: Sequence[tuple[Label, str]]) -> bool:
    return RESTRICTED in [label for label, _ in said]


def _joined(said: Sequence[tuple[Label, str]], findings: tuple[Finding, ...]) -> Verdict:
    if len(said) == 1:
        return Verdict(label=said[0][0], findings=findings, because=(said[0][1],))
    label = max([label for label, _ in said])
    because = tuple(dict.fromkeys([source for level, source in said if level == label]))
    return Verdict(label=label, findings=findings, because=because)


def names_to_read(text: str, verdict: Verdict, rules: Rules) -> tuple[str, ...]:
    """The pieces in which names could still change the verdict; none where a model of names need not be asked."""
    if verdict.label is RESTRICTED or rules.names is None:
        return ()
    return rules.names.to_read(fold(text))


def named(verdict: Verdict, rules: Rules, text: str, entities: Sequence[Entity]) -> Verdict:
    """The verdict with what the names in a piece of the text add to it; never lower."""
    findings = rules.names.of_names(text, entities) if rules.names is not None else ()
    if not findings:
        return verdict
    said = [(verdict.label, because) for because in verdict.because]
    return _joined([*said, *((found.label, found.kind) for found in findings)], (*verdict.findings, *findings))


def unclassified(because: str) -> Verdict:
    """The verdict where classifying failed or took too long: restricted."""
    return Verdict(label=RESTRICTED, because=(because,))


def _detect(text: str, rules: Rules) -> tuple[Finding, ...]:
    if not rules.texts:
        return scan(text, rules.kinds)
    # An operator's word disguised with invisible or wide characters is still that word.
    dressed = (text,) if text.isascii() else (text, fold(text))
    own = [
        Finding(kind=f"rule:{rule.name}", count=count, label=rule.label)
        for rule in rules.texts
        if (count := max(map(rule.matcher.count, dressed)))
    ]
    return (*scan(text, rules.kinds), *own)


def _fields(spans: tuple[Span, ...], rules: Rules) -> Iterable[Finding]:
    for rule in rules.fields:
        count = sum(span.where == rule.where and span.text.strip().casefold() in rule.values for span in spans)
        if count:
            yield Finding(kind=f"rule:{rule.name}", count=count, label=rule.label)
