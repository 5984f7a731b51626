"""`privacy:`, what is sensitive: the default label, the detectors, the operator's own rules."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from localfleet.config.data_policy import ProviderDemand
from localfleet.config.shape import LabelWord, Name, Place, Shape

__all__ = ["LayerName", "Layers", "Privacy", "Rule"]

LayerName = Literal["own", "secrets", "patterns", "topics", "names"]
Layers = tuple[LayerName, ...] | Literal["all"]


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
    layers: Layers = "all"
    """Which layers of detection read; what is left out is shown by `check`."""
    output_layers: tuple[LayerName, ...] = ()
    """Which layers read answers: what they find is recorded, and the conversation is restricted from then on."""
    detectors: tuple[str, ...] | Literal["all"] = "all"
    rules: tuple[Rule, ...] = ()
    providers: dict[Literal["public", "internal"], ProviderDemand] = Field(default_factory=dict)
    """What is demanded of providers for text of a label; what is demanded for `public` holds for `internal` too."""
    secret_rules: str | None = None
    """A file of rules for secrets in gitleaks' TOML format, your own; it belongs to the layer `own`."""
    on_restricted: Literal["local_only", "redact"] = "local_only"
    """`redact`: where every private value can be replaced, a hosted model may get the text with pseudonyms."""
    detector_budget_ms: int = Field(default=2000, ge=1)
    """Reading a request may take this long; after that it is restricted."""
    remember_days: int = Field(default=90, ge=1)
    """How long a restricted conversation is recognised (by keyed hashes) after it was last seen."""
