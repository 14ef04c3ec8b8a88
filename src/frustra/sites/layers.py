"""Layers of sites: planes normal to a cell vector's dual, between planes of anions."""

import numpy as np
from numpy.typing import NDArray

from frustra.arrays import Array, IntArray
from frustra.geometry import lattice_type, perpendicular_heights

APART = 1.2
"""Å: what separates two layers at least."""

THICK = 0.8
"""Å: how far the sites of one layer may spread."""


def layers_of(
    positions: Array, kind: NDArray[np.str_], held: NDArray[np.str_], cell: Array
) -> tuple[IntArray, int]:
    """Return the layer of every site, and the cell vector along which layers are stacked.

    Layers are told by the octahedra, or by all sites where there are none: along each cell vector their
    heights are cut where two neighbouring ones differ by 1.2 Å or more. Of the axes along which two or more
    layers result, each thinner than 0.8 Å, that with the thinnest layers counts, and of equals the one that
    tells the framework cations apart best. Other sites belong to the nearest layer. A cubic crystal in which
    two axes tell them apart alike has no layers: nothing but their order would choose between the axes.

    Returns
    -------
    tuple
        (n,) layer, counted from the lowest, −1 for all without layers; and the axis 0, 1 or 2, or −1.
    """
    chosen = kind == "oct" if (kind == "oct").any() else np.ones(len(kind), bool)
    fractional = positions @ np.linalg.inv(cell)
    heights = perpendicular_heights(cell)
    ranks: list[tuple[float, float]] = []
    layer, axis = np.full(len(positions), -1, dtype=np.int64), -1
    for k in range(3):
        height = (fractional[:, k] % 1) * heights[k]
        cuts = _cuts(height[chosen], heights[k])
        if len(cuts) < 2:
            continue
        number = np.searchsorted(cuts, height) % len(cuts)
        offsets = height - _middles(height[chosen], number[chosen], heights[k])[number]
        offsets -= heights[k] * np.round(offsets / heights[k])
        thickness = max(np.ptp(offsets[chosen & (number == m)]) for m in range(len(cuts)))
        full = np.bincount(number[chosen], held[chosen] != "", minlength=len(cuts))
        uneven = np.ptp(full / np.bincount(number[chosen], minlength=len(cuts)))
        rank = (-round(float(uneven), 3), float(thickness))
        if thickness < THICK:
            if rank < min(ranks, default=(1.0, 0.0)):
                layer, axis = number.astype(np.int64), k
            ranks.append(rank)
    alike = sum(r[0] == min(ranks)[0] for r in ranks)
    if alike > 1 and lattice_type(cell) == "isotropic":
        return np.full(len(positions), -1, dtype=np.int64), -1
    return layer, axis


def _cuts(heights: Array, period: float) -> Array:
    """Return the middles of the gaps between layers."""
    ordered = np.sort(heights)
    gaps = np.diff(np.append(ordered, ordered[0] + period))
    wide = gaps >= APART
    return np.sort((ordered[wide] + gaps[wide] / 2) % period)


def _middles(heights: Array, number: IntArray, period: float) -> Array:
    """Return the mean height of every layer; the lowest may reach across the cell's face."""
    middles = np.zeros(number.max() + 1)
    for m in range(len(middles)):
        mine = heights[number == m]
        offsets = mine - mine[0]
        middles[m] = mine[0] + (offsets - period * np.round(offsets / period)).mean()
    return middles
