"""Sites against truths of geometry and crystallography: none of the numbers below come from this package."""

from collections import Counter
from string import ascii_lowercase, digits

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.io import read_structure
from frustra.sites import Sites, sites_of
from frustra.sites.delaunay import tetrahedra_of
from frustra.sites.labels import shared_with
from tests.helpers import LYC, another_view, seeds, unimodular

D = 3.6
"""Å: distance of nearest anions in every lattice below."""

CUBIC = [90, 90, 90]
HEXAGONAL = [90, 90, 120]


def packing(name: str) -> Atoms:
    """Return one cell of a lattice of Cl with nearest neighbours at `D`."""
    if name == "hcp":
        return bulk("Cl", "hcp", a=D, c=D * np.sqrt(8 / 3), orthorhombic=False)
    if name == "prisms":  # close-packed layers on top of each other, AAA
        return Atoms("Cl", cell=[[D, 0, 0], [-D / 2, D * np.sqrt(3) / 2, 0], [0, 0, D]], pbc=True)
    edge = {"fcc": np.sqrt(2) * D, "bcc": 2 * D / np.sqrt(3), "sc": D}[name]
    return bulk("Cl", name, a=edge, cubic=True)


REPEATS = {
    "fcc": [(1, 1, 1), (2, 1, 1), (2, 2, 2), (3, 2, 1)],
    "hcp": [(2, 2, 1), (3, 2, 1), (2, 2, 2)],
    "bcc": [(2, 1, 1), (2, 2, 2), (3, 2, 2)],
    "sc": [(2, 2, 1), (2, 2, 2), (3, 3, 2)],
    "prisms": [(2, 2, 1), (2, 2, 2), (3, 2, 2)],
}

PER_ANION = {
    "fcc": {"octahedron": 1, "tetrahedron": 2},
    "hcp": {"octahedron": 1, "tetrahedron": 2},
    "bcc": {"tetrahedron": 6},
    "sc": {"eight-fold": 1},
    "prisms": {"trigonal prism": 2},
}

VOLUMES = {
    ("fcc", "octahedron"): np.sqrt(2) / 3,
    ("fcc", "tetrahedron"): np.sqrt(2) / 12,
    ("hcp", "octahedron"): np.sqrt(2) / 3,
    ("hcp", "tetrahedron"): np.sqrt(2) / 12,
    ("bcc", "tetrahedron"): (2 / np.sqrt(3)) ** 3 / 12,
    ("sc", "eight-fold"): 1.0,
    ("prisms", "trigonal prism"): np.sqrt(3) / 4,
}
"""Of each polyhedron, in units of D³."""

FACES = {
    ("fcc", "oct", "tet"): 8,
    ("fcc", "tet", "oct"): 4,
    ("hcp", "oct", "tet"): 6,
    ("hcp", "oct", "oct"): 2,
    ("hcp", "tet", "oct"): 3,
    ("hcp", "tet", "tet"): 1,
    ("bcc", "tet", "tet"): 4,
    ("sc", "other", "other"): 6,
    ("prisms", "other", "other"): 5,
}
"""How many polyhedra of a kind share a face with one polyhedron."""

EDGES = {
    ("fcc", "oct", "oct"): 12,
    ("fcc", "tet", "tet"): 6,
    ("hcp", "oct", "oct"): 6,
    ("hcp", "oct", "tet"): 6,
    ("hcp", "tet", "tet"): 3,
    ("hcp", "tet", "oct"): 3,
    ("sc", "other", "other"): 12,
}
"""How many share an edge and no more: across an edge of the fcc lattice the two octahedra of the ring of four
lie opposite, and so do the two tetrahedra; across an edge in a layer of the hcp lattice, an octahedron and a
tetrahedron."""

lattices = st.sampled_from(sorted(PER_ANION))


def of(atoms: Atoms, specie: str | None = None) -> Sites:
    anions = [e for e in ("Cl", "O", "F", "S", "As", "I") if e in atoms.symbols]
    return sites_of(atoms, anions, specie)


