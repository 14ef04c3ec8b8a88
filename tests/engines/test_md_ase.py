"""ASE's integrators, against closed forms."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes  # noqa: TID251 - a model to be tried

from frustra.engines.calculator import CalculatorPotential
from frustra.engines.chain import Bath, Chain, Leg
from frustra.engines.md_ase import AseEngine
from frustra.errors import EngineError, PotentialError
from frustra.stats import block_error

SPRING, ATOMS = 2.0, 4  # eV/Å² between every two atoms
KB = 8.617333e-5


class Springs(Calculator):
    """Every two atoms are tied by a spring of no length: U = k/2 Σ r², 3N − 3 quadratic terms."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - ASE reads a list

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        away = self.atoms.positions - self.atoms.positions.mean(axis=0)
        count = len(self.atoms)
        self.results = {"energy": SPRING / 2 * count * (away**2).sum(), "forces": -SPRING * count * away}


def springs(make: Any = Springs) -> CalculatorPotential:
    return CalculatorPotential("springs", make, "springs", provides=frozenset(("energy", "forces")))


def engine(thermostat: str, potential: CalculatorPotential | None = None) -> AseEngine:
    start = np.random.default_rng(2).normal(0, 0.03, (ATOMS, 3))
    atoms = Atoms(f"Ar{ATOMS}", positions=start, cell=20 * np.eye(3), pbc=True)
    return AseEngine(atoms, potential or springs(), Bath(0.01, thermostat, 0.1, 1.0))  # type: ignore[arg-type]


def run(made: AseEngine, legs: list[Leg], folder: Path, size: int = 2000) -> np.ndarray:
    chain = Chain(made, legs, size, np.random.default_rng(4), folder)
    return np.concatenate([frames.positions for frames in chain.run()])


def potential_energy(positions: np.ndarray) -> np.ndarray:
    away = positions - positions.mean(axis=1, keepdims=True)
    return SPRING / 2 * ATOMS * (away**2).sum(axis=(1, 2))


def test_a_system_at_rest_has_three_degrees_of_freedom_less(tmp_path: Path) -> None:
    # ⟨U⟩ = (3N − 3) k_B T / 2: with 3N it would be a third more for four atoms
    temperature = 300.0
    positions = run(engine("bussi"), [Leg(300, 300, 500), Leg(300, 300, 12000, 3)], tmp_path)
    energy = potential_energy(positions)
    expected = 1.5 * (ATOMS - 1) * KB * temperature
    assert energy.mean() == pytest.approx(expected, abs=4 * block_error(energy) + 0.01 * expected)
    assert block_error(energy) < 0.06 * expected
    assert np.abs(np.diff(positions.mean(axis=1), axis=0)).max() < 1e-10  # its centre rests


@pytest.mark.parametrize("thermostat", ["bussi", "nose-hoover"])
def test_a_ramp_ends_at_its_temperature_and_goes_on_there(thermostat: str, tmp_path: Path) -> None:
    legs = [Leg(900, 900, 500), Leg(900, 100, 3000, 3), Leg(100, 100, 6000, 3)]
    energy = potential_energy(run(engine(thermostat), legs, tmp_path)) / (1.5 * (ATOMS - 1) * KB)  # K
    ramp, cold = energy[:1000], energy[1000:]
    assert ramp[:250].mean() > 2 * ramp[-250:].mean()
    assert cold.mean() == pytest.approx(100, abs=4 * block_error(cold) + 3)


def test_a_thermostat_acts_whatever_the_start(tmp_path: Path) -> None:
    first = run(engine("bussi"), [Leg(300, 300, 400, 1)], tmp_path / "a")
    other = run(engine("nose-hoover"), [Leg(300, 300, 400, 1)], tmp_path / "b")
    np.testing.assert_allclose(first[0], other[0], atol=2e-3)  # the same velocities to begin with
    assert np.abs(first[-1] - other[-1]).max() > 1e-3


def test_positions_that_are_not_finite_end_the_run(tmp_path: Path) -> None:
    class Nothing(Springs):
        def calculate(self, *arguments: Any) -> None:
            super().calculate(*arguments)
            self.results["forces"] = self.results["forces"] * np.nan

    with pytest.raises(EngineError, match=r"not finite.*md\.timestep"):
        run(engine("bussi", springs(Nothing)), [Leg(300, 300, 5)], tmp_path)


def test_an_error_of_the_model_becomes_a_sentence(tmp_path: Path) -> None:
    class Tired(Springs):
        def calculate(self, *_: Any) -> None:
            raise RuntimeError("out of memory")

    with pytest.raises(
        PotentialError, match=r"springs cannot be evaluated in MD \(RuntimeError: out of memory\)"
    ):
        run(engine("bussi", springs(Tired)), [Leg(300, 300, 5)], tmp_path)
