"""Sites from the density of the mobile ion: its maxima, where there is no anion sublattice to go by.

The density is smeared a little, every point of the grid climbs to a maximum by the steepest way, and maxima
that noise or vibration tells apart are put together with the one that they join highest up. What climbs to
one maximum is its basin.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy.fft import irfftn, rfftn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from frustra.arrays import Array, IntArray
from frustra.errors import AnalysisError
from frustra.geometry import clusters, minimum_image, nearest_neighbours, perpendicular_heights
from frustra.settings import Settings
from frustra.sites.basins import Basins, Joints, basins_of, descending, highest, joints_of
from frustra.sites.record import Links, Sites

REACH = 6.0
"""Standard deviations after which a Gaussian is cut: 1e-8 of its height."""

CORE = 0.5
"""The site is the mean position where the density is above this part of the maximum."""

SAME_ORBIT = 0.5
"""Å: a symmetry operation maps a maximum on another that is so near, for counting noise moves both."""

LINKED = 1e-4
"""Sites are linked if the pass between them has more than this part of the density of the lower maximum."""

FLAT = 1e-6
"""A density whose maximum is above its mean by less than this part is uniform."""

TOUCHING = 3
"""What `Links.shared` holds for basins that touch: they share a face."""


class PeakSettings(Settings):
    """What counts as a maximum of its own."""

    smearing: float = Field(
        0.3, ge=0, le=2, description="standard deviation of the Gaussian that the density is smeared with, Å"
    )
    separation: float = Field(1.0, ge=0, description="maxima closer than this are one site, Å")
    barrier: float = Field(
        0.3,
        ge=0,
        description="least ln(maximum/saddle), the free energy over it in kT, that makes a site of its own",
    )
    height: float = Field(
        0.1, ge=0, description="least height of a maximum, in units of the mean density of the cell"
    )
    certainty: float = Field(
        3.0, ge=0, description="standard errors of counting by which a maximum has to exceed its saddle"
    )


@dataclass(frozen=True)
class Maxima:
    """The maxima of a density as sites, and how much of the density belongs to each."""

    sites: Sites
    """Ordered by orbit, the heaviest first; `volume` is that of the basin, Å³."""
    weights: Array
    """(n,) ions in the basin: the mean occupancy of the site."""
    heights: Array
    """(n,) of the smeared density at the maximum, Å⁻³."""
    saddles: Array
    """(links,) the smeared density at the highest pass of each link, Å⁻³; ln(height/saddle) is its free
    energy in kT."""
    outside: float
    """Ions of the density that belong to no site: those of basins that were too flat and touch no other."""


def smeared(values: Array, cell: Array, sigma: float) -> Array:
    """Return a periodic density folded with a Gaussian, exp(−r²/2σ²)/(2πσ²)^(3/2).

    The Gaussian is sampled at the points of the grid and scaled to the sum one, so that the integral is kept
    and nothing becomes negative, in any cell. Its variance is σ² within 1 % where σ ≥ 0.7 grid spacings.

    Parameters
    ----------
    values
        (n1, n2, n3) at the points m/n of the cell.
    cell
        (3, 3), Å.
    sigma
        Å; zero leaves the density as it is.
    """
    if sigma == 0:
        return values
    shape = np.array(values.shape)
    voxel = np.asarray(cell) / shape[:, None]
    reach = np.ceil(REACH * sigma / perpendicular_heights(voxel)).astype(int)
    steps = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1)
    weights = np.exp(-(((steps @ voxel) ** 2).sum(axis=-1)) / (2 * sigma**2))
    kernel = np.zeros(values.shape)
    np.add.at(kernel, tuple(np.moveaxis(steps % shape, -1, 0)), weights / weights.sum())
    folded: Array = irfftn(rfftn(values) * rfftn(kernel), values.shape)
    return np.maximum(folded, 0.0)


def sites_from_density(
    values: Array,
    cell: Array,
    operations: tuple[IntArray, Array] | None = None,
    origin: Array | None = None,
    samples: float = np.inf,
    settings: PeakSettings = PeakSettings(),  # noqa: B008 - frozen
) -> Sites:
    """Return the maxima of a density as sites; see `maxima_of`."""
    return maxima_of(values, cell, operations, origin, samples, settings).sites


def maxima_of(
    values: Array,
    cell: Array,
    operations: tuple[IntArray, Array] | None = None,
    origin: Array | None = None,
    samples: float = np.inf,
    settings: PeakSettings = PeakSettings(),  # noqa: B008 - frozen
) -> Maxima:
    """Find the maxima of a density, their basins, and which of them touch.

    A maximum is a site if the way down from it to any higher one costs at least `barrier` kT and more than
    counting noise makes, if none higher lies within `separation`, and if it is at least `height` times the
    mean density; otherwise its basin belongs to the one that it joins highest up. The variance of ρ by
    counting so many independent configurations smeared by σ is ρ/(samples · (4π)^(3/2) σ³).

    Parameters
    ----------
    values
        (n1, n2, n3) number density at the points m/n of the cell, Å⁻³.
    cell
        (3, 3), Å.
    operations
        Rotations (k, 3, 3) and translations (k, 3) in fractional coordinates from `origin` that generate the
        symmetry of the density; without them every site is an orbit of its own.
    origin
        (3,), Å: where the first point of the grid is.
    samples
        Independent configurations of which the density is the mean; infinite where it is known exactly.
    settings
        What counts as a maximum of its own.

    Raises
    ------
    AnalysisError
        A density that is empty, negative or not finite, or one without a maximum: it is uniform.
    """
    cell = np.asarray(cell, dtype=float)
    _check(values)
    density = smeared(np.asarray(values, dtype=float), cell, settings.smearing)
    if density.max() < (1 + FLAT) * density.mean():
        raise AnalysisError("a density without a maximum", "ions that stay at places", "smear it less")
    basins = basins_of(density, cell)
    joints = joints_of(density, basins)
    least = settings.height * float(density.mean())
    _join_by_barrier(basins, joints, samples, settings)
    _join_near(basins, cell, settings.separation)
    _join_low(basins, joints.between(basins), least)
    found = _Found(values, density, cell, np.zeros(3) if origin is None else origin, basins)
    return _maxima(found, joints.between(basins), least, operations)


def _check(values: Array) -> None:
    if not np.isfinite(values).all() or (values < 0).any() or not (values > 0).any():
        raise AnalysisError("a density that is empty, negative or not finite", "a number density, Å⁻³")


def _join_by_barrier(basins: Basins, joints: Joints, samples: float, settings: PeakSettings) -> None:
    """Put maxima together whose barrier is too low or not certain, the highest pass first."""
    noise = 1 / (samples * (4 * np.pi) ** 1.5 * max(settings.smearing, 1e-3) ** 3)
    for first, second, shift, saddle in descending(joints):
        a, b = basins.root[first], basins.root[second]
        if a == b:
            continue
        forth = basins.place[second] + shift - basins.place[first]
        low, high, way = (a, b, forth) if basins.heights[a] < basins.heights[b] else (b, a, -forth)
        top = basins.heights[low]
        doubt = settings.certainty * np.sqrt(noise * (top + saddle))
        if np.log(top / saddle) < settings.barrier or top - saddle < doubt:
            basins.join(low, high, way)


def _join_near(basins: Basins, cell: Array, distance: float) -> None:
    """Put maxima together that steps of at most `distance` link."""
    roots, places = basins.roots, basins.fractional
    group, _ = clusters(places[roots] @ cell, cell, distance)
    for number in np.flatnonzero(np.bincount(group) > 1):
        members = roots[group == number]
        high = members[np.argmax(basins.heights[members])]
        for low in members[members != high]:
            gap = places[high] - places[low]
            shortest = minimum_image(gap @ cell, cell) @ np.linalg.inv(cell)
            basins.join(low, high, np.rint(shortest - gap).astype(np.int64))


def _join_low(basins: Basins, joints: Joints, least: float) -> None:
    """Put maxima below `least` together with the one that they join highest up, the lowest first."""
    roots = basins.roots
    for low in sorted(roots[basins.heights[roots] < least], key=lambda r: float(basins.heights[r])):
        left = joints.between(basins)
        here = (left.pairs == low).any(axis=1) & (left.pairs[:, 0] != left.pairs[:, 1])
        if not here.any():
            continue
        best = np.flatnonzero(here)[np.argmax(left.heights[here])]
        first, second = left.pairs[best]
        high, way = (second, left.shifts[best]) if first == low else (first, -left.shifts[best])
        basins.join(low, high, way)


@dataclass(frozen=True)
class _Found:
    """A density and its basins."""

    values: Array
    density: Array
    """The same, smeared."""
    cell: Array
    origin: Array
    basins: Basins

    @property
    def voxel(self) -> float:
        """Volume of a point, Å³."""
        return abs(float(np.linalg.det(self.cell))) / self.values.size


def _maxima(found: _Found, joints: Joints, least: float, operations: tuple[IntArray, Array] | None) -> Maxima:
    roots = found.basins.roots
    kept = roots[found.basins.heights[roots] >= least]
    label, shift = found.basins.of_points()
    number = np.full(len(found.basins.root) + 1, -1)  # the last is of points that belong to none
    number[kept] = np.arange(len(kept))
    label = number[label]
    inside = label >= 0
    weights, volumes = np.zeros(len(kept)), np.zeros(len(kept))
    weights += found.voxel * np.bincount(label[inside], found.values.ravel()[inside], len(kept))
    volumes += found.voxel * np.bincount(label[inside], minlength=len(kept))
    places = _centres(found, kept, label, shift)
    orbit = _orbits(places, found.cell, operations)
    orbit = _by_weight(orbit, weights)
    order = np.lexsort((-weights, orbit))
    home = np.floor(places)
    links, saddles = _links(joints, number, home.astype(np.int64), order, found.basins.heights[kept])
    positions = (places - home) @ found.cell + found.origin
    sites = _sites(positions[order], found.cell, volumes[order], orbit[order], links)
    outside = found.voxel * float(found.values.sum()) - float(weights.sum())
    return Maxima(sites, weights[order], found.basins.heights[kept][order], saddles, outside)


def _centres(found: _Found, kept: IntArray, label: IntArray, shift: IntArray) -> Array:
    """Return the mean position of the density above half of each maximum, (n, 3) in cell vectors."""
    flat = found.density.ravel()
    core = (label >= 0) & (flat >= CORE * found.basins.heights[kept][label])
    points = np.stack(np.unravel_index(np.flatnonzero(core), found.values.shape), axis=1)
    relative = points / np.array(found.values.shape) - shift[core]
    weight = np.bincount(label[core], flat[core], len(kept))
    sums = [np.bincount(label[core], flat[core] * relative[:, axis], len(kept)) for axis in range(3)]
    return np.stack(sums, axis=1) / weight[:, None]


def _orbits(places: Array, cell: Array, operations: tuple[IntArray, Array] | None) -> IntArray:
    """Return which sites the operations map on each other."""
    if operations is None:
        return np.arange(len(places))
    pairs = []
    for rotation, translation in zip(*operations, strict=True):
        near = nearest_neighbours((places @ rotation.T + translation) @ cell, places @ cell, cell, 1)
        same = np.flatnonzero(near.distances[:, 0] < SAME_ORBIT)
        pairs.append(np.stack([same, near.index[same, 0]]))
    i, j = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(places), len(places)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _by_weight(orbit: IntArray, weights: Array) -> IntArray:
    """Return the orbits numbered anew: the one with the heaviest sites comes first."""
    mean = np.bincount(orbit, weights) / np.bincount(orbit)
    rank = np.empty(len(mean), np.int64)
    rank[np.argsort(-mean, kind="stable")] = np.arange(len(mean))
    return rank[orbit]


def _links(
    joints: Joints, number: IntArray, home: IntArray, order: IntArray, heights: Array
) -> tuple[Links, Array]:
    """Return the passes between sites that are high enough, in the order of the sites."""
    first, second = number[joints.pairs[:, 0]], number[joints.pairs[:, 1]]
    lower = np.minimum(heights[first], heights[second])
    real = (first >= 0) & (second >= 0) & (joints.heights >= LINKED * lower)
    first, second = first[real], second[real]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    # a site's home copy is not that of its maximum where its centre lies across a face of the cell
    shifts = joints.shifts[real] + home[second] - home[first]
    sorted_ = highest(place[first], place[second], shifts, joints.heights[real])
    return Links(sorted_.pairs, sorted_.shifts, np.full(len(sorted_), TOUCHING)), sorted_.heights


def _sites(positions: Array, cell: Array, volumes: Array, orbit: IntArray, links: Links) -> Sites:
    count = len(positions)
    none = np.full(count, "")
    return Sites(
        positions=positions,
        cell=cell,
        kind=np.full(count, "other"),
        coordination=np.zeros(count, np.int64),
        shape=np.full(count, "density maximum"),
        volume=volumes,
        distortion=np.full(count, np.nan),
        vertices=[np.empty(0, np.int64)] * count,
        held=none,
        label=np.array([f"max {number + 1}" for number in orbit]),
        orbit=orbit,
        wyckoff=none,
        layer=np.full(count, -1),
        layer_axis=-1,
        links=links,
        tiling=None,
    )
