"""Tables of other programs: conductivities or diffusivities of a ladder, mean-square displacements."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.io.files import require
from frustra.ladder import Ladder, Measured, Point
from frustra.msd import MeanSquares
from frustra.units import CM2_PER_S, FS, MS_PER_CM

UNITS: dict[Measured, dict[str, float]] = {
    "diffusivity": {
        "cm2/s": 1 / CM2_PER_S,
        "m2/s": 1e4 / CM2_PER_S,
        "a2/ps": 1.0,
        "": 1 / CM2_PER_S,
    },
    "conductivity": {
        "ms/cm": 1 / MS_PER_CM,
        "s/cm": 1e3 / MS_PER_CM,
        "s/m": 10 / MS_PER_CM,
        "": 1 / MS_PER_CM,
    },
}
"""What a value in a unit is in ours; no unit is cm²/s or mS/cm."""

NAMES: dict[str, Measured] = {
    "d": "diffusivity",
    "diffusivity": "diffusivity",
    "sigma": "conductivity",
    "σ": "conductivity",
    "conductivity": "conductivity",
}
ERRORS = ("error", "err", "std")
EXPECTED = (
    "T (K) and D or sigma, each with a unit in its name (sigma_mS_cm, D (m2/s)) or in mS/cm and cm²/s, "
    "D_error or sigma_error, and is_upper_bound"
)
DELIMITERS = ",;\t"


class _Column(NamedTuple):
    """What a column's name says."""

    quantity: str
    """T, is_upper_bound, diffusivity or conductivity."""
    unit: str
    is_error: bool


