"""
`models.yaml` and the environment -> frozen, checked settings.

Refuses rather than guesses: unknown keys, duplicate names, missing secrets and impossible labels stop the start, each
with file, line, what is wrong and how to mend it. The shapes below are the reference; the shipped `models.yaml` is the
manual.
"""

import ipaddress
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from localfleet.core.ask import Api, Need
from localfleet.core.label import Label
from localfleet.errors import ConfigError
from localfleet.wire.yaml_lines import Lines, problems_of, read_yaml

__all__ = [
    "Gpu",
    "HostedModel",
    "Limits",
    "LocalModel",
    "Plan",
    "PriceEntry",
    "Privacy",
    "Routing",
    "Rule",
    "Settings",
    "Task",
    "load_settings",
    "parse_settings",
    "read_settings",
]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="a short lower-case name")]
Place = Annotated[str, Field(pattern=r"^[^\s.\[\]]+(?:\[\])*(?:\.[^\s.\[\]]+(?:\[\])*)*$")]
ModelRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$")]
Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
LabelWord = Literal["public", "internal", "restricted"]
RESERVED = frozenset({"auto", "local"})


class Shape(BaseModel):
    """Every section: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Gpu(Shape):
    """A GPU the box has, and what it costs: by the hour, or bought."""

    name: str
    count: int = Field(default=1, ge=1, le=1024)
    usd_per_hour: Usd | None = None
    purchase_usd: Usd | None = None
    life_months: int = Field(default=36, ge=1)
    residual_usd: Usd = Decimal(0)
    power_w: Annotated[Decimal, Field(ge=0)] | None = None
    usd_per_kwh: Usd = Decimal("0.15")
    pue: Annotated[Decimal, Field(ge=1)] = Decimal("1.3")
    other_usd_per_month: Usd = Decimal(0)


class Hardware(Shape):
    """The box. `detect` reads the GPUs from the driver."""

    gpus: tuple[Gpu, ...] | Literal["detect"] = "detect"


class LocalModel(Shape):
    """A model of the privacy tier."""

    engine: Literal["auto", "llamacpp", "vllm", "endpoint"] = "auto"
    weights: str | None = None
    """`smollm2-135m-instruct` (ships with localfleet) or the path of a `.gguf` file."""
    url: str | None = None
    """`endpoint` only: the base URL of a running OpenAI-compatible server, with its `/v1`."""
    model: str | None = None
    """`endpoint` only: the model's name there; default: this entry's name."""
    api_key_env: str | None = None
    on_premises: bool = False
    """`endpoint` only: you vouch that a URL which is not loopback is your own machine."""
    context_tokens: int = Field(default=4096, ge=128)
    max_output_tokens: int | None = Field(default=None, ge=1)
    can: frozenset[Need] = frozenset()
    apis: frozenset[Api] = frozenset({Api.CHAT, Api.COMPLETION, Api.MESSAGES, Api.RESPONSES})
    """The APIs this model answers; `messages` and `responses` are translated where the engine only speaks `chat`."""
    queue_limit: int = Field(default=32, ge=1)
    parallel: int = Field(default=2, ge=1, le=256)
    threads: int | None = Field(default=None, ge=1)
    timeout_s: float = Field(default=600, gt=0)

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> "LocalModel":
        if self.engine == "endpoint":
            if self.url is None:
                msg = "an endpoint needs `url:`, for example http://127.0.0.1:11434/v1"
                raise ValueError(msg)
            _check_url(self.url)
            if not self.on_premises and not is_loopback(self.url):
                msg = (
                    "this URL is not on this machine, and a local model sees restricted text: "
                    "set `on_premises: true` to vouch that the server is yours, or move the entry to `hosted:`"
                )
                raise ValueError(msg)
        else:
            for key in ("url", "model", "api_key_env"):
                if getattr(self, key) is not None:
                    msg = f"`{key}:` belongs to `engine: endpoint` only"
                    raise ValueError(msg)
            if self.weights is None:
                msg = "say which `weights:` to load, for example smollm2-135m-instruct"
                raise ValueError(msg)
        return self


class PriceEntry(Shape):
    """One dated price. Append a new entry when a provider changes its rates; never edit an old one."""

    since: date
    usd_per_mtok_in: Usd
    usd_per_mtok_out: Usd
    usd_per_mtok_cache_read: Usd | None = None
    usd_per_mtok_cache_write: Usd | None = None
    source: str


class HostedModel(Shape):
    """A model somebody else runs."""

    provider: Annotated[str, Field(pattern=r"^[a-z0-9_]{2,40}$")]
    model: ModelRef
    tier: Name
    accepts: Literal["public", "internal"]
    api_key_env: str | None = None
    api_key_file: str | None = None
    base_url: str | None = None
    context_tokens: int | None = Field(default=None, ge=128)
    max_output_tokens: int | None = Field(default=None, ge=1)
    can: frozenset[Need] | None = None
    apis: frozenset[Api] | None = None
    prices: tuple[PriceEntry, ...] = ()
    timeout_s: float = Field(default=120, gt=0)

    @field_validator("accepts", mode="before")
    @classmethod
    def _never_restricted(cls, value: object) -> object:
        if value == "restricted":
            msg = (
                "no hosted model may accept restricted text: use public or internal, or serve the model under `local:`"
            )
            raise ValueError(msg)
        return value

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        if value is not None:
            _check_url(value)
            if value.startswith("http:") and not is_loopback(value):
                msg = "over plain http the key and the prompts would travel in clear: use https"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _one_key(self) -> "HostedModel":
        if self.api_key_env and self.api_key_file:
            msg = "give the key by `api_key_env:` or by `api_key_file:`, not both"
            raise ValueError(msg)
        if not self.api_key_env and not self.api_key_file:
            msg = "say where the provider's key is: `api_key_env: NAME` (a variable) or `api_key_file: PATH`"
            raise ValueError(msg)
        if sorted(self.prices, key=lambda price: price.since) != list(self.prices):
            msg = "`prices:` go from the oldest to the newest"
            raise ValueError(msg)
        return self


class Rule(Shape):
    """
    An operator's own rule: it raises the label where it matches.

    `words` match whole words, any case; `pattern` is an RE2 expression (linear time); `field` names a place in the
    body (`metadata.department`, `user`, `messages[].name`) and `equals` its values. A rule has one of the three.
    """

    name: Name
    label: LabelWord = "restricted"
    words: tuple[Annotated[str, Field(min_length=2)], ...] = ()
    pattern: str | None = None
    field: Place | None = None
    equals: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> "Rule":
        if sum((bool(self.words), self.pattern is not None, self.field is not None)) != 1:
            msg = "a rule has exactly one of `words:`, `pattern:`, `field:`"
            raise ValueError(msg)
        if bool(self.equals) != (self.field is not None):
            msg = "`field:` and `equals:` go together"
            raise ValueError(msg)
        if self.field == "model":
            msg = "`model` is replaced before anything leaves, so no rule looks at it; use a task or a plan"
            raise ValueError(msg)
        return self


class Privacy(Shape):
    """What is sensitive."""

    default: LabelWord = "internal"
    """The label of callers whose key says nothing else."""
    detectors: tuple[str, ...] | Literal["all"] = "all"
    rules: tuple[Rule, ...] = ()
    on_restricted: Literal["local_only"] = "local_only"
    detector_budget_ms: int = Field(default=2000, ge=1)
    """Reading a request may take this long; after that it is restricted."""
    remember_days: int = Field(default=90, ge=1)
    """How long a restricted conversation is recognised (by keyed hashes) after it was last seen."""


class Task(Shape):
    """One row of the routing table."""

    first: str
    fallback: tuple[str, ...] = ()
    label: LabelWord | None = None
    """Raises every request of this task to at least this label."""


class Routing(Shape):
    """Preference among legal doors; the law is not negotiable here."""

    prefer: Literal["hosted", "local"] = "hosted"
    """Where unrestricted `auto` requests go first: the cheapest hosted model that can, or the box."""
    retries_per_door: int = Field(default=1, ge=0, le=5)


class Limits(Shape):
    """Hard limits."""

    fallbacks_per_request: int = Field(default=2, ge=0, le=20)
    usd_per_day: dict[Name, Usd] = Field(default_factory=dict)
    """Hosted tier -> most to spend a UTC day."""
    body_mib: int = Field(default=32, ge=1, le=512)
    in_flight: int = Field(default=1024, ge=1)


class Plan(Shape):
    """What callers of a plan may do."""

    models: frozenset[str] | None = None
    usd_per_month: Usd | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)


class Settings(Shape):
    """The whole of `models.yaml`."""

    version: Literal[1]
    hardware: Hardware = Hardware()
    local: dict[Name, LocalModel] = Field(default_factory=dict)
    hosted: dict[Name, HostedModel] = Field(default_factory=dict)
    aliases: dict[ModelRef, str] = Field(default_factory=dict)
    """Other names clients may use, each for a model or for `auto` or `local`."""
    privacy: Privacy = Privacy()
    tasks: dict[Name, Task] = Field(default_factory=dict)
    routing: Routing = Routing()
    limits: Limits = Limits()
    plans: dict[Name, Plan] = Field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Every model name, local and hosted."""
        return frozenset(self.local) | frozenset(self.hosted)

    @property
    def default_label(self) -> Label:
        """`privacy.default` as a label."""
        return Label.read(self.privacy.default)


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine by a loopback address or `localhost`."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "a URL starts with http:// or https:// and names a host"
        raise ValueError(msg)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "a URL here has no user, password, query or fragment; keys go to `api_key_env:`"
        raise ValueError(msg)
    if parts.port == 0:  # reading it refuses any other impossible port
        msg = "port 0 is no port to connect to"
        raise ValueError(msg)


