from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.analysis.rdf.curve import radial
from frustra.analysis.rdf.pairs import pair_distribution
from frustra.analysis.rdf.resolved import (
    Classes,
    energy_classes,
    resolved_distribution,
    site_classes,
)
from frustra.analysis.sampling import relaxed_frames
from frustra.errors import AnalysisError, DataError
from frustra.trajectory import Trajectory
from tests.helpers import seeds, snapshots, states, translations

SKEWED = np.array([[9.0, 0, 0], [6, 8, 0], [-3, 2, 10]])
EDGES = np.linspace(0, 6.0321, 13)


def gas(
    rng: np.random.Generator, count: int, ions: int, anions: int = 0, breathes: bool = False
) -> Trajectory:
    scale = rng.uniform(0.9, 1.1, (count, 1, 1)) if breathes else np.ones((count, 1, 1))
    cells = scale * SKEWED
    numbers = np.array([3] * ions + [17] * anions)
    return Trajectory(rng.random((count, ions + anions, 3)) @ cells, cells, numbers, 1.0, 600.0)


def some(rng: np.random.Generator, *shape: int, names: tuple[str, ...] = ("oct", "tet", "other")) -> Classes:
    shares = rng.dirichlet(np.ones(len(names)))
    return Classes(rng.choice(len(names), size=shape, p=shares), names)


@settings(max_examples=15)
@given(seeds, st.booleans())
def test_the_classes_add_up_to_the_total(seed: int, breathes: bool) -> None:
    rng = np.random.default_rng(seed)
    run = gas(rng, 4, 9, 5, breathes)
    classes = some(rng, 4, 9)
    for second in (["Li"], ["Cl"], ["Cl", "Li"]):
        total = pair_distribution(run, "Li", second, EDGES)
        parts = resolved_distribution(run, "Li", second, classes, edges=EDGES)
        assert sum(p.counts for p in parts.values()) == pytest.approx(total.counts)
        assert sum(p.expected for p in parts.values()) == pytest.approx(total.expected)
        weights = {k: p.expected.sum() / total.expected.sum() for k, p in parts.items()}
        mean = sum(w * np.nan_to_num(parts[k].values) for k, w in weights.items())
        assert sum(weights.values()) == pytest.approx(1)
        assert mean == pytest.approx(total.values)


def test_with_classes_of_the_first_atoms_alone_the_weights_are_their_fractions() -> None:
    rng = np.random.default_rng(1)
    run, classes = gas(rng, 5, 12, 6), some(rng, 5, 12)
    total = pair_distribution(run, "Li", ["Cl"], EDGES)
    parts = resolved_distribution(run, "Li", ["Cl"], classes, edges=EDGES)
    fractions = np.bincount(classes.values.ravel(), minlength=3) / classes.values.size
    mean = sum(
        f * np.nan_to_num(parts[name, ""].values) for f, name in zip(fractions, classes.names, strict=True)
    )
    assert mean == pytest.approx(total.values)
    near = [radial([parts[name, ""]]).coordination for name in classes.names]
    everything = radial([total]).coordination
    assert sum(f * np.nan_to_num(n) for f, n in zip(fractions, near, strict=True)) == pytest.approx(
        everything
    )


def test_every_class_is_counted_as_by_hand() -> None:
    rng = np.random.default_rng(2)
    run, classes = gas(rng, 2, 6), some(rng, 2, 6, names=("a", "b"))
    parts = resolved_distribution(run, "Li", ["Li"], classes, edges=EDGES)
    shifts = translations(SKEWED, EDGES[-1] + np.linalg.norm(SKEWED, axis=1).sum())
    for frame in range(2):
        gaps = run.positions[frame][:, None] - run.positions[frame][None]
        distances = np.linalg.norm(gaps[:, :, None] + shifts, axis=3)
        for (one, other), part in parts.items():
            chosen = np.outer(
                classes.values[frame] == "ab".index(one), classes.values[frame] == "ab".index(other)
            )
            inside = distances[chosen]
            assert part.counts[frame] == pytest.approx(np.histogram(inside[inside > 1e-9], EDGES)[0])
            assert part.atoms[frame] == (classes.values[frame] == "ab".index(one)).sum()


