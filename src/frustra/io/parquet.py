"""Tables as Parquet: columns with their units and meanings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from frustra.errors import DataError
from frustra.io.files import replacing, require
from frustra.states import Column


def write_columns(path: Path, columns: Sequence[Column], arrays: Mapping[str, pa.Array]) -> None:
    """Write a table; units and meanings go into the columns' metadata."""
    fields = [pa.field(c.name, arrays[c.name].type, metadata={"unit": c.unit, "doc": c.doc}) for c in columns]
    table = pa.table([arrays[c.name] for c in columns], schema=pa.schema(fields))
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path) -> Any:
    """Read a table of Arrow.

    Raises
    ------
    DataError
        No such file, or no Parquet file.
    """
    require(path)
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file ({error})", remedy="make it anew") from None
