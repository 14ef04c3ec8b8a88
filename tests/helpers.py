"""Crystals, walks and tables for the tests, written without the package's own functions."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from frustra.sites import SITE_KINDS
from frustra.snapshots import Snapshots
from frustra.states import StateTable
from frustra.trajectory import Trajectory

LYC = Path(__file__).parents[1] / "examples/li3ycl6/Li3YCl6.cif"

seeds = st.integers(0, 2**32 - 1)


class Lattice(NamedTuple):
    """One lattice, by a compact cell and by an equivalent skewed one."""

    compact: np.ndarray
    skewed: np.ndarray


@st.composite
def lattices(draw: st.DrawFn, shortest: float = 3.0, longest: float = 9.0) -> Lattice:
    """Return a triclinic lattice in any orientation (Å)."""
    compact = np.diag([draw(st.floats(shortest, longest)) for _ in range(3)])
    for row, column in ((1, 0), (2, 0), (2, 1)):
        compact[row, column] = draw(st.floats(-0.5, 0.5)) * compact[column, column]
    compact = compact @ Rotation.random(rng=np.random.default_rng(draw(seeds))).as_matrix().T
    return Lattice(compact, draw(unimodular()) @ compact)


@st.composite
def unimodular(draw: st.DrawFn) -> np.ndarray:
    """Return an integer matrix of determinant one: another choice of the same lattice's cell."""
    matrix = np.eye(3, dtype=int)
    for row, shift, times in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2), st.integers(-2, 2)), max_size=3)
    ):
        matrix[row] += times * matrix[(row + shift) % 3]
    return matrix


def heights(cell: np.ndarray) -> np.ndarray:
    """Return the distances between opposite faces, volume over face area."""
    faces = [np.linalg.norm(np.cross(cell[(k + 1) % 3], cell[(k + 2) % 3])) for k in range(3)]
    return abs(np.linalg.det(cell)) / np.array(faces)


def translations(cell: np.ndarray, radius: float) -> np.ndarray:
    """Return every lattice vector that two points of the cell may need to come within the radius."""
    reach = np.ceil(radius / heights(cell)).astype(int) + 1
    grids = np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij")
    return np.stack(grids, axis=-1).reshape(-1, 3) @ cell


