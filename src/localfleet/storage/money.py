"""
Dollars as whole pico-dollars (1e-12 USD), so that SQLite can add millions of them without rounding.

A price of a millionth of a dollar per million tokens is one pico-dollar per token, so real costs are whole numbers
here. What is finer still is kept beside it as text (`rest`), and added as `Decimal`: sums are exact, always.
"""

from decimal import ROUND_CEILING, Context, Decimal

__all__ = ["add_up", "check_usd", "pico_ceiling", "split", "usd_text"]

_EXACT = Context(prec=200)
_PICO_DIGITS = 12
_MOST_PICO = 2**63 - 1
_SIX_DIGITS = 6


def usd_text(usd: Decimal | None) -> str | None:
    """Dollars as plain text for a record's body; `None` stays `None`."""
    return None if usd is None else str(usd)


def split(usd: Decimal | None) -> tuple[int | None, str | None]:
    """Whole pico-dollars and the finer rest as text (`None` where there is none); raises `ValueError` if unstorable."""
    if usd is None:
        return None, None
    if not usd.is_finite():
        raise ValueError("money is a finite number")
    scaled = usd.scaleb(_PICO_DIGITS, _EXACT)
    whole = int(scaled)
    if abs(whole) > _MOST_PICO:
        raise ValueError("one record holds at most 9 million dollars")
    if whole == scaled:
        return whole, None
    return whole, str(_EXACT.subtract(usd, Decimal(whole).scaleb(-_PICO_DIGITS, _EXACT)))


def check_usd(usd: Decimal | None) -> None:
    """Raise `ValueError` for what `pico_ceiling` could not store; below a million dollars it is a glance."""
    if usd is not None and not (usd.is_finite() and usd.adjusted() < _SIX_DIGITS):
        pico_ceiling(usd)


def pico_ceiling(usd: Decimal | None) -> int | None:
    """An upper bound in whole pico-dollars: rounds up, because a bound may not shrink."""
    if usd is None:
        return None
    rounded = usd.quantize(Decimal(1).scaleb(-_PICO_DIGITS), rounding=ROUND_CEILING, context=_EXACT)
    return split(rounded)[0]


def add_up(millions: int | None, ones: int | None, rests: str | None) -> Decimal:
    """
    The exact sum of a group in dollars, from what SQL gave.

    `millions` and `ones` are the sums of `pico / 1000000` and `pico % 1000000` (two sums, since one could overflow 64
    bits), `rests` the finer parts joined by commas.
    """
    total = Decimal((millions or 0) * 1_000_000 + (ones or 0)).scaleb(-_PICO_DIGITS, _EXACT)
    for rest in rests.split(",") if rests else ():
        total = _EXACT.add(total, Decimal(rest))
    return _plain(total)


def _plain(usd: Decimal) -> Decimal:
    """Without trailing zeros and never in powers of ten above one: 40, not 40.000000000000 nor 4E+1."""
    short = usd.normalize(_EXACT)
    return short if short.as_tuple().exponent in range(-_EXACT.prec, 1) else short.quantize(Decimal(1), context=_EXACT)
