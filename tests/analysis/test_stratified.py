"""A sample in which rare states are present, against counts by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.stratified import stratified
from frustra.errors import AnalysisError
from frustra.states import StateTable, concatenate
from tests.helpers import states

WIDTH = 0.005


def table(rng: np.random.Generator, snapshots: int = 20, ions: int = 30) -> StateTable:
    """Return two temperatures; the hotter has a few tetrahedral ions and a tail."""
    cold = states(rng.normal(-3, 0.01, (snapshots, ions)), 300.0)
    site = np.where(rng.random(snapshots * ions) < 0.03, "tet", "oct")
    hot = states(rng.standard_t(2, (snapshots, ions)) * 0.02 - 3, 600.0, site=site)
    return concatenate([cold, hot])


def cells(part: StateTable, width: float, zero: float) -> dict[tuple[float, str, int], int]:
    found: dict[tuple[float, str, int], int] = {}
    for t, s, e in zip(part["temperature"], part["site"], part["energy"], strict=True):
        key = (float(t), str(s), int(np.floor((e - zero) / width)))
        found[key] = found.get(key, 0) + 1
    return found


@given(seed=st.integers(0, 2**31), most=st.integers(20, 1500))
def test_every_occupied_cell_has_as_many_states_as_fit(seed: int, most: int) -> None:
    whole = table(np.random.default_rng(seed))
    zero = float(whole["energy"].min())
    sample = stratified(whole, most, WIDTH, zero)
    assert len(np.unique(sample.rows)) == len(sample.rows) <= most
    all_of = cells(whole, sample.width, zero)
    taken = cells(whole.select(sample.rows), sample.width, zero)
    assert sample.cells == len(all_of)
    assert taken == {cell: min(n, sample.most) for cell, n in all_of.items()}
    if len(sample.rows) < len(whole):
        assert sum(min(n, sample.most + 1) for n in all_of.values()) > most
    if sample.width > WIDTH:
        assert len(cells(whole, sample.width / 2, zero)) > most


def test_the_extremes_of_every_temperature_and_site_are_there() -> None:
    whole = table(np.random.default_rng(5))
    sample = whole.select(stratified(whole, 60, WIDTH, -3.0).rows)
    for temperature, site in ((300.0, "oct"), (600.0, "oct"), (600.0, "tet")):
        of, shown = (
            t["energy"][(t["temperature"] == temperature) & (t["site"] == site)] for t in (whole, sample)
        )
        assert shown.min() == of.min()
        assert shown.max() == of.max()


def test_a_small_table_is_its_own_sample_and_the_choice_is_the_same_each_time() -> None:
    whole = table(np.random.default_rng(1), snapshots=4, ions=5)
    np.testing.assert_array_equal(stratified(whole, 40, WIDTH, 0.0).rows, np.arange(40))
    np.testing.assert_array_equal(
        stratified(whole, 20, WIDTH, 0.0).rows, stratified(whole, 20, WIDTH, 0.0).rows
    )


def test_a_sample_smaller_than_the_classes_is_refused() -> None:
    whole = table(np.random.default_rng(1))
    with pytest.raises(AnalysisError, match="3 pairs of temperature and site in a sample of 5"):
        stratified(whole, 5, WIDTH, 0.0)
    with pytest.raises(AnalysisError, match="a positive width"):
        stratified(whole, 50, 0.0, 0.0)
    with pytest.raises(AnalysisError, match="no states"):
        stratified(whole.select(np.zeros(0, dtype=int)), 50, WIDTH, 0.0)
