"""Snapshots as HDF5 and state tables as Parquet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from frustra.errors import DataError
from frustra.io.files import replacing, require, require_space
from frustra.io.h5md import blaming
from frustra.io.parquet import write_columns
from frustra.snapshots import Snapshots
from frustra.states import COLUMNS, Cells, Coded, StateTable


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    require(path)
    with blaming(path), h5py.File(path, "r") as file:
        yield file


_SNAPSHOT_ARRAYS = (
    "positions", "cell", "numbers", "energies", "atomic_energies", "fmax", "converged", "force_calls",
    "steps", "max_displacement", "displacements", "time",
)  # fmt: skip


def write_snapshots(path: Path, snapshots: Snapshots) -> None:
    """Write relaxed frames as HDF5, float64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    require_space(path, 2**18 + sum(getattr(snapshots, name).nbytes for name in _SNAPSHOT_ARRAYS))
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name in _SNAPSHOT_ARRAYS:
            file.create_dataset(name, data=getattr(snapshots, name))
        if snapshots.moved is not None:
            file.create_dataset("moved", data=snapshots.moved)
        file.create_dataset("reason", data=[str(r) for r in snapshots.reason], dtype=h5py.string_dtype())
        file.attrs["temperature"] = snapshots.temperature


def read_snapshots(path: Path | str) -> Snapshots:
    """Read relaxed frames written by `write_snapshots`."""
    with _opened(Path(path)) as file:
        arrays = {name: file[name][()] for name in _SNAPSHOT_ARRAYS if name in file or name != "steps"}
        arrays.setdefault("steps", np.full(len(arrays["energies"]), -1))  # files of versions before 0.2
        arrays["reason"] = np.array([r.decode() for r in file["reason"][()]], dtype=str)
        arrays["moved"] = file["moved"][()] if "moved" in file else None
        return Snapshots(**arrays, temperature=float(file.attrs["temperature"]))


def write_states(path: Path, states: StateTable) -> None:
    """Write a StateTable as Parquet; units and meanings go into the columns' metadata."""
    write_columns(path, COLUMNS, {c.name: pa.array(states[c.name]) for c in COLUMNS})


def read_states(path: Path | str) -> StateTable:
    """Read a StateTable.

    Raises
    ------
    DataError
        No such file, another kind of file, or a table without some of the columns: one of an older version
        did not tell what is around the ions, which only its snapshots can.
    """
    path = Path(path)
    with _parquet(path):
        table = pq.read_table(path)
    missing = [c.name for c in COLUMNS if c.name not in table.column_names]
    if missing and {"energy", "site", "ion"} <= {*table.column_names}:
        raise DataError(
            f"{path} lacks the columns {', '.join(missing)}",
            "a state table of this version",
            "make it anew from its snapshots: run the study again (nothing is computed twice)",
        )
    return StateTable({name: table[name].to_numpy() for name in table.column_names})


def read_state_columns(
    path: Path | str, wanted: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Cells]:
    """Read some columns of a state table, of this or of an older version, or of anyone's Parquet file.

    Parameters
    ----------
    path
        The file.
    wanted, optional
        Columns that it must have, and those that may be missing.

    Returns
    -------
    dict
        Texts as numbers of their names, which takes a hundredth of the time; other columns as arrays.

    Raises
    ------
    DataError
        No such file, another kind of file, a column that is missing, or empty cells in it.
    """
    path = Path(path)
    with _parquet(path):
        schema = pq.read_schema(path)
        missing = [name for name in wanted if name not in schema.names]
        if missing:
            raise DataError(
                f"no column {', '.join(missing)} in {path}", f"one of those it has: {', '.join(schema.names)}"
            )
        names = [n for n in dict.fromkeys((*wanted, *optional)) if n in schema.names]
        file = pq.ParquetFile(path, read_dictionary=[n for n in names if _is_text(schema.field(n).type)])
        with file:  # one after the other: together they take twice the time and memory
            return {name: _cells(path, name, file.read([name])[name]) for name in names}


@contextmanager
def _parquet(path: Path) -> Iterator[None]:
    """Refuse a file that is missing, or is no Parquet file."""
    if not path.is_file():
        raise DataError(f"no state table {path}", remedy="check the path")
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file ({error})", remedy="make it anew") from None


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _cells(path: Path, name: str, column: pa.ChunkedArray) -> Cells:
    text = _is_text(column.type)
    if column.null_count and (text or not pa.types.is_floating(column.type)):
        raise DataError(f"{column.null_count} empty cells of {name} in {path}", "a value in each")
    if not text:
        values: NDArray[Any] = column.to_numpy()
        return values
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    chunks = column.unify_dictionaries().chunks
    if not chunks:
        return Coded((), np.zeros(0, dtype=np.int32))
    number = np.concatenate([np.asarray(chunk.indices) for chunk in chunks]).astype(np.int32, copy=False)
    return Coded(tuple(chunks[0].dictionary.to_pylist()), number)
