import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.classes import MOST, classes_by
from frustra.analysis.density import (
    LOW_QUANTILE,
    Density,
    DensitySettings,
    densities_of,
    energy_zero,
    site_fractions,
)
from frustra.errors import AnalysisError
from frustra.plots import plot_doas
from frustra.sites import SITE_KINDS
from frustra.states import COLUMNS, StateTable, concatenate
from tests.helpers import seeds, states

QUICK = DensitySettings(bootstrap=20)
BIN = QUICK.bin
METRICS = ("mean", "iqr", "entropy", "deviation", "near_median")


def random_states(seed: int, snapshots: int, ions: int, temperature: float = 300.0) -> StateTable:
    rng = np.random.default_rng(seed)
    energies = rng.normal(-3, rng.uniform(0.001, 0.2), (snapshots, ions))
    return states(energies, temperature, site=rng.choice(SITE_KINDS, snapshots * ions))


def metrics(density: Density) -> list[float]:
    return [getattr(density, name).value for name in METRICS]


def errors(density: Density) -> list[float]:
    return [getattr(density, name).std for name in METRICS]


@given(seeds, st.integers(1, 6), st.integers(1, 20), st.floats(0.0005, 0.5))
def test_the_density_is_normalised_and_the_sites_add_up_to_the_total(
    seed: int, snapshots: int, ions: int, width: float
) -> None:
    table = random_states(seed, snapshots, ions)
    (density,) = densities_of(table, DensitySettings(bin=width, bootstrap=20))
    np.testing.assert_allclose(np.diff(density.edges), width, rtol=1e-6)
    assert density.total.sum() * width == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(sum(density.parts.values()), density.total, rtol=1e-12)
    for kind in SITE_KINDS:
        share = (table["site"] == kind).mean()
        assert density.parts[kind].sum() * width == pytest.approx(share, abs=1e-9)
    assert (density.states, density.snapshots) == (snapshots * ions, snapshots)
    np.testing.assert_allclose(density.centres, density.edges[:-1] + width / 2)


@given(seeds, st.integers(1, 5), st.integers(1, 12))
def test_the_density_is_the_histogram_of_numpy(seed: int, snapshots: int, ions: int) -> None:
    table = random_states(seed, snapshots, ions)
    (density,) = densities_of(table, QUICK)
    energies = table["energy"] - table["energy"].min()
    # numpy's last bin holds its right edge too; ours must lie above the highest state
    assert density.edges[0] <= energies.min()
    assert energies.max() < density.edges[-1] + 1e-12
    near_edge = np.abs(energies / BIN - np.round(energies / BIN)) < 1e-9
    for kind in SITE_KINDS:
        ours = density.parts[kind] * len(energies) * BIN
        theirs, _ = np.histogram(energies[table["site"] == kind], density.edges)
        # a state on an edge may fall to either side
        assert np.abs(ours - theirs).sum() <= 2 * near_edge.sum() + 1e-6


@given(seeds, st.integers(1, 5), st.integers(1, 12))
def test_mean_spread_and_entropy_are_those_of_the_definitions(seed: int, snapshots: int, ions: int) -> None:
    table = random_states(seed, snapshots, ions)
    (density,) = densities_of(table, QUICK)
    energies = table["energy"] - table["energy"].min()
    assert density.mean.value == pytest.approx(energies.mean(), abs=1e-12)
    assert density.deviation.value == pytest.approx(energies.std(), abs=1e-12)
    low, high = np.quantile(energies, [0.25, 0.75], method="inverted_cdf")
    assert density.iqr.value == pytest.approx(high - low, abs=1e-12)
    p = density.total * BIN
    assert density.entropy.value == pytest.approx(-(p[p > 0] * np.log(p[p > 0])).sum(), abs=1e-9)
    assert density.effective_levels.value == pytest.approx(np.exp(density.entropy.value))


@given(seeds, st.integers(-50, 50), st.integers(1, 6), st.integers(1, 12))
def test_a_shift_of_all_energies_changes_nothing(seed: int, shift: int, snapshots: int, ions: int) -> None:
    table = random_states(seed, snapshots, ions)
    # multiples of 2⁻²⁰ eV, so that no rounding moves a state over an edge
    energies = np.round(table["energy"] * 2**20) / 2**20
    plain, shifted = (
        densities_of(StateTable({**table.columns, "energy": energies + s}), QUICK)[0]
        for s in (0.0, shift / 4)
    )
    np.testing.assert_allclose(shifted.edges, plain.edges, atol=1e-12)
    for kind in SITE_KINDS:
        np.testing.assert_allclose(shifted.parts[kind], plain.parts[kind])
    assert metrics(shifted) == pytest.approx(metrics(plain), abs=1e-9)
    assert errors(shifted) == pytest.approx(errors(plain), abs=1e-9, nan_ok=True)