def distances(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the shortest distance of every pair under periodic boundaries, by brute force."""
    images = translations(cell, np.linalg.norm(cell, axis=1).sum() / 2)
    fractional = positions @ np.linalg.inv(cell)
    home = (fractional - np.floor(fractional)) @ cell
    gaps = home[:, None] - home[None]
    return np.array([[np.linalg.norm(gap + images, axis=1).min() for gap in row] for row in gaps])


def another_view(atoms: Atoms, matrix: np.ndarray, rng: np.random.Generator) -> Atoms:
    """Return the same crystal turned, shifted and with another choice of its cell."""
    turn = Rotation.random(rng=rng).as_matrix().T
    shift = rng.uniform(-10, 10, 3)
    cell = matrix @ atoms.cell.array
    seen = Atoms(atoms.numbers, (atoms.positions + shift) @ turn, cell=cell @ turn, pbc=True)
    seen.wrap()
    return seen


def trajectory(
    mobile: np.ndarray,
    framework: np.ndarray | None = None,
    timestep: float = 1.0,
    temperature: float = 600.0,
    box: float = 20.0,
) -> Trajectory:
    """Return a trajectory of Li (frames, ions, 3) and Cl; two Cl at rest unless others are given."""
    frames = len(mobile)
    if framework is None:
        framework = np.zeros((frames, 2, 3))
    numbers = np.array([3] * mobile.shape[1] + [17] * framework.shape[1])
    cells = np.tile(np.eye(3) * box, (frames, 1, 1))
    return Trajectory(np.concatenate([mobile, framework], axis=1), cells, numbers, timestep, temperature)


def random_walk(
    rng: np.random.Generator, ions: int, frames: int, jumps: float, vibration: float = 0.1
) -> tuple[np.ndarray, float]:
    """Return walks on a cubic lattice of 3 Å and their diffusivity.

    Each ion hops to one of six neighbours with a fixed probability per frame, so that `jumps` hops of all
    ions are expected; on top of it, it vibrates. D = a²Γ/6.
    """
    a, probability = 3.0, jumps / (ions * (frames - 1))
    steps = np.zeros((frames - 1, ions, 3))
    hops = rng.choice([-a, a], (frames - 1, ions)) * (rng.random((frames - 1, ions)) < probability)
    np.put_along_axis(steps, rng.integers(0, 3, (frames - 1, ions, 1)), hops[..., None], axis=2)
    walks = np.concatenate([np.zeros((1, ions, 3)), np.cumsum(steps, axis=0)])
    return walks + vibration * rng.normal(size=walks.shape), a**2 * probability / 6


def snapshots(atoms: Atoms, frames: int = 3, energies: np.ndarray | None = None, **changes: Any) -> Snapshots:
    """Return snapshots of one crystal; per-atom energies (frames, atoms) are random unless given."""
    rng = np.random.default_rng(len(atoms) + frames)
    atomic = rng.normal(-3, 0.1, (frames, len(atoms))) if energies is None else energies
    fields: dict[str, Any] = {
        "positions": atoms.positions[None] + rng.normal(0, 0.02, (frames, len(atoms), 3)),
        "cell": atoms.cell.array,
        "numbers": atoms.numbers.astype(np.int64),
        "energies": atomic.sum(axis=1),
        "atomic_energies": atomic,
        "fmax": rng.uniform(0, 0.005, frames),
        "converged": np.ones(frames, bool),
        "reason": np.full(frames, "force tolerance"),
        "force_calls": rng.integers(10, 100, frames),
        "steps": np.full(frames, 9),
        "max_displacement": rng.uniform(0.2, 0.5, frames),
        "displacements": rng.uniform(0, 0.2, (frames, len(atoms))),
        "time": np.arange(frames) * 0.5,
        "temperature": 300.0,
    }
    return Snapshots(**{**fields, **changes})


def _places(frames: int, ions: int) -> np.ndarray:
    """Return sites that forget from snapshot to snapshot who was where."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.permutation(3 * ions)[:ions] for _ in range(frames)] or [np.zeros(0, int)])


def states(energies: np.ndarray, temperature: float = 300.0, **changes: Any) -> StateTable:
    """Return a table of octahedral Li from energies (snapshots, ions)."""
    frames, ions = energies.shape
    rows = frames * ions
    columns: dict[str, Any] = {
        "material": np.full(rows, "m"),
        "temperature": np.full(rows, temperature),
        "run": np.zeros(rows, int),
        "snapshot": np.repeat(np.arange(frames), ions),
        "time": np.repeat(np.arange(frames) * 0.5, ions),
        "ion": np.tile(np.arange(ions), frames),
        "element": np.full(rows, "Li"),
        "energy": energies.ravel(),
        "site": np.full(rows, "oct"),
        "coordination": np.full(rows, 6),
        "place": _places(frames, ions),
        "label": np.full(rows, "oct"),
        "layer": np.full(rows, -1),
        **{f"{what}_{kind}": np.zeros(rows, int) for what in ("near", "vacant") for kind in SITE_KINDS},
        **{f"{what}_ions": np.zeros(rows, int) for what in ("face", "site")},
        **{f"{what}_cations": np.zeros(rows, int) for what in ("face", "edge")},
        "anions": np.full(rows, "Cl6"),
        **{f"{what}_anion": np.full(rows, 2.5) for what in ("nearest", "mean")},
        **{f"nearest_{what}": np.full(rows, 3.0) for what in ("ion", "cation")},
        "off_centre": np.full(rows, 0.1),
        "displacement": np.full(rows, 0.1),
        "left_basin": np.zeros(rows, bool),
        "structure": np.repeat(np.arange(frames), ions),
        "converged": np.ones(rows, bool),
    }
    return StateTable({**columns, **changes})
