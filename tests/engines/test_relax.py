from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.optimize import minimize_scalar

from frustra.engines.calculator import CalculatorPotential
from frustra.engines.lammps import cell_coupling
from frustra.engines.pairstyle import embedded_potentials
from frustra.engines.potential import Potential, Property
from frustra.engines.relax import RelaxSettings, relax_crystal, relax_frames
from frustra.engines.zoo import load_potential
from frustra.errors import EngineError, PotentialError
from frustra.geometry import lattice_type, with_lattice_type
from frustra.io import read_structure
from frustra.structures import indices_of, supercell
from tests.engines.toys import (
    CUTOFF,
    LennardJonesCalculator,
    lennard_jones,
    lennard_jones_calculator,
    lennard_jones_energies,
)

ROOT = Path(__file__).parents[2]


def argon(a: float = 5.26, repeat: int = 2) -> Atoms:
    return supercell(bulk("Ar", "fcc", a=a, cubic=True), (repeat,) * 3)


def rattled(atoms: Atoms, amplitude: float, seed: int) -> Atoms:
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(0, amplitude, moved.positions.shape)
    return moved


def test_energies_are_those_of_the_closed_form() -> None:
    # a relaxation that may not move anything leaves frames as they are
    frames = [rattled(argon(), 0.1, seed) for seed in range(3)]
    relaxed = relax_frames(frames, lennard_jones(), RelaxSettings(max_steps=1))
    for number in range(3):
        expected = lennard_jones_energies(relaxed.atoms(number))
        assert relaxed.atomic_energies[number] == pytest.approx(expected, abs=1e-7)
        assert relaxed.energies[number] == pytest.approx(expected.sum(), abs=1e-6)


def test_a_rattled_crystal_returns_to_its_lattice() -> None:
    perfect = argon()
    relaxed = relax_frames([rattled(perfect, 0.15, 1)], lennard_jones(), RelaxSettings(fmax=1e-4))
    offsets = relaxed.positions[0] - perfect.positions
    offsets -= offsets.mean(axis=0)
    assert np.abs(offsets).max() < 0.01
    assert relaxed.converged.all()
    assert relaxed.fmax[0] <= 1e-4
    assert relaxed.force_calls[0] > 2
    assert 0.15 < relaxed.max_displacement[0] < 1.0


def test_positions_stay_unwrapped() -> None:
    far = argon()
    far.positions += 3 * far.cell.array[0] + np.array([0.3, 0.0, 0.0])
    relaxed = relax_frames([far], lennard_jones())
    assert np.abs(relaxed.positions[0] - far.positions).max() < 0.01


def test_a_frame_that_did_not_converge_is_kept_with_its_reason() -> None:
    relaxed = relax_frames([rattled(argon(), 0.3, 2), argon()], lennard_jones(), RelaxSettings(max_steps=1))
    assert relaxed.converged.tolist() == [False, True]
    assert relaxed.reason[0] == "1 steps"
    assert relaxed.fmax[0] > RelaxSettings().fmax


def test_the_relaxed_lattice_parameter_minimises_the_closed_form() -> None:
    primitive = bulk("Ar", "fcc", a=5.2)

    def energy(a: float) -> float:
        scaled = primitive.copy()
        scaled.set_cell(primitive.cell * (a / 5.2), scale_atoms=True)
        return float(lennard_jones_energies(scaled.repeat(2))[0])

    best = minimize_scalar(energy, bounds=(5.0, 5.6), method="bounded", options={"xatol": 1e-6})
    crystal, total = relax_crystal(argon(5.4, 3), lennard_jones(), RelaxSettings(fmax=1e-5))
    assert crystal.cell.lengths() / 3 == pytest.approx(best.x, abs=2e-3)
    assert total / len(crystal) == pytest.approx(best.fun, abs=1e-5)
    assert crystal.cell.lengths().min() > CUTOFF