def strained(atoms: Atoms, seed: int, size: float) -> Atoms:
    """Return the crystal under any strain of up to this size."""
    strain = np.random.default_rng(seed).uniform(-size, size, (3, 3))
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
    return changed


def summary(sites: Sites) -> Counter[tuple[object, ...]]:
    """Return what does not depend on how the crystal is written down.

    Letters of Wyckoff positions do: where a group leaves a choice of the origin, as for 1a and 1b of P-3m1,
    their names change with it. Their multiplicities do not.
    """
    rows = zip(
        sites.shape.tolist(),
        sites.held.tolist(),
        sites.label.tolist(),
        [w.strip(ascii_lowercase) for w in sites.wyckoff],
        np.round(sites.volume, 4).tolist(),
        np.round(sites.distortion, 4).tolist(),
        strict=True,
    )
    return Counter(rows)


@settings(max_examples=15)
@given(lattices, st.data(), unimodular(), seeds)
def test_lattices_have_the_sites_of_the_textbook_at_any_size_under_small_strain_and_in_any_view(
    name: str, drawn: st.DataObject, matrix: np.ndarray, seed: int
) -> None:
    large = packing(name).repeat(drawn.draw(st.sampled_from(REPEATS[name])))
    large = strained(large, seed, drawn.draw(st.sampled_from([0.0, 0.01, 0.03])))
    seen = another_view(large, matrix, np.random.default_rng(seed))
    sites = of(seen)
    expected = {shape: n * len(large) for shape, n in PER_ANION[name].items()}
    assert dict(Counter(sites.shape.tolist())) == expected
    assert sites.volume.min() > 0
    assert sites.volume.sum() == pytest.approx(large.get_volume(), rel=1e-9)


@pytest.mark.parametrize("name", sorted(PER_ANION))
def test_regular_polyhedra_have_the_volumes_of_euclid_and_no_distortion(name: str) -> None:
    sites = of(packing(name).repeat(REPEATS[name][-1]))
    for shape, volume in zip(sites.shape, sites.volume, strict=True):
        assert volume == pytest.approx(VOLUMES[name, shape] * D**3, rel=1e-9)
    np.testing.assert_allclose(sites.distortion, 0, atol=1e-9)


def linked(sites: Sites, faces: bool) -> list[Counter[str]]:
    """Return for each site the kinds of its neighbours, by the list of links."""
    around = [Counter[str]() for _ in range(len(sites))]
    links = sites.links
    for (i, j), shared in zip(links.pairs, links.shared, strict=True):
        if (shared > 2) == faces:
            around[i][str(sites.kind[j])] += 1
            around[j][str(sites.kind[i])] += 1
    return around


@pytest.mark.parametrize("name", sorted(PER_ANION))
@pytest.mark.parametrize("smallest", [False, True])
def test_every_site_has_the_neighbours_counted_by_hand(name: str, smallest: bool) -> None:
    sites = of(packing(name).repeat(REPEATS[name][0 if smallest else -1]))
    for kind, around in zip(sites.kind, linked(sites, faces=True), strict=True):
        assert around == {b: n for (lattice, a, b), n in FACES.items() if (lattice, a) == (name, kind)}
    if name not in {"bcc", "prisms"}:
        for kind, around in zip(sites.kind, linked(sites, faces=False), strict=True):
            assert around == {b: n for (lattice, a, b), n in EDGES.items() if (lattice, a) == (name, kind)}


