import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from frustra.analysis.markers import widened
from frustra.analysis.occupancy import occupancy_entropy, occupied_sites
from frustra.sites import sites_of
from tests.helpers import snapshots

IONS = 36


def entropy(p: np.ndarray) -> float:
    """Return −Σ [p ln p + (1 − p) ln(1 − p)] per ion, 0 < p < 1."""
    return float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).sum() / IONS)


def drawn(p: np.ndarray, frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((frames, len(p))) < p


MIXED = np.concatenate([np.full(24, 0.95), np.full(24, 0.5), np.full(100, 0.02)])


@pytest.mark.parametrize("frames", [12, 48, 200])
@pytest.mark.parametrize("p", [np.full(72, 0.5), np.full(72, 0.1), MIXED], ids=["half", "tenth", "mixed"])
def test_the_entropy_of_independent_sites_is_found(p: np.ndarray, frames: int) -> None:
    found = np.array([occupancy_entropy([drawn(p, frames, s)], IONS) for s in range(60)])
    plain = np.array([entropy(np.clip(drawn(p, frames, s).mean(0), 1e-12, 1 - 1e-12)) for s in range(60)])
    values, errors, truth = found[:, 0], found[:, 1], entropy(p)
    assert abs(values.mean() - truth) < 0.5 * abs(plain.mean() - truth)  # the bias of few snapshots
    wide = np.array([widened(e, 8) for e in errors])
    assert (abs(values - truth) < 1.96 * wide).mean() >= 0.95


def test_ions_that_stay_have_no_entropy() -> None:
    held = np.tile(np.arange(10) < 4, (12, 1))
    assert occupancy_entropy([held], 4) == (0.0, 0.0, 8)
    assert np.isnan(occupancy_entropy([held[:1]], 4)[1])


def test_runs_that_froze_in_different_orders_are_disordered_together() -> None:
    one, other = np.tile([True, False], (8, 1)), np.tile([False, True], (8, 1))
    assert occupancy_entropy([one], 1)[0] == 0
    value, _, blocks = occupancy_entropy([one, other], 1)
    assert blocks == 16
    assert value == pytest.approx(2 * np.log(2), rel=0.1)


def rocksalt(seed: int = 0) -> tuple[Atoms, np.ndarray]:
    """Return Cl fcc with Li on half of the octahedral sites, and those sites."""
    anions = bulk("Cl", "fcc", a=5.2, cubic=True) * (2, 2, 2)
    sites = anions.positions + np.array([2.6, 0, 0])
    chosen = np.random.default_rng(seed).permutation(32)[:16]
    return anions + Atoms("Li16", positions=sites[chosen]), sites


def test_ions_hold_the_nearest_site_wherever_the_cell_has_drifted() -> None:
    rng = np.random.default_rng(1)
    ground, sites = rocksalt()
    ground.positions += rng.normal(0, 0.02, ground.positions.shape)
    frames = []
    for _ in range(6):
        moved = ground.copy()
        moved.positions[32:] = sites[rng.permutation(32)[:16]]
        moved.positions += rng.normal(0, 0.1, moved.positions.shape) + rng.uniform(-3, 3, 3)
        frames.append(moved.positions)
    held = occupied_sites(
        snapshots(ground, 6, positions=np.array(frames)), sites_of(ground, ["Cl"], "Li"), "Li"
    )
    assert held.shape[1] == 32 + 64  # octahedral and tetrahedral
    assert (held.sum(axis=1) == 16).all()
    _, counts = np.unique(held.any(axis=0), return_counts=True)
    assert counts[0] >= 64  # tetrahedra stay empty


def test_the_sites_follow_the_cell() -> None:
    ground, _ = rocksalt()
    strained = ground.copy()
    strained.set_cell(ground.cell * 1.03, scale_atoms=True)
    relaxed = snapshots(strained, 3, positions=np.tile(strained.positions, (3, 1, 1)))
    held = occupied_sites(relaxed, sites_of(ground, ["Cl"], "Li"), "Li")
    assert (held.sum(axis=1) == 16).all()
    assert (held == held[0]).all()
