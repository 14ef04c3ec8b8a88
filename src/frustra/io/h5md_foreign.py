"""H5MD of other programs: LAMMPS, MDAnalysis, ESPResSo, znh5md, and whoever else keeps to the specification.

That is H5MD 1.1 with its module for units (nongnu.org/h5md). What it leaves open is asked for by name.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from frustra.errors import DataError
from frustra.io.h5md import blaming
from frustra.io.h5md_meaning import creator_of, interval_of, lengths_of, numbers_of_species, text
from frustra.io.hints import TrajectoryHints, temperature_of
from frustra.io.source import BLOCK, Block, Source, other_atoms

NEEDED = {"box/edges": "the vectors of the cell", "species": "the element of each atom, as a string"}
"""Elements of a group that may be missing by the specification, but not here, and what they tell."""

CACHE = 2**26
"""Bytes of chunks that HDF5 keeps, as a chunk may hold more frames than a block."""

OTHERWISE = "no trajectory as H5MD specifies it"

Rows = dict[str, Any]  # arrays by the names of elements, each (frames, …)


def written_by_others(path: Path) -> bool:
    """Tell whether an HDF5 file is H5MD by another program than frustra; False where it cannot be read.

    Ours is known by the names of its attributes, which have checksums. The creator's name has none: of a
    damaged file, HDF5 may look for it forever.
    """
    with suppress(DataError), blaming(path), h5py.File(path, "r") as file:
        return "h5md" in file and not {"temperature", "info"} <= set(file.attrs)
    return False


@contextmanager
def foreign_h5md(path: Path, hints: TrajectoryHints) -> Iterator[Source]:
    """Open the one group of particles of an H5MD file; a fixed or varying box, orthogonal or triclinic.

    Positions with images are unwrapped by them, unless they are said to be unwrapped themselves. Where ids
    change places from frame to frame, the atoms are sorted by them.

    Raises
    ------
    DataError
        A damaged file, several groups, a box that is not periodic, an unknown or missing unit of length, no
        time step, no elements, unequal times between frames; or, while it is read, other atoms or images
        that contradict the positions.
    """
    with ExitStack() as stack:
        with blaming(path, OTHERWISE):
            file = stack.enter_context(h5py.File(path, "r", rdcc_nbytes=CACHE))
            source = _source(path, file, hints)
        yield source


@dataclass(frozen=True)
class _Element:
    """What H5MD calls an element: data with a value for each frame, or one for all."""

    data: Any
    varies: bool

    @classmethod
    def of(cls, element: Any) -> "_Element":
        """Tell the two apart: the group of a time series, or a dataset."""
        varies = isinstance(element, h5py.Group)
        return cls(element["value"] if varies else element, varies)

    def read(self, part: range) -> Any:
        """Return the values of successive frames, (frames, …)."""
        if self.varies:
            return self.data[part.start : part.stop]
        return np.broadcast_to(self.data[()], (len(part), *self.data.shape))


@dataclass(frozen=True)
class _Particles:
    elements: dict[str, _Element]
    lengths: tuple[float, float]
    """Å per unit of the positions and of the edges."""

    def read(self, part: range) -> Rows:
        """Return successive frames: fractional `position`, `cell`, and whatever there is of the others."""
        rows = {name: element.read(part) for name, element in self.elements.items()}
        if "id" in rows and self.elements["id"].varies:
            order = np.argsort(rows["id"], axis=1)
            for name in rows.keys() - {"box/edges"}:
                index = order.reshape(order.shape + (1,) * (rows[name].ndim - 2))
                rows[name] = np.take_along_axis(rows[name], index, axis=1)
        edges = rows.pop("box/edges").astype(float) * self.lengths[1]
        rows["cell"] = edges if edges.ndim == 3 else edges[:, :, None] * np.eye(3)
        with np.errstate(over="ignore", invalid="ignore"):
            to_cells = self.lengths[0] * np.linalg.inv(rows["cell"])
            rows["position"] = rows["position"].astype(float) @ to_cells
        return rows


def _source(path: Path, file: Any, hints: TrajectoryHints) -> Source:
    group, creator, notes = _group(path, file), creator_of(file), list[str]()
    elements = _elements(path, group)
    if hints.positions == "unwrapped":
        elements.pop("image", None)
    position, edges, species = (elements[name].data for name in ("position", "box/edges", "species"))
    frames = len(position)
    if frames < 2:
        raise DataError(f"{path} has {frames or 'no'} whole frame", "at least two")
    particles = _Particles(elements, lengths_of(path, position, edges, creator, notes))
    timestep = interval_of(path, group["position"], creator, hints)
    first = particles.read(range(1))
    if "id" in first and len(np.unique(first["id"])) < first["id"].size:
        raise DataError(f"{path} has several atoms with the same id", "one of its own for each")
    return Source(
        f"H5MD written by {creator or 'another program'}",
        numbers_of_species(path, first["species"][0], species.dtype, creator, hints),
        timestep,
        temperature_of(path, None, hints),
        _blocks(path, particles, first, frames),
        unwrapped="image" in elements,
        notes=notes,
    )


def _group(path: Path, file: Any) -> Any:
    """Return the group of particles, if it is the only one with positions, and its box is periodic."""
    found = [group for group in file["particles"].values() if "position/value" in group]
    if len(found) != 1:
        names = ", ".join(group.name for group in found)
        raise DataError(
            f"{path} has positions over time in {len(found)} groups of particles ({names})",
            "one group",
            "copy what is meant into a file of its own",
        )
    box = found[0]["box"].attrs if "box" in found[0] else {}
    boundary = [text(word) for word in np.ravel(box.get("boundary", []))]
    if set(boundary) != {"periodic"}:
        raise DataError(
            f"{path} has a box with the boundary {' '.join(boundary) or 'that nobody tells'}",
            "periodic in three directions",
        )
    return found[0]


def _elements(path: Path, group: Any) -> dict[str, _Element]:
    """Return what is needed of a group, by name; all have the frames and atoms of the positions."""
    for name, meaning in NEEDED.items():
        if name not in group:
            raise DataError(f"{path} has no {group.name}/{name}", meaning, "write it into the file")
    position = group["position"]
    frames, atoms, _ = position["value"].shape
    shapes = {"position": (atoms, 3), "image": (atoms, 3), "species": (atoms,), "id": (atoms,)}
    found = {name: _Element.of(group[name]) for name in [*shapes, "box/edges"] if name in group}
    for name, element in found.items():
        shape = element.data.shape[element.varies :]
        fits = shape == shapes[name] if name in shapes else shape in ((3,), (3, 3))
        if not fits or (element.varies and not _sampled_alike(group[name], position)):
            raise DataError(
                f"{path} has {element.data.name} of the shape {element.data.shape}, or at other steps",
                f"{frames} frames of {atoms} atoms in three dimensions, as the positions",
            )
    return found


def _sampled_alike(element: Any, position: Any) -> bool:
    same = len(element["value"]) == len(position["value"])
    return same and np.array_equal(element.get("step", position["step"])[()], position["step"][()])


def _blocks(path: Path, particles: _Particles, first: Rows, frames: int) -> Iterator[Block]:
    """Give all frames; refuse atoms that change and images that contradict the positions."""
    together, last = max(1, BLOCK // first["position"].shape[1]), first
    turns = jumps = 0
    for start in range(0, frames, together):
        with blaming(path, OTHERWISE):
            rows = particles.read(range(start, min(start + together, frames)))
        for name in rows.keys() & {"id", "species"}:
            same = (rows[name] == first[name]).all(axis=1)
            if not same.all():
                raise other_atoms(path, start + int(np.argmin(same)) + 1)
        yield Block(rows["position"] + rows.get("image", 0.0), rows["cell"])  # now known to be finite
        if "image" in rows:
            turned, moved = (_steps(rows[name], last[name]) for name in ("image", "position"))
            turns, jumps = turns + int(turned.any()), jumps + int((moved * turned < -0.5).any())
            last = rows
    if turns and not jumps:
        raise DataError(
            f"in {path}, positions go on where images change, so that they seem to be unwrapped already",
            "positions that jump back by a cell where an image is counted on",
            "leave the images out (--positions unwrapped)",
        )


def _steps(rows: Any, before: Any) -> Any:
    return np.diff(rows.astype(float), axis=0, prepend=before[-1:])