ROCKSALT = crystal(["Na", "Cl"], [(0.5, 0.5, 0.5), (0, 0, 0)], spacegroup=225, cellpar=[5.64] * 3 + CUBIC)
FLUORITE = crystal(["Ca", "F"], [(0, 0, 0), (0.25,) * 3], spacegroup=225, cellpar=[5.463] * 3 + CUBIC)
BLENDE = crystal(["Zn", "S"], [(0.25,) * 3, (0, 0, 0)], spacegroup=216, cellpar=[5.41] * 3 + CUBIC)
PEROVSKITE = crystal(
    ["Sr", "Ti", "O"], [(0, 0, 0), (0.5,) * 3, (0.5, 0.5, 0)], spacegroup=221, cellpar=[3.905] * 3 + CUBIC
).repeat(2)
SPINEL = crystal(
    ["Mg", "Al", "O"], [(0.125,) * 3, (0.5,) * 3, (0.2625,) * 3], spacegroup=227, setting=2,
    cellpar=[8.08] * 3 + CUBIC,
)  # fmt: skip
CORUNDUM = crystal(
    ["Al", "O"], [(0, 0, 0.35219), (0.30633, 0, 0.25)], spacegroup=167,
    cellpar=[4.7602, 4.7602, 12.9933, *HEXAGONAL],
)  # fmt: skip
GARNET = crystal(
    ["Y", "Al", "Al", "O"], [(0.125, 0, 0.25), (0, 0, 0), (0.375, 0, 0.25), (-0.0306, 0.0512, 0.15)],
    spacegroup=230, cellpar=[12.006] * 3 + CUBIC,
)  # fmt: skip
NICKELINE = crystal(
    ["Ni", "As"], [(0, 0, 0), (1 / 3, 2 / 3, 0.25)], spacegroup=194,
    cellpar=[3.618, 3.618, 5.034, *HEXAGONAL],
).repeat((2, 2, 1))  # fmt: skip
MOLYBDENITE = crystal(
    ["Mo", "S"], [(1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, 0.621)], spacegroup=194,
    cellpar=[3.16, 3.16, 12.29, *HEXAGONAL],
).repeat((2, 2, 1))  # fmt: skip
OLIVINE = crystal(
    ["Li", "Fe", "P", "O", "O", "O"],
    [(0, 0, 0), (0.2822, 0.25, 0.9747), (0.0948, 0.25, 0.4182), (0.0968, 0.25, 0.7428),
     (0.4571, 0.25, 0.2060), (0.1656, 0.0465, 0.2848)],
    spacegroup=62, cellpar=[10.332, 6.010, 4.692, *CUBIC],
)  # fmt: skip

MINERALS = {
    "rocksalt": (ROCKSALT, None, {("octahedron", "Na", "4b"): 4, ("tetrahedron", "", "8c"): 8}),
    "rocksalt without Na": (ROCKSALT, "Na", {("octahedron", "", "4b"): 4, ("tetrahedron", "", "8c"): 8}),
    "zinc blende": (
        BLENDE,
        None,
        {("octahedron", "", "4b"): 4, ("tetrahedron", "Zn", "4c"): 4, ("tetrahedron", "", "4d"): 4},
    ),
    "fluorite": (FLUORITE, None, {("eight-fold", "Ca", "4a"): 4, ("eight-fold", "", "4b"): 4}),
    "perovskite": (PEROVSKITE, None, {("cuboctahedron", "Sr", "1a"): 8, ("octahedron", "Ti", "1b"): 8}),
    "corundum": (
        CORUNDUM,
        None,
        {("octahedron", "Al", "12c"): 12, ("octahedron", "", "6b"): 6, ("tetrahedron", "", "36f"): 36},
    ),
    "garnet": (  # the empty 48g and 96h are where Li is in the lithium garnets
        GARNET,
        None,
        {
            ("eight-fold", "Y", "24c"): 24,
            ("octahedron", "Al", "16a"): 16,
            ("tetrahedron", "Al", "24d"): 24,
            ("octahedron", "", "48g"): 48,
            ("octahedron", "", "16b"): 16,
            ("tetrahedron", "", "96h"): 96,
        },
    ),
    "nickeline": (NICKELINE, None, {("octahedron", "Ni", "2a"): 8, ("tetrahedron", "", "4f"): 16}),
}
"""Crystal, mobile element, and the number of its sites by shape, cation and Wyckoff position as in the
International Tables; the multiplicity is that of the conventional cell."""


