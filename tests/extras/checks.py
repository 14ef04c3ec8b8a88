"""What holds for every potential, whoever made it."""

import pickle
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import pytest
from ase import Atoms

from frustra.engines.md import MDSettings, run_md
from frustra.engines.potential import Evaluation, Potential
from frustra.engines.relax import RelaxSettings, relax_frames
from frustra.structures import lower_triangular


@dataclass(frozen=True)
class Case:
    """A potential, what its model is known to be, and how its package evaluates it without us."""

    potential: Potential
    species: frozenset[str]
    cutoff: float
    own: Callable[[Atoms], Evaluation]
    double: bool = True
    """Whether the model computes in double precision."""
    step: float = 0.001
    """Displacement of an ion for a difference of energies, Å."""

    @property
    def rounding(self) -> float:
        """Return the relative rounding error of an energy."""
        return float(np.finfo(np.float64 if self.double else np.float32).eps)


def by_ase(atoms: Atoms, calculator: object) -> Evaluation:
    """Return what an ASE calculator tells through ASE's own methods."""
    atoms = atoms.copy()
    atoms.calc = calculator
    return Evaluation(
        np.array([atoms.get_potential_energy()]),
        atoms.get_forces()[None],
        atoms.get_potential_energies()[None],
        atoms.get_stress(voigt=False)[None],
    )


def slope(energies: np.ndarray, step: float) -> np.ndarray:
    """Return the fourth-order difference of energies at −2, −1, 1 and 2 steps, (..., 4)."""
    return (energies[..., 0] - 8 * energies[..., 1] + 8 * energies[..., 2] - energies[..., 3]) / (12 * step)


def close(a: Evaluation, b: Evaluation, tolerance: float) -> None:
    """Compare all that two evaluations say; the tolerance is per atom."""
    assert a.energies == pytest.approx(b.energies, abs=tolerance * a.forces.shape[1])
    assert a.forces == pytest.approx(b.forces, abs=tolerance)
    assert a.atomic_energies == pytest.approx(b.atomic_energies, abs=tolerance)
    assert a.stress == pytest.approx(b.stress, abs=tolerance)


