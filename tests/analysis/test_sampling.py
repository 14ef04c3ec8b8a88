from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.analysis.sampling import evenly_spaced
from frustra.errors import AnalysisError
from frustra.io import TrajectoryFile, open_trajectory, write_trajectory
from frustra.trajectory import Trajectory
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
