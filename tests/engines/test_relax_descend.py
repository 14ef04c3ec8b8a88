"""The minimiser and the springs that precondition it, on energies whose minimum is known."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.optimize import BFGS
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.engines.descend import REACHED, Forces, descend
from frustra.engines.relax import RelaxSettings, relax_frames
from frustra.engines.springs import CUTOFF, Springs, pairs_of
from frustra.structures import supercell
from tests.engines.toys import lennard_jones_calculator

FAR = 100.0  # Å: a cell without neighbours


def argon(repeat: int = 2) -> Atoms:
    return supercell(bulk("Ar", "fcc", a=5.26, cubic=True), (repeat,) * 3)


def rattled(atoms: Atoms, amplitude: float, seed: int) -> Atoms:
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(0, amplitude, moved.positions.shape)
    return moved


class Counted:
    """Count the calls of a function of the positions, and keep these."""

    def __init__(self, forces: Forces) -> None:
        self._forces = forces
        self.seen: list[np.ndarray] = []

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        self.seen.append(positions.copy())
        return self._forces(positions)


def einstein(places: np.ndarray, stiffness: np.ndarray) -> Forces:
    """Every atom on its own spring, ½ k |r − r0|²."""

    def forces(positions: np.ndarray) -> tuple[float, np.ndarray]:
        pull = -stiffness[:, None] * (positions - places)
        return float((stiffness[:, None] * (positions - places) ** 2).sum() / 2), pull

    return forces


def chain(hessian: np.ndarray, places: np.ndarray) -> Forces:
    """Springs between all atoms, ½ (x − x0) H (x − x0)."""

    def forces(positions: np.ndarray) -> tuple[float, np.ndarray]:
        moved = (positions - places).ravel()
        return float(moved @ hessian @ moved / 2), -(hessian @ moved).reshape(-1, 3)

    return forces


@given(seed=st.integers(0, 2**32 - 1), fmax=st.sampled_from([0.05, 1e-2, 1e-4]))
@settings(max_examples=15, deadline=None)
def test_atoms_on_their_own_springs_go_home(seed: int, fmax: float) -> None:
    rng = np.random.default_rng(seed)
    places, stiffness = rng.uniform(0, FAR, (6, 3)), rng.uniform(0.5, 50, 6)
    forces = Counted(einstein(places, stiffness))
    start = places + rng.normal(0, 0.3, places.shape)
    found = descend(forces, start, FAR * np.eye(3), Springs(np.full(6, 3)), fmax, 500, 0.2)
    assert found.reason == REACHED
    assert found.calls == len(forces.seen)
    assert np.linalg.norm(found.positions - places, axis=1).max() <= fmax / stiffness.min()
    assert found.energy <= (fmax**2 / (2 * stiffness)).sum()
    np.testing.assert_allclose(found.forces, forces(found.positions)[1])


def springs_between_neighbours(crystal: Atoms, along: float, across: float) -> np.ndarray:
    """Return the Hessian of springs, by loops: constants fall linearly between 5 Å and the cutoff."""
    atoms, places, cell = len(crystal), crystal.positions, crystal.cell.array
    hessian = np.zeros((atoms, 3, atoms, 3))
    images = [np.array(i) @ cell for i in np.ndindex(5, 5, 5)]
    centre = np.array([2, 2, 2]) @ cell
    for i in range(atoms):
        for j in range(atoms):
            for image in images:
                vector = places[j] + image - centre - places[i]
                r = np.linalg.norm(vector)
                if i == j or r >= CUTOFF:
                    continue
                outer = np.outer(vector, vector) / r**2
                block = min(1.0, CUTOFF - r) * (along * outer + across * (np.eye(3) - outer))
                hessian[i, :, i] += block
                hessian[i, :, j] -= block
    return hessian.reshape(3 * atoms, 3 * atoms)


@pytest.mark.parametrize("skew", [0.0, 0.3])
def test_springs_that_were_there_are_learned(skew: float) -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    cell = crystal.cell.array.copy()
    cell[1, 0] = skew * cell[0, 0]
    crystal.set_cell(cell, scale_atoms=True)
    hessian = springs_between_neighbours(crystal, 3.0, 0.4)
    rng, springs = np.random.default_rng(1), Springs(crystal.numbers)
    pairs = pairs_of(crystal.positions, cell)
    assert springs.inverse(pairs, crystal.positions) is None
    for _ in range(12):
        step = rng.normal(size=(len(crystal), 3))
        springs.learn(pairs, crystal.positions, step, (hessian @ step.ravel()).reshape(-1, 3))
    inverse = springs.inverse(pairs, crystal.positions)
    assert inverse is not None
    stabilised = hessian + 0.1 * np.trace(hessian) / len(hessian) * np.eye(len(hessian))
    for _ in range(3):
        gradient = rng.normal(size=(len(crystal), 3))
        exact = np.linalg.solve(stabilised, gradient.ravel()).reshape(-1, 3)
        assert np.linalg.norm(inverse(gradient) - exact) < 0.03 * np.linalg.norm(exact)


def test_pairs_are_those_of_all_images() -> None:
    crystal = rattled(argon(), 0.2, 5)
    crystal.positions += 2.5 * crystal.cell.array[0]  # unwrapped
    pairs = pairs_of(crystal.positions, crystal.cell.array)
    found = sorted(np.round(np.linalg.norm(pairs.vectors(crystal.positions), axis=1), 9))
    images = [np.array(i) - 1 for i in np.ndindex(3, 3, 3)]
    home = crystal.get_positions(wrap=True)
    between = np.concatenate([home[None] + i @ crystal.cell.array - home[:, None] for i in images]).reshape(
        -1, len(crystal), len(crystal), 3
    )
    upper = np.triu_indices(len(crystal), 1)
    distances = np.linalg.norm(between, axis=3)[:, upper[0], upper[1]].ravel()
    assert found == pytest.approx(sorted(distances[distances <= CUTOFF]), abs=1e-8)


def test_a_soft_chain_between_stiff_atoms_reaches_its_minimum() -> None:
    crystal = argon()
    hessian = springs_between_neighbours(bulk("Ar", "fcc", a=5.26, cubic=True), 1.0, 0.05)
    hessian = np.kron(np.eye(8), hessian + 1e-3 * np.eye(len(hessian)))  # eight of them, soft and stiff
    hessian[:96, :96] *= 30 ** np.add.outer(np.arange(96) % 2, np.arange(96) % 2) ** 0.5
    hessian = (hessian + hessian.T) / 2
    hessian += (1e-2 - np.linalg.eigvalsh(hessian).min()) * np.eye(96)
    start = rattled(crystal, 0.1, 2).positions
    found = descend(
        chain(hessian, crystal.positions), start, crystal.cell.array, Springs(crystal.numbers), 1e-6, 500, 0.2
    )
    assert found.reason == REACHED
    np.testing.assert_allclose(found.positions, crystal.positions, atol=1e-4)


def test_steps_and_moves_have_their_limits() -> None:
    crystal = rattled(argon(), 0.3, 4)
    potential = lennard_jones_calculator()

    def energy(positions: np.ndarray) -> tuple[float, np.ndarray]:
        found = potential.evaluate([Atoms(crystal.numbers, positions, cell=crystal.cell, pbc=True)])
        return float(found.energies[0]), found.forces[0]

    for steps in (1, 4):
        forces = Counted(energy)
        found = descend(
            forces, crystal.positions, crystal.cell.array, Springs(crystal.numbers), 1e-4, steps, 0.05
        )
        assert (found.steps, found.reason) == (steps, f"{steps} steps")
        assert found.calls == len(forces.seen) > steps
        moved = np.linalg.norm(found.positions - crystal.positions, axis=1).max()
        assert moved <= 0.05 * steps + 1e-12
        assert found.energy < energy(crystal.positions)[0]


def test_a_minimum_costs_one_evaluation() -> None:
    places = np.random.default_rng(3).uniform(0, FAR, (4, 3))
    forces = Counted(einstein(places, np.ones(4)))
    found = descend(forces, places, FAR * np.eye(3), Springs(np.full(4, 3)), 0.01, 100, 0.2)
    assert (found.calls, found.steps, len(forces.seen)) == (1, 0, 1)


def test_forces_that_no_energy_follows_are_given_up() -> None:
    def wrong(positions: np.ndarray) -> tuple[float, np.ndarray]:
        away = positions != 0
        return float(positions.sum()), np.where(away, -10.0, 1.0)  # back, as soon as anything moved

    found = descend(wrong, np.zeros((4, 3)), FAR * np.eye(3), Springs(np.full(4, 3)), 0.01, 100, 0.2)
    assert found.reason == "no lower energy along the forces"
    assert found.steps == 0


def test_the_energy_is_that_of_ases_minimiser() -> None:
    potential = lennard_jones_calculator()
    frames = [rattled(argon(), 0.1, 1)]
    found = relax_frames(frames, potential, RelaxSettings(fmax=1e-4))
    assert found.converged.all()
    assert (found.fmax <= 1.001e-4).all()
    assert (found.steps < found.force_calls).all()
    for frame, energy in zip(frames, found.energies, strict=True):
        other = frame.copy()
        other.calc = potential.calculator
        BFGS(other, logfile=None, maxstep=0.1).run(fmax=1e-4)
        assert energy == pytest.approx(other.get_potential_energy(), abs=1e-6)


@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.tuples(*[st.floats(-30, 30) for _ in range(3)]),
)
@settings(max_examples=2, deadline=None)
def test_neither_the_origin_nor_the_order_of_the_atoms_matters(
    seed: int, shift: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(seed)
    frame, order = rattled(argon(), 0.1, seed), rng.permutation(len(argon()))
    changed = frame[order]
    changed.positions += shift
    one, other = (
        relax_frames([f], lennard_jones_calculator(), RelaxSettings(fmax=1e-4)) for f in (frame, changed)
    )
    assert one.converged.all()
    assert other.converged.all()
    assert one.energies == pytest.approx(other.energies, abs=1e-6)
    assert one.atomic_energies[0][order] == pytest.approx(other.atomic_energies[0], abs=1e-5)
    offset = one.positions[0][order] - (other.positions[0] - shift)
    assert np.abs(offset - offset.mean(axis=0)).max() < 2e-3
