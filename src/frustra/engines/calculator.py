"""Potentials from ASE calculators, and an ASE calculator from any potential."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, PropertyNotImplementedError, all_changes
from ase.stress import voigt_6_to_full_3x3_stress

from frustra.arrays import Array
from frustra.engines.potential import Evaluation, Potential, Property, check_frames
from frustra.errors import PotentialError

ALL: frozenset[Property] = frozenset(("energy", "forces", "atomic_energies", "stress"))


_LONGEST = 200  # characters of a foreign error that are shown


class CalculatorPotential:
    """Any ASE calculator as a potential.

    The calculator is built by `factory` when it is first needed, once in each process: models need not be
    pickled, only the function that loads them.
    """

    def __init__(
        self,
        name: str,
        factory: Callable[[], BaseCalculator],
        fingerprint: str,
        *,
        species: tuple[str, ...] | None = None,
        cutoff: float | None = None,
        provides: frozenset[Property] = ALL,
        not_for: tuple[str, ...] = (),
    ) -> None:
        self.name, self.fingerprint = name, fingerprint
        self.species, self.cutoff = species, cutoff
        self.provides, self.not_for = provides, not_for
        self._factory = factory
        self._calculator: BaseCalculator | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model behind: another process loads it anew."""
        return {**self.__dict__, "_calculator": None}

    @property
    def calculator(self) -> BaseCalculator:
        """The calculator, built when it is first asked for."""
        if self._calculator is None:
            try:
                self._calculator = self._factory()
            except PotentialError:
                raise
            except Exception as error:
                raise PotentialError(
                    f"{self.name} cannot be loaded ({told(error)})",
                    remedy="check the model's file and its package",
                ) from error
        return self._calculator

    def evaluate(self, frames: Sequence[Atoms]) -> Evaluation:
        """Evaluate the frames one after the other."""
        check_frames(frames, self.name, self.species)
        rows = [self._single(Atoms(f.numbers, f.positions, cell=f.cell, pbc=f.pbc)) for f in frames]
        atomic = [r["atomic"] for r in rows]
        wrong = next((a for a in atomic if a is not None and a.shape != (len(frames[0]),)), None)
        present = wrong is None and all(a is not None for a in atomic)
        stresses = [r["stress"] for r in rows]
        return Evaluation(
            energies=np.array([r["energy"] for r in rows]),
            forces=np.array([r["forces"] for r in rows]),
            atomic_energies=np.array(atomic) if present else None,
            stress=np.array(stresses) if all(s is not None for s in stresses) else None,
            note="" if wrong is None else _not_atomic(wrong.shape, len(frames[0])),
        )

    def _single(self, atoms: Atoms) -> dict[str, Any]:
        calculator = self.calculator
        wanted = {"atomic_energies": "energies", "stress": "stress"}
        asked = ["energy", "forces"]
        asked += [ase for ours, ase in wanted.items() if ours in self.provides]
        asked = [p for p in asked if p in calculator.implemented_properties]
        results = self._results(atoms, asked)
        return {
            "energy": float(np.squeeze(results["energy"])),
            "forces": np.array(results["forces"], dtype=float),
            "atomic": _floats(results.get("energies")) if "atomic_energies" in self.provides else None,
            "stress": _full_stress(results.get("stress")),
        }

    def _results(self, atoms: Atoms, asked: list[str]) -> dict[str, Any]:
        """Return what the calculator finds; its own errors become one sentence."""
        calculator = self.calculator
        try:
            calculator.calculate(atoms, asked, all_changes)
        except PotentialError:
            raise
        except Exception as error:
            raise PotentialError(
                f"{self.name} cannot be evaluated for {atoms.get_chemical_formula()} ({told(error)})",
                remedy="check the structure, the model's file and its package",
            ) from error
        missing = [key for key in ("energy", "forces") if key not in calculator.results]
        if missing:
            raise PotentialError(f"{self.name} gives no {' and no '.join(missing)}", "energy and forces")
        results: dict[str, Any] = calculator.results
        return results


def told(error: Exception) -> str:
    """Return the kind and the first line of a foreign error, which may be a page long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join([type(error).__name__, *(line[:_LONGEST].rstrip(".") for line in lines[:1])])


def _not_atomic(shape: tuple[int, ...], atoms: int) -> str:
    return f"its `energies` have the shape {shape} where per-atom ones have ({atoms},)"


def _floats(values: Any) -> Array | None:
    return None if values is None else np.array(values, dtype=float)


def _full_stress(stress: Any) -> Array | None:
    if stress is None:
        return None
    values = np.array(stress, dtype=float)
    return values if values.shape == (3, 3) else np.asarray(voigt_6_to_full_3x3_stress(values))


class PotentialCalculator(Calculator):
    """An ASE calculator from any potential, for ASE's dynamics and optimisers."""

    implemented_properties = ["energy", "forces", "stress", "energies"]  # noqa: RUF012 - ASE reads a list

    def __init__(self, potential: Potential) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._potential = potential
        self.calls = 0
        """How often the potential was evaluated."""

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate the atoms by the potential."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        subject: Any = self.atoms if atoms is None else atoms
        found = self._potential.evaluate([subject])
        self.calls += 1
        self.results = {"energy": float(found.energies[0]), "forces": found.forces[0]}
        if found.stress is not None:
            self.results["stress"] = found.stress[0][(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)]
        if found.atomic_energies is not None:
            self.results["energies"] = found.atomic_energies[0]
        if "stress" in properties and found.stress is None:
            raise PropertyNotImplementedError(f"{self._potential.name} gives no stress")


def calculator_of(potential: Potential) -> BaseCalculator:
    """Return an ASE calculator of a potential: its own where it has one."""
    if isinstance(potential, CalculatorPotential):
        return potential.calculator
    return PotentialCalculator(potential)