def load_settings(file: str) -> Settings:
    """Read and check `file`; raise `ConfigError` with every problem found."""
    return read_settings(file)[0]


def read_settings(file: str) -> tuple[Settings, Lines]:
    """The settings, and where each stood, for problems that only the environment can tell."""
    try:
        with open(file, "rb") as handle:  # noqa: PTH123  # a path from the command line, kept as it was typed
            text = handle.read()
    except OSError as exc:
        sentence = f"cannot be read ({exc.strerror}); `localfleet init` writes one"
        raise ConfigError(file, ((None, "", sentence),)) from exc
    return _parsed(text, file)


def parse_settings(text: bytes, file: str = "models.yaml") -> Settings:
    """Check the text of a `models.yaml`; raise `ConfigError` with every problem found."""
    return _parsed(text, file)[0]


def _parsed(text: bytes, file: str) -> tuple[Settings, Lines]:
    data, lines, problems = read_yaml(text)
    if problems:
        raise ConfigError(file, tuple((line, "", sentence) for line, sentence in problems))
    try:
        settings = Settings.model_validate(data)
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigError(file, problems_of(errors, lines)) from exc
    crossed = _cross_checks(settings, lines)
    if crossed:
        raise ConfigError(file, crossed)
    return settings, lines


def _cross_checks(settings: Settings, lines: Lines) -> tuple[tuple[int | None, str, str], ...]:
    """Checks between sections: every name means one thing and every reference finds it."""
    complaints = (*_name_complaints(settings), *_reference_complaints(settings))
    return tuple((lines.of(loc), ".".join(loc), sentence) for loc, sentence in complaints)


