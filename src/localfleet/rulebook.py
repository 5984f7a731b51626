"""What `privacy:`, `tasks:` and `plans:` say about text -> rules that read it, and which of them read whose."""

from collections.abc import Iterator
from dataclasses import dataclass

import re2

from localfleet.config import Layers, Plan, Rule, Settings
from localfleet.core.classify import FieldRule, Rules, TextRule
from localfleet.core.detectors import KINDS
from localfleet.core.label import Label
from localfleet.core.layers import LAYERS, layer_of
from localfleet.core.meaning import Meaning
from localfleet.core.reading import Reading
from localfleet.core.winnow import Documents
from localfleet.secret_rules import read_secret_rules

__all__ = [
    "build_reading",
    "build_rules",
    "field_names",
    "layers_ever",
    "layers_on",
    "matcher_of",
    "plan_layers",
    "rule_problems",
]


@dataclass(frozen=True, slots=True)
class Re2Matcher:
    """RE2: linear in the text, whatever an operator writes."""

    pattern: re2._Regexp

    def count(self, text: str) -> int:
        """How many matches."""
        return sum(1 for _ in self.pattern.finditer(text))


def matcher_of(pattern: str) -> Re2Matcher:
    """An operator's pattern, compiled; raises `ValueError` for one that RE2 does not know."""
    options = re2.Options()
    options.log_errors = False
    try:
        return Re2Matcher(re2.compile(pattern, options=options))
    except re2.error:
        raise ValueError("is no valid RE2 expression (no look-around, no back-references)") from None


def build_rules(
    settings: Settings,
    layers: frozenset[str] | None = None,
    meaning: Meaning | None = None,
    documents: Documents | None = None,
) -> Rules:
    """
    Compile the operator's rules; `check_settings` has found the bad ones before.

    `layers` names the only layers that read, to measure them alone; `None` means those that the settings name.
    `meaning` is what topics and names need; without it these two are off. `documents` are those that were registered.
    """
    on = layers_on(settings) if layers is None else layers
    own = settings.privacy.rules if "own" in on else ()
    return Rules(
        kinds=_kinds(settings, on),
        documents=documents if "own" in on else None,
        topics=meaning if "topics" in on else None,
        names=meaning if "names" in on else None,
        texts=(*(_text_rule(rule) for rule in own if rule.field is None), *_secret_rules(settings, on)),
        fields=tuple(_field_rule(rule) for rule in own if rule.field is not None),
        tasks={name: Label.read(task.label) for name, task in settings.tasks.items() if task.label is not None},
    )


def layers_ever(settings: Settings) -> frozenset[str]:
    """The layers that read anything: somebody's requests, a task's, answers."""
    usual = layers_on(settings)
    plans = (plan_layers(plan, usual) for plan in settings.plans.values())
    tasks = (frozenset(task.layers) for task in settings.tasks.values())
    return frozenset().union(usual, settings.privacy.output_layers, *plans, *tasks)


def plan_layers(plan: Plan, usual: frozenset[str]) -> frozenset[str]:
    """The layers that read requests of a plan."""
    return usual if plan.layers is None else _layers(plan.layers)


def build_reading(settings: Settings, meaning: Meaning, documents: Documents | None = None) -> Reading:
    """Which layers read whose requests, and answers."""
    usual = layers_on(settings)
    plans = {name: _layers(plan.layers) for name, plan in settings.plans.items() if plan.layers is not None}
    tasks = {name: frozenset(task.layers) for name, task in settings.tasks.items() if task.layers}
    output = frozenset(settings.privacy.output_layers)
    if not plans and not tasks and not output:
        return Reading(full=build_rules(settings, None, meaning, documents), usual=usual)
    full = build_rules(settings, frozenset(LAYERS), meaning, documents)
    return Reading.of(full, usual, plans=plans, tasks=tasks, output=output)


def _layers(listed: Layers) -> frozenset[str]:
    return frozenset(LAYERS) if listed == "all" else frozenset(listed)


def _secret_rules(settings: Settings, on: frozenset[str]) -> tuple[TextRule, ...]:
    file = settings.privacy.secret_rules
    return read_secret_rules(file).rules if file is not None and "own" in on else ()


def layers_on(settings: Settings) -> frozenset[str]:
    """The layers that the settings name."""
    return _layers(settings.privacy.layers)


def _kinds(settings: Settings, on: frozenset[str]) -> frozenset[str] | None:
    named = KINDS if settings.privacy.detectors == "all" else settings.privacy.detectors
    kinds = frozenset(kind for kind in named if layer_of(kind) in on)
    return None if kinds == frozenset(KINDS) else kinds


def _text_rule(rule: Rule) -> TextRule:
    return TextRule(name=rule.name, label=Label.read(rule.label), matcher=Re2Matcher(_compiled(rule)))


def _field_rule(rule: Rule) -> FieldRule:
    assert rule.field is not None
    values = frozenset(value.strip().casefold() for value in rule.equals)
    return FieldRule(name=rule.name, label=Label.read(rule.label), where=rule.field, values=values)


def _compiled(rule: Rule) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    if rule.pattern is not None:
        return re2.compile(rule.pattern, options=options)
    options.case_sensitive = False
    # A phrase counts across any white space: a line may break in it.
    words = "|".join(r"\s+".join(map(re2.escape, word.split())) for word in rule.words)
    # RE2's \b knows ASCII letters only; whole words of any script need it spelled out.
    return re2.compile(rf"(?:^|[^\pL\pN_])(?:{words})(?:$|[^\pL\pN_])", options=options)


def field_names(settings: Settings) -> frozenset[str]:
    """The names in field rules, kept readable in paths: `metadata.cost_center` -> `metadata`, `cost_center`."""
    paths = (rule.field for rule in settings.privacy.rules if rule.field is not None)
    return frozenset(part.rstrip("[]") for path in paths for part in path.split("."))


def rule_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """The dotted path of each rule that cannot be used, and what is wrong with it."""
    for i, rule in enumerate(settings.privacy.rules):
        if rule.field is None:
            try:
                _compiled(rule)
            except re2.error:
                yield f"privacy.rules.{i}.pattern", "is no valid RE2 expression (no look-around, no back-references)"
    if settings.privacy.secret_rules is not None:
        yield from _secret_file_problems(settings.privacy.secret_rules)
    if settings.privacy.detectors != "all":
        for kind in sorted(frozenset(settings.privacy.detectors) - frozenset(KINDS)):
            yield "privacy.detectors", f"`{kind}` is no detector; docs/concepts/privacy-law.md lists them"


def _secret_file_problems(file: str) -> Iterator[tuple[str, str]]:
    try:
        found = read_secret_rules(file)
    except (OSError, ValueError):
        yield "privacy.secret_rules", "the file cannot be read as rules in gitleaks' TOML format"
        return
    if found.refused:
        names = ", ".join(found.refused[:5]) + (" and more" if len(found.refused) > 5 else "")
        yield "privacy.secret_rules", f"RE2 cannot take the rules {names} (no look-around); mend or remove them"
