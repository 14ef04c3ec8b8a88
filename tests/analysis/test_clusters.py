"""Atoms around single ions, against sums over lattice vectors and the drawn configurations."""

from dataclasses import replace

import numpy as np
import pytest

from frustra.analysis.clusters import Cluster, clusters_of
from frustra.analysis.surroundings import surroundings_of
from frustra.analysis.tabulate import tabulate
from frustra.errors import AnalysisError, DataError
from frustra.io import read_structure
from frustra.sites import Sites, sites_of
from frustra.snapshots import Snapshots
from tests.helpers import LYC, snapshots, translations

CRYSTAL = read_structure(LYC)
REACH = 6.0


@pytest.fixture(scope="module")
def sites() -> Sites:
    return sites_of(CRYSTAL, ["Cl"], "Li")


def placed(part: Snapshots, sites: Sites) -> np.ndarray:
    """Return the site of every Li, (frames, atoms); −1 elsewhere."""
    states = tabulate(part, "Li", sites=sites)
    place = np.full(part.positions.shape[:2], -1)
    place[states["snapshot"], states["ion"]] = states["place"]
    return place


def of_all_ions(part: Snapshots, sites: Sites, most: int = 500) -> tuple[np.ndarray, list[Cluster]]:
    place = placed(part, sites)
    chosen = np.argwhere(place >= 0)
    return chosen, list(clusters_of(part, sites, place, chosen, REACH, most))


def test_a_cluster_has_every_image_within_reach_at_its_place(sites: Sites) -> None:
    part = snapshots(CRYSTAL, 2)
    shifts = translations(part.cell, REACH + 12)
    chosen, found = of_all_ions(part, sites)
    assert len(found) == len(chosen) == 2 * CRYSTAL.symbols.formula.count()["Li"]
    for (frame, ion), cluster in zip(chosen, found, strict=True):
        vectors = part.positions[frame][:, None] + shifts[None] - part.positions[frame, ion]
        inside = np.linalg.norm(vectors, axis=2) < REACH
        assert len(cluster.atoms) == inside.sum()
        expected = np.column_stack([np.nonzero(inside)[0], vectors[inside]])
        mine = np.column_stack([cluster.atoms, cluster.places])
        # sums that do not depend on the order, but on every atom at its place
        for power in (1, 2, 3):
            np.testing.assert_allclose(
                (mine[:, :1] * mine[:, 1:] ** power).sum(axis=0),
                (expected[:, :1] * expected[:, 1:] ** power).sum(axis=0),
                atol=1e-7,
            )
        assert cluster.atoms[0] == ion
        np.testing.assert_allclose(cluster.places[0], 0, atol=1e-9)


def test_the_polyhedron_and_the_empty_sites_are_those_of_the_drawn_configuration(sites: Sites) -> None:
    part = snapshots(CRYSTAL, 2)
    for (frame, ion), cluster in list(zip(*of_all_ions(part, sites), strict=True))[::5]:
        drawn = surroundings_of(part, int(frame), int(ion), sites)
        assert cluster.corners == len(drawn.vertices)
        assert (part.numbers[cluster.atoms[1 : 1 + cluster.corners]] == 17).all()
        for mine, theirs in (
            (cluster.places[1 : 1 + cluster.corners], drawn.vertices),
            (cluster.middles, drawn.vacancies),
        ):
            assert len(mine) == len(theirs)
            gaps = np.linalg.norm(mine[:, None] - theirs[None], axis=2)
            assert gaps.min(axis=0).max(initial=0) < 1e-6
        assert sorted(sites.kind[cluster.vacancies]) == sorted(drawn.vacancy_kinds)


def test_an_ion_that_went_through_the_cell_has_the_same_surroundings(sites: Sites) -> None:
    part = snapshots(CRYSTAL, 1)
    away = part.positions.copy()
    away[0] += np.random.default_rng(3).integers(-2, 3, (away.shape[1], 3)) @ part.cell
    far = snapshots(CRYSTAL, 1, part.atomic_energies, positions=away)
    for one, other in zip(of_all_ions(part, sites)[1], of_all_ions(far, sites)[1], strict=True):
        np.testing.assert_allclose(np.sort(one.places, axis=0), np.sort(other.places, axis=0), atol=1e-8)
        assert one.corners == other.corners
        assert set(one.vacancies) == set(other.vacancies)


def test_the_nearest_atoms_are_kept(sites: Sites) -> None:
    part = snapshots(CRYSTAL, 1)
    for all_of, few in zip(of_all_ions(part, sites)[1], of_all_ions(part, sites, 12)[1], strict=True):
        distances = np.sort(np.linalg.norm(all_of.places, axis=1))
        assert len(few.atoms) == 12
        np.testing.assert_allclose(np.sort(np.linalg.norm(few.places, axis=1)), distances[:12])
        assert len(few.vacancies) == min(12, len(all_of.vacancies))


def test_around_an_ion_in_no_polyhedron_there_are_atoms_only(sites: Sites) -> None:
    part = snapshots(CRYSTAL, 1)
    place = placed(part, sites)
    chosen = np.argwhere(place >= 0)[:3]
    nowhere = np.full_like(place, -1)
    without = replace(sites, tiling=None)
    expected = list(clusters_of(part, sites, place, chosen, REACH, 500))
    for among, where in ((sites, nowhere), (without, place)):
        for one, other in zip(clusters_of(part, among, where, chosen, REACH, 500), expected, strict=True):
            assert one.corners == len(one.vacancies) == len(one.middles) == 0
            np.testing.assert_allclose(one.places.sum(axis=0), other.places.sum(axis=0), atol=1e-9)


def test_what_does_not_fit_together_is_refused(sites: Sites) -> None:
    part = snapshots(CRYSTAL, 1)
    place = placed(part, sites)
    with pytest.raises(DataError, match="sites of ions of shape"):
        next(clusters_of(part, sites, place[:, :-1], np.array([[0, 0]]), REACH, 5))
    with pytest.raises(AnalysisError, match="at least the ion itself"):
        next(clusters_of(part, sites, place, np.array([[0, 0]]), 0.0, 5))
