"""What the policy accepts in place of a verdict that says no: the redacted text's own verdict."""

from dataclasses import dataclass, field

from localfleet.core.ask import WORDLESS
from localfleet.core.label import Finding, Label, Verdict

__all__ = ["NO_TEXT_BACK", "Redacted"]

NO_TEXT_BACK = WORDLESS
"""An embedding of other words is another embedding, and a ranking another ranking: nothing can be put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """
    Restricted texts with every private value replaced, read again by every layer, and found to be less than restricted.

    Only `core/redaction/draft.py` builds one (`tests/test_house.py` holds it). It refuses to exist for
    texts that are still restricted, and for texts that never were. `verdict` is that of `texts`, which is what a hosted
    model may get.
    """

    verdict: Verdict
    was: Verdict
    replaced: tuple[Finding, ...]
    """What was replaced, by kind and count."""
    texts: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Law 1, once more: nothing restricted passes as redacted."""
        if self.verdict.label >= Label.RESTRICTED or self.was.label < Label.RESTRICTED:
            raise ValueError("only restricted text whose redacted form is not restricted is redacted")

    @property
    def label(self) -> Label:
        """The label of what leaves."""
        return self.verdict.label

    @property
    def leaves(self) -> Verdict:
        """For the record of what leaves: its own label, what was replaced, and that it was."""
        findings = (*self.verdict.findings, *self.replaced)
        return Verdict(label=self.label, findings=findings, because=("redacted", *self.verdict.because))