@given(seeds, st.integers(1, 6), st.integers(1, 12))
def test_the_order_of_the_rows_does_not_matter(seed: int, snapshots: int, ions: int) -> None:
    table = random_states(seed, snapshots, ions)
    order = np.random.default_rng(seed).permutation(len(table))
    plain, mixed = (densities_of(t, QUICK)[0] for t in (table, table.select(order)))
    for kind in SITE_KINDS:
        np.testing.assert_allclose(mixed.parts[kind], plain.parts[kind])
    assert metrics(mixed) == pytest.approx(metrics(plain), abs=1e-12)
    assert errors(mixed) == pytest.approx(errors(plain), abs=1e-12, nan_ok=True)


@given(st.integers(1, 60), st.integers(1, 4), st.sampled_from([2.0**-10, 2.0**-8, 2.0**-5]))
def test_the_entropy_of_m_equally_filled_bins_is_the_logarithm_of_m(
    levels: int, repeats: int, width: float
) -> None:
    energies = np.tile(np.arange(levels) * width, (2, repeats)) - 4  # exact in binary
    (density,) = densities_of(states(energies), DensitySettings(bin=width, bootstrap=20))
    assert density.entropy.value == pytest.approx(np.log(levels), abs=1e-9)
    assert density.effective_levels.value == pytest.approx(levels)
    assert len(density.edges) == levels + 1


def test_one_level_has_no_entropy_no_width_and_lies_at_zero() -> None:
    (density,) = densities_of(states(np.full((4, 9), -3.7)), QUICK)
    assert metrics(density) == pytest.approx([0, 0, 0, 0, 1], abs=1e-12)
    assert errors(density) == pytest.approx([0] * 5, abs=1e-12)


