from pathlib import Path

import numpy as np
from ase import Atoms

from frustra.campaign.ground_state import GroundStateSearch, PrepareSettings, Walk, open_sites
from frustra.engines.md import MDSettings
from frustra.engines.zoo import load_potential
from frustra.geometry import minimum_image
from frustra.io import read_structure
from frustra.structures import indices_of, supercell

ROOT = Path(__file__).parents[2]
MD = MDSettings(temperatures=(300.0,))


def walk(start: Atoms, settings: PrepareSettings, seed: int, folder: Path, heat: bool = False) -> Walk:
    search = GroundStateSearch("Li", ("Cl",), load_potential("pod:li-y-cl"), settings, MD)
    return search.walk(start, seed, folder, heat)


def ordered() -> Atoms:
    return supercell(read_structure(ROOT / "examples/li3ycl6/Li3YCl6.cif"), (1, 1, 1))


def test_open_sites_are_the_octahedra_without_yttrium() -> None:
    atoms = ordered()
    sites = open_sites(atoms, "Li", ["Cl"])
    assert len(sites) == 18 - 3  # 18 octahedra per cell, three hold Y
    gaps = minimum_image(sites[:, None] - atoms.positions[indices_of(atoms, "Li")][None], atoms.cell.array)
    assert np.linalg.norm(gaps, axis=2).min(axis=0).max() < 0.8  # every Li sits in one of them


def test_a_misplaced_ion_is_brought_home(tmp_path: Path) -> None:
    # one Li moved to the empty octahedron of the other layer: the search must undo it or do better
    good = ordered()
    still = PrepareSettings(walkers=1, hold=0, cool=0, moves=0)
    reference = walk(good, still, 1, tmp_path / "reference")
    bad = good.copy()
    lithium = indices_of(bad, "Li")
    sites = open_sites(bad, "Li", ["Cl"])
    gaps = minimum_image(sites[:, None] - bad.positions[lithium][None], bad.cell.array)
    empty = sites[np.linalg.norm(gaps, axis=2).min(axis=1) > 1.0]
    bad.positions[lithium[0]] = empty[0]
    moves = PrepareSettings(walkers=1, hold=0, cool=0, moves=240, move_temperature=500)
    walks = (walk(bad, moves, seed, tmp_path / str(seed)) for seed in (1, 2, 3))
    first = next(walks)
    assert first.history[0][1] > reference.energy + 0.05  # it was a worse place
    assert any(found.energy <= reference.energy + 0.01 for found in (first, *walks))


def test_a_search_never_returns_more_than_its_start(tmp_path: Path) -> None:
    hot = PrepareSettings(walkers=1, hold=0.2, cool=0.2, moves=2, hold_temperature=1500)
    found = walk(ordered(), hot, 3, tmp_path, heat=True)
    assert found.energy <= found.history[0][1]
    moves = [f"{kind}move {n}" for n in (1, 2) for kind in ("lowest up to ", "")]
    assert [stage for stage, _ in found.history] == ["start", "cooled", *moves]
    assert found.energy == min(energy for _, energy in found.history)
