"""Transitions as Parquet."""

from pathlib import Path

import pyarrow as pa

from frustra.io.parquet import read_table, write_columns
from frustra.transitions import COLUMNS, Transitions


def write_transitions(path: Path, transitions: Transitions) -> None:
    """Write transitions as Parquet; units and meanings go into the columns' metadata."""
    write_columns(path, COLUMNS, {c.name: pa.array(transitions[c.name]) for c in COLUMNS})


def read_transitions(path: Path | str) -> Transitions:
    """Read transitions written by `write_transitions`.

    Raises
    ------
    DataError
        No such file, no Parquet file, or other columns.
    """
    table = read_table(Path(path))
    return Transitions({name: table[name].to_numpy() for name in table.column_names})
