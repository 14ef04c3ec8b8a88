import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.classes import classes_by
from frustra.analysis.level_columns import OPTIONAL, WANTED, chosen_rows, frames_of, levels_from
from frustra.analysis.levels import levels_of
from frustra.errors import AnalysisError, DataError
from frustra.io.records import read_state_columns, write_states
from frustra.states import Coded, StateTable, concatenate
from tests.helpers import seeds, states


def mixed(seed: int) -> StateTable:
    """Return states of two temperatures and runs in any order, some of them not converged."""
    rng = np.random.default_rng(seed)
    parts = []
    for t in (500.0, 300.0):
        rows = 4 * 6
        columns = {
            "run": np.repeat(rng.integers(0, 2, 4), 6),
            "site": rng.choice(["oct", "tet", "other"], rows),
            "label": rng.choice([f"class {k}" for k in range(12)] + [""], rows),
            "anions": rng.choice(["Br2Cl4", "Cl6", "BrCl5"], rows),
            "layer": rng.integers(-1, 3, rows),
            "nearest_cation": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(3, 0.1, rows)),
            "converged": np.repeat(rng.random(4) < 0.8, 6) | (np.arange(rows) < 6),
        }
        parts.append(states(rng.normal(-4, 0.1, (4, 6)), t, **columns))
    every = concatenate(parts)
    return every.select(rng.permutation(len(every)))


@pytest.mark.parametrize("by", ["site", "label", "layer", "nearest_cation", "n_Br", "left_basin"])
@given(seed=seeds)
def test_levels_of_columns_are_those_of_the_whole_table(
    tmp_path_factory: pytest.TempPathFactory, by: str, seed: int
):
    table = mixed(seed)
    path = tmp_path_factory.mktemp("states") / "states.parquet"
    write_states(path, table)
    columns = read_state_columns(path, (*WANTED, "anions" if by == "n_Br" else by), OPTIONAL)
    found = levels_from(chosen_rows(columns, "m", "Li"), "Li", by)
    wanted = levels_of(table, by)
    assert (found.by, found.names, found.ordered) == (wanted.by, wanted.names, wanted.ordered)
    assert found.temperatures == wanted.temperatures
    for one, other in zip(found.levels, wanted.levels, strict=True):
        assert np.array_equal(one.energy, other.energy)
        assert np.array_equal(one.number, other.number)
        assert np.array_equal(one.frame, other.frame)


@given(
    rows=st.lists(
        st.tuples(st.integers(-3, 3), st.integers(0, 5) | st.integers(0, 10**9)), min_size=1, max_size=30
    )
)
def test_snapshots_are_numbered_in_the_order_of_runs(rows: list[tuple[int, int]]):
    run, snapshot = np.array(rows).T
    ranks = {pair: rank for rank, pair in enumerate(sorted(set(rows)))}
    assert frames_of(run, snapshot).tolist() == [ranks[pair] for pair in rows]


def test_anions_of_an_element_are_counted():
    table = states(np.zeros((1, 4)), anions=np.array(["Br2Cl4", "Cl6", "BrCl5", ""]))
    classes = classes_by(table, "n_Br")
    assert classes.names == ("0", "1", "2")
    assert classes.number.tolist() == [2, 0, 1, 0]
    with pytest.raises(AnalysisError, match="one of Br, Cl"):
        classes_by(table, "n_F")


def test_what_cannot_be_levels_is_refused():
    good = {"temperature": np.full(2, 300.0), "energy": np.zeros(2)}
    with pytest.raises(DataError, match="holds no numbers"):
        levels_from({**good, "energy": Coded(("a",), np.zeros(2, np.int32))}, "Li")
    with pytest.raises(DataError, match="not finite"):
        levels_from({**good, "temperature": np.array([300.0, np.inf])}, "Li")
    with pytest.raises(AnalysisError, match="no state of Li in m"):
        chosen_rows({**good, "converged": np.zeros(2, bool)}, "m", "Li")
    with pytest.raises(AnalysisError, match="no state"):
        chosen_rows({"temperature": np.zeros(0), "energy": np.zeros(0)}, "", "")
