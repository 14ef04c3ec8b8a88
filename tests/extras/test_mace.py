"""MACE, whose package needs an e3nn that SevenNet and NequIP do not take: run with both first on the path."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from frustra.engines.zoo import load_potential
from frustra.errors import PotentialError
from tests.extras.checks import Case, PotentialChecks, by_ase
from tests.extras.models import CUTOFF, write_mace

ISOLATED = {3: -1.0, 17: -2.0, 39: -6.0}
"""Energy of the isolated atom by atomic number, eV."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, workshop: Executor) -> Path:
    return workshop.submit(write_mace, tmp_path_factory.mktemp("mace") / "small.model", ISOLATED).result()


@pytest.fixture(scope="module")
def case(path: Path) -> Case:
    from mace.calculators import MACECalculator

    calculator = MACECalculator(model_paths=str(path), device="cpu")
    potential = load_potential(f"mace:{path}")
    return Case(potential, frozenset(("Li", "Y", "Cl")), CUTOFF, lambda atoms: by_ase(atoms, calculator))


class TestMace(PotentialChecks):
    """All checks."""


def test_energies_of_the_isolated_atoms_are_included(case: Case, crystal: Atoms) -> None:
    calculator = case.potential.calculator
    atomic = case.potential.evaluate([crystal]).partition("mace")[0]
    isolated = np.array([ISOLATED[z] for z in crystal.numbers])
    assert atomic - isolated == pytest.approx(calculator.results["node_energy"], abs=1e-10)


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.model").write_bytes(content)
    with pytest.raises(PotentialError, match=r"mace:bad\.model cannot be loaded") as caught:
        load_potential("mace:bad.model", tmp_path)
    assert "\n" not in str(caught.value)