Complaint = tuple[tuple[str, ...], str]


def _name_complaints(settings: Settings) -> Iterator[Complaint]:
    if not settings.names:
        yield (), "no models: add one under `local:` or `hosted:`"
    for name in sorted(frozenset(settings.local) & frozenset(settings.hosted)):
        yield ("hosted", name), "is also the name of a local model; names are unique"
    for section in ("local", "hosted"):
        for name in sorted(RESERVED & frozenset(getattr(settings, section))):
            yield (section, name), f"`{name}` is a reserved name; choose another"
    for alias in sorted(frozenset(settings.aliases) & (settings.names | RESERVED)):
        yield ("aliases", alias), "is already a model's name"
    for name, model in settings.hosted.items():
        if model.tier == "local":
            yield ("hosted", name, "tier"), "`local` is the privacy tier; name the hosted tier otherwise"
    if len({rule.name for rule in settings.privacy.rules}) != len(settings.privacy.rules):
        yield ("privacy", "rules"), "two rules have one name; names are unique"


def _reference_complaints(settings: Settings) -> Iterator[Complaint]:
    for alias, target in settings.aliases.items():
        if target not in settings.names | RESERVED:
            yield ("aliases", alias), f"points to `{target}`, which is no model here"
    for name, task in settings.tasks.items():
        for wanted in (task.first, *task.fallback):
            if wanted not in settings.names | {"local"}:
                yield ("tasks", name), f"names `{wanted}`, which is no model here"
    for name, plan in settings.plans.items():
        for wanted in sorted((plan.models or frozenset()) - settings.names):
            yield ("plans", name), f"names `{wanted}`, which is no model here"
    tiers = {model.tier for model in settings.hosted.values()}
    for tier in settings.limits.usd_per_day:
        if tier not in tiers:
            yield ("limits", "usd_per_day", tier), "is no tier of any hosted model"
