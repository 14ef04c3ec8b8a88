"""Hops of a made-up run, relaxed by a potential whose energies are a table of the sites."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from frustra.campaign import run_job
from frustra.campaign.jobs import CellJob, Context
from frustra.campaign.run_job import RunJob
from frustra.campaign.study import load_study
from frustra.campaign.transition_results import transitions_found, transitions_result
from frustra.campaign.transitions import RelaxedHops, relax_hops, sites_of_ground
from frustra.engines.zoo import load_potential
from frustra.io import read_snapshots, read_structure, write_json, write_trajectory
from frustra.io.transitions import read_transitions, write_transitions
from frustra.sites import Sites
from frustra.snapshots import Snapshots
from frustra.trajectory import Trajectory
from frustra.transitions import COLUMNS, Transitions
from tests.campaign.program import study
from tests.helpers import LYC, snapshots

STEP = 0.1
"""ps between frames."""

COUPLING = 0.3
"""Part of an ion's energy that the framework takes off the total."""


@pytest.fixture(scope="module")
def crystal() -> Atoms:
    return read_structure(LYC)


@pytest.fixture(scope="module")
def sites(crystal: Atoms) -> Sites:
    return sites_of_ground(crystal, "Li", ("Cl",))


def level(sites: Sites) -> np.ndarray:
    """Return the energy of an ion in every site, all different, eV."""
    return -3.0 + 0.12 * (sites.kind == "tet") + 0.001 * np.arange(len(sites))


class Table:
    """Puts every ion into the middle of its site and gives it the energy of the site."""

    def __init__(self, sites: Sites) -> None:
        self._sites, self.frames = sites, 0

    def __call__(self, _: str, frames: list[Atoms]) -> Snapshots:
        self.frames += len(frames)
        mobile = np.flatnonzero(frames[0].symbols == "Li")
        positions, atomic = np.stack([f.positions for f in frames]), np.zeros((len(frames), len(frames[0])))
        for number, frame in enumerate(frames):
            fractional = frame.positions[mobile] @ np.linalg.inv(self._sites.cell)
            home = fractional[:, None] - (self._sites.positions @ np.linalg.inv(self._sites.cell))[None]
            vectors = (home - np.round(home)) @ self._sites.cell
            vectors[:, ~self._sites.open] = np.inf
            site = np.linalg.norm(vectors, axis=2).argmin(axis=1)
            positions[number, mobile] -= vectors[np.arange(len(mobile)), site]
            atomic[number, mobile] = level(self._sites)[site]
        fixed = np.setdiff1d(np.arange(len(frames[0])), mobile)
        atomic[:, fixed[0]] = -COUPLING * atomic[:, mobile].sum(axis=1)
        return snapshots(frames[0], len(frames), atomic, positions=positions, time=np.zeros(len(frames)))


def ways_through(sites: Sites, start: int, taken: set[int]) -> list[list[int]]:
    """Return free ways oct–tet–oct from a start, of sites of which each shares a face with the next."""
    faces = sites.links.faces.pairs
    beside = {
        k: {int(p[1 - j]) for p in faces for j in (0, 1) if p[j] == k} - taken for k in range(len(sites))
    }
    return [
        [start, tet, end]
        for tet in sorted(beside[start])
        for end in sorted(beside[tet] - {start})
        if sites.open[[tet, end]].all() and sites.kind[[tet, end]].tolist() == ["tet", "oct"]
    ]


