"""Figures of sites show what the record holds: read back from the artists, not from pictures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal

from frustra.io import read_structure
from frustra.plots.sites import plot_sites
from frustra.plots.style import SITE_COLOURS
from frustra.sites import Sites, sites_of
from tests.helpers import LYC


@pytest.fixture(scope="module")
def lyc() -> Sites:
    return sites_of(read_structure(LYC), ["Cl"], "Li")


def rgb(kind: str) -> np.ndarray:
    colour = SITE_COLOURS[kind].lstrip("#")
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def of_kind(ax: Any, kind: str) -> Any:
    """Return the symbols of all open sites of a kind."""
    edge = rgb(kind)
    found = [
        c for c in ax.collections if len(c.get_edgecolors()) and np.allclose(c.get_edgecolors()[0][:3], edge)
    ]
    return found[0]


def home(points: np.ndarray, sites: Sites) -> int:
    """Return how many of the points are not images of each other, in a panel seen along c."""
    flat = np.linalg.inv(sites.cell[:2, :2])
    fractional = points @ flat % 1
    return len({tuple(f) for f in np.round(fractional, 3) % 1})


def test_layers_are_seen_from_above_and_from_the_side(lyc: Sites) -> None:
    above, next_one, side = plot_sites(lyc)
    assert {above.get_title(), next_one.get_title()} == {
        "layer 0 along c: 9 oct, 1 Y",
        "layer 1 along c: 9 oct, 2 Y",
    }
    assert side.get_title() == "all sites along a"
    assert side.get_ylabel() == "c (Å)"
    assert {t.get_text() for t in side.texts} >= {"0", "1", "Y"}


def test_every_open_site_of_a_layer_is_drawn_at_its_place(lyc: Sites) -> None:
    for layer, ax in enumerate(plot_sites(lyc)[:2]):
        for kind in ("oct", "tet"):
            points = of_kind(ax, kind).get_offsets().data
            mine = (lyc.kind == kind) & (lyc.layer == layer) & lyc.open
            assert home(points, lyc) == mine.sum()
            for x, y, _ in lyc.positions[mine]:
                gap = (points - [x, y]) @ np.linalg.inv(lyc.cell[:2, :2])
                assert np.abs(gap - np.round(gap)).max(axis=1).min() < 1e-6


def test_the_stronger_the_colour_the_more_often_a_site_is_occupied(lyc: Sites) -> None:
    occupancy = np.linspace(0, 1, len(lyc))
    ax = plot_sites(lyc, occupancy)[0]
    drawn = of_kind(ax, "oct")
    full = rgb("oct")
    strength = (1 - drawn.get_facecolors()[:, 0]) / (1 - full[0])
    mine = (lyc.kind == "oct") & (lyc.layer == 0) & lyc.open
    np.testing.assert_allclose(np.unique(strength.round(6)), occupancy[mine], atol=1e-5)


def test_a_crystal_without_layers_is_seen_along_two_axes_and_a_large_one_in_slabs() -> None:
    phase = crystal(
        ["Cl", "Cl"], [(0, 0, 0), (0.25, 0, 0.5)], spacegroup=223, cellpar=[6.4, 6.4, 6.4, 90, 90, 90]
    )
    small = plot_sites(sites_of(phase, ["Cl"]))
    assert len(small) == 2
    large = plot_sites(sites_of(phase.repeat(3), ["Cl"]))
    assert [ax.get_title().split(" Å ")[-1] for ax in large] == ["along c", "along b"]
    assert all("slab" in ax.get_title() for ax in large)


def test_maxima_of_a_density_are_drawn_without_anions_or_links(lyc: Sites) -> None:
    none = np.zeros(0, bool)
    bare = replace(lyc, tiling=None, links=lyc.links.select(np.flatnonzero(none)))
    assert len(plot_sites(bare)) == 3


def test_a_packing_without_cations_has_no_crosses() -> None:
    axes = plot_sites(sites_of(bulk("Cl", "fcc", a=5.2, cubic=True), ["Cl"]))
    names = [t.get_text() for t in axes[0].figure.legends[0].get_texts()]
    assert names == ["octahedral", "tetrahedral", "vertex", "shared face"]
