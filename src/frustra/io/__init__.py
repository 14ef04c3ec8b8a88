"""The only package that knows file formats."""

from frustra.io.files import read_json, replacing, write_csv, write_json, write_text
from frustra.io.folders import ladder_files
from frustra.io.h5md import TrajectoryFile, TrajectoryWriter, write_trajectory
from frustra.io.hints import TrajectoryHints
from frustra.io.records import read_snapshots, read_states, write_snapshots, write_states
from frustra.io.structures import read_frames, read_structure, write_frames, write_structure
from frustra.io.tables import read_ladder, read_msd
from frustra.io.trajectories import open_trajectory, read_trajectory

__all__ = [
    "TrajectoryFile",
    "TrajectoryHints",
    "TrajectoryWriter",
    "ladder_files",
    "open_trajectory",
    "read_frames",
    "read_json",
    "read_ladder",
    "read_msd",
    "read_snapshots",
    "read_states",
    "read_structure",
    "read_trajectory",
    "replacing",
    "write_csv",
    "write_frames",
    "write_json",
    "write_snapshots",
    "write_states",
    "write_structure",
    "write_text",
    "write_trajectory",
]
