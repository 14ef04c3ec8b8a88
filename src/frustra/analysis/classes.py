"""Rows of a state table told apart by the values of one column."""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.sites import SITE_KINDS
from frustra.states import COLUMNS, Cells, Coded, StateTable

MOST = 8
"""Classes into which a column is divided at most."""

SAMPLE = 10_000
"""Rows that tell whether a column has many different numbers."""

COUNT, PART = re.compile(r"n_([A-Z][a-z]?)"), re.compile(r"([A-Z][a-z]?)(\d*)")
"""A column that counts an element among the anions, and one element in `anions`."""

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
        Any column of the table; or `n_Br`, how many of the anions around the ion are Br.
    quantiles
        Classes into which many numbers are divided, 2 to 8.

    Raises
    ------
    AnalysisError
        No such column, or a number of classes that cannot be told apart in a figure.
    """
    known = {c.name: c for c in COLUMNS}
    counted = counted_anion(column)
    if column not in known and not counted:
        raise AnalysisError(
            f"no column {column} in the state table", f"one of {', '.join(known)}, or n_Br for the Br around"
        )
    return classes_of(column, states["anions" if counted else column], quantiles)


def counted_anion(column: str) -> str:
    """Return the element that a column such as `n_Br` counts among the anions; empty for other columns."""
    told = COUNT.fullmatch(column)
    return told[1] if told else ""


def classes_of(column: str, values: Cells, quantiles: int = 4) -> StateClasses:
    """Divide the values of one column as `classes_by` does.

    Parameters
    ----------
    column
        Its name; of `n_Br` the values are those of `anions`.
    values
        Numbers, texts, or texts with codes.
    quantiles
        Classes into which many numbers are divided, 2 to 8.

    Raises
    ------
    AnalysisError
        A number of classes that cannot be told apart in a figure, or a count of an element that is no anion.
    """
    if not 2 <= quantiles <= MOST:
        raise AnalysisError(f"{quantiles} classes of {column}", f"2 to {MOST}")
    element = counted_anion(column)
    if element:
        values = _count(element, _coded(values))
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        unit = next((c.unit for c in COLUMNS if c.name == column), "")
        return _of_numbers(column, unit, values, quantiles)
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        values = Coded(("no", "yes"), values.astype(np.int32))
    coded = _coded(values)
    if column == "site" and set(coded.names) <= set(SITE_KINDS):
        number = np.array([SITE_KINDS.index(n) for n in coded.names], dtype=np.int64)
        return StateClasses(column, SITE_KINDS, number[coded.number], ordered=False)
    return _of_texts(column, coded)


def _coded(values: Cells) -> Coded:
    if isinstance(values, Coded):
        return values
    names, number = np.unique(values, return_inverse=True)
    return Coded(tuple(names.tolist()), number.reshape(-1).astype(np.int32))


def _count(element: str, anions: Coded) -> IntArray:
    """Return how many anions of an element are around each ion."""
    told = [dict(PART.findall(name)) for name in anions.names]
    known = sorted({e for counts in told for e in counts})
    if element not in known:
        raise AnalysisError(f"no {element} among the anions", f"one of {', '.join(known) or 'none'}")
    counts = np.array([int(c[element] or 1) if element in c else 0 for c in told], dtype=np.int64)
    return counts[anions.number]


def _of_texts(column: str, coded: Coded) -> StateClasses:
    texts = [name or NONE for name in coded.names]
    names = sorted(set(texts))
    number = np.array([names.index(text) for text in texts], dtype=np.int64)
    count = np.bincount(number[coded.number], minlength=len(names))
    renamed = np.full(len(names), -1)
    present = np.flatnonzero(count)
    if len(present) > MOST:
        kept = np.sort(present[np.argsort(-count[present], kind="stable")[: MOST - 1]])
        renamed[:] = MOST - 1
    else:
        kept = present
    renamed[kept] = np.arange(len(kept))
    found = tuple(names[k] for k in kept) + ((OTHERS,) if len(present) > MOST else ())
    return StateClasses(column, found, renamed[number][coded.number], ordered=False)


def _of_numbers(column: str, unit: str, values: Array | IntArray, quantiles: int) -> StateClasses:
    absent = np.isnan(values)
    known = values[~absent] if absent.any() else values
    distinct = _distinct(known)
    unit = f" {unit}" if unit else ""
    if len(distinct) <= MOST:
        names = [f"{v:g}{unit}" for v in distinct]
        number = np.searchsorted(distinct, values)
    else:
        bounds = _bounds(known, quantiles)
        number = np.searchsorted(bounds, values, side="right")
        names = _ranges(bounds, unit, whole=values.dtype.kind != "f", ends=(known.min(), known.max()))
    if absent.any():
        number = np.where(absent, len(names), number)
        names.append(NONE)
    return StateClasses(column, tuple(names), number.astype(np.int64, copy=False), ordered=True)


def _distinct(values: Array | IntArray) -> Array | IntArray:
    """Return the different values in rising order; where there are many, some of them."""
    some = values[:SAMPLE]
    several = len(np.unique(some)) > MOST
    found: Array | IntArray = np.unique(some if several else values)  # type: ignore[assignment]
    return found


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
