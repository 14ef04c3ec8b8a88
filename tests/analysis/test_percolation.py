"""Percolation against lattices whose thresholds are known, a naive twin, and invariances."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import chi2

from frustra.analysis.hops import HopSettings, hops_of
from frustra.analysis.percolation.paths import (
    HopTable,
    hop_table,
    links_of_hops,
    percolation_of_hops,
    percolation_of_visits,
    vacancies_of,
)
from frustra.analysis.percolation.record import Percolation, PercolationSettings
from frustra.analysis.percolation.states import blocks_of, percolation_of_states
from frustra.analysis.percolation.torus import clusters_of, grow, reduced
from frustra.errors import AnalysisError, DataError
from frustra.sites import Links, Sites
from frustra.visits import Visits
from tests.helpers import seeds, unimodular

QUICK = PercolationSettings(samples=30, shuffles=40)


def links(rows: Any, shared: Any = 3) -> Links:
    """Return links from rows (i, j, x, y, z)."""
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 5)
    return Links(table[:, :2], table[:, 2:], np.broadcast_to(np.asarray(shared), (len(table),)).copy())


def sites(graph: Links, kind: Any, cell: np.ndarray | None = None, held: Any = None) -> Sites:
    """Return sites of which only kinds, links and what they hold matter."""
    kinds = np.asarray(kind, dtype=str)
    n = len(kinds)
    return Sites(
        positions=np.random.default_rng(n).random((n, 3)),
        cell=np.eye(3) * 10 if cell is None else cell,
        kind=kinds,
        coordination=np.where(kinds == "oct", 6, 4),
        shape=kinds,
        volume=np.ones(n),
        distortion=np.zeros(n),
        vertices=[np.arange(4)] * n,
        held=np.full(n, "") if held is None else np.asarray(held),
        label=kinds,
        orbit=np.zeros(n, int),
        wyckoff=np.full(n, ""),
        layer=np.full(n, -1),
        layer_axis=-1,
        links=graph,
        tiling=None,
    )


def lattice(size: int, dimensions: int) -> tuple[int, Links]:
    """Return the square or cubic lattice of this size on the torus."""
    shape = (size,) * dimensions
    index = np.arange(size**dimensions).reshape(shape)
    rows = []
    for axis in range(dimensions):
        shift = np.zeros((index.size, 3), int)
        shift[:, axis] = np.indices(shape)[axis].ravel() == size - 1
        rows.append(np.column_stack([index.ravel(), np.roll(index, -1, axis).ravel(), shift]))
    return index.size, links(np.concatenate(rows))


def repeated(graph: Links, nodes: int, times: tuple[int, int, int]) -> tuple[Links, np.ndarray]:
    """Return the graph of a supercell, and which node of the cell each of its nodes is a copy of."""
    cells = np.array(list(product(*(range(t) for t in times))))
    rows = []
    for c, cell in enumerate(cells):
        target = cell + graph.shifts
        wraps, home = np.divmod(target, times)
        number = np.ravel_multi_index(tuple(home.T), times)
        rows.append(
            np.column_stack([graph.pairs[:, 0] + nodes * c, graph.pairs[:, 1] + nodes * number, wraps])
        )
    return links(np.concatenate(rows), np.tile(graph.shared, len(cells))), np.tile(
        np.arange(nodes), len(cells)
    )


# --- clusters on the torus ----------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn, nodes: int = 4) -> tuple[int, Links, np.ndarray]:
    """Return a small random graph with links to own copies and several links of a pair, and values."""
    rng = np.random.default_rng(draw(seeds))
    n, m = draw(st.integers(1, nodes)), draw(st.integers(0, 9))
    graph = links(np.column_stack([rng.integers(0, n, (m, 2)), rng.integers(-1, 2, (m, 3))]))
    return n, graph, rng.integers(0, 5, m).astype(float)


def naive_dimensions(on: np.ndarray, graph: Links, reach: int = 5) -> list[int]:
    """Return for each node the rank of its own copies that it is joined to, in an unfolded block of cells."""
    width = 2 * reach + 1
    cells = np.array(list(product(range(width), repeat=3)))
    ends = []
    for (i, j), shift in zip(graph.pairs, graph.shifts, strict=True):
        there = cells + shift
        kept = ((there >= 0) & (there < width)).all(axis=1) & bool(on[i] and on[j])
        here = np.ravel_multi_index(tuple(cells[kept].T), (width,) * 3)
        away = np.ravel_multi_index(tuple(there[kept].T), (width,) * 3)
        ends.append(np.column_stack([here * len(on) + i, away * len(on) + j]))
    a, b = np.concatenate([np.empty((0, 2), int), *ends]).T
    size = len(on) * width**3
    _, label = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(size, size)), directed=False)
    label = label.reshape(width**3, len(on))
    middle = np.ravel_multi_index((reach,) * 3, (width,) * 3)
    return [
        int(np.linalg.matrix_rank(cells[label[:, i] == label[middle, i]] - reach)) if on[i] else -1
        for i in range(len(on))
    ]


@given(graphs(), seeds)
@settings(max_examples=30)
def test_dimensions_are_those_of_the_unfolded_graph(graph: Any, seed: int) -> None:
    n, edges, _ = graph
    on = np.random.default_rng(seed).random(n) < 0.8
    found = clusters_of(on, edges)
    dimension = [int(found.dimension[k]) if k >= 0 else -1 for k in found.label]
    assert dimension == naive_dimensions(on, edges)
    assert found.size.sum() == on.sum()


@given(graphs())
@settings(max_examples=15)
def test_thresholds_are_the_first_values_at_which_the_unfolded_graph_percolates(graph: Any) -> None:
    n, edges, at = graph
    found, everything = grow(n, edges, at), np.ones(n, bool)
    expected = np.full(3, np.inf)
    for value in sorted(set(at.tolist()), reverse=True):
        reached = max(naive_dimensions(everything, edges.select(at <= value)))
        expected[:reached] = value
    assert found.thresholds.tolist() == expected.tolist()


@given(graphs(6), st.tuples(*[st.integers(1, 3)] * 3))
def test_a_supercell_percolates_at_the_same_values(graph: Any, times: tuple[int, int, int]) -> None:
    n, edges, at = graph
    larger, _ = repeated(edges, n, times)
    assert (
        grow(n * int(np.prod(times)), larger, np.tile(at, int(np.prod(times)))).thresholds.tolist()
        == grow(n, edges, at).thresholds.tolist()
    )


@given(graphs(6), seeds)
def test_numbers_and_homes_of_nodes_and_the_order_of_links_do_not_matter(graph: Any, seed: int) -> None:
    n, edges, at = graph
    rng = np.random.default_rng(seed)
    name, home, order = rng.permutation(n), rng.integers(-3, 4, (n, 3)), rng.permutation(len(at))
    pairs, shifts = edges.pairs[order], edges.shifts[order]
    shifts = shifts + home[pairs[:, 1]] - home[pairs[:, 0]]
    back = rng.random(len(at)) < 0.5
    pairs = np.where(back[:, None], name[pairs][:, ::-1], name[pairs])
    shifts = np.where(back[:, None], -shifts, shifts)
    same = grow(n, Links(pairs, shifts, edges.shared), at[order])
    before = grow(n, edges, at)
    assert same.thresholds.tolist() == before.thresholds.tolist()
    assert same.axes.tolist() == before.axes.tolist()
    assert same.values.tolist() == before.values.tolist()


@given(graphs(6), unimodular())
def test_another_choice_of_the_cell_turns_directions_and_nothing_else(graph: Any, matrix: Any) -> None:
    n, edges, at = graph
    inverse = np.rint(np.linalg.inv(matrix)).astype(int)
    before = grow(n, edges, at)
    other = grow(n, Links(edges.pairs, edges.shifts @ inverse, edges.shared), at)
    assert other.thresholds.tolist() == before.thresholds.tolist()
    for dimension in (1, 2, 3):
        turned = [tuple(v) for v in (before.direction(dimension) @ inverse).tolist()]
        assert reduced(turned).tolist() == other.direction(dimension).tolist()


def test_a_link_to_its_own_copy_is_a_chain_and_two_links_of_one_pair_are_too() -> None:
    own = grow(1, links([(0, 0, 0, 0, 1)]), [0.5])
    assert own.thresholds.tolist() == [0.5, np.inf, np.inf]
    assert own.direction(1).tolist() == [[0, 0, 1]]
    assert own.axes.tolist() == [np.inf, np.inf, 0.5]
    twice = grow(2, links([(0, 1, 0, 0, 0), (0, 1, 1, -2, 0)]), [0.1, 0.2])
    assert twice.thresholds.tolist() == [0.2, np.inf, np.inf]
    assert twice.direction(1).tolist() == [[1, -2, 0]]
    assert twice.axes.tolist() == [0.2, 0.2, np.inf]


def test_chains_that_do_not_touch_are_one_dimensional_until_they_do() -> None:
    graph = links([(0, 0, 1, 0, 0), (1, 1, 0, 1, 0), (0, 1, 0, 0, 0), (0, 1, 0, 0, 1)])
    found = grow(2, graph, [1.0, 2.0, 3.0, 4.0])
    assert found.thresholds.tolist() == [1.0, 3.0, 4.0]
    assert found.axes.tolist() == [1.0, 2.0, 4.0]
    assert found.direction(2).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert found.closing.tolist() == [0, 2, 3]


def test_a_loop_that_comes_back_is_no_percolation() -> None:
    ring = links([(0, 1, 5, 0, 0), (1, 2, -2, 1, 0), (2, 0, -3, -1, 0)])
    assert grow(3, ring, np.zeros(3)).dimension == 0


def test_far_copies_are_told_apart() -> None:
    far = 10**6
    graph = links([(0, 1, far, -far, 3), (1, 2, far, -far, -5), (2, 0, -2 * far, 2 * far, 3)])
    assert reduced([(far, -far, 1)]).tolist() == [[far, -far, 1]]
    assert grow(3, graph, np.zeros(3)).direction(1).tolist() == [[0, 0, 1]]


def test_links_of_no_node_are_refused() -> None:
    with pytest.raises(DataError, match="links of nodes 0 to 3"):
        grow(3, links([(0, 3, 0, 0, 0)]), [0.0])
    with pytest.raises(DataError, match="2 values for 1 links"):
        grow(3, links([(0, 2, 0, 0, 0)]), [0.0, 1.0])


# --- lattices whose thresholds are known --------------------------------------------------------


def uniform_thresholds(size: int, dimensions: int, of_sites: bool, samples: int) -> Iterator[np.ndarray]:
    n, graph = lattice(size, dimensions)
    rng = np.random.default_rng(size + dimensions + of_sites)
    for _ in range(samples):
        at = rng.random(n)[graph.pairs].max(axis=1) if of_sites else rng.random(len(graph))
        found = grow(n, graph, at, whole=False)
        yield np.concatenate([found.thresholds, found.axes])


@pytest.mark.parametrize(("of_sites", "critical"), [(True, 0.59274605), (False, 0.5)], ids=["site", "bond"])
def test_the_square_lattice_wraps_as_often_as_is_exactly_known(of_sites: bool, critical: float) -> None:
    """Pinson, J. Stat. Phys. 75, 1167 (1994); Newman and Ziff, Phys. Rev. E 64, 016706 (2001)."""
    samples = 500
    found = np.array(list(uniform_thresholds(20, 2, of_sites, samples)))
    wraps = (found <= critical).mean(axis=0)
    # in any direction; in both by crossing, which duality makes the rest; along a and along b
    truths = {0: 0.690473725, 1: 1 - 0.690473725, 3: 0.521058290, 4: 0.521058290}
    for column, truth in truths.items():
        assert abs(wraps[column] - truth) < 3.5 * np.sqrt(truth * (1 - truth) / samples)
    both = (found[:, 3:5] <= critical).all(axis=1).mean()
    assert abs(both - 0.351642855) < 3.5 * np.sqrt(0.35 * 0.65 / samples)
    assert np.isinf(found[:, 2]).all()


@pytest.mark.parametrize(
    ("of_sites", "critical"), [(True, 0.3116077), (False, 0.2488118)], ids=["site", "bond"]
)
def test_the_cubic_lattice_percolates_at_its_threshold(of_sites: bool, critical: float) -> None:
    found = np.array(list(uniform_thresholds(12, 3, of_sites, 120)))[:, :3]
    middle = found.mean(axis=0)
    error = found.std(axis=0, ddof=1) / np.sqrt(120)
    assert (
        abs(middle[0] - critical) < 3.5 * error[0] + 0.002
    )  # in one direction: hardly any finite-size shift
    assert middle[0] < middle[1] < middle[2] < critical + 0.06


# --- energies of states -------------------------------------------------------------------------


def hcp() -> tuple[Links, np.ndarray]:
    """Return the voids of the primitive hcp cell by hand: 2 octahedra, 4 tetrahedra, their shared faces.

    Octahedra stand on C columns, at ¼ and ¾ between the A (0) and B (½) layers, and share faces along c. In
    each gap there is a tetrahedron over A and one over B; each shares faces with the three octahedra around
    it, and one with the tetrahedron on the other side of its base.
    """
    column = {"A": np.array([0.0, 0.0]), "B": np.array([1 / 3, 2 / 3]), "C": np.array([2 / 3, 1 / 3])}
    tetrahedra = [("A", 2, 0), ("B", 3, 0), ("A", 4, 1), ("B", 5, 1)]  # column, number, octahedron of its gap
    metric = np.array([[1.0, -0.5], [-0.5, 1.0]])
    rows = [(0, 1, 0, 0, 0), (1, 0, 0, 0, 1), (2, 4, 0, 0, 0), (5, 3, 0, 0, 1)]
    for name, number, octahedron in tetrahedra:
        for x, y in product((-1, 0, 1), repeat=2):
            step = column["C"] + (x, y) - column[name]
            if step @ metric @ step < 0.34:  # a/√3
                rows.append((number, octahedron, x, y, 0))
    assert len(rows) == 2 + 2 + 12
    return links(rows), np.array(["oct"] * 2 + ["tet"] * 4)


def tabulated(energies: np.ndarray, snapshots: int = 1) -> dict[str, Any]:
    """Return columns of states, one on every site that has an energy (sites,) or (snapshots, sites)."""
    table = np.broadcast_to(energies, (snapshots, np.shape(energies)[-1]))
    snapshot, place = np.nonzero(np.isfinite(table))
    run = np.zeros(len(place), int)
    return {"energy": table[snapshot, place], "place": place, "snapshot": snapshot, "run": run}


def values(found: Percolation) -> list[float | None]:
    return [None if t.estimate is None else t.estimate.value for t in found.thresholds]


LOW, HIGH = -3.25, -3.125


@pytest.mark.parametrize("times", [(1, 1, 1), (2, 2, 1), (1, 3, 2)])
def test_two_energies_of_hcp_are_one_dimensional_below_and_three_dimensional_above(times: Any) -> None:
    graph, kind = hcp()
    larger, copy = repeated(graph, 6, times)
    crystal = sites(larger, kind[copy])
    energies = np.where(crystal.kind == "oct", LOW, HIGH)
    found = percolation_of_states(**tabulated(energies), sites=crystal, settings=QUICK)
    assert values(found.energy) == [0.0, HIGH - LOW, HIGH - LOW]
    assert found.energy.zero == LOW
    assert found.energy.thresholds[0].directions.tolist() == [[0, 0, 1]]
    assert found.energy.thresholds[2].directions.tolist() == np.eye(3).tolist()
    assert found.energy.axes.tolist() == [HIGH - LOW, HIGH - LOW, 0.0]
    assert values(found.difference) == [0.0, HIGH - LOW, HIGH - LOW]
    without = percolation_of_states(
        **tabulated(np.where(crystal.kind == "oct", LOW, np.nan)), sites=crystal, settings=QUICK
    )
    assert values(without.energy) == [0.0, None, None]
    assert without.energy.dimension == 1
    assert "never visited block the way" in without.energy.thresholds[1].reason
    assert any("their energies are not known" in n for n in without.notes)


def test_what_the_crystal_itself_forbids_is_not_blamed_on_the_run() -> None:
    graph, kind = hcp()
    chains = sites(graph.select((kind[graph.pairs] == "oct").all(axis=1)), kind)
    found = percolation_of_states(**tabulated(np.zeros(6)), sites=chains, settings=QUICK)
    assert found.energy.thresholds[1].reason.startswith("all sites together, linked where they share a face")


def test_edges_count_only_where_they_are_asked_for() -> None:
    graph = links([(0, 0, 1, 0, 0), (0, 0, 0, 1, 0)], [3, 2])
    crystal = sites(graph, ["oct"])
    table = tabulated(np.array([1.0]))
    assert percolation_of_states(**table, sites=crystal, settings=QUICK).energy.dimension == 1
    edges = PercolationSettings(links="edges", samples=20, shuffles=20)
    assert percolation_of_states(**table, sites=crystal, settings=edges).energy.dimension == 2


def test_a_way_of_low_sites_is_told_from_the_same_energies_at_random() -> None:
    n, graph = lattice(8, 2)
    crystal = sites(graph, np.full(n, "oct"))
    energies = np.random.default_rng(0).uniform(0.1, 0.3, n)
    energies[:8] = 0.01 * np.arange(8)  # a whole row
    found = percolation_of_states(
        **tabulated(energies), sites=crystal, settings=PercolationSettings(samples=20)
    )
    first = found.energy.thresholds[0]
    assert first.estimate is not None
    assert first.shuffled is not None
    assert first.estimate.value == pytest.approx(0.07)
    assert first.shuffled.p_value < 0.01
    assert first.estimate.value < first.shuffled.low < first.shuffled.mean < first.shuffled.high


def test_shuffled_energies_are_told_from_others_as_often_as_the_p_value_says() -> None:
    n, graph = lattice(6, 2)
    crystal = sites(graph, np.full(n, "oct"))
    rng, quick = np.random.default_rng(5), PercolationSettings(samples=20, shuffles=39)
    p = []
    for _ in range(80):
        found = percolation_of_states(**tabulated(rng.random(n)), sites=crystal, settings=quick, rng=rng)
        shuffled = found.energy.thresholds[0].shuffled
        assert shuffled is not None
        p.append(shuffled.p_value)
    assert abs(np.mean(p) - 0.5 - 0.5 / 40) < 3.5 / np.sqrt(12 * 80)
    assert (np.array(p) <= 0.1).sum() <= 17  # binomial of 80 and 0.1: 99.9 %


def test_only_sites_of_a_kind_are_exchanged_if_so_wished() -> None:
    graph, kind = hcp()
    larger, copy = repeated(graph, 6, (2, 2, 2))
    crystal = sites(larger, kind[copy])
    table = tabulated(np.where(crystal.kind == "oct", LOW, HIGH))
    own = percolation_of_states(
        **table, sites=crystal, settings=PercolationSettings(samples=20, shuffles=40, shuffle="kind")
    )
    first = own.energy.thresholds[0].shuffled
    assert first is not None
    assert (first.mean, first.low, first.high, first.p_value) == (0.0, 0.0, 0.0, 1.0)
    mixed = percolation_of_states(**table, sites=crystal, settings=QUICK).energy.thresholds[0].shuffled
    assert mixed is not None
    assert mixed.mean > 0


def noisy_states(rng: np.random.Generator, truth: np.ndarray, snapshots: int, noise: float) -> dict[str, Any]:
    """Return states of ions that hold 40 % of the sites at random in each snapshot."""
    held = rng.random((snapshots, len(truth))) < 0.4
    return tabulated(np.where(held, truth + noise * rng.normal(size=held.shape), np.nan), snapshots)


@pytest.mark.parametrize(("spread", "noise"), [(0.05, 0.05), (0.0, 0.05)])
def test_the_errors_of_noisy_energies_are_honest(spread: float, noise: float) -> None:
    n, graph = lattice(4, 3)
    crystal, rng = sites(graph, np.full(n, "oct")), np.random.default_rng(int(1000 * spread))
    quick, inside, runs = PercolationSettings(samples=40, shuffles=20), 0, 30
    for _ in range(runs):
        truth = rng.normal(0, spread, n)
        found = percolation_of_states(
            **noisy_states(rng, truth, 40, noise), sites=crystal, settings=quick, rng=rng
        )
        exact = grow(n, graph, truth[graph.pairs].max(axis=1)).thresholds[2] - truth.min()
        estimate = found.energy.thresholds[2].estimate
        assert estimate is not None
        inside += estimate.low <= exact <= estimate.high
    assert inside >= 25  # 25 or more of 30 at 95 %: 99.8 %; the interval is not centred, so no upper bound


def test_an_energy_seen_once_has_no_error() -> None:
    graph, kind = hcp()
    found = percolation_of_states(**tabulated(np.arange(6.0)), sites=sites(graph, kind), settings=QUICK)
    estimate = found.energy.thresholds[0].estimate
    assert estimate is not None
    assert np.isnan([estimate.std, estimate.low, estimate.high]).all()
    assert any("errors are not known" in n for n in found.energy.notes)


def test_a_way_that_hangs_on_one_visit_has_no_upper_end() -> None:
    graph = links([(0, 1, 0, 0, 0), (1, 0, 0, 0, 1), (0, 0, 0, 1, 0)])
    table = np.tile([0.0, np.nan], (20, 1))
    table[3, 1] = 0.1
    found = percolation_of_states(
        **tabulated(table + 0.001 * np.random.default_rng(0).normal(size=(20, 2)), 20),
        sites=sites(graph, ["oct", "tet"]),
        settings=QUICK,
    )
    always, seldom = found.energy.thresholds[:2]
    assert always.reached == 1
    assert seldom.reached == pytest.approx(1 - (7 / 8) ** 8, abs=0.3)
    assert seldom.estimate is not None
    assert seldom.estimate.high == np.inf
    assert any("hangs on" in n for n in found.energy.notes)


def test_states_on_no_site_are_told_and_none_at_all_refused() -> None:
    graph, kind = hcp()
    crystal, table = sites(graph, kind), tabulated(np.zeros(6), 4)
    table["place"] = np.where(table["snapshot"] == 0, -1, table["place"])
    found = percolation_of_states(**table, sites=crystal, settings=QUICK)
    assert "25 % of the states are on no site" in found.notes[0]
    with pytest.raises(AnalysisError, match="no state on any site"):
        percolation_of_states(**{**table, "place": np.full(24, -1)}, sites=crystal, settings=QUICK)
    with pytest.raises(DataError, match="rows of the 6 sites"):
        percolation_of_states(**{**table, "place": np.full(24, 6)}, sites=crystal, settings=QUICK)
    with pytest.raises(DataError, match="columns of 23, 24 rows"):
        percolation_of_states(**{**table, "run": np.zeros(23)}, sites=crystal, settings=QUICK)


def test_blocks_follow_time_in_each_run() -> None:
    snapshot, run = np.array([5, 1, 3, 1, 9, 1]), np.array([0, 0, 0, 0, 0, 7])
    assert blocks_of(snapshot, run).tolist() == [2, 0, 1, 0, 3, 4]
    many = blocks_of(np.arange(40), np.zeros(40, int))
    assert np.bincount(many).tolist() == [5] * 8


# --- what ions did ------------------------------------------------------------------------------


def visits(site: Any, image: Any = None, timestep: float = 1.0) -> Visits:
    """Return visits from sites (frames, ions)."""
    place = np.asarray(site, dtype=np.int32)
    copies = np.zeros((*place.shape, 3), np.int16) if image is None else np.asarray(image, dtype=np.int16)
    return Visits(
        place, copies, np.arange(place.shape[1]), timestep, 600.0, np.zeros(len(place), dtype=np.int64)
    )


def walker(rng: np.random.Generator, graph: Links, frames: int, ions: int, stay: int = 5) -> Visits:
    """Return ions that walk along the links at random, one step every `stay` frames."""
    ends = np.concatenate([graph.pairs, graph.pairs[:, ::-1]])
    shift = np.concatenate([graph.shifts, -graph.shifts])
    place, copy = rng.integers(0, graph.pairs.max() + 1, ions), np.zeros((ions, 3), int)
    all_places, all_copies = [], []
    for _ in range(frames // stay):
        all_places += [place] * stay
        all_copies += [copy] * stay
        step = np.array([rng.choice(np.flatnonzero(ends[:, 0] == p)) for p in place])
        place, copy = ends[step, 1], copy + shift[step]
    return visits(all_places, all_copies)


def test_occupancies_percolate_from_the_fullest_on() -> None:
    graph, kind = hcp()
    occupancy = np.array([0.9, 0.8, 0.1, 0.2, 0.3, 0.4])
    frames = np.arange(400) / 400
    place = np.where(frames[:, None] < occupancy, np.arange(6), -1)
    place = place[np.random.default_rng(0).permutation(400)]
    found = percolation_of_visits([visits(place)], sites(graph, kind), QUICK)
    assert values(found) == pytest.approx([0.8, 0.4, 0.4])
    assert found.dimension == 3
    for t in found.thresholds:
        assert t.estimate is not None
        assert t.estimate.low < t.estimate.value < t.estimate.high
    often = percolation_of_visits(
        [visits(place)], sites(graph, kind), QUICK.model_copy(update={"least_occupancy": 0.5})
    )
    assert (often.dimension, often.sites) == (1, 2)
    assert "4 of 6 open sites were not visited in 399 ps" in often.notes


def test_sites_that_hold_the_framework_are_no_candidates() -> None:
    graph, kind = hcp()
    crystal = sites(graph, kind, held=["", "Y", "", "", "", ""])
    found = percolation_of_visits([visits(np.zeros((20, 1)))], crystal, QUICK)
    assert (found.sites, found.candidates, found.dimension) == (1, 5, 0)


def test_ions_on_no_site_are_refused() -> None:
    graph, kind = hcp()
    with pytest.raises(AnalysisError, match="no site with a known occupancy"):
        percolation_of_visits([visits(np.full((20, 2), -1))], sites(graph, kind), QUICK)


def test_hops_go_along_one_link_either_way() -> None:
    table = HopTable(
        np.array([0, 1, 0, 2, 2]), np.array([1, 0, 1, 2, 2]),
        np.array([[0, 0, 1], [0, 0, -1], [0, 0, 0], [0, -1, 2], [0, 1, -2]]), 10.0,
    )  # fmt: skip
    found, counts = links_of_hops(table)
    assert found.pairs.tolist() == [[0, 1], [0, 1], [2, 2]]
    assert found.shifts.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, -2]]
    assert counts.tolist() == [1, 2, 2]


def test_the_rate_of_the_last_link_decides() -> None:
    graph, kind = hcp()
    counts = np.array([40, 30, *[5] * 14])
    rows = np.repeat(np.arange(16), counts)
    table = HopTable(graph.pairs[rows, 0], graph.pairs[rows, 1], graph.shifts[rows], 20.0)
    found = percolation_of_hops(table, sites(graph, kind), QUICK)
    assert values(found) == [1.5, 0.25, 0.25]
    assert found.unit == "1/ps"
    estimate = found.thresholds[0].estimate
    assert estimate is not None
    assert estimate.low <= chi2.ppf(0.025, 60) / 40
    assert estimate.high >= chi2.ppf(0.975, 62) / 40
    assert estimate.std >= np.sqrt(30) / 20
    chain = np.repeat([0, 1], 4)
    only = HopTable(graph.pairs[chain, 0], graph.pairs[chain, 1], graph.shifts[chain], 20.0)
    reason = percolation_of_hops(only, sites(graph, kind), QUICK).thresholds[1].reason
    assert "in one direction only" in reason
    assert "below 0.15/ps" in reason
    with pytest.raises(AnalysisError, match="0 hops in 20 ps"):
        percolation_of_hops(HopTable(chain[:0], chain[:0], graph.shifts[:0], 20.0), sites(graph, kind), QUICK)


def test_walkers_hop_along_the_links_of_the_lattice_and_nowhere_else() -> None:
    graph, kind = hcp()
    crystal = sites(graph, kind)
    runs = [walker(np.random.default_rng(s), graph, 500, 4) for s in range(2)]
    table = hop_table([hops_of(v, crystal, HopSettings(settle=2.0)) for v in runs])
    found, counts = links_of_hops(table)
    assert counts.sum() == len(table.origin)
    mine = {(*p, *s) for p, s in zip(found.pairs.tolist(), map(tuple, found.shifts.tolist()), strict=True)}
    truth, _ = links_of_hops(HopTable(graph.pairs[:, 0], graph.pairs[:, 1], graph.shifts, 1.0))
    assert mine == {
        (*p, *s) for p, s in zip(truth.pairs.tolist(), map(tuple, truth.shifts.tolist()), strict=True)
    }
    assert percolation_of_hops(table, crystal, QUICK).dimension == 3


def test_vacancies_cluster_as_they_are_counted_by_hand() -> None:
    n, graph = lattice(6, 2)
    crystal = sites(graph, np.full(n, "oct"))
    full = np.arange(36)
    row = np.setdiff1d(full, np.arange(6))  # a whole row is empty: it spans
    spots = np.setdiff1d(full, [0, 7, 8])  # one alone, and a pair
    frames = [np.pad(f, (0, 6), constant_values=-1)[:36] for f in (row, spots)] * 10
    found = vacancies_of([visits(frames)], crystal)
    assert found.kind == "oct"
    assert found.number[:2].tolist() == [6, 3]
    assert found.largest[:2].tolist() == [6, 2]
    assert found.dimension[:2].tolist() == [1, 0]
    assert found.sizes.tolist() == [0, 0.5, 0.5, 0, 0, 0, 0.5]
    assert found.largest_fraction.value == pytest.approx((1 + 2 / 3) / 2)
    assert [s.value for s in found.spanning] == [0.5, 0, 0]
    nobody = vacancies_of([visits(np.tile(full, (3, 1)))], crystal)
    assert nobody.mean_number.value == 0
    assert np.isnan(nobody.largest_fraction.value)
    with pytest.raises(AnalysisError, match="no open site of the kind 'tet'"):
        vacancies_of([visits(frames)], crystal, "tet")


def test_vacancies_are_of_the_kind_that_holds_most_ions() -> None:
    graph, kind = hcp()
    found = vacancies_of([visits([[0, 1, 2]] * 9 + [[1, 3, 4]])], sites(graph, kind))
    assert (found.kind, found.number.tolist()) == ("oct", [0] * 9 + [1])
