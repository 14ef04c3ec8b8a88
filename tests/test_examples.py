import runpy
from pathlib import Path

import numpy as np
import pytest

from frustra.campaign.study import load_study
from frustra.engines.relax import relax_crystal
from frustra.engines.zoo import load_potential
from frustra.geometry import minimum_image
from frustra.io import read_structure
from frustra.structures import supercell

FOLDER = Path(__file__).parents[1] / "examples/li3ycl6"


@pytest.mark.parametrize("name", ["study.toml", "search.toml"])
def test_studies_are_valid_and_their_structures_are_there(name: str) -> None:
    study = load_study(FOLDER / name)
    for material in study.materials.values():
        for path in (material.structure, *material.starts):
            assert path.is_file()


def test_the_structure_is_what_its_script_makes() -> None:
    made = supercell(runpy.run_path(str(FOLDER / "make_structure.py"))["ordered_cell"](), (1, 1, 1))
    kept = read_structure(FOLDER / "Li3YCl6.cif")
    assert (made.numbers == kept.numbers).all()
    assert np.abs(minimum_image(made.positions - kept.positions, kept.cell.array)).max() < 1e-6
    assert made.symbols.formula.count() == {"Li": 9, "Y": 3, "Cl": 18}


def test_the_low_start_is_lower_than_the_repeated_cell() -> None:
    potential = load_potential("pod:li-y-cl")
    low, repeated = (
        relax_crystal(atoms, potential)[1]
        for atoms in (
            read_structure(FOLDER / "Li3YCl6_low.extxyz"),
            supercell(read_structure(FOLDER / "Li3YCl6.cif"), (2, 2, 2)),
        )
    )
    assert (repeated - low) / 72 > 0.015  # eV per Li: the repeated cell is far from the ground state