class PotentialChecks:
    """The checks; a module that inherits them defines the fixture `case`."""

    def test_the_model_tells_what_it_knows(self, case: Case) -> None:
        assert case.potential.species is not None
        assert case.species <= set(case.potential.species)
        assert case.potential.cutoff == pytest.approx(case.cutoff)
        assert {"energy", "forces", "atomic_energies", "stress"} == case.potential.provides
        assert len(case.potential.fingerprint) == 16

    def test_per_atom_energies_sum_to_the_total(self, case: Case, crystal: Atoms) -> None:
        found = case.potential.evaluate([crystal])
        atomic = found.partition(case.potential.name)
        error = abs(atomic.sum() - found.energies[0])
        print(f"{case.potential.name}: sum of e_i misses E by {error:.1e} eV")  # noqa: T201
        assert error < 30 * max(1e-9, 4 * case.rounding * abs(found.energies[0]))

    def test_forces_are_minus_the_slope_of_the_energy(self, case: Case, crystal: Atoms) -> None:
        step, frames, coordinates = case.step, [], [(0, 0), (9, 1), (13, 2), (29, 0)]
        for atom, axis in coordinates:
            for times in (-2, -1, 1, 2):
                frame = crystal.copy()
                frame.positions[atom, axis] += times * step
                frames.append(frame)
        energies = case.potential.evaluate(frames).energies
        forces = case.potential.evaluate([crystal]).forces[0]
        noise = 4 * case.rounding * abs(energies[0]) / step
        for (atom, axis), value in zip(coordinates, -slope(energies.reshape(-1, 4), step), strict=True):
            assert forces[atom, axis] == pytest.approx(value, abs=noise + 2e-5)

    def test_stress_is_the_slope_of_the_energy_with_strain(self, case: Case, crystal: Atoms) -> None:
        step = 0.001 if case.double else 0.005
        strains = np.array([np.diag([1.0, 0.0, 0.0]), [[0, 0.5, 0], [0.5, 0, -0.3], [0, -0.3, 0.6]]])
        frames = []
        for strain in strains:
            for times in (-2, -1, 1, 2):
                frame = crystal.copy()
                frame.set_cell(frame.cell.array @ (np.eye(3) + times * step * strain), scale_atoms=True)
                frames.append(frame)
        energies = case.potential.evaluate(frames).energies
        stress = case.potential.evaluate([crystal]).stress
        assert stress is not None
        expected = slope(energies.reshape(-1, 4), step)
        noise = 4 * case.rounding * abs(energies[0]) / step
        found = crystal.get_volume() * np.einsum("ij,kij->k", stress[0], strains)
        assert found == pytest.approx(expected, abs=noise + 2e-4)

    def test_its_package_says_the_same(self, case: Case, crystal: Atoms) -> None:
        close(case.potential.evaluate([crystal]), case.own(crystal), 1e-7 if case.double else 2e-5)

    def test_it_reaches_another_process(self, case: Case, crystal: Atoms, worker: Executor) -> None:
        here = case.potential.evaluate([crystal])
        close(pickle.loads(pickle.dumps(case.potential)).evaluate([crystal]), here, 64 * case.rounding)  # noqa: S301
        there = worker.submit(case.potential.evaluate, [crystal]).result()
        close(there, here, 1e-9 if case.double else 2e-5)

    def test_two_frames_are_each_alone(self, case: Case, crystal: Atoms) -> None:
        other = crystal.copy()
        other.rattle(0.1, seed=5)
        other.set_cell(other.cell.array * 1.01, scale_atoms=True)
        both = case.potential.evaluate([crystal, other])
        for k, frame in enumerate((crystal, other)):
            alone = case.potential.evaluate([frame])
            assert both.energies[k] == pytest.approx(alone.energies[0], abs=1e-9 + 900 * case.rounding)
            assert both.forces[k] == pytest.approx(alone.forces[0], abs=1e-9 + 900 * case.rounding)
            assert both.atomic_energies is not None
            assert alone.atomic_energies is not None
            assert both.atomic_energies[k] == pytest.approx(
                alone.atomic_energies[0], abs=1e-9 + 300 * case.rounding
            )

    def test_twice_the_crystal_has_twice_the_energy(self, case: Case, crystal: Atoms) -> None:
        one, two = case.potential.evaluate([crystal]), case.potential.evaluate([crystal.repeat((1, 1, 2))])
        atomic, again = one.partition("one"), two.partition("two")
        tolerance = 1e-8 if case.double else 5e-5
        assert two.energies[0] == pytest.approx(2 * one.energies[0], abs=30 * tolerance)
        assert again[0] == pytest.approx(np.tile(atomic[0], 2), abs=tolerance)

    def test_an_ion_may_have_left_the_cell(self, case: Case, crystal: Atoms) -> None:
        gone = crystal.copy()
        gone.positions[0] += 2 * gone.cell[0] - gone.cell[2]
        close(
            case.potential.evaluate([gone]),
            case.potential.evaluate([crystal]),
            1e-7 if case.double else 5e-5,
        )

    def test_the_frames_stay_as_they_are(self, case: Case, crystal: Atoms) -> None:
        frame = crystal.copy()
        frame.positions[3] -= frame.cell[1]
        before = frame.copy()
        case.potential.evaluate([frame])
        assert frame == before
        assert frame.calc is None
        assert (frame.positions == before.positions).all()

    def test_md_and_relaxation_take_it(self, case: Case, crystal: Atoms) -> None:
        """Twenty small steps in two pieces, and a relaxation that is soon given up."""
        atoms = lower_triangular(crystal)[0]
        settings = MDSettings(
            temperatures=(300.0,), timestep=0.1, equilibration=0, production=0.002, interval=0.0005,
            checkpoint=0.001,
        )  # fmt: skip
        run = run_md(atoms, case.potential, settings, 300.0, np.random.default_rng(1))
        assert len(run) == 4
        assert 0 < np.abs(run.positions[-1] - atoms.positions).max() < 0.1
        relaxed = relax_frames([atoms], case.potential, RelaxSettings(max_steps=3))
        found = case.potential.evaluate([relaxed.atoms(0)])
        tolerance = 1e-5 * len(atoms) if case.double else 1e-4 * len(atoms)
        assert relaxed.energies[0] == pytest.approx(found.energies[0], abs=tolerance)
        assert relaxed.energies[0] <= case.potential.evaluate([atoms]).energies[0] + tolerance