@pytest.mark.parametrize(
    ("cell", "coupling"),
    [
        (np.diag([5.0, 5, 5]), "iso"),
        (np.diag([5.0, 5, 7]), "couple xy"),
        ([[5.0, 0, 0], [-2.5, 5 * np.sqrt(0.75), 0], [0, 0, 7]], "couple xy"),
        (np.diag([5.0, 6, 7]), "aniso {p}"),
        ([[5.0, 0, 0], [1, 6, 0], [0, 0, 7]], "tri"),
    ],
)
def test_the_barostat_keeps_the_lattice_type(cell: np.ndarray, coupling: str) -> None:
    assert coupling in cell_coupling(np.array(cell, dtype=float), "{p}")


def test_no_frames_are_refused() -> None:
    with pytest.raises(EngineError, match="no frames"):
        relax_frames([], lennard_jones())


def test_every_shipped_potential_partitions_its_energy() -> None:
    crystal = supercell(read_structure(ROOT / "examples/li3ycl6/Li3YCl6.cif"), (1, 1, 2))
    for name in embedded_potentials():
        relaxed = relax_frames([crystal], load_potential(name))  # refuses a sum that is not the total
        assert relaxed.converged.all()
        lithium = relaxed.atomic_energies[0][indices_of(crystal, "Li")]
        assert np.ptp(lithium) < 1.0  # eV: one element on one kind of site


def test_where_forces_vanish_the_energy_is_lowest() -> None:
    potential = load_potential("pod:li-y-cl")
    start = supercell(read_structure(ROOT / "examples/li3ycl6/Li3YCl6.cif"), (1, 1, 2))
    lowest = relax_frames([start], potential, RelaxSettings(fmax=1e-4)).atoms(0)
    step = 0.02
    moved = []
    for atom, axis, sign in product(range(0, len(lowest), 7), range(3), (1, -1)):
        frame = lowest.copy()
        frame.positions[atom, axis] += sign * step
        moved.append(frame)
    still = relax_frames([lowest, *moved], potential, RelaxSettings(max_steps=1, max_move=1e-6))
    up, down = still.energies[1::2], still.energies[2::2]
    assert np.abs((up - down) / (2 * step)).max() < 0.02  # eV/Å: only what is anharmonic remains
    assert ((up + down) / 2 > still.energies[0]).all()


@pytest.mark.parametrize(
    ("model", "said"),
    [("magic:x.model", "pod:li-y-cl"), ("pod:nowhere", "parameters.pod"), ("pod:", "pod:li-y-cl")],
)
def test_an_unknown_potential_is_refused_with_those_that_exist(model: str, said: str) -> None:
    with pytest.raises(PotentialError, match=said):
        load_potential(model)


def test_parameters_without_species_are_refused(tmp_path: Path) -> None:
    (tmp_path / "parameters.pod").write_text("rcut 5.0\n", encoding="utf-8")
    (tmp_path / "coefficients.pod").write_text("1\n", encoding="utf-8")
    with pytest.raises(PotentialError, match="species"):
        load_potential(f"pod:{tmp_path}")


@pytest.mark.parametrize("seed", [1, 2])
def test_both_engines_relax_frames_to_the_same_minimum(seed: int) -> None:
    frames = [rattled(argon(), 0.1, seed), rattled(argon(), 0.2, seed)]
    one, other = (
        relax_frames(frames, p, RelaxSettings(fmax=1e-4))
        for p in (lennard_jones(), lennard_jones_calculator())
    )
    for found in (one, other):
        assert found.converged.all()
        for number in range(2):
            expected = lennard_jones_energies(found.atoms(number))
            assert found.atomic_energies[number] == pytest.approx(expected, abs=1e-7)
    assert one.energies == pytest.approx(other.energies, abs=1e-5)
    assert np.abs(np.diff(one.positions - other.positions, axis=1)).max() < 1e-2
    assert one.max_displacement == pytest.approx(other.max_displacement, abs=1e-2)


