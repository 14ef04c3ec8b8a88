"""Every broken promise is found by the check meant for it; what keeps them passes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones  # noqa: TID251 - a potential that is not ours
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.engines.calculator import ALL, CalculatorPotential
from frustra.engines.potential import Evaluation, Potential
from frustra.engines.zoo import load_potential
from frustra.errors import FrustraError, PotentialError, StructureError
from frustra.testing import PotentialReport, check_potential
from tests.helpers import heights, seeds

SUM = "sum of per-atom energies"
SIZES = {"sigma": 2.3, "epsilon": 0.3, "rc": 5.0, "smooth": True}
Frames = Sequence[Atoms]


def calculator() -> LennardJones:
    return LennardJones(**SIZES)


def crystal() -> Atoms:
    """Return eight atoms that lie well inside their cell."""
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True).repeat((2, 1, 1))
    atoms.positions += 0.9
    return atoms


def lennard_jones(factory: Callable[[], LennardJones] = calculator, **changes: Any) -> CalculatorPotential:
    return CalculatorPotential("lj", factory, "lj", species=("Cu",), cutoff=5.0, **changes)


class Pairs:
    """Springs that push: Σ ½A(1 − r²/R²)³ over all pairs and images closer than R."""

    name = fingerprint = "pairs"
    species, cutoff, not_for = ("Cu",), 4.0, ()
    provides = ALL

    def evaluate(self, frames: Frames) -> Evaluation:
        found = [self._single(f.positions, f.cell.array, f.get_volume()) for f in frames]
        atomic, forces, stress = (np.array(a) for a in zip(*found, strict=True))
        return Evaluation(atomic.sum(axis=1), forces, atomic, stress)

    def _single(self, places: np.ndarray, cell: np.ndarray, volume: float) -> tuple[np.ndarray, ...]:
        d = (places[None] - places[:, None]) @ np.linalg.inv(cell)
        reach = np.ceil(self.cutoff / heights(cell) + 0.5).astype(int)
        images = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach)), axis=-1).reshape(-1, 3)
        d = ((d - np.round(d))[:, :, None] + images) @ cell
        r2 = (d**2).sum(axis=-1)
        gap = np.where((r2 > 1e-9) & (r2 < self.cutoff**2), 1 - r2 / self.cutoff**2, 0)
        slope = -6 * gap**2 / self.cutoff**2  # dφ/dr over r
        pulls = slope[..., None] * d
        stress = np.einsum("ijka,ijkb->ab", pulls, d) / (2 * volume)
        return (gap**3).sum(axis=(1, 2)) / 2, pulls.sum(axis=(1, 2)), stress


PAIRS = Pairs()


@dataclass(frozen=True)
class Altered:
    """Pairs with a fault: a function of the frames and of what is true of them."""

    fault: Callable[[Frames, Evaluation], Evaluation]
    potential: Potential = PAIRS

    name = fingerprint = "altered"
    species, cutoff, not_for = ("Cu",), 5.0, ()
    provides = ALL

    def evaluate(self, frames: Frames) -> Evaluation:
        return self.fault(frames, self.potential.evaluate(frames))


def checked(potential: Potential, **options: Any) -> PotentialReport:
    return check_potential(potential, crystal(), **{"seconds": 0.0, **options})


def failed(report: PotentialReport) -> set[str]:
    assert all(bool(c.note) for c in report.checks if not c.passed)
    return {c.name for c in report.checks if not c.passed}


def scaled_forces(factor: float) -> Callable[[Frames, Evaluation], Evaluation]:
    return lambda _, found: replace(found, forces=factor * found.forces)


def wrong_sign_of_stress(_: Frames, found: Evaluation) -> Evaluation:
    assert found.stress is not None
    return replace(found, stress=-found.stress)


def energies_that_miss_the_total(_: Frames, found: Evaluation) -> Evaluation:
    return replace(found, atomic_energies=found.atomic_energies + 0.01)


def one_total_as_per_atom_energies(_: Frames, found: Evaluation) -> Evaluation:
    return replace(found, atomic_energies=found.energies[:, None])


def energies_by_rank(_: Frames, found: Evaluation) -> Evaluation:
    shares = np.linspace(-0.1, 0.1, found.forces.shape[1])
    return replace(found, atomic_energies=found.atomic_energies + shares)


def spring_of_the_first_two(frames: Frames, found: Evaluation) -> Evaluation:
    """½k r² of atoms 0 and 1, whoever they are, with its forces, stress and shares."""
    stiffness, energies, forces, atomic, stress = 0.05, *copies(found)
    for k, frame in enumerate(frames):
        d = frame.positions[1] - frame.positions[0]
        energies[k] += stiffness * d @ d / 2
        atomic[k, :2] += stiffness * d @ d / 4
        forces[k, 0] += stiffness * d
        forces[k, 1] -= stiffness * d
        stress[k] += stiffness * np.outer(d, d) / frame.get_volume()
    return Evaluation(energies, forces, atomic, stress)


def copies(found: Evaluation) -> tuple[np.ndarray, ...]:
    assert found.stress is not None
    assert found.atomic_energies is not None
    return tuple(a.copy() for a in (found.energies, found.forces, found.atomic_energies, found.stress))


def stretched_along_x(frames: Frames, _: Evaluation) -> Evaluation:
    """The crystal is seen through S: E(Sx), F = SF'(Sx), Vσ = V' sym(Sσ'S⁻¹)."""
    stretch = np.diag([1.1, 1.0, 1.0])
    seen = [Atoms(f.numbers, f.positions @ stretch, cell=f.cell.array @ stretch, pbc=True) for f in frames]
    found = PAIRS.evaluate(seen)
    half = 1.1 * stretch @ found.stress @ np.linalg.inv(stretch) / 2
    return replace(found, forces=found.forces @ stretch, stress=half + np.swapaxes(half, 1, 2))


def dearer_outside_the_cell(frames: Frames, found: Evaluation) -> Evaluation:
    places = np.array([f.get_scaled_positions(wrap=False) for f in frames])
    outside = ((places < 0) | (places >= 1)).any(axis=2)
    return replace(
        found,
        energies=found.energies + 0.01 * outside.sum(axis=1),
        atomic_energies=found.atomic_energies + 0.01 * outside,
    )


def spoils_its_input(frames: Frames, found: Evaluation) -> Evaluation:
    for frame in frames:
        frame.positions += 1
        frame.info.clear()
        frame.calc = None
    return found


def shifted_in_batches(frames: Frames, found: Evaluation) -> Evaluation:
    return replace(found, energies=found.energies + 0.01 * (len(frames) > 1))


def fails_for_turned_cells(frames: Frames, found: Evaluation) -> Evaluation:
    if any(np.abs(f.cell.array[~np.eye(3, dtype=bool)]).max() > 1 for f in frames):
        raise ValueError("the cell\nis turned")
    return found


def single_precision(_: Frames, found: Evaluation) -> Evaluation:
    """The noise of a model with -4 eV per atom that computes in float32."""
    count = found.forces.shape[1]
    energies = (found.energies - 4 * count).astype(np.float32).astype(float)
    atomic = (found.atomic_energies - 4).astype(np.float32).astype(float)
    return Evaluation(energies, found.forces.astype(np.float32).astype(float), atomic, found.stress)


@pytest.mark.parametrize(
    ("fault", "found_by"),
    [
        (scaled_forces(1.02), {"forces"}),
        (scaled_forces(0.98), {"forces"}),
        (scaled_forces(-1), {"forces"}),
        (scaled_forces(0), {"forces"}),
        (wrong_sign_of_stress, {"stress"}),
        (energies_that_miss_the_total, {SUM}),
        (one_total_as_per_atom_energies, {SUM}),
        (energies_by_rank, {"permutation: per-atom energies"}),
        (
            spring_of_the_first_two,
            {f"permutation: {q}" for q in ("energy", "forces", "stress", "per-atom energies")},
        ),
        (stretched_along_x, {f"rotation: {q}" for q in ("energy", "forces", "stress", "per-atom energies")}),
        (dearer_outside_the_cell, {"translation: energy", "translation: per-atom energies"}),
        (spoils_its_input, {"input untouched"}),
        (shifted_in_batches, {"batch: energy"}),
        (fails_for_turned_cells, {"rotation"}),
        (single_precision, set()),
    ],
)
def test_a_fault_is_found_by_the_check_meant_for_it(
    fault: Callable[[Frames, Evaluation], Evaluation], found_by: set[str]
) -> None:
    report = checked(Altered(fault))
    assert failed(report) == found_by
    assert report.md.fit == all("per-atom" in name for name in found_by)
    assert report.doas.fit == (not found_by)
    assert all(name in report.md.reason for name in found_by if not (report.md.fit or "per-atom" in name))


def test_the_potential_that_is_altered_keeps_its_promises() -> None:
    assert failed(checked(PAIRS)) == set()


def test_an_ase_calculator_passes_everything() -> None:
    report = checked(lennard_jones())
    assert failed(report) == set()
    assert report.md.fit
    assert report.doas.fit
    assert report.atom_steps_per_s is not None
    assert report.atom_steps_per_s > 0
    assert report.memory_MiB > 10
    assert report.atoms == 8


def test_the_shipped_potential_passes_on_its_own_crystal() -> None:
    report = check_potential(load_potential("pod:li-y-cl"))
    assert failed(report) == set()
    assert report.structure == "Li3YCl6"
    assert report.warnings == ()
    assert report.not_for
    assert report.doas.fit
    assert report.atom_steps_per_s is not None
    assert report.atom_steps_per_s > 0


@settings(max_examples=4)
@given(seeds, st.sampled_from([0.98, 1.02]))
def test_forces_wrong_by_two_percent_fail_in_single_precision_too(seed: int, factor: float) -> None:
    noisy = Altered(single_precision)
    assert failed(checked(noisy, seed=seed)) == set()
    assert failed(checked(Altered(scaled_forces(factor), noisy), seed=seed)) == {"forces"}


def test_forces_wrong_by_half_a_percent_are_doubtful_but_not_unfit() -> None:
    report = checked(Altered(scaled_forces(1.005)))
    (forces,) = (c for c in report.checks if c.name == "forces")
    assert forces.passed
    assert forces.note.startswith("doubtful")
    assert report.md.fit
    assert "forces are doubtful" in report.md.reason


def test_an_energy_too_noisy_to_tell_is_no_proof_of_the_forces() -> None:
    rng = np.random.default_rng(5)

    def noisy(_: Frames, found: Evaluation) -> Evaluation:
        return replace(found, energies=found.energies + rng.normal(0, 0.01, len(found.energies)))

    report = checked(Altered(noisy))
    (forces,) = (c for c in report.checks if c.name == "forces")
    assert not forces.passed
    assert "noisy" in forces.note


class TotalAsEnergies(LennardJones):
    """What MatterSim's calculator does: `energies` holds the total."""

    def calculate(self, *args: Any, **kwargs: Any) -> None:
        super().calculate(*args, **kwargs)
        self.results["energies"] = np.array([self.results["energy"]])


class NoStress(LennardJones):
    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - ASE reads a list

    def calculate(self, *args: Any, **kwargs: Any) -> None:
        super().calculate(*args, **kwargs)
        for name in ("energies", "stress", "stresses"):
            self.results.pop(name, None)


def test_the_total_in_the_place_of_per_atom_energies_is_caught() -> None:
    report = checked(lennard_jones(lambda: TotalAsEnergies(**SIZES)))
    assert failed(report) == {SUM}
    assert report.md.fit
    assert not report.doas.fit
    assert "(1,)" in report.doas.reason
    assert "deepmd" in report.doas.reason


def test_without_stress_and_partition_it_is_fit_for_md_in_a_fixed_cell() -> None:
    report = checked(lennard_jones(lambda: NoStress(**SIZES)))
    assert failed(report) == {SUM}
    assert report.md.fit
    assert "no stress" in report.md.reason
    assert "no per-atom energies" in report.doas.reason


def test_what_a_model_raises_is_told_in_one_line() -> None:
    (note,) = (c.note for c in checked(Altered(fails_for_turned_cells)).checks if c.name == "rotation")
    assert "ValueError: the cell is turned" in note


def test_a_model_that_always_raises_fails() -> None:
    def broken(*_: object) -> Evaluation:
        raise RuntimeError("no kernel image")

    report = checked(Altered(broken))
    assert failed(report) == {"evaluation"}
    assert not report.md.fit
    assert not report.doas.fit
    assert "no kernel image" in report.checks[0].note


def test_wrong_shapes_fail_before_anything_else() -> None:
    report = checked(Altered(lambda _, found: replace(found, forces=found.forces[:, :-1])))
    assert failed(report) == {"evaluation"}


def test_a_model_that_cannot_be_loaded_is_an_error() -> None:
    def missing() -> LennardJones:
        raise OSError("truncated file")

    with pytest.raises(PotentialError, match="truncated file"):
        checked(lennard_jones(missing))


def test_elements_the_model_does_not_know_are_an_error() -> None:
    with pytest.raises(PotentialError, match="Ag"):
        check_potential(lennard_jones(), bulk("Ag"))


@pytest.mark.parametrize("atoms", [Atoms(), Atoms("Cu"), Atoms("Cu", cell=[3, 3, 0])])
def test_no_crystal_is_an_error(atoms: Atoms) -> None:
    with pytest.raises(StructureError):
        check_potential(PAIRS, atoms)


def test_without_elements_a_structure_is_needed() -> None:
    unknown = CalculatorPotential("lj", calculator, "lj")
    with pytest.raises(FrustraError, match="STRUCTURE"):
        check_potential(unknown)
    assert check_potential(unknown, crystal(), seconds=0.0).md.fit


def test_a_primitive_cell_is_repeated() -> None:
    assert check_potential(PAIRS, bulk("Cu", a=3.7), seconds=0.0).atoms == 8


def test_forces_unlike_any_training_are_told() -> None:
    stiff = Altered(lambda _, found: Evaluation(*(1e3 * a for a in copies(found))))
    assert "STRUCTURE" in checked(stiff).warnings[0]


def test_the_same_seed_gives_the_same_report() -> None:
    a, b = (checked(PAIRS, seed=3).checks for _ in range(2))
    assert a == b
