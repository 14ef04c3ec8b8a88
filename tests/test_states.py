import numpy as np
import pytest

from frustra.errors import DataError
from frustra.sites import SITE_KINDS
from frustra.states import COLUMNS, StateTable, concatenate
from tests.helpers import states

ENERGIES = np.arange(12.0).reshape(3, 4)


def test_every_column_is_described_and_named_once() -> None:
    names = [c.name for c in COLUMNS]
    assert len(set(names)) == len(names)
    assert all(c.doc for c in COLUMNS)
    assert {c.unit for c in COLUMNS} == {"", "K", "ps", "eV", "Å"}


def test_columns_take_their_types_and_order_from_the_specification() -> None:
    table = states(ENERGIES)
    shuffled = StateTable(dict(reversed(table.columns.items())))
    assert list(shuffled.columns) == [c.name for c in COLUMNS]
    integers = StateTable({**table.columns, "temperature": np.full(12, 300)})
    assert integers["temperature"].dtype == np.float64
    assert len(table) == 12


@pytest.mark.parametrize("name", [c.name for c in COLUMNS])
def test_a_table_without_one_of_its_columns_is_refused(name: str) -> None:
    columns = dict(states(ENERGIES).columns)
    del columns[name]
    with pytest.raises(DataError, match=f"expected .*{name}"):
        StateTable(columns)


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(DataError, match="charge"):
        states(ENERGIES, charge=np.zeros(12))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="different lengths"):
        states(ENERGIES, ion=np.arange(11))


REAL = [c for c in COLUMNS if c.dtype == "f8"]
WRONG = [(c.name, wrong) for c in REAL for wrong in (np.nan, np.inf) if not (c.optional and np.isnan(wrong))]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_numbers_that_are_not_finite_are_refused(name: str, wrong: float) -> None:
    values = np.ones(12)
    values[5] = wrong
    with pytest.raises(DataError, match=f"{name} that are not finite"):
        states(ENERGIES, **{name: values})


@pytest.mark.parametrize("name", [c.name for c in REAL if c.optional])
def test_a_distance_to_what_is_not_there_is_no_number(name: str) -> None:
    assert np.isnan(states(ENERGIES, **{name: np.full(12, np.nan)})[name]).all()
    assert "NaN" in next(c.doc for c in COLUMNS if c.name == name)


def test_an_unknown_kind_of_site_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(DataError, match="cube; expected one of " + ", ".join(SITE_KINDS)):
        states(ENERGIES, site=np.array(["oct"] * 11 + ["cube"]))


@pytest.mark.parametrize("rows", [np.arange(12) % 3 == 0, np.array([5, 2, 2]), np.zeros(12, bool)])
def test_selected_rows_keep_all_their_columns(rows: np.ndarray) -> None:
    table = states(ENERGIES)
    chosen = table.select(rows)
    for column in COLUMNS:
        np.testing.assert_array_equal(chosen[column.name], table[column.name][rows])


def test_concatenated_tables_have_the_rows_of_all_and_their_temperatures_in_order() -> None:
    hot, cold = states(ENERGIES, 600.0), states(-ENERGIES, 300.0, element=np.full(12, "Na"))
    table = concatenate([hot, cold, hot])
    assert len(table) == 36
    assert table.temperatures == [300.0, 600.0]
    for column in COLUMNS:
        expected = np.concatenate([t[column.name] for t in (hot, cold, hot)])
        np.testing.assert_array_equal(table[column.name], expected)


def test_long_names_are_not_cut_when_tables_are_joined() -> None:
    names = [np.full(12, "a"), np.full(12, "a-much-longer-name")]
    table = concatenate(states(ENERGIES, material=n) for n in names)
    assert set(table["material"]) == {"a", "a-much-longer-name"}


def test_nothing_to_concatenate_is_refused() -> None:
    with pytest.raises(DataError, match="no state tables"):
        concatenate([])
