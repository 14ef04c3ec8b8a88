"""Hops as a table in Parquet, one row per hop."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frustra.errors import DataError
from frustra.io.parquet import read_table, write_columns
from frustra.states import Column

HOP_COLUMNS: tuple[Column, ...] = (
    Column("temperature", "K", "f8", "temperature of the run; null where nobody knows it"),
    Column("run", "", "i8", "number of the run at this temperature"),
    Column("ion", "", "i8", "index of the atom in the cell"),
    Column("left", "ps", "f8", "last time at which the ion was in its origin"),
    Column("arrived", "ps", "f8", "first time at which it was in its target, to settle there"),
    Column("residence", "ps", "f8", "time in the origin before; null where its beginning was not seen"),
    Column("origin", "", "i8", "site that the ion left"),
    Column("target", "", "i8", "site that it settled in"),
    Column("via", "", "i8", "site in which it was longest on its way without settling; -1 for none"),
    Column("shift_a", "", "i8", "cell vectors a from the copy of the origin to that of the target"),
    Column("shift_b", "", "i8", "cell vectors b"),
    Column("shift_c", "", "i8", "cell vectors c"),
    Column("x", "Å", "f8", "from origin to target along x"),
    Column("y", "Å", "f8", "along y"),
    Column("z", "Å", "f8", "along z"),
    Column("origin_label", "", "U", "class of the origin"),
    Column("target_label", "", "U", "class of the target"),
    Column("pathway", "", "U", "kinds of origin, site passed and target, and the direction"),
    Column("recrossed", "", "?", "whether the ion's next hop goes straight back within the window"),
    Column("lasting", "", "?", "whether the hop is left when straight ways back cancel"),
    Column("string", "", "i8", "number of the string of hops in concert, in its run"),
)


def write_hops(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write a table of hops as Parquet; units and meanings go into the columns' metadata.

    Parameters
    ----------
    path
        Where to.
    columns
        Those of `HOP_COLUMNS`, of equal length.

    Raises
    ------
    DataError
        Other columns.
    """
    _check(columns, "given")
    arrays = {
        c.name: pa.array(np.asarray(columns[c.name]).astype(c.dtype), from_pandas=True) for c in HOP_COLUMNS
    }
    write_columns(path, HOP_COLUMNS, arrays)


def read_hops(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read a table of hops written by `write_hops`; what is null there is NaN.

    Raises
    ------
    DataError
        No such file, no Parquet file, or other columns.
    """
    path = Path(path)
    table = read_table(path)
    _check(dict.fromkeys(table.column_names), f"in {path}")
    return {c.name: table[c.name].to_numpy().astype(c.dtype) for c in HOP_COLUMNS}


def _check(columns: Mapping[str, Any], where: str) -> None:
    names = [c.name for c in HOP_COLUMNS]
    if sorted(columns) != sorted(names):
        raise DataError(f"the columns {', '.join(columns)} {where}", ", ".join(names), "make the table anew")
