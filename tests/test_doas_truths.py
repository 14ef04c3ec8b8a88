"""The DOAS of worlds whose states are known: from frames, over relaxation and sites, to the metrics."""

from collections.abc import Sequence

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from frustra.analysis.contrasts import contrasts_of
from frustra.analysis.density import Density, DensitySettings, densities_of
from frustra.analysis.levels import levels_of
from frustra.analysis.tabulate import tabulate
from frustra.engines.calculator import ALL
from frustra.engines.potential import Evaluation
from frustra.engines.relax import RelaxSettings, relax_frames
from frustra.geometry import minimum_image
from frustra.sites import Sites, sites_of
from frustra.states import StateTable, concatenate
from tests.helpers import seeds, states

SPRING = 3.0
"""eV/Å²."""

ANION, OCT, TET = -4.0, -3.0, -2.9
"""Per-atom energies, eV."""

METRICS = ("mean", "deviation", "iqr", "entropy", "near_median", "band_width")


class EinsteinCrystal:
    """Every atom hangs on a spring: anions on their own place, Li on the nearest site, of a known level."""

    name, species, cutoff, provides, fingerprint, not_for = "einstein", None, None, ALL, "einstein", ()

    def __init__(
        self, places: np.ndarray, levels: np.ndarray, anions: np.ndarray, shift: float = 0.0
    ) -> None:
        self.places, self.levels, self.anions, self.shift = places, levels, anions, shift
        """Sites and their levels, places of the anions, and what is added to every Li."""

    def evaluate(self, frames: Sequence[Atoms]) -> Evaluation:
        """Return sums of springs."""
        parts = [self._single(f) for f in frames]
        atomic, forces = (np.array([p[k] for p in parts]) for k in (0, 1))
        return Evaluation(atomic.sum(axis=1), forces, atomic)

    def _single(self, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
        mobile = atoms.symbols == "Li"
        cell = atoms.cell.array
        pulls = np.zeros((len(atoms), 3))
        energies = np.full(len(atoms), ANION)
        pulls[~mobile] = minimum_image(atoms.positions[~mobile] - self.anions, cell)
        ways = atoms.positions[mobile][:, None] - self.places
        ways = minimum_image(ways.reshape(-1, 3), cell).reshape(ways.shape)
        nearest = np.linalg.norm(ways, axis=2).argmin(axis=1)
        pulls[mobile] = ways[np.arange(len(nearest)), nearest]
        energies[mobile] = self.levels[nearest] + self.shift
        return energies + SPRING / 2 * (pulls**2).sum(axis=1), -SPRING * pulls


class World:
    """An fcc lattice of anions, whose voids have known levels, and frames with Li on some of them."""

    def __init__(self, seed: int, repeat: tuple[int, int, int] = (2, 2, 2), spread: float = 0.01) -> None:
        rng = np.random.default_rng(seed)
        self.crystal = bulk("Cl", "fcc", a=5.2, cubic=True).repeat(repeat)
        self.sites: Sites = sites_of(self.crystal, ("Cl",), "Li")
        kinds = np.array([s == "oct" for s in self.sites.kind])
        self.levels = np.where(kinds, OCT, TET) + spread * rng.normal(size=len(kinds))
        self.oct = kinds
        self.potential = EinsteinCrystal(self.sites.positions, self.levels, self.crystal.positions)

    def frames(self, seed: int, count: int, ions: int) -> tuple[list[Atoms], np.ndarray]:
        """Return frames of MD as they might be, and the sites that the ions are on."""
        rng = np.random.default_rng(seed)
        held = np.array([rng.permutation(len(self.levels))[:ions] for _ in range(count)])
        frames = []
        for row in held:
            atoms = self.crystal + Atoms(f"Li{ions}", self.sites.positions[row])
            atoms.positions += 0.12 * rng.normal(size=(len(atoms), 3))
            frames.append(atoms)
        return frames, held

    def states(self, frames: Sequence[Atoms], temperature: float = 300.0) -> StateTable:
        """Return the states of frames, over relaxation and the ions' sites."""
        relaxed = relax_frames(frames, self.potential, RelaxSettings(fmax=1e-4))
        assert relaxed.converged.all()
        origin = relaxed.with_origin(np.arange(len(frames), dtype=float), temperature)
        return tabulate(origin, "Li", ("Cl",), sites=self.sites)


@pytest.fixture(scope="module")
def world() -> World:
    return World(0)


@pytest.fixture(scope="module")
def told(world: World) -> tuple[StateTable, np.ndarray]:
    frames, held = world.frames(1, 6, 20)
    return world.states(frames), held


def test_an_einstein_crystal_has_the_levels_of_its_sites(
    world: World, told: tuple[StateTable, np.ndarray]
) -> None:
    table, held = told
    np.testing.assert_array_equal(table["place"], held.ravel())
    np.testing.assert_allclose(table["energy"], world.levels[held.ravel()], atol=1e-7)
    (density,) = densities_of(table, DensitySettings(bin=0.001, zero="none"))
    expected = world.levels[held.ravel()]
    assert density.mean.value == pytest.approx(expected.mean(), abs=1e-7)
    assert density.deviation.value == pytest.approx(expected.std(), abs=1e-6)
    assert density.shares["oct"].weight.value == world.oct[held].mean()
    assert density.shares["tet"].mean.value == pytest.approx(
        expected[~world.oct[held.ravel()]].mean(), abs=1e-7
    )
    (coarse,) = densities_of(table, DensitySettings(bin=0.02, zero="none"))
    low, high = coarse.bands
    assert (low.centre.value, high.centre.value) == pytest.approx((OCT, TET), abs=0.005)
    assert high.weight.value == pytest.approx(1 - world.oct[held].mean(), abs=0.01)


def test_a_shift_of_every_li_changes_no_metric(told: tuple[StateTable, np.ndarray], world: World) -> None:
    table, _ = told
    other = World(0)
    other.potential.shift = 1.0
    frames, _ = world.frames(1, 6, 20)
    shifted = other.states(frames)
    np.testing.assert_allclose(shifted["energy"], table["energy"] + 1.0, atol=1e-7)
    plain, moved = (densities_of(t, DensitySettings(bin=0.002))[0] for t in (table, shifted))
    assert moved.zero == pytest.approx(plain.zero + 1.0)
    _alike(moved, plain)


def test_a_doubled_crystal_has_the_same_states() -> None:
    single, double = World(3, (1, 1, 2)), World(3, (1, 1, 2))
    frames, _ = single.frames(2, 5, 6)
    twice = [f.repeat((2, 1, 1)) for f in frames]
    twice = [f[np.argsort(f.symbols == "Li", kind="stable")] for f in twice]
    double.crystal = single.crystal.repeat((2, 1, 1))
    double.sites = sites_of(double.crystal, ("Cl",), "Li")
    nearest = minimum_image(
        (double.sites.positions[:, None] - single.sites.positions).reshape(-1, 3), single.crystal.cell.array
    )
    copies = np.linalg.norm(nearest, axis=1).reshape(len(double.sites), -1).argmin(axis=1)
    double.potential = EinsteinCrystal(
        double.sites.positions, single.levels[copies], double.crystal.positions
    )
    small, large = single.states(frames), double.states(twice)
    assert len(large) == 2 * len(small)
    np.testing.assert_allclose(np.sort(large["energy"])[::2], np.sort(small["energy"]), atol=1e-6)
    np.testing.assert_array_equal(np.sort(large["label"])[::2], np.sort(small["label"]))
    plain, doubled = (densities_of(t, DensitySettings(bin=0.02, zero="none"))[0] for t in (small, large))
    for name in ("mean", "deviation", "iqr", "entropy", "near_median"):
        assert getattr(doubled, name).value == pytest.approx(getattr(plain, name).value, abs=1e-5)
        assert getattr(doubled, name).std == pytest.approx(getattr(plain, name).std, abs=1e-3)
    np.testing.assert_allclose(
        levels_of(large).levels[0].sums(), 2 * levels_of(small).levels[0].sums(), atol=1e-5
    )


@given(seeds, st.integers(-40, 40), st.integers(1, 4))
def test_metrics_do_not_depend_on_how_models_share_out_the_total(seed: int, shift: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    energies = np.round(rng.normal(-3, 0.05, (6, 15)) * 2**20) / 2**20
    site = rng.choice(["oct", "tet"], energies.size)
    width = bins / 256
    plain, shifted = (
        densities_of(states(energies + c, site=site), DensitySettings(bin=width, bootstrap=20))[0]
        for c in (0.0, shift / 4)
    )
    _alike(shifted, plain)
    one, other = (
        contrasts_of(states(energies + c, site=site), settings=DensitySettings(bin=width, bootstrap=20))
        for c in (0.0, shift / 4)
    )
    for a, b in zip(one, other, strict=True):
        for name in ("overlap", "gap", "tail_gap"):
            assert getattr(a, name).value == pytest.approx(getattr(b, name).value, abs=1e-9)


def _alike(one: Density, other: Density) -> None:
    for name in METRICS:
        assert getattr(one, name).value == pytest.approx(getattr(other, name).value, abs=1e-6)
    assert len(one.bands) == len(other.bands)
    for a, b in zip(one.bands, other.bands, strict=True):
        for name in ("centre", "width", "weight"):
            assert getattr(a, name).value == pytest.approx(getattr(b, name).value, abs=1e-5)


@pytest.mark.parametrize(("gap", "widths"), [(0.0, (0.02, 0.02)), (0.03, (0.02, 0.02)), (0.2, (0.01, 0.03))])
def test_two_levels_broadened_by_gaussians_have_their_closed_forms(
    gap: float, widths: tuple[float, float]
) -> None:
    rng = np.random.default_rng(0)
    tet = np.arange(600 * 200) % 4 == 3
    noise = rng.normal(size=tet.size)
    energies = np.where(tet, gap + widths[1] * noise, widths[0] * noise).reshape(600, 200)
    table = states(energies, site=np.where(tet, "tet", "oct"))
    width = 0.002
    settings = DensitySettings(bin=width, zero="none", bootstrap=20)
    (density,) = densities_of(table, settings)
    grid = np.arange(-0.3, 0.5, width / 20)
    parts = 0.75 * norm.pdf(grid, 0, widths[0]), 0.25 * norm.pdf(grid, gap, widths[1])
    total = sum(parts)
    differential = -(total * np.log(np.maximum(total, 1e-300))).sum() * width / 20
    assert density.entropy.value == pytest.approx(differential - np.log(width), abs=0.01)
    for name, sigma in zip(("oct", "tet"), widths, strict=True):
        share = density.shares[name]
        closed = 0.5 * np.log(2 * np.pi * np.e * sigma**2) - np.log(width)
        assert share.entropy.value == pytest.approx(closed, abs=0.01)
        assert share.deviation.value == pytest.approx(sigma, rel=0.01)
        assert share.iqr.value == pytest.approx(2 * norm.ppf(0.75) * sigma, rel=0.02)
    assert density.band_width.value == pytest.approx(np.sqrt([0.75, 0.25] @ np.square(widths)), rel=0.01)
    (contrast,) = contrasts_of(table, settings=settings)
    overlap = np.minimum(parts[0] / 0.75, parts[1] / 0.25).sum() * width / 20
    assert contrast.overlap.value == pytest.approx(overlap, abs=0.02)
    if widths[0] == widths[1]:
        assert overlap == pytest.approx(2 * norm.cdf(-gap / (2 * widths[0])), abs=0.001)
    kt = 8.617333262e-5 * 300.0
    median = float(np.median(energies))
    near = sum(
        w * (norm.cdf(median + kt, m, s) - norm.cdf(median - kt, m, s))
        for w, m, s in ((0.75, 0.0, widths[0]), (0.25, gap, widths[1]))
    )
    assert density.near_median.value == pytest.approx(near, abs=0.01)


def test_95_percent_of_the_intervals_hold_the_truth() -> None:
    # ions of a snapshot move together, so that only snapshots are independent
    truth = {"mean": 0.0, "deviation": np.hypot(0.02, 0.01), "iqr": 2 * norm.ppf(0.75) * np.hypot(0.02, 0.01)}
    settings = DensitySettings(zero="none", bootstrap=100)
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        energies = 0.02 * rng.normal(size=(30, 20)) + 0.01 * rng.normal(size=(30, 1))
        found += densities_of(states(energies), settings)
    for name, value in truth.items():
        estimates = [getattr(d, name) for d in found]
        held = np.mean([e.low < value < e.high for e in estimates])
        assert 0.90 < held < 0.99  # of 200: 0.95 ± 3 standard deviations
    # the entropy of so few states is too low; its error is that of its own mean
    entropies = np.array([[d.entropy.value, d.entropy.std] for d in found])
    assert entropies[:, 1].mean() == pytest.approx(entropies[:, 0].std(), rel=0.2)
    closed = 0.5 * np.log(2 * np.pi * np.e * truth["deviation"] ** 2) - np.log(settings.bin)
    bias = np.mean([d.entropy_bias for d in found])
    assert entropies[:, 0].mean() < closed - 0.5 * bias


def test_all_temperatures_lie_in_the_same_bins_above_one_zero(world: World) -> None:
    frames, _ = world.frames(4, 3, 12)
    table = concatenate([world.states(frames[:2], 300.0), world.states(frames[2:], 600.0)])
    cold, hot = densities_of(table)
    np.testing.assert_array_equal(cold.edges, hot.edges)
    assert cold.zero == hot.zero == table["energy"].min()
