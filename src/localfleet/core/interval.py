"""How sure a share is: Wilson's interval."""

from math import sqrt

__all__ = ["wilson"]

_Z_95 = 1.959964


def wilson(hits: int, of: int) -> tuple[float, float]:
    """
    The 95 % interval of a share (Wilson 1927), 0 to 1; the whole range where nothing was tried.

    Unlike the textbook interval it holds for few trials and for shares at the ends, which is where recall lies.
    """
    if of == 0:
        return (0.0, 1.0)
    share, weight = hits / of, _Z_95**2 / of
    middle = share + weight / 2
    half = _Z_95 * sqrt((share * (1 - share) + weight / 4) / of)
    return (max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight)))
