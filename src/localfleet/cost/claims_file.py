"""`claims.yaml`: printed claims with what was printed beside them, and what can be worked out of it."""

from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from localfleet.core.cost.claims import Claim, Priced, Tokens
from localfleet.cost.arithmetic import worked_out
from localfleet.errors import ConfigError
from localfleet.wire.yaml_lines import problems_of, read_yaml

__all__ = ["ClaimRow", "ClaimsFile", "Sum", "Table", "parse_claims", "read_claims"]

Rate = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False)]
Verdict = Literal["reproduced", "impossible", "false", "open"]


class Shape(BaseModel):
    """Every section: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Sum(Shape):
    """A figure that was printed, and the sum that should give it. `within` is what rounding may do."""

    name: str
    printed: float = Field(allow_inf_nan=False)
    sum: str
    within: float = Field(default=0.005, ge=0, allow_inf_nan=False)

    @field_validator("sum")
    @classmethod
    def _is_a_sum(cls, text: str) -> str:
        worked_out(text)
        return text


class ModelRates(Shape):
    """US dollars per million tokens, as printed or listed."""

    usd_per_mtok_in: Rate = Field(alias="in")
    usd_per_mtok_out: Rate = Field(alias="out")


class TableTokens(Shape):
    """Tokens of some work, in millions; what is left out is unknown."""

    name: str
    mtok_in: Rate | None = None
    mtok_out: Rate | None = None


class TablePart(Shape):
    """A share of some tokens on a model."""

    tokens: str
    model: str
    share: Share = Decimal(1)


class TableFigure(Shape):
    """A printed bill: the sum of its parts. `given` ones are taken as they are, and the others held against them."""

    name: str
    usd: Rate
    parts: Annotated[tuple[TablePart, ...], Field(min_length=1)]
    within: Rate = Decimal("0.005")
    given: bool = False


class Table(Shape):
    """Bills over the same tokens at different models' prices."""

    prices: dict[str, ModelRates]
    tokens: Annotated[tuple[TableTokens, ...], Field(min_length=1)]
    figures: Annotated[tuple[TableFigure, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _known(self) -> "Table":
        names = {item.name for item in self.tokens}
        for figure in self.figures:
            for part in figure.parts:
                if part.model not in self.prices:
                    raise ValueError(f"figure {figure.name}: no price is given for {part.model}")
                if part.tokens not in names:
                    raise ValueError(f"figure {figure.name}: no tokens of the name {part.tokens} are listed")
        return self

    def as_core(self) -> tuple[tuple[Tokens, ...], tuple[Claim, ...]]:
        """The same as values of the core."""
        tokens = tuple(Tokens(name=item.name, mtok_in=item.mtok_in, mtok_out=item.mtok_out) for item in self.tokens)
        return tokens, tuple(self._claim(figure) for figure in self.figures)

    def _claim(self, figure: TableFigure) -> Claim:
        parts = tuple(
            Priced(
                tokens=part.tokens,
                usd_per_mtok_in=self.prices[part.model].usd_per_mtok_in,
                usd_per_mtok_out=self.prices[part.model].usd_per_mtok_out,
                share=part.share,
            )
            for part in figure.parts
        )
        return Claim(name=figure.name, usd=figure.usd, parts=parts, rounded_by=figure.within, given=figure.given)


class ClaimRow(Shape):
    """One claim: sums to work out, tables to prove, or what is not said (`open`). `expect` is what somebody found."""

    id: str
    says: str
    because: str = ""
    open: str = ""
    sums: tuple[Sum, ...] = ()
    table: Table | None = None
    expect: Verdict | None = None


class ClaimsFile(Shape):
    """The whole file."""

    claims: Annotated[tuple[ClaimRow, ...], Field(min_length=1)]


def read_claims(path: Path | None) -> ClaimsFile:
    """A file, or the example that ships in the package; raises `ConfigError` with every problem."""
    if path is None:
        return parse_claims(files("localfleet").joinpath("data/claims.yaml").read_bytes(), "claims.yaml")
    try:
        text = path.read_bytes()
    except OSError as exc:
        raise ConfigError(str(path), ((None, "", f"cannot be read ({exc.strerror})"),)) from exc
    return parse_claims(text, str(path))


def parse_claims(text: bytes, file: str) -> ClaimsFile:
    """Check a text; raises `ConfigError` with every problem, its line and field."""
    data, lines, problems = read_yaml(text)
    if problems:
        raise ConfigError(file, tuple((line, "", sentence) for line, sentence in problems))
    try:
        return ClaimsFile.model_validate(data)
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigError(file, problems_of(errors, lines)) from exc
