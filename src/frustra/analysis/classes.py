"""Rows of a state table told apart by the values of one column."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.sites import SITE_KINDS
from frustra.states import COLUMNS, Column, StateTable

MOST = 8
"""Classes into which a column is divided at most."""

OTHERS, NONE = "other values", "none"
"""Names of the class of rare texts, and of numbers that are absent."""


@dataclass(frozen=True)
class StateClasses:
    """Which class each row of a table is in."""

    column: str
    names: tuple[str, ...]
    """Of the classes; numbers in rising order, texts in alphabetical order."""
    number: IntArray
    """(rows,) the row's class."""
    ordered: bool
    """Whether the classes are numbers or ranges of them."""


def classes_by(states: StateTable, column: str, quantiles: int = 4) -> StateClasses:
    """Divide the rows of a table by the values of a column.

    Every value is a class of its own where there are eight or fewer. Of more texts, the seven most
    frequent are; the others are one class together. More numbers are divided near quantiles, at a round
    number, so that each class has about as many rows: a class `2.4–2.5 Å` holds its lower bound and not
    its upper one, one of whole numbers `3–5` both.

    Parameters
    ----------
    states
        All rows that are to be compared.
    column
        Any column of the table.
    quantiles
        Classes into which many numbers are divided, 2 to 8.

    Raises
    ------
    AnalysisError
        No such column, or a number of classes that cannot be told apart in a figure.
    """
    known = {c.name: c for c in COLUMNS}
    if column not in known:
        raise AnalysisError(f"no column {column} in the state table", f"one of {', '.join(known)}")
    if not 2 <= quantiles <= MOST:
        raise AnalysisError(f"{quantiles} classes of {column}", f"2 to {MOST}")
    values = states[column]
    if column == "site":
        return StateClasses(column, SITE_KINDS, _where(values, SITE_KINDS), ordered=False)
    if values.dtype.kind in "iuf":
        return _of_numbers(known[column], values, quantiles)
    texts = np.array(["no", "yes"])[values.astype(int)] if values.dtype.kind == "b" else values
    return _of_texts(column, np.where(texts == "", NONE, texts))


def _where(values: NDArray[Any], names: tuple[Any, ...]) -> IntArray:
    """Return which of the names each value is; every value is one of them."""
    order = np.argsort(names)
    found: IntArray = order[np.searchsorted(np.array(names)[order], values)]
    return found


def _of_texts(column: str, values: NDArray[np.str_]) -> StateClasses:
    names, number, count = np.unique(values, return_inverse=True, return_counts=True)
    number = number.reshape(-1)
    if len(names) > MOST:
        kept = np.sort(np.argsort(-count, kind="stable")[: MOST - 1])
        renamed = np.full(len(names), MOST - 1)
        renamed[kept] = np.arange(MOST - 1)
        names, number = np.append(names[kept], OTHERS), renamed[number]
    return StateClasses(column, tuple(names.tolist()), number.astype(np.int64), ordered=False)


def _of_numbers(column: Column, values: Array | IntArray, quantiles: int) -> StateClasses:
    absent = np.isnan(values)
    distinct = np.unique(values[~absent])
    unit = f" {column.unit}" if column.unit else ""
    if len(distinct) <= MOST:
        names = [f"{v:g}{unit}" for v in distinct]
        number = np.searchsorted(distinct, values)
    else:
        bounds = _bounds(values[~absent], quantiles)
        number = np.searchsorted(bounds, values, side="right")
        names = _ranges(bounds, unit, whole=values.dtype.kind != "f", ends=(distinct[0], distinct[-1]))
    if absent.any():
        number = np.where(absent, len(names), number)
        names.append(NONE)
    return StateClasses(column.name, tuple(names), number.astype(np.int64), ordered=True)


def _bounds(values: Array | IntArray, quantiles: int) -> Array:
    """Return the lowest value of each class but the first, to a hundredth of the range of all."""
    digits = max(0, 1 - int(np.floor(np.log10(np.ptp(values)))))
    inner = np.round(np.quantile(values, np.arange(1, quantiles) / quantiles, method="higher"), digits)
    bounds: Array = np.unique(inner[(inner > values.min()) & (inner <= values.max())])
    return bounds if len(bounds) else np.unique(values)[1:2].astype(float)  # most values are the lowest


def _ranges(bounds: Array, unit: str, whole: bool, ends: tuple[float, float]) -> list[str]:
    """Return names of the ranges between bounds."""
    if whole:
        first, last = [ends[0], *bounds], [*(bounds - 1), ends[1]]
        return [f"{a:g}" if a == b else f"{a:g}–{b:g}" for a, b in zip(first, last, strict=True)]
    inner = [f"{a:g}–{b:g}{unit}" for a, b in pairwise(bounds)]
    return [f"< {bounds[0]:g}{unit}", *inner, f"≥ {bounds[-1]:g}{unit}"]
