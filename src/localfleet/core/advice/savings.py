"""
What routing and the box saved against a declared baseline, net of what the box costs whether or not anyone asks.

A saving that leaves out the fixed GPU is no saving. The baseline is one hosted model for everything; both sides see the
same tokens, which is an assumption: tokenizers and verbosity differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from localfleet.core.advice.work import Work, total_usd, usd_of_price
from localfleet.core.pricing import Price

__all__ = ["Savings", "savings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """
    One period on two bases. `_gross` leaves the box out, `_net` has it in; shares are of the baseline.

    `usd_fixed` is the box, `usd_staff` its care, both for the period. `unknown_requests` had no price and count as
    nothing on the routed side, so a saving with such requests is an upper bound.
    """

    baseline: str
    requests: Decimal
    usd_baseline: Decimal
    usd_hosted: Decimal
    usd_fixed: Decimal
    usd_staff: Decimal
    unknown_requests: Decimal

    @property
    def usd_gross(self) -> Decimal:
        """Against the hosted bill alone."""
        return self.usd_baseline - self.usd_hosted

    @property
    def usd_net(self) -> Decimal:
        """With the box and its care paid."""
        return self.usd_gross - self.usd_fixed - self.usd_staff

    @property
    def gross_share(self) -> Decimal | None:
        """Of the baseline; `None` without one."""
        return self.usd_gross / self.usd_baseline if self.usd_baseline else None

    @property
    def net_share(self) -> Decimal | None:
        """Of the baseline; `None` without one."""
        return self.usd_net / self.usd_baseline if self.usd_baseline else None

    @property
    def sentence(self) -> str:
        """The answer."""
        if self.requests == 0 or self.net_share is None or self.gross_share is None:
            return (
                f"No traffic: nothing was saved, and the box cost ${self.usd_fixed + self.usd_staff:,.2f} all the same."
            )
        fixed = self.usd_fixed + self.usd_staff
        verb = "saved" if self.usd_net >= 0 else "cost"
        told = (
            f"Against {self.baseline} for everything (${self.usd_baseline:,.2f}) this way {verb} "
            f"${abs(self.usd_net):,.2f} net ({self.net_share:+.0%}): ${self.usd_hosted:,.2f} went to hosted models and "
            f"${fixed:,.2f} to the box, used or not."
        )
        if fixed:
            told += f" Without the box it would read {self.gross_share:+.0%}, which is the figure not to believe."
        if self.unknown_requests:
            told += f" It is an upper bound: {self.unknown_requests:,.0f} requests have no known price."
        return told


def savings(
    works: Sequence[Work], *, baseline: str, price: Price, usd_fixed: Decimal, usd_staff: Decimal = Decimal(0)
) -> Savings:
    """The same tokens on the baseline model against what was paid."""
    return Savings(
        baseline=baseline,
        requests=sum((work.requests for work in works), Decimal(0)),
        usd_baseline=sum(
            (usd_of_price(price, input_tokens=work.input_tokens, output_tokens=work.output_tokens) for work in works),
            Decimal(0),
        ),
        usd_hosted=total_usd(works),
        usd_fixed=usd_fixed,
        usd_staff=usd_staff,
        unknown_requests=sum((work.requests for work in works if work.usd is None), Decimal(0)),
    )