def run_of(crystal: Atoms, sites: Sites, together: bool = False) -> tuple[Trajectory, list[list[int]]]:
    """Return a run of 60 frames in which two ions hop oct–tet–oct, and the sites of each.

    One after the other, or both at the same time.
    """
    mobile = np.flatnonzero(crystal.symbols == "Li")
    offset = (crystal.positions[mobile][:, None] - sites.positions[None]) @ np.linalg.inv(sites.cell)
    home = np.linalg.norm((offset - np.round(offset)) @ sites.cell, axis=2).argmin(axis=1)
    taken, moving = set(home.tolist()), list[tuple[int, list[int]]]()
    for ion, start in enumerate(home.tolist()):
        found = [w for w in ways_through(sites, start, taken) if len(moving) < 2]
        moving += [(ion, w) for w in found[:1]]
        taken |= set(found[0]) if found else set()
    (one, first), (other, second) = moving
    positions = np.repeat(crystal.positions[None], 60, axis=0)
    for ion, stops, begin in ((one, first, 8), (other, second, 8 if together else 32)):
        place = positions[0, mobile[ion]].copy()
        for here, there, frame in zip(stops, stops[1:], (begin, begin + 12), strict=False):
            step = (sites.positions[there] - sites.positions[here]) @ np.linalg.inv(sites.cell)
            place = place + (step - np.round(step)) @ sites.cell
            positions[frame:, mobile[ion]] = place
    cells = np.broadcast_to(crystal.cell.array, (60, 3, 3))
    return Trajectory(positions, cells, crystal.numbers, STEP, 600.0), [first, second]


def relaxed(crystal: Atoms, sites: Sites, run: Trajectory, count: int = 24) -> tuple[RelaxedHops, Table]:
    table = Table(sites)
    return relax_hops(run, crystal, "Li", ("Cl",), count, np.random.default_rng(1), table), table


def test_energies_before_and_after_are_those_of_the_sites(crystal: Atoms, sites: Sites) -> None:
    run, ways = run_of(crystal, sites)
    found, relaxations = relaxed(crystal, sites, run)
    table = found.transitions
    hops = [(s[k], s[k + 1]) for s in ways for k in (0, 1)]
    assert sorted(zip(table["origin"].tolist(), table["target"].tolist(), strict=True)) == sorted(hops)
    assert table["ok"].all()
    np.testing.assert_allclose(table["energy_before"], level(sites)[table["origin"]], atol=1e-9)
    np.testing.assert_allclose(table["energy_after"], level(sites)[table["target"]], atol=1e-9)
    ion = table["energy_after"] - table["energy_before"]
    np.testing.assert_allclose(table["total_after"] - table["total_before"], (1 - COUPLING) * ion, atol=1e-9)
    assert (table["companions"] == 0).all()
    assert table["pathway"].tolist() == ["oct–tet", "tet–oct"] * 2
    assert sorted(table["chain"]) == [0, 0, 1, 1]
    assert found.lasting == {"oct–tet–oct settled": 4}
    assert relaxations.frames == len(set(table["before"]) | set(table["after"]))


def test_where_two_ions_hop_together_each_is_also_moved_alone(crystal: Atoms, sites: Sites) -> None:
    run, _ = run_of(crystal, sites, together=True)
    found, relaxations = relaxed(crystal, sites, run)
    table = found.transitions
    assert (table["companions"] == 1).all()
    assert table["alone_ok"].all()
    ion = level(sites)[table["target"]] - level(sites)[table["origin"]]
    np.testing.assert_allclose(table.alone_change("energy"), ion, atol=1e-9)
    np.testing.assert_allclose(table.alone_change("total"), (1 - COUPLING) * ion, atol=1e-9)
    np.testing.assert_allclose(table.alone_change("others"), 0, atol=1e-9)
    both = table["total_after"] - table["total_before"]
    assert (np.abs(both - (1 - COUPLING) * ion) > 0.05).all()  # the frames after tell of two hops
    assert found.snapshots is not None
    assert relaxations.frames == len(found.snapshots) == 4 + len(table)


def test_a_run_without_hops_is_told_and_relaxes_nothing(crystal: Atoms, sites: Sites) -> None:
    run, _ = run_of(crystal, sites)
    still = run.read(slice(0, 6))
    found, relaxations = relaxed(crystal, sites, still)
    assert (len(found.transitions), relaxations.frames) == (0, 0)
    assert found.note == "no hop that lasts"
    short, _ = relaxed(crystal, sites, run.read(slice(0, 2)))
    assert "2 frames" in short.note
    other, _ = relaxed(Atoms("Li", cell=np.eye(3) * 9, pbc=True), sites, still)
    assert "hops cannot be told" in other.note


