"""A printed sum, worked out: numbers, + - * / **, brackets. Nothing else is understood, and nothing is run."""

import ast
import operator
from collections.abc import Callable, Mapping
from math import isfinite

__all__ = ["worked_out"]

LONGEST = 200
LARGEST_POWER = 100
SIGNS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def worked_out(text: str) -> float:
    """The value of `30000 * (1000 * 2.5 + 500 * 10) / 1e6`; raises `ValueError` with what is wrong."""
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters")
    try:
        value = _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, RecursionError):
        raise ValueError("is no sum of numbers") from None
    except (ZeroDivisionError, OverflowError):
        raise ValueError("divides by zero, or is too large") from None
    if not isfinite(value):
        raise ValueError("has no finite value")
    return value


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow) and abs(right) > LARGEST_POWER:
            raise ValueError("has too large a power")
        result = SIGNS[type(node.op)](left, right)
        if isinstance(result, complex):
            raise ValueError("has no real value")
        return result
    raise ValueError("is no sum of numbers: only + - * / ** and brackets")