@given(seeds, st.integers(2, 8), st.integers(1, 12))
def test_equal_snapshots_have_no_error(seed: int, snapshots: int, ions: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.normal(-3, 0.1, (1, ions))
    kinds = rng.choice(SITE_KINDS, ions)
    table = states(np.repeat(one, snapshots, axis=0), site=np.tile(kinds, snapshots))
    (density,) = densities_of(table, QUICK)
    assert errors(density) == pytest.approx([0] * 5, abs=1e-9)
    for _, error in site_fractions(table).values():
        assert error == pytest.approx(0, abs=1e-12)


def test_errors_are_those_of_snapshots_not_of_ions() -> None:
    # all ions of a snapshot have the same energy, so the mean is that of 30 independent values
    levels = np.random.default_rng(0).normal(-3, 0.1, 30)
    table = states(np.repeat(levels[:, None], 40, axis=1))
    (density,) = densities_of(table, DensitySettings(bootstrap=2000))
    expected = levels.std(ddof=1) / np.sqrt(30)
    assert density.mean.std == pytest.approx(expected, rel=4 / np.sqrt(2 * 2000))


def test_a_single_snapshot_has_no_error_that_is_known() -> None:
    table = states(np.random.default_rng(0).normal(size=(1, 10)))
    (density,) = densities_of(table, QUICK)
    assert np.isnan(errors(density)).all()
    assert np.isnan([e for _, e in site_fractions(table).values()]).all()


def test_snapshots_that_did_not_converge_are_left_out() -> None:
    energies = np.random.default_rng(0).normal(-3, 0.05, (4, 10))
    energies[2] -= 1.0  # far below all others
    converged = np.repeat([True, True, False, True], 10)
    (found,) = densities_of(states(energies, converged=converged), QUICK)
    (expected,) = densities_of(states(energies[[0, 1, 3]]), QUICK)
    np.testing.assert_allclose(found.edges, expected.edges)
    np.testing.assert_allclose(found.total, expected.total)
    assert metrics(found) == pytest.approx(metrics(expected))
    assert (found.states, found.snapshots) == (30, 3)


def test_a_temperature_without_converged_snapshots_has_no_density() -> None:
    cold = states(np.ones((2, 3)), 300.0)
    hot = states(np.ones((2, 3)), 400.0, converged=np.zeros(6, bool))
    assert [d.temperature for d in densities_of(concatenate([cold, hot]), QUICK)] == [300.0]


@pytest.mark.parametrize("zero", ["min", "quantile"])
def test_zero_and_bins_are_common_to_all_temperatures(zero: str) -> None:
    tables = [random_states(k, 5, 20, t) for k, t in enumerate((500.0, 300.0, 400.0))]
    table = concatenate(tables)
    settings = DensitySettings(zero=zero, bootstrap=20)
    found = densities_of(table, settings)
    energies = table["energy"]
    expected = energies.min() if zero == "min" else np.quantile(energies, LOW_QUANTILE)
    assert energy_zero(table, settings) == pytest.approx(expected)
    assert [d.temperature for d in found] == [300.0, 400.0, 500.0]
    for density, part in zip(found, [tables[1], tables[2], tables[0]], strict=True):
        np.testing.assert_array_equal(density.edges, found[0].edges)
        assert density.mean.value == pytest.approx((part["energy"] - expected).mean())
    lowest = (energies - expected).min()
    assert found[0].edges[0] <= lowest + 1e-12
    assert found[0].edges[0] > lowest - BIN


def test_the_quantile_ignores_a_single_low_state() -> None:
    energies = np.random.default_rng(0).normal(-3, 0.02, (10, 50))
    settings = DensitySettings(zero="quantile")
    before = energy_zero(states(energies), settings)
    energies[4, 7] = -9.0
    assert energy_zero(states(energies), settings) == pytest.approx(before, abs=0.02)


def test_the_errors_follow_from_their_source_of_randomness() -> None:
    table = random_states(0, 6, 10)
    first, again, default = (
        errors(densities_of(table, QUICK, rng)[0])
        for rng in (np.random.default_rng(0), np.random.default_rng(0), None)
    )
    assert first == again == default
    assert errors(densities_of(table, QUICK, np.random.default_rng(1))[0]) != first


def test_fractions_are_those_of_the_rows_with_binomial_errors() -> None:
    rng = np.random.default_rng(3)
    table = states(np.zeros((400, 1)), site=rng.choice(SITE_KINDS, 400, p=[0.7, 0.2, 0.1]))
    found = site_fractions(table, rng, samples=2000)
    assert sum(value for value, _ in found.values()) == pytest.approx(1)
    for kind, (value, error) in found.items():
        assert value == pytest.approx((table["site"] == kind).mean())
        expected = np.sqrt(value * (1 - value) / 400)  # one ion per snapshot: independent draws
        assert error == pytest.approx(expected, rel=4 / np.sqrt(2 * 2000))


@pytest.mark.parametrize(("column", "other"), [("material", "n"), ("element", "Na")])
def test_mixtures_are_refused(column: str, other: str) -> None:
    table = concatenate([states(np.ones((2, 2))), states(np.ones((2, 2)), **{column: np.full(4, other)})])
    with pytest.raises(AnalysisError, match=f"expected one {column}"):
        densities_of(table, QUICK)


@pytest.mark.parametrize("rows", [4, 0])
def test_a_table_without_converged_states_is_refused(rows: int) -> None:
    table = states(np.ones((2, 2)), converged=np.zeros(4, bool)).select(np.arange(rows))
    with pytest.raises(AnalysisError, match="no state from a converged snapshot"):
        densities_of(table, QUICK)


@given(seeds, st.sampled_from([c.name for c in COLUMNS]), st.integers(2, 8))
def test_the_parts_by_any_column_add_up_to_the_total_at_every_temperature(
    seed: int, column: str, quantiles: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = [random_states(seed + k, 4, 9, t) for k, t in enumerate((300.0, 400.0))]
    drawn = {
        "nearest_cation": np.where(rng.random(72) < 0.2, np.nan, rng.normal(3, 0.2, 72)),
        "nearest_ion": rng.normal(3, 0.2, 72),
        "near_oct": rng.poisson(9, 72),
        "near_tet": rng.integers(0, 3, 72),
        "anions": rng.choice(["Cl6", "Br1Cl5", "Br2Cl4"], 72),
        "label": rng.choice([f"class {k}" for k in range(12)], 72),
    }
    table = StateTable({**concatenate(tables).columns, **drawn})
    found = densities_of(table, QUICK, by=column, quantiles=quantiles)
    plain = densities_of(table, QUICK)
    for ours, theirs in zip(found, plain, strict=True):
        np.testing.assert_allclose(np.sum(list(ours.parts.values()), axis=0), theirs.total, rtol=1e-12)
        np.testing.assert_allclose(ours.total, theirs.total, rtol=1e-12)
        assert list(ours.parts) == list(found[0].parts)
        assert metrics(ours) == pytest.approx(metrics(theirs), abs=1e-12)
        assert ours.by == column
        assert len(ours.parts) <= MOST + 1


def test_parts_are_the_histograms_of_their_rows() -> None:
    table = random_states(0, 6, 20)
    tets = np.random.default_rng(0).integers(0, 3, 120)
    (density,) = densities_of(StateTable({**table.columns, "near_tet": tets}), QUICK, by="near_tet")
    assert list(density.parts) == ["0", "1", "2"]
    assert density.ordered
    for k in range(3):
        assert density.parts[str(k)].sum() * BIN == pytest.approx((tets == k).mean())
        counts, _ = np.histogram(table["energy"][tets == k] - table["energy"].min(), density.edges)
        np.testing.assert_allclose(density.parts[str(k)] * BIN * 120, counts, atol=1e-9)


def test_many_numbers_are_divided_where_their_names_say() -> None:
    values = np.random.default_rng(0).normal(2.5, 0.1, 400)
    values[:5] = np.nan
    table = states(np.zeros((20, 20)), nearest_cation=values)
    found = classes_by(table, "nearest_cation", 4)
    *ranges, none = found.names
    assert none == "none"
    assert (found.number[:5] == 4).all()
    assert (ranges[0][0], ranges[-1][0]) == ("<", "≥")
    bounds = [float(ranges[0].split()[1]), *(float(r.split()[0].split("–")[1]) for r in ranges[1:-1])]
    expected = np.searchsorted(bounds, values[5:], side="right")
    np.testing.assert_array_equal(found.number[5:], expected)
    assert np.bincount(expected).min() > 0.2 * 395


def test_many_whole_numbers_are_divided_into_ranges_that_hold_both_ends() -> None:
    values = np.random.default_rng(1).poisson(12, 400)
    found = classes_by(states(np.zeros((20, 20)), near_oct=values), "near_oct", 3)
    for number, name in enumerate(found.names):
        first, *last = (int(v) for v in name.split("–"))
        inside = (values >= first) & (values <= (last or [first])[0])
        np.testing.assert_array_equal(found.number == number, inside)


def test_numbers_of_which_most_are_the_same_have_two_classes() -> None:
    values = np.where(np.arange(400) < 380, 0.0, np.arange(400.0))
    found = classes_by(states(np.zeros((20, 20)), displacement=values), "displacement")
    assert found.names == ("< 380 Å", "≥ 380 Å")
    assert found.number.sum() == 20


def test_rare_texts_are_one_class() -> None:
    labels = np.array([f"class {k:02d}" for k in np.random.default_rng(0).integers(0, 12, 400) ** 2 // 12])
    labels[:3] = ""
    found = classes_by(states(np.zeros((20, 20)), label=labels), "label")
    assert len(found.names) == MOST
    assert found.names[-1] == "other values"
    kept, counts = np.unique(labels, return_counts=True)
    assert min(counts[np.isin(kept, found.names)]) >= max(counts[~np.isin(kept, found.names)])
    for name in found.names[:-1]:
        assert (labels[found.number == found.names.index(name)] == name).all()


@pytest.mark.parametrize(("column", "quantiles"), [("charge", 4), ("nearest_ion", 1), ("nearest_ion", 9)])
def test_columns_and_classes_that_are_not_there_are_refused(column: str, quantiles: int) -> None:
    with pytest.raises(AnalysisError, match=column):
        densities_of(states(np.zeros((2, 2))), QUICK, by=column, quantiles=quantiles)


@pytest.mark.parametrize("column", ["site", "near_tet", "label"])
def test_a_doas_is_drawn_with_a_colour_for_every_part(column: str) -> None:
    table = random_states(0, 6, 20)
    changes = {"near_tet": np.arange(120) % 3, "label": np.arange(120).astype(str)}
    found = densities_of(StateTable({**table.columns, **changes}), QUICK, by=column)
    (ax,) = plot_doas(found)
    areas = [p.get_data().values - p.get_data().baseline for p in ax.patches[:-1]]
    np.testing.assert_allclose(areas, [p for p in found[0].parts.values() if p.any()])
    (legend,) = ax.figure.legends
    assert len(legend.get_texts()) == len(areas)
    assert len({p.get_facecolor() for p in ax.patches[:-1]}) == len(areas)
