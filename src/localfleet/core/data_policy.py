"""
What a provider does with text, and what the operator demands of it. The facts are `models.yaml`'s, never ours.

What is not known counts as the worst: an unknown region is no allowed region, an unknown jurisdiction is an excluded
one, unknown retention is too long, unknown training is training.
"""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["NOTHING_KNOWN", "NO_DEMAND", "DataPolicy", "Demand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPolicy:
    """Facts about one hosted model, as its operator states them; `None` is *unknown*."""

    region: str | None = None
    """Where it is computed, in the provider's own word, such as `eu-central-1`."""
    jurisdiction: str | None = None
    """Whose law the provider is under: ISO 3166-1 alpha-2, or `EU`."""
    retention_days: int | None = None
    trains: bool | None = None
    zero_data_retention: bool | None = None
    subprocessors: frozenset[str] | None = None

    @property
    def kept_days(self) -> int | None:
        """Days that text is kept; zero where zero data retention holds."""
        return 0 if self.zero_data_retention else self.retention_days


NOTHING_KNOWN = DataPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a provider must be for text to go there; every field left out demands nothing."""

    regions: frozenset[str] | None = None
    jurisdictions: frozenset[str] | None = None
    exclude_jurisdictions: frozenset[str] = frozenset()
    retention_days: int | None = None
    """The most."""
    no_training: bool = False
    zero_data_retention: bool = False
    subprocessors: frozenset[str] | None = None
    """The only ones that text may be handed on to."""

    def unmet(self, data: DataPolicy) -> Iterator[str]:
        """The fields of this demand that `data` does not meet."""
        if self.regions is not None and data.region not in self.regions:
            yield "regions"
        if self.jurisdictions is not None and data.jurisdiction not in self.jurisdictions:
            yield "jurisdictions"
        if self.exclude_jurisdictions and data.jurisdiction in {None, *self.exclude_jurisdictions}:
            yield "exclude_jurisdictions"
        if self.retention_days is not None and (data.kept_days is None or data.kept_days > self.retention_days):
            yield "retention_days"
        if self.no_training and data.trains is not False:
            yield "no_training"
        if self.zero_data_retention and data.zero_data_retention is not True:
            yield "zero_data_retention"
        if self.subprocessors is not None and (data.subprocessors is None or data.subprocessors - self.subprocessors):
            yield "subprocessors"

    def met_by(self, data: DataPolicy) -> bool:
        """Whether text may go there, as far as this demand is asked."""
        return next(self.unmet(data), None) is None

    def tightened(self, other: "Demand") -> "Demand":
        """Both demands in one: what it lets pass, each of the two lets pass, and the other way round."""
        return Demand(
            regions=_both(self.regions, other.regions),
            jurisdictions=_both(self.jurisdictions, other.jurisdictions),
            exclude_jurisdictions=self.exclude_jurisdictions | other.exclude_jurisdictions,
            retention_days=_least(self.retention_days, other.retention_days),
            no_training=self.no_training or other.no_training,
            zero_data_retention=self.zero_data_retention or other.zero_data_retention,
            subprocessors=_both(self.subprocessors, other.subprocessors),
        )


NO_DEMAND = Demand()


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _least(one: int | None, other: int | None) -> int | None:
    known = [days for days in (one, other) if days is not None]
    return min(known, default=None)
