"""Numbers from lines of text: many at once where the lines are printed in columns of fixed width."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frustra.arrays import Array, BoolArray

Characters = NDArray[np.uint8]

ROWS = 4096
"""Lines decoded at once."""

DIGITS = 15
"""Digits of a number that float64 holds exactly."""

_FIELD = re.compile(rb" *-?\d+\.(\d+)")
_BLANK, _MINUS, _ZERO = b" -0"


class _Field(NamedTuple):
    """The columns of one number: blanks, sign and digits; point; decimals."""

    start: int
    point: int
    end: int


def decoded(text: bytes, columns: int) -> Array:
    """Return the numbers of lines with so many numbers each, (lines, columns), exactly as `float` does.

    Raises
    ------
    ValueError
        A line with more or fewer numbers, or with something else.
    """
    fields = _fields(text, columns)
    if fields:
        fast = _fixed_width(text, fields)
        if fast is not None:
            return fast
    return np.array([line.split() for line in text.splitlines()], dtype=float).reshape(-1, columns)


def _fields(text: bytes, columns: int) -> list[_Field]:
    """Return where the numbers are in the first line; nothing where it has another form."""
    line = text[: text.find(b"\n") + 1]
    if not re.fullmatch(rb"(?: *-?\d+\.\d+)+ *\r?\n", line):
        return []
    found = [_Field(m.start(), m.start(1) - 1, m.end()) for m in _FIELD.finditer(line)]
    short = all(f.end - f.start <= DIGITS + 1 for f in found)
    return found if len(found) == columns and short else []


def _fixed_width(text: bytes, fields: list[_Field]) -> Array | None:
    """Decode lines that all have the columns of the first; None where they do not.

    The digits of a number make an integer, and its division by a power of ten is rounded once, as `float`
    rounds.
    """
    width = text.find(b"\n") + 1
    if len(text) % width:
        return None
    lines = np.frombuffer(text, np.uint8).reshape(-1, width)
    weights = _weights(fields, width)
    scale = 10.0 ** np.array([[f.end - f.point - 1] for f in fields])
    result = np.empty((len(lines), len(fields)))
    for first in range(0, len(lines), ROWS):
        columns = np.ascontiguousarray(lines[first : first + ROWS].T)
        digits = columns - np.uint8(_ZERO)
        if not _regular(columns, lines[0], digits < 10, fields):
            return None
        digits[digits > 9] = 0
        signs = [np.where((columns[f.start : f.point] == _MINUS).any(axis=0), -1.0, 1.0) for f in fields]
        result[first : first + ROWS] = (weights @ digits.astype(float) * signs / scale).T
    return result


def _weights(fields: list[_Field], width: int) -> Array:
    """Return by what the digit in each column counts in each number, (fields, width)."""
    weights = np.zeros((len(fields), width))
    for number, field in enumerate(fields):
        places = [c for c in range(field.start, field.end) if c != field.point]
        weights[number, places] = 10.0 ** np.arange(len(places))[::-1]
    return weights


def _regular(columns: Characters, model: Characters, is_digit: BoolArray, fields: list[_Field]) -> bool:
    """Tell whether all lines have points and line ends where the model has, and numbers between them."""
    same = set(range(len(model)))
    for field in fields:
        left, decimals = range(field.start, field.point), range(field.point + 1, field.end)
        same -= {*left, *decimals}
        if not is_digit[field.point - 1].all() or not is_digit[decimals.start : decimals.stop].all():
            return False
        if not _right_aligned(columns[left.start : left.stop], is_digit[left.start : left.stop], field):
            return False
    return all((columns[k] == model[k]).all() for k in same)


def _right_aligned(left: Characters, is_digit: BoolArray, field: _Field) -> bool:
    """Tell whether what stands before a point is blanks, at most one minus, and digits, in this order."""
    blank, minus = left == _BLANK, left == _MINUS
    follows_blank = np.ones_like(blank)
    follows_blank[1:] = blank[:-1]
    separated = field.start == 0 or blank[0].all()
    return bool(separated and (is_digit | blank | minus).all() and (follows_blank | is_digit).all())
