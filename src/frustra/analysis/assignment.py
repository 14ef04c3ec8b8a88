"""Which site every mobile ion is in, frame by frame; a site's vertices are the anions of that frame."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from frustra.analysis.framework import STRAYED, places_left, rigid_shift
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import DataError
from frustra.geometry import nearest_neighbours, with_images
from frustra.sites import Sites, Tiling
from frustra.sites.locate import Moved, Mover, depth, walked
from frustra.trajectory import Frames, Trajectory
from frustra.visits import Visits

PAIRS = 60_000
"""Ions times frames that are looked at together."""

CANDIDATES = 16
"""Nearest sites among which the one is sought that an ion is deepest in, if a walk does not end."""


def visits_of(run: Frames, sites: Sites, specie: str, framework: Array | None = None) -> Visits:
    """Return which site every mobile ion is in, in every frame.

    An ion belongs to the polyhedron that contains it, its vertices at their places in the same frame. As the
    polyhedra fill space, there is exactly one, however the framework vibrates, drifts or changes its volume;
    `Visits.torn` counts where a polyhedron was turned inside out and the ion was given to the one that it is
    deepest in. Sites without polyhedra (maxima of a density) hold the ions that are nearest to them.

    Parameters
    ----------
    run
        The same atoms in the same order as those of the crystal that the sites were made of; it may be
        shifted against it, and its cell another.
    sites
        Of that crystal.
    specie
        The mobile element.
    framework
        Of sites without polyhedra: fractional places (n, 3) of all atoms but the mobile ones, in the
        coordinates of the sites; by default those of the run's first frame. Of others it is not used.

    Raises
    ------
    DataError
        No such ions, or a framework that is not that of the sites.
    """
    ions = run.indices_of(specie)
    follow = (
        _Nearest(run, sites, specie, framework) if sites.tiling is None else _Inside(run, sites, sites.tiling)
    )
    atoms = np.concatenate([ions, follow.atoms])
    parts: list[_Found] = []
    for part in run.chunks(max(1, PAIRS // len(atoms)), atoms):
        parts.append(follow(part, len(ions), parts[-1] if parts else None))
    return Visits(
        site=np.concatenate([f.site for f in parts]).astype(np.int32),
        image=np.concatenate([f.image for f in parts]).astype(np.int16),
        ions=ions,
        timestep=run.timestep,
        temperature=run.temperature,
        torn=np.concatenate([f.torn for f in parts]),
    )


@dataclass(frozen=True)
class _Found:
    """Visits of some frames."""

    site: IntArray
    image: IntArray
    torn: IntArray


class _Places:
    """The nearest sites to points among the reference places."""

    def __init__(self, sites: Sites) -> None:
        self._sites, self._inverse = sites, np.linalg.inv(sites.cell)
        self._look(1.2 * np.cbrt(abs(np.linalg.det(sites.cell)) / len(sites)) + 1.0)

    def _look(self, reach: float) -> None:
        """List the sites and their images as far as `reach` (Å) from the home cell."""
        self._reach, cloud = reach, with_images(self._sites.positions, self._sites.cell, reach)
        self._tree, self._index = cKDTree(cloud.positions), cloud.index
        offset = cloud.positions - self._sites.positions[cloud.index]
        self._shift = np.round(offset @ self._inverse).astype(np.int64)

    def nearest(self, fractional: Array, count: int = 1) -> tuple[IntArray, IntArray]:
        """Return sites (p, count) and images (p, count, 3), the nearest first."""
        whole = np.floor(fractional).astype(np.int64)
        home = (fractional - whole) @ self._sites.cell
        distance, found = self._tree.query(home, k=np.arange(1, count + 1))
        while distance.max(initial=0.0) > self._reach:  # further out there may be a nearer one
            self._look(1.5 * self._reach)
            distance, found = self._tree.query(home, k=np.arange(1, count + 1))
        return self._index[found], self._shift[found] + whole[:, None]


class _Nearest:
    """Ions go to the nearest maximum of a density; how the framework lies and drifts is taken off."""

    def __init__(self, run: Frames, sites: Sites, specie: str, framework: Array | None) -> None:
        self.atoms = np.flatnonzero(np.array(run.symbols) != specie)
        self._places, self._start = _Places(sites), _fractional(run.read([0], self.atoms))[0]
        if framework is not None and len(self.atoms):
            offset = self._start - framework  # atoms may begin in other cells
            self._start = framework + np.round(offset - rigid_shift(offset, np.zeros(3)))

    def __call__(self, part: Trajectory, ions: int, last: _Found | None) -> _Found:
        del last  # the nearest site needs no start
        fractional = _fractional(part)
        drift = 0.0
        if len(self.atoms):
            drift = (fractional[:, ions:] - self._start).mean(axis=1, keepdims=True)
        site, image = self._places.nearest((fractional[:, :ions] - drift).reshape(-1, 3))
        frames = len(part)
        return _Found(
            site.reshape(frames, ions), image.reshape(frames, ions, 3), np.zeros(frames, dtype=np.int64)
        )


class _Inside:
    """Ions go to the polyhedron that contains them."""

    def __init__(self, run: Frames, sites: Sites, tiling: Tiling) -> None:
        self.atoms, self._mover, self._places = tiling.anions, Mover(tiling), _Places(sites)
        if self.atoms.max() >= len(run.numbers):
            raise DataError(
                f"a run with {len(run.numbers)} atoms, but sites with an anion number {self.atoms.max()}",
                "the crystal of this run",
                "check --structure",
            )
        self._reference = tiling.reference @ np.linalg.inv(sites.cell)
        around = nearest_neighbours(tiling.reference, tiling.reference, sites.cell, 2)
        self._reach = STRAYED * float(np.median(around.distances[:, 1]))
        start = run.read([0], self.atoms)
        offset = _fractional(start)[0] - self._reference
        self._whole = np.round(offset - rigid_shift(offset, np.zeros(3)))
        offset -= self._whole
        away = np.linalg.norm((offset - offset.mean(axis=0)) @ sites.cell, axis=1)
        if np.median(away) > self._reach:
            raise DataError(
                f"anions that are {np.median(away):.1f} Å from those of the crystal",
                f"less than {self._reach:.1f} Å",
                "give the crystal of this run, its atoms in the same order (--structure)",
            )

    def __call__(self, part: Trajectory, ions: int, last: _Found | None) -> _Found:
        fractional, frames = _fractional(part), len(part)
        anions, drift = self._anions(fractional[:, ions:] - self._whole, part.cells)
        free = (fractional[:, :ions] - drift[:, None]).reshape(-1, 3)
        frame = np.repeat(np.arange(frames), ions)
        points, moved = part.positions[:, :ions].reshape(-1, 3), self._mover.to(anions, part.cells)
        if last is None:
            begin = self._places.nearest(free[:ions])
            first, where = begin[0][:, 0], begin[1][:, 0]
        else:
            first, where = last.site[-1], last.image[-1]
        site, image = np.tile(first, frames), np.tile(where, (frames, 1))
        lost = np.flatnonzero(~walked(moved, points, frame, site, image))
        candidates = self._places.nearest(free[lost], min(CANDIDATES, len(moved.corners)))
        site[lost], image[lost], torn = _found_again(moved, points[lost], frame[lost], *candidates)
        doubtful = np.bincount(frame[lost[torn]], minlength=frames)
        return _Found(site.reshape(frames, ions), image.reshape(frames, ions, 3), doubtful)

    def _anions(self, fractional: Array, cells: Array) -> tuple[Array, Array]:
        """Return where the tiling's vertices are (frames, a, 3), Å, and the fractional drift."""
        offset = fractional - self._reference
        drift = offset.mean(axis=1)
        offset -= drift[:, None]
        strayed = ((offset @ cells) ** 2).sum(axis=2) > self._reach**2
        for t in np.flatnonzero(strayed.any(axis=1)):
            ordered = places_left(self._reference + offset[t], self._reference, cells[t], self._reach)
            offset[t] = ordered - self._reference
        return (self._reference + offset + drift[:, None]) @ cells, drift


def _found_again(
    moved: Moved, points: Array, frame: IntArray, sites: IntArray, images: IntArray
) -> tuple[IntArray, IntArray, BoolArray]:
    """Walk anew from the nearest site; points that still find no way belong where they are deepest.

    Parameters
    ----------
    sites, images
        (p, k) and (p, k, 3) the nearest sites of each point.

    Returns
    -------
    tuple
        (p,) sites, (p, 3) images, and (p,) which points found no way.
    """
    site, image = sites[:, 0].copy(), images[:, 0].copy()
    torn = ~walked(moved, points, frame, site, image)
    rows, candidates = np.flatnonzero(torn), range(sites.shape[1])
    if len(rows):
        depths = [
            depth(moved, points[rows], frame[rows], sites[rows, k], images[rows, k]) for k in candidates
        ]
        best = np.argmax(depths, axis=0)
        site[rows], image[rows] = sites[rows, best], images[rows, best]
    return site, image, torn


def _fractional(part: Trajectory) -> Array:
    fractional: Array = part.positions @ np.linalg.inv(part.cells)
    return fractional