def test_both_engines_find_the_same_lattice_parameter() -> None:
    found = [
        relax_crystal(argon(5.4), p, RelaxSettings(fmax=1e-4))
        for p in (lennard_jones(), lennard_jones_calculator())
    ]
    lengths = [crystal.cell.lengths()[0] / 2 for crystal, _ in found]
    assert lengths[0] == pytest.approx(lengths[1], abs=1e-4)
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-4 * len(argon()))


def crystals() -> dict[str, Atoms]:
    """Return argon in strained cells of several lattice types."""
    a = argon().cell.lengths()[0]
    cells = {
        "isotropic": 1.01 * a * np.eye(3),
        "uniaxial": np.diag([a, a, 1.02 * a]),
        "orthogonal": np.diag([a, 1.01 * a, 0.99 * a]),
        "general": np.array([[a, 0, 0], [0.03 * a, a, 0], [0.01 * a, 0.02 * a, a]]),
    }
    made = {}
    for kind, cell in cells.items():
        made[kind] = argon()
        made[kind].set_cell(cell, scale_atoms=True)
    return {**made, "hexagonal": supercell(bulk("Ar", "hcp", a=3.8, c=6.15), (3, 3, 2))}


@pytest.mark.parametrize("kind", ["isotropic", "uniaxial", "orthogonal", "general", "hexagonal"])
@pytest.mark.parametrize("potential", [lennard_jones, lennard_jones_calculator])
def test_relaxing_a_crystal_keeps_its_lattice_type_and_leaves_no_stress(
    kind: str, potential: Callable[[], Potential]
) -> None:
    start = rattled(crystals()[kind], 0.01, 3)
    before = lattice_type(start.cell.array)
    assert before == {"hexagonal": "uniaxial"}.get(kind, kind)
    relaxed, energy = relax_crystal(start, potential(), RelaxSettings(fmax=1e-3))
    cell = relaxed.cell.array
    assert np.abs(np.triu(cell, 1)).max() < 1e-9
    assert np.abs(cell - start.cell.array).max() > 1e-3
    restored = with_lattice_type(cell, start.cell.array)
    np.testing.assert_allclose(cell @ cell.T, restored @ restored.T, atol=1e-6 * cell.max() ** 2)
    found = potential().evaluate([relaxed])
    assert energy == pytest.approx(lennard_jones_energies(relaxed).sum(), abs=1e-5)
    assert found.stress is not None
    stress = found.stress[0]
    free = np.trace(stress) / 3 if kind == "isotropic" else np.diag(stress)
    assert np.abs(free).max() < 1e-4  # eV/Å³: 16 MPa


class RoundedCalculator(LennardJonesCalculator):
    """Energies rounded so coarsely that no line search finds its way."""

    def calculate(self, *arguments: Any, **words: Any) -> None:
        super().calculate(*arguments, **words)
        error = np.round(self.results["energy"], 2) - self.results["energy"]
        self.results["energies"] = self.results["energies"] + error / len(self.atoms)
        self.results["energy"] += error


def test_where_the_line_search_gives_up_the_forces_are_followed_to_the_end() -> None:
    rounded = CalculatorPotential("rounded", RoundedCalculator, "rounded")
    frames = [rattled(argon(), 0.15, 1)]
    relaxed, smooth = (
        relax_frames(frames, p, RelaxSettings(fmax=1e-4)) for p in (rounded, lennard_jones_calculator())
    )
    assert relaxed.converged.all()
    assert relaxed.fmax[0] <= 1.001e-4
    assert relaxed.energies == pytest.approx(smooth.energies, abs=0.006)


def test_a_crystal_keeps_its_cell_where_the_potential_has_no_stress() -> None:
    provides: frozenset[Property] = frozenset(("energy", "forces", "atomic_energies"))
    stiff = CalculatorPotential("stiff", LennardJonesCalculator, "stiff", provides=provides)
    start = rattled(argon(), 0.1, 2)
    relaxed, _ = relax_crystal(start, stiff)
    np.testing.assert_array_equal(relaxed.cell.array, start.cell.array)
    assert np.linalg.norm(stiff.evaluate([relaxed]).forces, axis=2).max() < 0.006
