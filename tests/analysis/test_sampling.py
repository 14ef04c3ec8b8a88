from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import entr

from frustra.analysis.sampling import decorrelated, evenly_spaced, snapshots_needed, spread
from frustra.errors import AnalysisError
from frustra.io import TrajectoryFile, open_trajectory, write_trajectory
from frustra.trajectory import Trajectory
from tests.analysis.walkers import chain
from tests.helpers import trajectory


def counting(frames: int) -> Trajectory:
    """Return a trajectory whose first ion is at x = frame number, far outside the cell."""
    positions = np.zeros((frames, 2, 3))
    positions[:, 0, 0] = 100.0 * np.arange(frames)
    return trajectory(positions, timestep=0.5)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_frames_are_distinct_ascending_and_evenly_spaced(frames_and_count: tuple[int, int]) -> None:
    frames, count = frames_and_count
    atoms, times = evenly_spaced(counting(frames), count)
    chosen = np.array([a.positions[0, 0] for a in atoms]) / 100  # unwrapped positions are kept
    assert len(atoms) == len(times) == count
    np.testing.assert_allclose(times, 0.5 * chosen)
    steps = np.diff(chosen)
    assert (steps >= 1).all()
    assert np.ptp(steps) <= 1 if count > 1 else True
    # as much of the run before the first frame as after the last, to one frame
    assert abs(chosen[0] - (frames - 1 - chosen[-1])) <= 1


@given(st.integers(1, 8), st.integers(1, 8))
def test_frames_stand_for_equal_parts_of_the_run(count: int, length: int) -> None:
    _, times = evenly_spaced(counting(count * length), count)
    parts = (times / 0.5 // length).astype(int)
    assert parts.tolist() == list(range(count))


def test_all_frames_are_all_frames() -> None:
    _, times = evenly_spaced(counting(9), 9)
    np.testing.assert_allclose(times, 0.5 * np.arange(9))


def test_more_snapshots_than_frames_are_refused() -> None:
    with pytest.raises(AnalysisError, match="10 snapshots asked of 9 frames"):
        evenly_spaced(counting(9), 10)


def test_of_a_file_only_the_frames_returned_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, read = counting(900), []
    write_trajectory(tmp_path / "t.h5", record)
    plain = TrajectoryFile.read

    def counted(file: TrajectoryFile, *selection: Any) -> Trajectory:
        read.append(len(part := plain(file, *selection)))
        return part

    monkeypatch.setattr(TrajectoryFile, "read", counted)
    with open_trajectory(tmp_path / "t.h5") as file:
        frames, times = evenly_spaced(file, 7)
    expected, when = evenly_spaced(record, 7)
    assert sum(read) == 7
    np.testing.assert_array_equal(times, when)
    for one, other in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.cell.array, other.cell.array)


BOX = 12.0
PLACES = np.array([[1.5, 1.5, 1.5], [4.5, 1.5, 1.5], [7.5, 4.5, 1.5], [10.5, 7.5, 7.5]])
SITES = chain(len(PLACES), positions=PLACES, cell=BOX * np.eye(3))


def blinking(rng: np.random.Generator, frames: int, tau: float) -> Trajectory:
    """Return one Li that is put anew, at rate 1/τ per frame, into one of four sites far from each other."""
    site = np.zeros(frames, dtype=int)
    for t in range(1, frames):
        site[t] = site[t - 1] if rng.random() < np.exp(-1 / tau) else rng.integers(len(PLACES))
    return trajectory(PLACES[site][:, None] + rng.normal(0, 0.1, (frames, 1, 3)), timestep=0.1, box=BOX)


def test_chosen_frames_are_two_correlation_times_apart() -> None:
    sample = decorrelated(blinking(np.random.default_rng(1), 2000, 8.0), SITES, "Li", 40, 16)
    found = sample.decorrelation
    assert found is not None
    assert found.tau == pytest.approx(0.8, abs=3 * found.tau_std)
    assert len(sample) == sample.asked == sample.independent == 40
    assert np.diff(sample.frames).min() >= found.inefficiency
    assert np.ptp(np.diff(sample.frames)) <= 1


def test_a_short_run_gives_as_many_as_it_holds() -> None:
    sample = decorrelated(blinking(np.random.default_rng(2), 600, 8.0), SITES, "Li", 100, 4)
    found = sample.decorrelation
    assert found is not None
    assert len(sample) == int(found.independent)
    assert np.diff(sample.frames).min() >= np.floor(found.inefficiency)
    assert sample.independent == len(sample) < sample.asked == 100