class _Table(NamedTuple):
    path: Path
    names: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        return [row[self.names.index(name)] for row in self.rows]

    def numbers(self, name: str) -> Array:
        return np.array([self.number(text, name) for text in self.column(name)])

    def number(self, text: str, name: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise DataError(f"{text!r} in the column {name} of {self.path}", "a number") from None


def read_ladder(path: Path | str) -> Ladder:
    """Read conductivities or diffusivities at several temperatures from a table.

    Its header is `T,D,D_error` or `T,sigma,sigma_error`. The units of D are cm²/s, m²/s or Å²/ps, those of
    sigma mS/cm, S/cm or S/m, named as `sigma_S_cm` or `D (m2/s)`; without a name, cm²/s and mS/cm. Errors may
    be called `_err` and `_std` too; without such a column they are unknown. An upper bound is `<3e-7`, or has
    true in a column `is_upper_bound`. Where both D and sigma are given, sigma is taken. Commas, semicolons
    or tabs separate; lines from # on are left out, but for a header behind #.

    Raises
    ------
    DataError
        No such file; unknown columns; temperatures that are not in kelvin; values of which no `Ladder` can be
        made.
    """
    table = _table(Path(path))
    columns = {name: _column(table.path, name) for name in table.names}
    temperature = _only(table, columns, "T", "the temperature")
    _require_kelvin(table, temperature)
    present = {c.quantity for c in columns.values() if c and not c.is_error}
    quantity: Measured = "conductivity" if "conductivity" in present else "diffusivity"
    value = _only(table, columns, quantity, "the conductivity or diffusivity")
    error = _error_of(table, columns, quantity)
    bound = "is_upper_bound" if "is_upper_bound" in present else None
    points = [
        _point(table, row, (temperature, value, error, bound), columns) for row in range(len(table.rows))
    ]
    return Ladder(quantity, tuple(points))


def _table(path: Path) -> _Table:
    """Read a table with a header."""
    lines = _lines(path)
    written = [line for line in lines if not line.lstrip().startswith("#")]
    if written and _is_number(
        re.split(f"[{DELIMITERS}]", written[0])[0]
    ):  # np.savetxt puts # before the header
        behind = [line.lstrip("# ") for line in lines[: lines.index(written[0])]]
        written = behind[-1:] + written
    if len(written) < 2:
        raise DataError(f"{path} has no rows", f"a header and rows: {EXPECTED}")
    delimiter = max(DELIMITERS, key=written[0].count)
    names, *rows = [[cell.strip() for cell in row] for row in csv.reader(written, delimiter=delimiter)]
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise DataError(f"row {number} of {path} has {len(row)} cells", f"{len(names)} as the header")
    if all(_is_number(name) for name in names):
        raise DataError(f"{path} has no header ({', '.join(names)})", EXPECTED)
    if len(set(names)) < len(names):
        raise DataError(f"{path} has two columns of one name ({', '.join(names)})", EXPECTED)
    return _Table(path, names, rows)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text that are not blank."""
    require(path)
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} is no text ({error})", "a table") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column(path: Path, name: str) -> _Column | None:
    """Understand the name of a column; None if it is something else."""
    plain = name.lower().replace("²", "2").replace("^", "").replace("å", "a")
    words = [w for w in re.split(r"[\s_()\[\]/]+", plain) if w]
    if not words:
        return None
    if plain == "is_upper_bound":
        return _Column(plain, "", is_error=False)
    is_error = any(word in ERRORS for word in words)
    first, *rest = [word for word in words if word not in ERRORS] or [""]
    unit = [word.removesuffix("-1").removesuffix("⁻¹") for word in rest]
    if first in ("t", "temperature"):
        if is_error:
            return None
        if unit not in ([], ["k"]):
            raise DataError(f"{path} has the column {name}", "temperatures in kelvin, in a column T")
        return _Column("T", "K", is_error=False)
    if re.match(r"(1|1000|10\^?3)\s*/\s*t", plain):
        raise DataError(f"{path} has the column {name}", "temperatures in kelvin, in a column T")
    quantity = NAMES.get(first)
    if quantity is None or "/".join(unit) not in UNITS[quantity]:
        return None
    return _Column(quantity, "/".join(unit), is_error)


def _only(table: _Table, columns: dict[str, _Column | None], quantity: str, what: str) -> str:
    """Return the name of the one column with a quantity."""
    found = [name for name, c in columns.items() if c and c.quantity == quantity and not c.is_error]
    if len(found) != 1:
        raise DataError(
            f"{table.path} has {f'{len(found)} columns' if found else 'no column'} with {what} "
            f"({', '.join(table.names)})",
            EXPECTED,
        )
    return found[0]


def _error_of(table: _Table, columns: dict[str, _Column | None], quantity: Measured) -> str | None:
    """Return the name of the column of errors; refuse one that may be meant but is not understood."""
    found = [name for name, c in columns.items() if c and c.quantity == quantity and c.is_error]
    doubtful = [
        name
        for name, c in columns.items()
        if c is None and re.search("err|std|unc|±|delta|sem", name.lower())
    ]
    if len(found) > 1 or (doubtful and not found):
        raise DataError(
            f"{table.path} has the column{'s' * (len(found) > 1)} {', '.join(found or doubtful)}",
            "errors in one column, D_error or sigma_error",
        )
    return found[0] if found else None


def _require_kelvin(table: _Table, name: str) -> None:
    temperatures = table.numbers(name)
    if (temperatures < 20).all():
        raise DataError(
            f"{table.path} has temperatures from {temperatures.min():g} to {temperatures.max():g}",
            "kelvin",
            "give T in place of 1000/T",
        )


def _point(
    table: _Table,
    row: int,
    names: tuple[str, str, str | None, str | None],
    columns: dict[str, _Column | None],
) -> Point:
    temperature, value, error, bound = names
    text = table.column(value)[row]
    is_bound = text.startswith("<") or (bound is not None and _is_true(table, table.column(bound)[row]))
    std = np.nan
    if error and not is_bound and (cell := table.column(error)[row]):
        std = table.number(cell, error) * _factor(columns, error, value)
    return Point(
        table.number(table.column(temperature)[row], temperature),
        table.number(text.removeprefix("<").strip(), value) * _factor(columns, value),
        std,
        is_bound,
    )


def _factor(columns: dict[str, _Column | None], name: str, other: str = "") -> float:
    """Return what the unit of a column is in ours; one without a unit of its own has that of another."""
    column, model = columns[name], columns.get(other)
    if column is None:
        return np.nan
    unit = column.unit or (model.unit if model else "")
    return UNITS["conductivity" if column.quantity == "conductivity" else "diffusivity"][unit]


def _is_true(table: _Table, text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
    if text.lower() not in words:
        raise DataError(f"{text!r} in the column is_upper_bound of {table.path}", "true or false")
    return words[text.lower()]


def read_msd(path: Path | str) -> MeanSquares:
    """Read mean-square displacements: GPUMD's `msd.out`, or a table with their times.

    `msd.out` has no header and seven columns: time (ps), the mean-square displacements along x, y and z (Å²),
    and three diffusivities, which are not read. A table has `dt (fs)` or `lag_ps`, `msd (A^2)` or `msd_A2`,
    and, if it likes, `msd_component_0` to 2.

    Raises
    ------
    DataError
        No such file; other columns; values of which no `MeanSquares` can be made.
    """
    path = Path(path)
    lines = [line.split() for line in _lines(path)]
    if not lines or not all(_is_number(word) for word in lines[0]):
        return _msd_table(_table(path))
    try:
        plain = np.array(lines, dtype=float)
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error})", "rows of as many numbers") from None
    if plain.shape[1] != 7:
        raise DataError(
            f"{path} has {plain.shape[1]} columns without a header",
            "the 7 columns of GPUMD's msd.out (ps, three of Å², three of Å²/ps), or a header",
        )
    return MeanSquares(plain[:, 0], plain[:, 1:4].sum(axis=1), plain[:, 1:4])


_LAGS = {"dt (fs)": 1 / FS, "dt_fs": 1 / FS, "lag_fs": 1 / FS, "dt (ps)": 1.0, "dt_ps": 1.0, "lag_ps": 1.0}
_MSD = ("msd (a^2)", "msd (å^2)", "msd (å²)", "msd_a2")


def _msd_table(table: _Table) -> MeanSquares:
    names = {name.lower(): name for name in table.names}
    lags, totals = [n for n in names if n in _LAGS], [n for n in names if n in _MSD]
    if len(lags) != 1 or len(totals) != 1:
        raise DataError(
            f"{table.path} has the columns {', '.join(table.names)}",
            "dt (fs) or lag_ps, and msd (A^2) or msd_A2",
        )
    parts = [names[name] for k in range(3) if (name := f"msd_component_{k}") in names]
    components = np.stack([table.numbers(name) for name in parts], axis=1) if len(parts) == 3 else None
    lag = table.numbers(names[lags[0]]) * _LAGS[lags[0]]
    return MeanSquares(lag, table.numbers(names[totals[0]]), components)
