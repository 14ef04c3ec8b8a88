"""Transitions: one row per hop whose frames before and after were relaxed.

The specifications below validate the table, document it and write its units into the Parquet file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import DataError
from frustra.sites import SITE_KINDS
from frustra.states import Column

COLUMNS: tuple[Column, ...] = (
    Column("material", "", "U", "name of the material in the study"),
    Column("temperature", "K", "f8", "temperature of the trajectory"),
    Column("run", "", "i8", "number of the independent run at this temperature"),
    Column("ion", "", "i8", "index of the atom that hops"),
    Column("left", "ps", "f8", "last time at which the ion was in its origin"),
    Column("arrived", "ps", "f8", "first time at which it was in its target, to settle there"),
    Column("time_before", "ps", "f8", "time of the frame that was relaxed before the hop"),
    Column("time_after", "ps", "f8", "time of the frame that was relaxed after it"),
    Column("before", "", "i8", "that frame's number among the run's relaxed frames"),
    Column("after", "", "i8", "that of the frame after"),
    Column(
        "alone",
        "",
        "i8",
        "that of the frame in which only this ion has hopped: the one after it if no other ion "
        "moved, else the one before it with the ion put to its target and relaxed anew; −1 for none",
    ),
    Column("origin", "", "i8", "site that the ion left"),
    Column("target", "", "i8", "site that it settled in"),
    Column("via", "", "i8", "site in which it was longest on its way without settling; −1 for none"),
    Column("shift_a", "", "i8", "cell vectors a from the copy of the origin to that of the target"),
    Column("shift_b", "", "i8", "cell vectors b"),
    Column("shift_c", "", "i8", "cell vectors c"),
    Column("origin_kind", "", "U", "kind of the origin", SITE_KINDS),
    Column("target_kind", "", "U", "kind of the target", SITE_KINDS),
    Column("origin_label", "", "U", "class of the origin"),
    Column("target_label", "", "U", "class of the target"),
    Column("pathway", "", "U", "kinds of origin and target, or oct–tet–oct where a tet site was passed"),
    Column("direction", "", "U", "of the hop against the cell's axes, such as along c"),
    Column(
        "chain",
        "",
        "i8",
        "number, in its run, of the way oct–tet–oct of which the hop is a half; −1: of none",
    ),
    Column("weight", "", "f8", "hops of the run that this one stands for"),
    Column("energy_before", "eV", "f8", "per-atom energy of the ion, relaxed before the hop"),
    Column("energy_after", "eV", "f8", "the same after it"),
    Column("others_before", "eV", "f8", "sum of those of all other mobile ions before"),
    Column("others_after", "eV", "f8", "the same after"),
    Column("total_before", "eV", "f8", "total energy of the relaxed frame before"),
    Column("total_after", "eV", "f8", "the same after"),
    Column(
        "energy_alone", "eV", "f8", "that of the ion, relaxed after it hopped alone, or NaN", optional=True
    ),
    Column("others_alone", "eV", "f8", "that of the other mobile ions, or NaN", optional=True),
    Column("total_alone", "eV", "f8", "the total energy, or NaN", optional=True),
    Column("companions", "", "i8", "other mobile ions on another site after than before"),
    Column("distance", "Å", "f8", "between the ion's relaxed places, relative to the framework"),
    Column("converged", "", "?", "whether both relaxations converged"),
    Column("ok", "", "?", "whether both converged and the ion relaxed in its origin and in its target"),
    Column("alone_ok", "", "?", "whether it is, and in the frame alone no other ion is on another site"),
    Column("reason", "", "U", "why the transition is not used; empty where it is"),
)


@dataclass(frozen=True)
class Transitions:
    """One row per hop that was relaxed before and after; columns are NumPy arrays of equal length."""

    columns: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        names = [c.name for c in COLUMNS]
        if sorted(self.columns) != sorted(names):
            raise DataError(
                f"a table of transitions with the columns {', '.join(self.columns)}",
                ", ".join(names),
                "make it anew",
            )
        checked = {c.name: c.check(self.columns[c.name]) for c in COLUMNS}
        if len({len(v) for v in checked.values()}) > 1:
            raise DataError("columns of transitions of different lengths", "one value per row in each")
        if (checked["weight"] <= 0).any():
            raise DataError("a transition that stands for no hop", "weights above 0")
        object.__setattr__(self, "columns", checked)

    def __len__(self) -> int:
        """Return the number of transitions."""
        return len(self.columns["ion"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return one column."""
        return self.columns[name]

    def select(self, rows: IntArray | BoolArray) -> "Transitions":
        """Return the transitions of the given rows (a mask or indices)."""
        return Transitions({name: values[rows] for name, values in self.columns.items()})

    def alone_change(self, what: Literal["energy", "others", "total"]) -> Array:
        """Return what the hop alone changes, (n,) eV: Δe of the ion, of the other mobile ions, or ΔE."""
        change: Array = self[f"{what}_alone"] - self[f"{what}_before"]
        return change

    @property
    def temperatures(self) -> list[float]:
        """The temperatures in the table, ascending, K."""
        return [float(t) for t in np.unique(self["temperature"])]

    def of_material(self, material: str, run: int) -> "Transitions":
        """Return the same transitions under a material's name and a run's number."""
        rows = len(self)
        named = {"material": np.full(rows, material), "run": np.full(rows, run)}
        return Transitions({**self.columns, **named})


def no_transitions() -> Transitions:
    """Return a table without a row."""
    return Transitions({c.name: np.zeros(0, dtype=c.dtype) for c in COLUMNS})


def stacked(tables: Iterable[Transitions]) -> Transitions:
    """Return one table with the rows of all; an empty one of none."""
    parts = [no_transitions(), *tables]
    return Transitions({c.name: np.concatenate([t[c.name] for t in parts]) for c in COLUMNS})