def job(folder: Path, crystal: Atoms, **settings: str) -> RunJob:
    """Return the job of a run whose cell and trajectory are there."""
    path = study(folder, "a", **settings)
    read = load_study(path)
    context = Context(read, folder / "out", "a", load_potential("pod:li-y-cl", folder), folder)
    cell = CellJob(context, crystal, 600.0)
    told = {"cell_A": crystal.cell.array.tolist(), "std_A": np.zeros((3, 3)).tolist()}
    cell.step.perform(lambda part: write_json(part / "cell.json", told))
    return RunJob(cell, 0.0, "ordered", 0)


def perform(run: RunJob, crystal: Atoms, sites: Sites) -> None:
    trajectory, _ = run_of(crystal, sites, together=True)
    run.md_step.perform(lambda part: write_trajectory(part / "trajectory.h5", trajectory))
    run.transitions_step.perform(lambda part: run._transitions(part, lambda _: None))  # noqa: SLF001


def test_a_killed_step_goes_on_from_its_batches(
    tmp_path: Path, crystal: Atoms, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, allowed = Table(sites), [3]

    def relax_batch(frames: list[Atoms], *_: Any) -> Snapshots:
        allowed[0] -= 1
        if allowed[0] < 0:
            raise KeyboardInterrupt
        return tables("", frames)

    monkeypatch.setattr(run_job, "relax_frames", relax_batch)
    monkeypatch.setattr(run_job, "_BATCH", 2)
    first, second = (job(tmp_path / name, crystal) for name in map(_made(tmp_path), ("killed", "whole")))
    with pytest.raises(KeyboardInterrupt):
        perform(first, crystal, sites)
    assert not first.transitions_step.is_done
    done = tables.frames
    allowed[0] = 99
    perform(first, crystal, sites)
    total = tables.frames
    perform(second, crystal, sites)
    assert tables.frames - total == total  # nothing was relaxed twice
    assert 0 < done < total
    one, other = (read_transitions(j.transitions_file) for j in (first, second))
    for column in COLUMNS:
        np.testing.assert_array_equal(one[column.name], other[column.name])
    assert len(read_snapshots(first.transitions_step.folder / "snapshots.h5")) == total
    assert not (first.transitions_step.folder / "batches").exists()
    assert first.hops() == ({"oct–tet–oct settled": 4}, "")
    survey = transitions_found("a", [[first]], zero=-3.0)
    assert survey.transitions["material"].tolist() == ["a"] * 4
    result = transitions_result(survey, [[first]])
    assert result.temperatures[0].alone == 4
    assert result.temperatures[0].shares is None
    assert any("4 single hops" in note for note in result.notes)


def _made(folder: Path) -> Any:
    def made(name: str) -> str:
        (folder / name).mkdir()
        return name

    return made


def test_other_settings_are_other_steps_and_none_is_no_step(tmp_path: Path, crystal: Atoms) -> None:
    plain, more, none = (
        job(tmp_path / name, crystal, snapshots=f"3\nhops = {hops}")
        for name, hops in zip(map(_made(tmp_path), "abc"), (24, 30, 0), strict=True)
    )
    assert plain.transitions_step.key != more.transitions_step.key
    assert plain.snapshots_step.key == more.snapshots_step.key == none.snapshots_step.key
    assert plain.steps[-1].name.startswith("transitions")
    assert [s.name.split("-")[0] for s in none.steps] == ["md", "snapshots"]
    assert more.force_calls > plain.force_calls > none.force_calls
    survey = transitions_found("c", [[none]], 0.0)
    assert transitions_result(survey, [[none]]).notes == [
        "no transitions on the DOAS at 600 K: none are asked for (sampling.hops = 0)"
    ]


def test_tables_survive_the_file(tmp_path: Path, crystal: Atoms, sites: Sites) -> None:
    run, _ = run_of(crystal, sites)
    table = relaxed(crystal, sites, run)[0].transitions
    for name, rows in (("all", slice(None)), ("none", slice(0, 0))):
        path = tmp_path / f"{name}.parquet"
        part = Transitions({k: v[rows] for k, v in table.columns.items()})
        write_transitions(path, part)
        back = read_transitions(path)
        for column in COLUMNS:
            np.testing.assert_array_equal(back[column.name], part[column.name])
