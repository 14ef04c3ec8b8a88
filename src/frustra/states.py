"""The StateTable: one row per snapshot and mobile ion, one specification per column.

The specifications below validate the table, document it and write its units into the Parquet file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frustra.arrays import IntArray
from frustra.errors import DataError
from frustra.sites import SITE_KINDS


@dataclass(frozen=True)
class Column:
    """What a column of the StateTable holds."""

    name: str
    unit: str
    dtype: str
    doc: str
    allowed: tuple[str, ...] = ()
    optional: bool = False
    """Whether a number may be absent, NaN: a distance to what is not there."""

    def check(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values in the column's type; refuse what the column may not hold."""
        values = np.asarray(values).astype(self.dtype)
        known = values[~np.isnan(values)] if self.optional else values
        if values.dtype.kind == "f" and not np.isfinite(known).all():
            raise DataError(f"values of {self.name} that are not finite", remedy="check the relaxation")
        if self.allowed and not np.isin(values, self.allowed).all():
            strange = sorted(set(values.tolist()) - set(self.allowed))
            raise DataError(f"{self.name} = {', '.join(strange)}", f"one of {', '.join(self.allowed)}")
        return values


@dataclass(frozen=True)
class Coded:
    """A column of texts, each as the number of its name: ten million of them take no long time to compare."""

    names: tuple[str, ...]
    """The different texts, in any order; some may be absent."""
    number: NDArray[np.int32]
    """(rows,) which of them each row holds."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.number)

    def __getitem__(self, rows: Any) -> "Coded":
        """Return the column of some rows (a mask, indices or a slice)."""
        return Coded(self.names, self.number[rows])


Cells = NDArray[Any] | Coded
"""The values of one column."""


COLUMNS: tuple[Column, ...] = (
    Column("material", "", "U", "name of the material in the study"),
    Column("temperature", "K", "f8", "temperature of the trajectory"),
    Column("run", "", "i8", "number of the independent run at this temperature"),
    Column("snapshot", "", "i8", "number of the snapshot in its run"),
    Column("time", "ps", "f8", "time of the frame in its trajectory"),
    Column("ion", "", "i8", "index of the atom in the cell; of a group's centre"),
    Column("element", "", "U", "chemical symbol of the ion, or formula of a group, such as PS4"),
    Column("energy", "eV", "f8", "per-atom energy in the relaxed snapshot; of a group the sum of its atoms'"),
    Column("site", "", "U", "polyhedron that holds the ion, usually of anions", SITE_KINDS),
    Column("coordination", "", "i8", "vertices of that polyhedron; 0 for an ion in none"),
    Column("place", "", "i8", "row of the site in `Sites`; −1 for an ion in none"),
    Column("label", "", "U", "class of the site: kind, and the framework cations next to it"),
    Column("layer", "", "i8", "layer of the site; −1 in a crystal without layers"),
    *(
        Column(f"near_{kind}", "", "i8", f"mobile ions in `{kind}` sites that share a face or an edge")
        for kind in SITE_KINDS
    ),
    *(
        Column(f"vacant_{kind}", "", "i8", f"empty `{kind}` sites that share a face or an edge")
        for kind in SITE_KINDS
    ),
    Column("face_ions", "", "i8", "mobile ions in sites that share a face: too near one another"),
    Column("site_ions", "", "i8", "other mobile ions in the same polyhedron"),
    Column("face_cations", "", "i8", "polyhedra of framework cations that share a face"),
    Column("edge_cations", "", "i8", "polyhedra of framework cations that share an edge and no face"),
    Column("anions", "", "U", "elements at its vertices in alphabetical order, such as Br2Cl4"),
    Column("nearest_anion", "Å", "f8", "distance to the nearest atom of the elements of the polyhedra"),
    Column("mean_anion", "Å", "f8", "mean distance to the polyhedron's vertices, or NaN", optional=True),
    Column("off_centre", "Å", "f8", "distance from their mean place, or NaN", optional=True),
    Column("nearest_ion", "Å", "f8", "distance to the nearest other mobile ion, or to an image of the ion"),
    Column("nearest_cation", "Å", "f8", "distance to the nearest framework cation, or NaN", optional=True),
    Column("displacement", "Å", "f8", "how far the relaxation moved the ion; of a group its farthest atom"),
    Column("left_basin", "", "?", "whether that is more than half way from its site to the nearest other"),
    Column("structure", "", "i8", "inherent structure of the snapshot, 0 the first found; −1 not converged"),
    Column("converged", "", "?", "whether the snapshot's relaxation converged"),
)


@dataclass(frozen=True)
class StateTable:
    """One row per snapshot and mobile ion; columns are NumPy arrays of equal length."""

    columns: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        names = [c.name for c in COLUMNS]
        missing = [n for n in names if n not in self.columns]
        if missing or len(self.columns) != len(names):
            raise DataError(
                f"a state table with the columns {', '.join(self.columns)}",
                f"{', '.join(names)}",
                "make it anew",
            )
        checked = {c.name: c.check(self.columns[c.name]) for c in COLUMNS}
        if len({len(v) for v in checked.values()}) > 1:
            raise DataError("state-table columns of different lengths", "one value per row in each")
        object.__setattr__(self, "columns", checked)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns["energy"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return one column."""
        return self.columns[name]

    def select(self, rows: NDArray[Any]) -> "StateTable":
        """Return the table of the given rows (a mask or indices)."""
        return StateTable({name: values[rows] for name, values in self.columns.items()})

    @property
    def frames(self) -> IntArray:
        """(rows,) number of the relaxed frame each row belongs to: one for each run and snapshot."""
        pairs = np.stack([self["run"], self["snapshot"]])
        found: IntArray = np.unique(pairs, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return found

    @property
    def temperatures(self) -> list[float]:
        """The temperatures in the table, ascending, K."""
        return [float(t) for t in np.unique(self["temperature"])]


def concatenate(tables: Iterable[StateTable]) -> StateTable:
    """Return one table with the rows of all."""
    parts = list(tables)
    if not parts:
        raise DataError("no state tables", "at least one")
    return StateTable({c.name: np.concatenate([t[c.name] for t in parts]) for c in COLUMNS})