@pytest.mark.parametrize("name", sorted(MINERALS))
def test_minerals_have_their_cations_in_the_polyhedra_and_positions_of_the_textbook(name: str) -> None:
    atoms, specie, expected = MINERALS[name]
    sites = of(atoms, specie)
    found = zip(sites.shape.tolist(), sites.held.tolist(), sites.wyckoff.tolist(), strict=True)
    assert dict(Counter(found)) == expected
    assert sites.volume.sum() == pytest.approx(atoms.get_volume(), rel=1e-9)


def test_spinel_fills_half_of_the_octahedra_and_an_eighth_of_the_tetrahedra() -> None:
    # the origin of Fd-3m may be at 16c or at 16d, so that these two, and 8a and 8b, may change their names
    sites = of(SPINEL)
    found = Counter(zip(sites.held.tolist(), [w.strip(digits) for w in sites.wyckoff], strict=True))
    aluminium, magnesium = ("c", "b") if ("Al", "c") in found else ("d", "a")
    empty = {"c": "d", "d": "c", "a": "b", "b": "a"}
    assert found == {
        ("Al", aluminium): 16,
        ("", empty[aluminium]): 16,
        ("Mg", magnesium): 8,
        ("", empty[magnesium]): 8,
        ("", "f"): 48,
    }


def test_molybdenite_has_its_metal_in_prisms_and_octahedra_between_its_layers() -> None:
    sites = of(MOLYBDENITE)
    assert Counter(zip(sites.shape.tolist(), sites.held.tolist(), strict=True)) == {
        ("trigonal prism", "Mo"): 8,
        ("trigonal prism", ""): 8,
        ("octahedron", ""): 8,
        ("tetrahedron", ""): 16,
    }


def test_olivine_is_a_distorted_hcp_of_oxygen_with_half_of_the_octahedra_filled() -> None:
    sites = of(OLIVINE, "Li")
    assert Counter(sites.kind.tolist()) == {"oct": 16, "tet": 32}
    assert Counter(sites.held.tolist()) == {"": 40, "Fe": 4, "P": 4}
    assert set(sites.wyckoff[sites.held == "Fe"]) == {"4c"}
    lithium = OLIVINE.positions[OLIVINE.symbols == "Li"]
    gap = (sites.positions[None, sites.wyckoff == "4a"] - lithium[:, None]) @ np.linalg.inv(OLIVINE.cell)
    gap -= np.round(gap)
    assert np.linalg.norm(gap @ OLIVINE.cell.array, axis=2).min(axis=1).max() < 0.3  # Li is on 4a


FRANK_KASPER = {
    "C15": (crystal(["Cl", "Cl"], [(0.125,) * 3, (0.5,) * 3], spacegroup=227, setting=2,
                    cellpar=[10.0] * 3 + CUBIC), 24, 40 / 3),
    "C14": (crystal(["Cl"] * 3, [(1 / 3, 2 / 3, 0.0625), (0, 0, 0), (0.83, 0.66, 0.25)], spacegroup=194,
                    cellpar=[7.0, 7.0, 11.43, *HEXAGONAL]), 12, 40 / 3),
    "A15": (crystal(["Cl", "Cl"], [(0, 0, 0), (0.25, 0, 0.5)], spacegroup=223, cellpar=[6.4] * 3 + CUBIC),
            8, 13.5),
}  # fmt: skip
"""Crystal, atoms in it, mean coordination number."""


@pytest.mark.parametrize("name", sorted(FRANK_KASPER))
def test_frank_kasper_phases_consist_of_tetrahedra_only(name: str) -> None:
    # Euler: with mean coordination Z there are Z/2 − 1 tetrahedra per atom: 136 in the cell of an argyrodite,
    # whose anions lie as the atoms of MgCu2 do
    atoms, count, coordination = FRANK_KASPER[name]
    assert len(atoms) == count
    sites = of(atoms)
    assert sites.kind.tolist() == round((coordination / 2 - 1) * count) * ["tet"]
    assert sites.volume.sum() == pytest.approx(atoms.get_volume(), rel=1e-9)


