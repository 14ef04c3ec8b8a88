"""`frustra percolation` as a user runs it, from trajectories of which the answer is known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from ase.build import bulk
from click.testing import Result
from typer.testing import CliRunner

from frustra.analysis.percolation.record import PercolationSettings
from frustra.analysis.percolation.states import percolation_of_states
from frustra.cli.percolation import percolation
from frustra.io import write_trajectory
from frustra.plots.percolation import plot_paths, plot_percolation, plot_state_percolation
from frustra.surveys.percolation import PathPercolation, paths_through
from frustra.surveys.percolation_results import percolation_result
from frustra.trajectory import Trajectory
from tests.analysis.test_percolation import QUICK, hcp, repeated, sites, tabulated, visits, walker

EDGE, TIMES, STAY = 5.2, 2, 8


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(percolation)
    return CliRunner().invoke(app, [str(a) for a in arguments])


def told(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def rocksalt_run(along: tuple[int, ...], steps: int = 40, ions: int = 3) -> Trajectory:
    """Return Li that walk from octahedron to octahedron of fcc Cl by way of tetrahedra.

    Each move is half an edge to or fro along one of these axes of the cube, and half an edge along another;
    with one axis alone, that other step is taken back by the next move.
    """
    rng, half, rows = np.random.default_rng(0), EDGE / 2, np.arange(ions)
    anions = bulk("Cl", "fcc", a=EDGE, cubic=True).repeat(TIMES)
    start = anions.positions[[0, 13, 26][:ions]] + [half, 0, 0]  # octahedra
    place, path = start.copy(), []
    for k in range(steps):
        axes = np.array([rng.choice(along) for _ in place])
        step = np.zeros_like(place)
        others = (axes + 1) % 3
        step[rows, axes] = rng.choice([-half, half], ions)
        step[rows, others] = rng.choice([-half, half], ions) if len(along) > 1 else half * (-1) ** k
        quarter = step / 2
        third = 3 - axes - others
        quarter[rows, third] = half / 2  # the tetrahedron beside the shared edge
        path += [place] * STAY + [place + quarter] * STAY
        place = place + step
    mobile = np.array(path) + rng.normal(0, 0.05, (len(path), ions, 3))
    framework = anions.positions + rng.normal(0, 0.05, (len(path), len(anions), 3))
    numbers = np.array([3] * ions + [17] * len(anions))
    cells = np.tile(np.eye(3) * EDGE * TIMES, (len(path), 1, 1))
    return Trajectory(np.concatenate([mobile, framework], axis=1), cells, numbers, 0.1, 600.0)


@pytest.fixture(scope="module")
def three_dimensional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    write_trajectory(path, rocksalt_run((0, 1, 2)))
    return path


def test_ions_that_walk_everywhere_percolate_in_three_dimensions(three_dimensional: Path) -> None:
    answer = told(three_dimensional, "--specie", "Li")
    assert (answer["specie"], answer["links"]) == ("Li", "faces")
    (only,) = answer["temperatures"]
    assert only["T_K"] == 600
    for key in ("visited", "hops"):
        assert only[key]["dimension"] == 3
        for threshold in only[key]["thresholds"]:
            level = threshold["level"]
            assert level["low"] <= level["value"] <= level["high"]
            assert threshold["reason"] == ""
    assert only["visited"]["thresholds"][2]["directions"] == np.eye(3).tolist()
    assert only["hops"]["unit"] == "1/ps"


def test_ions_that_walk_along_one_axis_percolate_along_it(tmp_path: Path) -> None:
    write_trajectory(tmp_path / "run.h5", rocksalt_run((2,), 80, 1))
    (only,) = told(tmp_path / "run.h5", "--specie", "Li")["temperatures"]
    assert only["visited"]["dimension"] == 1
    assert only["visited"]["thresholds"][0]["directions"] == [[0, 0, 1]]
    assert only["visited"]["axes"]["a"] is None
    second = only["visited"]["thresholds"][1]
    assert second["level"] is None
    assert "never visited block the way" in second["reason"]


def test_the_table_and_the_figure_tell_the_same(three_dimensional: Path, tmp_path: Path) -> None:
    figure = tmp_path / "ways.png"
    done = run(three_dimensional, "--specie", "Li", "--links", "edges", "--plot", figure)
    assert done.exit_code == 0, done.stderr
    assert figure.stat().st_size > 10_000
    assert "600   occupancy" in done.stdout
    assert "hops (1/ns)" in done.stdout
    assert "in the largest cluster" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "no mobile element; name it: --specie Li."),
        (("--specie", "Li", "--links", "corners"), "links that are 'corners'; expected faces or edges."),
        (("--specie", "Li", "--shuffle", "some"), "a shuffle among 'some'; expected all or kind."),
        (("--specie", "Li", "--least-occupancy", "2"), "a least occupancy of 2; expected 0 to 1."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    done = run("run.h5", *arguments)
    assert done.exit_code == 2
    assert done.stderr == f"frustra: {sentence}\n"


@pytest.fixture(scope="module")
def paths() -> list[PathPercolation]:
    graph, kind = hcp()
    larger, copy = repeated(graph, 6, (2, 2, 1))
    crystal = sites(larger, kind[copy])
    runs = {t: walker(np.random.default_rng(t), larger, 400, 5, stay) for t, stay in ((500, 20), (700, 5))}
    still = visits(np.tile([0, 1], (40, 1)))
    found = [paths_through(crystal, [still], 300.0, QUICK)]
    return found + [paths_through(crystal, [v], float(t), QUICK) for t, v in runs.items()]


def test_ions_at_rest_have_no_hops_and_say_so(paths: list[PathPercolation]) -> None:
    rest = paths[0]
    assert rest.hopped is None
    assert any("no percolation of hops: 0 hops" in n for n in rest.notes)
    assert rest.visited.dimension == 1  # two octahedra of one chain in a cell of one repeat along c


def marks(ax: Any) -> dict[str, list[float]]:
    """Return where the symbols of 1, 2, 3 dimensions stand."""
    found: dict[str, list[float]] = {}
    for line in ax.lines:
        if line.get_marker() in {"o", "s", "D"}:
            found.setdefault(line.get_marker(), []).append(float(line.get_xdata()[0]))
    return found


def test_symbols_stand_at_the_levels(paths: list[PathPercolation]) -> None:
    visited, hopped = plot_paths(paths)
    for ax, records, factor in (
        (visited, [p.visited for p in paths], 1.0),
        (hopped, [p.hopped for p in paths if p.hopped is not None], 1e3),
    ):
        for symbol, at in (("o", 0), ("s", 1), ("D", 2)):
            levels = [r.thresholds[at].estimate for r in records]
            expected = [factor * e.value for e in levels if e is not None]
            assert marks(ax).get(symbol, []) == pytest.approx(expected)
        left, right = ax.get_xlim()
        assert left > right  # the easiest first
    assert {"300 K", "500 K", "700 K"} <= {t.get_text() for t in visited.get_legend().get_texts()}


def test_a_run_without_hops_leaves_its_panel_empty(paths: list[PathPercolation]) -> None:
    assert plot_paths(paths[:1])[1].texts[0].get_text() == "no hops"


def test_energies_are_drawn_in_mev_with_the_shuffled_band() -> None:
    graph, kind = hcp()
    larger, copy = repeated(graph, 6, (2, 2, 1))
    crystal, rng = sites(larger, kind[copy]), np.random.default_rng(0)
    energies = np.where(crystal.kind == "oct", 0.0, 0.1) + 0.02 * rng.random(len(crystal))
    table = tabulated(energies + 0.01 * rng.normal(size=(16, len(crystal))), 16)
    found = percolation_of_states(
        **table, sites=crystal, settings=PercolationSettings(samples=20, shuffles=20)
    )
    heights, steps = plot_state_percolation(found)
    for ax, record in ((heights, found.energy), (steps, found.difference)):
        third = record.thresholds[2].estimate
        assert third is not None
        assert marks(ax)["D"] == pytest.approx([1e3 * third.value])
        (band,) = ax.collections
        assert band.get_paths()
    assert "(meV)" in heights.get_xlabel()
    plain = percolation_result(found.energy)
    assert plain.unit == "eV"
    assert plain.zero == found.energy.zero


def test_a_single_site_can_be_drawn() -> None:
    graph, kind = hcp()
    table = tabulated(np.array([0.1, *[np.nan] * 5]))
    lonely = percolation_of_states(**table, sites=sites(graph, kind), settings=QUICK)
    assert len(plot_percolation([lonely.energy]).lines) == 1


def test_axes_may_be_given(paths: list[PathPercolation]) -> None:
    from matplotlib.figure import Figure

    mine = Figure().subplots(1, 2)
    assert plot_paths(paths, mine) == list(mine)
    assert all(ax.lines for ax in mine)