def test_an_ideal_gas_of_classes_that_come_and_go_has_none_but_ones() -> None:
    rng = np.random.default_rng(3)
    run = gas(rng, 200, 25)
    present = rng.uniform(0.1, 0.9, (200, 1))  # from frame to frame another share
    classes = Classes((rng.random((200, 25)) < present).astype(int), ("oct", "tet"))
    for found in resolved_distribution(run, "Li", ["Li"], classes, edges=np.arange(0, 7, 1.0)).values():
        curve = radial([found])
        assert found.values[2:] == pytest.approx(1, abs=0.06)
        assert (np.abs(curve.values - 1) < 3.5 * curve.std)[1:].all()


def test_the_sublattices_of_a_crystal_see_each_other() -> None:
    atoms = Atoms("Li2", [[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True) * (2, 2, 2)
    run = Trajectory(atoms.positions[None], atoms.cell.array[None], atoms.numbers, 1.0, np.nan)
    even = (np.round(atoms.positions).sum(axis=1) % 4 == 0).astype(int)
    classes = Classes(even[None], ("corner", "centre"))
    parts = resolved_distribution(run, "Li", ["Li"], classes, edges=np.arange(0.05, 4.2, 0.1))
    across, own = radial([parts["corner", "centre"]]), radial([parts["corner", "corner"]])
    assert across.coordination[-1] == 8
    assert own.coordination[-1] == 6
    assert own.coordination[own.reach < 3.9][-1] == 0
    assert across.first == "Li(corner)"
    assert across.second == "Li(centre)"


def test_kinds_of_sites_become_classes_and_nowhere_is_one() -> None:
    sites: Any = SimpleNamespace(kind=np.array(["tet", "oct", "tet"]), label=np.array(["T5", "unused", "T2"]))
    visits: Any = SimpleNamespace(site=np.array([[0, 1, -1], [2, 1, 1]], np.int32))
    found = site_classes(sites, visits)
    assert [[found.names[k] for k in row] for row in found.values] == [
        ["tet", "oct", "nowhere"],
        ["tet", "oct", "oct"],
    ]
    found = site_classes(sites, visits, "label")
    assert [found.names[k] for k in found.values[:, 0]] == ["T5", "T2"]
    visits.site = np.array([[1, 1]], np.int32)
    assert site_classes(sites, visits).names == ("oct",)


def test_the_thirds_of_the_energies_of_relaxed_snapshots() -> None:
    rng = np.random.default_rng(4)
    atoms = Atoms("Li9Cl4", rng.random((13, 3)) @ SKEWED, cell=SKEWED, pbc=True)
    relaxed = snapshots(atoms, 6)
    table = states(relaxed.atomic_energies[:, :9])
    mixed = table.select(rng.permutation(len(table)))
    classes = energy_classes(mixed)
    assert classes.values.shape == (6, 9)
    assert np.bincount(classes.values.ravel()).tolist() == [18, 18, 18]
    lowest = np.unravel_index(relaxed.atomic_energies[:, :9].argmin(), (6, 9))
    assert classes.names[classes.values[lowest]] == "low"
    parts = resolved_distribution(relaxed_frames(relaxed), "Li", ["Cl"], classes, edges=EDGES)
    total = pair_distribution(relaxed_frames(relaxed), "Li", ["Cl"], EDGES)
    assert sum(p.values for p in parts.values()) / 3 == pytest.approx(total.values)
    assert total.timestep == pytest.approx(0.5)
    assert (energy_classes(table, (-9.0, -8.0)).values == 2).all()


def test_what_does_not_fit_is_refused() -> None:
    rng = np.random.default_rng(5)
    run, table = gas(rng, 3, 4), states(rng.normal(size=(3, 4)))
    with pytest.raises(DataError, match=r"\(2, 4\)"):
        resolved_distribution(run, "Li", ["Li"], some(rng, 2, 4))
    with pytest.raises(DataError, match="other than of 2 names"):
        Classes(np.array([[0, 2]]), ("a", "b"))
    with pytest.raises(DataError, match="other than of 2 names"):
        Classes(np.array([[0, -1]]), ("a", "b"))
    with pytest.raises(DataError, match="11 states of 3 snapshots"):
        energy_classes(table.select(np.arange(11)))
    with pytest.raises(DataError, match="several runs"):
        energy_classes(states(rng.normal(size=(2, 2)), run=np.array([0, 0, 1, 1])))
    with pytest.raises(AnalysisError, match="no snapshots"):
        relaxed_frames(snapshots(Atoms("Li2", cell=SKEWED, pbc=True), 2).select(np.zeros(2, bool)))
