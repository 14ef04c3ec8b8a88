from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from frustra.errors import DataError
from frustra.io.hops import HOP_COLUMNS, read_hops, write_hops


def table(rows: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {"f8": lambda: rng.normal(size=rows), "i8": lambda: rng.integers(-1, 9, rows)}
    made |= {
        "U": lambda: np.array([f"oct {k}" for k in range(rows)], str),
        "?": lambda: rng.random(rows) < 0.5,
    }
    return {c.name: made[c.dtype]() for c in HOP_COLUMNS}


def test_what_is_written_is_read(tmp_path: Path):
    hops = table()
    hops["residence"][2] = np.nan
    write_hops(tmp_path / "hops.parquet", hops)
    read = read_hops(tmp_path / "hops.parquet")
    assert list(read) == [c.name for c in HOP_COLUMNS]
    for name, values in hops.items():
        assert read[name].dtype.kind == values.dtype.kind
        np.testing.assert_array_equal(read[name], values)


def test_units_and_meanings_are_in_the_file_and_what_is_not_known_is_null(tmp_path: Path):
    hops = table()
    hops["residence"][2] = np.nan
    write_hops(tmp_path / "hops.parquet", hops)
    stored = pq.read_table(tmp_path / "hops.parquet")
    assert stored.schema.field("arrived").metadata[b"unit"] == b"ps"
    assert stored.schema.field("x").metadata[b"unit"].decode() == "Å"
    assert all(stored.schema.field(c.name).metadata[b"doc"].decode() == c.doc for c in HOP_COLUMNS)
    assert stored["residence"].null_count == 1


def test_an_empty_table_is_a_table(tmp_path: Path):
    write_hops(tmp_path / "hops.parquet", table(0))
    assert all(len(v) == 0 for v in read_hops(tmp_path / "hops.parquet").values())


def test_other_tables_are_refused(tmp_path: Path):
    hops = table()
    del hops["via"]
    with pytest.raises(DataError, match="via"):
        write_hops(tmp_path / "hops.parquet", hops)
    (tmp_path / "text.parquet").write_text("hops")
    with pytest.raises(DataError, match="not a Parquet file"):
        read_hops(tmp_path / "text.parquet")
    with pytest.raises(DataError, match="no file"):
        read_hops(tmp_path / "none.parquet")
