"""How uncertain each input is, as a plan states it or, where none does, as is assumed; and the words for it."""

from localfleet.core.plan.case import Sigmas
from localfleet.cost.chances import Chances
from localfleet.cost.paper import dollars
from localfleet.cost.plan_file import Finance, Uncertainty

__all__ = ["sigmas_of", "spread_words", "waiting_words"]

LEAST_USD = 1.0
"""A month."""


def sigmas_of(finance: Finance, stated: Uncertainty, *, rented: bool) -> Sigmas:
    """A bought box has its price: what GPUs cost later does not change it."""
    return Sigmas(
        volume=stated.volume_sigma_ln,
        api=finance.price_sigma_ln.api,
        gpu=finance.price_sigma_ln.gpu,
        speed=stated.util,
        output=stated.output_sigma_ln,
        cached=stated.prefix_hit,
        fallback=stated.fallback_rate,
        success=stated.success_local,
        derate=stated.derate,
        price_correlation=stated.price_correlation,
        api_change=finance.price_change_year.api,
        gpu_change=finance.price_change_year.gpu if rented else (0.0, 0.0, 0.0),
        horizon_years=finance.horizon_months / 12,
        draws=stated.n,
        seed=stated.seed,
    )


def spread_words(sigmas: Sigmas, drawn: Chances) -> list[str]:
    """What was drawn, what hangs together, what was not drawn."""
    tied = (
        f"hosted price and GPU price move together with a correlation of {sigmas.price_correlation:g}, all else apart"
        if sigmas.price_correlation
        else "all inputs are drawn apart from each other (no correlation)"
    )
    told = (
        "Volume, prices and the length of answers are drawn log-normally around today's values, the others from a "
        "triangle; prices may rise as well as fall. The spreads are assumptions: a plan states its own under "
        f"`uncertainty`. In these draws {tied}. Both ways are held to the same completed actions."
    )
    certain = f"Without effect from their P10 to their P90, or taken as certain: {', '.join(drawn.certain)}."
    return [told, waiting_words(sigmas, drawn), *([certain] if drawn.certain else [])]


def waiting_words(sigmas: Sigmas, drawn: Chances) -> str:
    """The value of waiting: what it would be worth to know, against what is given up meanwhile."""
    head = f"Value of waiting: to know all of it before deciding is worth {dollars(drawn.knowing)} a month"
    if drawn.knowing < LEAST_USD:
        return "Value of waiting: under a dollar a month. Hardly a draw turns the decision: nothing to wait for."
    if drawn.mean <= 0:
        return f"{head}; on the hosted model waiting costs nothing, so look again when volume or prices have moved."
    months = drawn.waiting_share * sigmas.horizon_years * 12
    return (
        f"{head}, and each month of waiting gives up {dollars(drawn.mean)}: wait for it {months:.1f} months of the "
        f"{sigmas.horizon_years * 12:.0f} at most."
    )
