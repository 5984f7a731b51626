"""
A number that was checked. Every figure a person states passes here before it is multiplied with another.

No clamping: a wrong number is refused with a sentence that names it.
"""

from decimal import Decimal

__all__ = ["require"]


def require(
    name: str, value: Decimal, *, low: Decimal | int = 0, high: Decimal | int | None = None, above_low: bool = False
) -> Decimal:
    """Return `value`, or raise `ValueError` naming it where it is not finite or outside `low` to `high`."""
    if not value.is_finite():
        msg = f"{name} must be a finite number"
        raise ValueError(msg)
    if value < low or (above_low and value == low):
        msg = f"{name} must be {'more than' if above_low else 'at least'} {low}"
        raise ValueError(msg)
    if high is not None and value > high:
        msg = f"{name} must be at most {high}"
        raise ValueError(msg)
    return value