def test_the_sites_of_lyc_have_the_published_positions_and_neighbours() -> None:
    sites = of(read_structure(LYC), "Li")
    assert Counter(sites.kind.tolist()) == {"oct": 18, "tet": 36}
    octahedra = zip(sites.held.tolist(), sites.wyckoff.tolist(), strict=True)
    found = Counter(o for o, kind in zip(octahedra, sites.kind, strict=True) if kind == "oct")
    assert found == {
        ("Y", "1a"): 1,
        ("Y", "2d"): 2,
        ("", "1b"): 1,
        ("", "2d"): 2,
        ("", "6g"): 6,
        ("", "6h"): 6,
    }
    face = shared_with(sites.held, sites.links, "face")["Y"]
    assert Counter(face[sites.kind == "tet"].tolist()) == {0: 18, 1: 18}
    assert Counter(face[sites.kind == "oct"].tolist()) == {0: 15, 2: 3}  # above and below each Y, along c
    # one Y in three octahedra of the layer at z = 0, two at z = 1/2
    full = Counter(zip(sites.layer.tolist(), (sites.held == "Y").tolist(), sites.kind.tolist(), strict=True))
    assert sites.layer_axis == 2
    assert sorted(full[layer, True, "oct"] for layer in (0, 1)) == [1, 2]
    assert [full[layer, False, "oct"] + full[layer, True, "oct"] for layer in (0, 1)] == [9, 9]


CRYSTALS = {
    "LYC": (read_structure(LYC), "Li"),
    "perovskite": (PEROVSKITE, None),
    "fluorite": (FLUORITE, None),
    "spinel": (SPINEL, "Mg"),
    "molybdenite": (MOLYBDENITE, None),
}

crystals = st.sampled_from(sorted(CRYSTALS))


@settings(max_examples=8)
@given(crystals, unimodular(), seeds)
def test_turning_shifting_renaming_and_cutting_the_cell_anew_change_no_site(
    name: str, matrix: np.ndarray, seed: int
) -> None:
    atoms, specie = CRYSTALS[name]
    rng = np.random.default_rng(seed)
    seen = another_view(atoms, matrix, rng)[rng.permutation(len(atoms))]
    assert summary(of(seen, specie)) == summary(of(atoms, specie))


@pytest.mark.parametrize("name", sorted(CRYSTALS))
def test_a_shift_by_a_thousand_angstrom_changes_no_site(name: str) -> None:
    atoms, specie = CRYSTALS[name]
    there = atoms.copy()
    there.positions += [1000.0, -1000.0, 1000.0]
    assert summary(of(there, specie)) == summary(of(atoms, specie))


@pytest.mark.parametrize(
    ("name", "axis"),
    [("LYC", 0), ("LYC", 2), ("perovskite", 1), ("fluorite", 2), ("spinel", 0), ("molybdenite", 1)],
)
def test_twice_the_cell_has_every_site_twice(name: str, axis: int) -> None:
    atoms, specie = CRYSTALS[name]
    once, twice = of(atoms, specie), of(atoms.repeat(tuple(1 + np.eye(3, dtype=int)[axis])), specie)
    assert summary(twice) == {row: 2 * n for row, n in summary(once).items()}
    assert len(twice.links) == 2 * len(once.links)
    assert len(twice.links.faces) == 2 * len(once.links.faces)


def directed_faces(sites: Sites) -> Counter[tuple[object, ...]]:
    """Return every triangle as seen from its site: site, neighbour, step, and the three anions' places."""
    tiling = sites.tiling
    assert tiling is not None
    faces: Counter[tuple[object, ...]] = Counter()
    for i, count in enumerate(tiling.triangles):
        for f in range(count):
            corners = frozenset(
                (int(a), *s) for a, s in zip(tiling.corners[i, f], tiling.shifts[i, f].tolist(), strict=True)
            )
            faces[i, int(tiling.neighbours[i, f]), tuple(tiling.steps[i, f].tolist()), corners] += 1
    return faces


