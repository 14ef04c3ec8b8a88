"""A crystal of given elements overlaps nowhere and is neutral."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.specimen import specimen
from frustra.structures import check_structure
from tests.helpers import heights, seeds

CHARGES = {"Li": 1, "Na": 1, "Mg": 2, "Ca": 2, "Y": 3, "P": 5, "Cl": -1, "F": -1, "O": -2, "S": -2}
elements = st.lists(st.sampled_from(sorted(CHARGES)), min_size=1, max_size=4, unique=True)


@given(elements, st.floats(3, 6), seeds)
def test_nothing_overlaps_and_the_cutoff_fits(species: list[str], cutoff: float, seed: int) -> None:
    atoms = specimen(species, cutoff, (), np.random.default_rng(seed))
    check_structure(atoms, species[0], species, cutoff)
    assert set(atoms.get_chemical_symbols()) == set(species)
    assert heights(atoms.cell.array).min() > cutoff


@given(elements, seeds)
def test_charges_cancel(species: list[str], seed: int) -> None:
    charges = [CHARGES[e] for e in species]
    atoms = specimen(species, 5.0, charges, np.random.default_rng(seed))
    if min(charges) < 0 < max(charges):
        assert sum(CHARGES[s] for s in atoms.get_chemical_symbols()) == 0


def test_partial_charges_cancel_too() -> None:
    atoms = specimen(["Si", "O"], 5.0, [2.4, -1.2], np.random.default_rng(0))
    assert atoms.symbols.formula.reduce()[0].count() == {"Si": 1, "O": 2}


@pytest.mark.parametrize(("cutoff", "count"), [(5.0, 60), (9.0, 60), (10.0, 240)])
def test_lithium_yttrium_chloride_is_its_own_crystal(cutoff: float, count: int) -> None:
    atoms = specimen(["H", "Cl", "Y", "Li"], cutoff, (), np.random.default_rng(0))
    assert atoms.symbols.formula.reduce()[0].count() == {"Li": 3, "Y": 1, "Cl": 6}
    assert len(atoms) == count
    check_structure(atoms, "Li", ["Li", "Y", "Cl"], cutoff)
    chlorine = [i for i, s in enumerate(atoms.get_chemical_symbols()) if s == "Cl"]
    for metal in (i for i in range(count) if i not in chlorine):
        assert np.sort(atoms.get_distances(metal, chlorine, mic=True))[:6].max() < 3.0  # octahedra