@pytest.mark.parametrize("tau", [80.0, 1e9])
def test_of_a_run_that_hardly_moves_the_least_is_taken_and_said_to_be_correlated(tau: float) -> None:
    run = blinking(np.random.default_rng(7), 400, tau)
    sample = decorrelated(run, SITES, "Li", 40, 16)
    found = sample.decorrelation
    assert found is not None
    assert len(sample) == 16
    assert sample.independent < 16
    assert found.is_lower_bound
    assert found.frozen == (tau > 1e6)
    assert sample.independent == (1 if found.frozen else found.independent)
    assert len(decorrelated(run, SITES, "Li", 10, 16)) == 10  # never more than asked for


def test_long_runs_are_looked_at_here_and_there(monkeypatch: pytest.MonkeyPatch) -> None:
    run = blinking(np.random.default_rng(4), 4000, 40.0)
    whole = decorrelated(run, SITES, "Li", 20, 4)
    monkeypatch.setattr("frustra.analysis.sampling.LOOKED_AT", 500)
    some = decorrelated(run, SITES, "Li", 20, 4)
    assert whole.decorrelation is not None
    assert some.decorrelation is not None
    assert some.decorrelation.frames == 500
    assert some.decorrelation.timestep == pytest.approx(0.8)
    assert some.decorrelation.tau == pytest.approx(whole.decorrelation.tau, rel=0.15)
    np.testing.assert_array_equal(some.frames, whole.frames)


def test_more_decorrelated_frames_than_there_are_frames_are_refused() -> None:
    with pytest.raises(AnalysisError, match="10 snapshots asked of 9 frames"):
        decorrelated(counting(9), SITES, "Li", 10)
    assert np.isnan(spread(counting(9), 3).independent)


def plug_in(counts: np.ndarray) -> np.ndarray:
    """Return −Σ p ln p along the last axis."""
    p = counts / counts.sum(axis=-1, keepdims=True)
    return entr(p).sum(axis=-1)


def test_as_many_snapshots_as_are_said_to_be_needed_give_the_error_wanted() -> None:
    # ions that share the ups and downs of their snapshot, in 12 levels; the truth is known
    rng = np.random.default_rng(5)
    low, high = rng.dirichlet(np.ones(12), 2)
    truth, ions, target = entr((low + high) / 2).sum(), 10, 0.04

    def drawn(snapshots: int) -> np.ndarray:
        return rng.multinomial(ions, np.where(rng.random((snapshots, 1)) < 0.5, low, high))

    at_hand = drawn(60)
    picks = rng.integers(60, size=(400, 60))
    std = float(plug_in(at_hand[picks].sum(axis=1)).std())
    found = snapshots_needed(std, 60, int((at_hand.sum(axis=0) > 0).sum()), 600, target)
    assert found is not None
    errors = plug_in(np.array([drawn(found.snapshots).sum(axis=0) for _ in range(300)])) - truth
    assert np.sqrt((errors**2).mean()) == pytest.approx(target, rel=0.35)
    assert found.enough == (found.snapshots <= 60)
    assert found.error == pytest.approx(np.hypot(std, found.bias))


@pytest.mark.parametrize("states", [60, 300, 2000])
def test_the_bias_of_the_entropy_is_that_of_miller_and_madow(states: int) -> None:
    rng = np.random.default_rng(6)
    levels = np.full(8, 1 / 8)
    values = plug_in(rng.multinomial(states, levels, size=20000))
    found = snapshots_needed(float(values.std()), 30, 8, states, 0.05)
    assert found is not None
    assert np.log(8) - values.mean() == pytest.approx(found.bias, rel=0.1)


@given(
    st.floats(1e-3, 1), st.floats(2, 1e4), st.integers(1, 500), st.integers(500, 10**7), st.floats(1e-3, 1)
)
def test_the_number_needed_is_the_smallest_with_that_error(
    std: float, independent: float, bins: int, states: int, target: float
) -> None:
    found = snapshots_needed(std, independent, bins, states, target)
    assert found is not None

    def error(n: float) -> float:
        return float(np.hypot(std * np.sqrt(independent / n), found.bias * independent / n))

    assert error(found.snapshots) <= target * (1 + 1e-6)
    assert found.snapshots == 2 or error(found.snapshots - 1) > target * (1 - 1e-6)
    assert found.enough == (independent >= found.snapshots)


def test_nothing_is_told_without_an_error_and_nonsense_is_refused() -> None:
    assert snapshots_needed(np.nan, 10, 5, 100, 0.05) is None
    assert snapshots_needed(0.1, 1.0, 5, 100, 0.05) is None
    with pytest.raises(AnalysisError, match="a positive error"):
        snapshots_needed(0.1, 10, 5, 100, 0.0)
