"""Transitions as Parquet."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from frustra.errors import DataError
from frustra.io.files import replacing, require
from frustra.transitions import COLUMNS, Transitions


def write_transitions(path: Path, transitions: Transitions) -> None:
    """Write transitions as Parquet; units and meanings go into the columns' metadata."""
    arrays = {c.name: pa.array(transitions[c.name]) for c in COLUMNS}
    fields = [pa.field(c.name, arrays[c.name].type, metadata={"unit": c.unit, "doc": c.doc}) for c in COLUMNS]
    table = pa.table(list(arrays.values()), schema=pa.schema(fields))
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_transitions(path: Path | str) -> Transitions:
    """Read transitions written by `write_transitions`.

    Raises
    ------
    DataError
        No such file, no Parquet file, or other columns.
    """
    path = Path(path)
    require(path)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file ({error})", remedy="make it anew") from None
    return Transitions({name: table[name].to_numpy() for name in table.column_names})