def as_seen_from_beyond(face: tuple[object, ...]) -> tuple[object, ...]:
    i, j, step, corners = face
    back = tuple(-s for s in step)  # type: ignore[attr-defined]
    moved = frozenset((a, x + back[0], y + back[1], z + back[2]) for a, x, y, z in corners)  # type: ignore[attr-defined]
    return j, i, back, moved


def glass(seed: int, anions: int) -> Atoms:
    """Return anions anywhere, no two closer than is usual."""
    rng = np.random.default_rng(seed)
    cell = 3.4 * anions ** (1 / 3) * (np.eye(3) + 0.2 * np.tril(rng.uniform(-1, 1, (3, 3)), -1))
    points: list[np.ndarray] = []
    images = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), axis=-1).reshape(-1, 3) @ cell
    while len(points) < anions:
        point = rng.random(3) @ cell
        if all(np.linalg.norm(point - p + images, axis=1).min() > 2.2 for p in points):
            points.append(point)
    return Atoms(f"Cl{anions}", positions=points, cell=cell, pbc=True)


@pytest.mark.parametrize(
    "atoms",
    [
        *(packing(n).repeat(REPEATS[n][0]) for n in sorted(PER_ANION)),
        read_structure(LYC),
        PEROVSKITE,
        glass(1, 24),
    ],
    ids=[*sorted(PER_ANION), "LYC", "perovskite", "glass"],
)
def test_every_face_lies_between_two_sites_and_the_polyhedra_obey_euler(atoms: Atoms) -> None:
    sites = of(atoms)
    faces = directed_faces(sites)
    assert set(faces.values()) == {1}
    assert {as_seen_from_beyond(f) for f in faces} == set(faces)
    assert sites.tiling is not None
    for i, count in enumerate(sites.tiling.triangles):
        corners = {c for f in faces if f[0] == i for c in f[3]}  # type: ignore[attr-defined]
        assert len(corners) - 3 * count / 2 + count == 2  # V − E + F
        assert len(corners) == sites.coordination[i]


@settings(max_examples=6)
@given(seeds, st.integers(6, 30))
def test_the_polyhedra_of_a_glass_fill_its_cell_and_its_tetrahedra_obey_euler(seed: int, anions: int) -> None:
    atoms = glass(seed, anions)
    sites = of(atoms)
    assert sites.volume.min() > 0
    assert sites.volume.sum() == pytest.approx(atoms.get_volume(), rel=1e-9)
    tetrahedra = tetrahedra_of(atoms.positions, atoms.cell.array)
    edges = set()
    for corners, shifts in zip(tetrahedra.corners.tolist(), tetrahedra.shifts, strict=True):
        for a in range(4):
            for b in range(4):
                if a != b:
                    edges.add((corners[a], corners[b], *(shifts[b] - shifts[a]).tolist()))
    # a torus: points − edges + triangles − tetrahedra = 0, and there are two triangles for each tetrahedron
    assert anions - len(edges) // 2 + len(tetrahedra) == 0


@settings(max_examples=6)
@given(seeds)
def test_no_anion_is_inside_the_sphere_through_the_corners_of_a_tetrahedron(seed: int) -> None:
    atoms = glass(seed, 12)
    tetrahedra = tetrahedra_of(atoms.positions, atoms.cell.array)
    around = range(-3, 4)
    images = np.stack(np.meshgrid(around, around, around), axis=-1).reshape(-1, 3) @ atoms.cell.array
    cloud = (atoms.positions[:, None] + images).reshape(-1, 3)
    for corners, shifts in zip(tetrahedra.corners, tetrahedra.shifts, strict=True):
        a, b, c, d = atoms.positions[corners] + shifts @ atoms.cell.array
        edges = np.array([b - a, c - a, d - a])
        centre = a + np.linalg.solve(2 * edges, (edges**2).sum(axis=1))
        home = centre - np.floor(centre @ np.linalg.inv(atoms.cell.array)) @ atoms.cell.array
        nearest = np.linalg.norm(cloud - home, axis=1).min()
        assert nearest > np.linalg.norm(a - centre) * (1 - 1e-3)
