"""Sites and walks on them for the tests of hops, written without the package's own functions."""

from typing import Any

import numpy as np

from frustra.sites import Links, Sites
from frustra.visits import Visits

STEP = 2.0
"""Å between neighbouring sites of a chain."""


def chain(sites: int, across: float = 10.0, **changes: Any) -> Sites:
    """Return sites in a row along c, octahedral and tetrahedral in turn, which share faces."""
    index = np.arange(sites)
    kind = np.where(index % 2 == 0, "oct", "tet")
    ends = np.zeros((sites, 3), int)
    ends[-1, 2] = 1
    fields: dict[str, Any] = {
        "positions": np.stack([np.zeros(sites), np.zeros(sites), STEP * (index + 0.5)], axis=1),
        "cell": np.array([[across, 0, 0], [-across / 2, across * np.sqrt(3) / 2, 0], [0, 0, STEP * sites]]),
        "kind": kind,
        "coordination": np.where(index % 2 == 0, 6, 4),
        "shape": np.where(index % 2 == 0, "octahedron", "tetrahedron"),
        "volume": np.full(sites, 10.0),
        "distortion": np.zeros(sites),
        "vertices": [np.arange(4)] * sites,
        "held": np.full(sites, "", dtype="U2"),
        "label": kind,
        "orbit": index % 2,
        "wyckoff": np.full(sites, ""),
        "layer": np.full(sites, -1),
        "layer_axis": -1,
        "links": Links(np.stack([index, (index + 1) % sites], axis=1), ends, np.full(sites, 3)),
        "tiling": None,
    }
    return Sites(**{**fields, **changes})


def visits(
    site: np.ndarray, image: np.ndarray | None = None, timestep: float = 0.1, **changes: Any
) -> Visits:
    """Return the visits (frames, ions) at 600 K."""
    frames, ions = site.shape
    fields: dict[str, Any] = {
        "site": site.astype(np.int32),
        "image": (np.zeros((frames, ions, 3)) if image is None else image).astype(np.int16),
        "ions": np.arange(ions) + 100,
        "timestep": timestep,
        "temperature": 600.0,
        "torn": np.zeros(frames, int),
    }
    return Visits(**{**fields, **changes})


def on_chain(place: np.ndarray, sites: int, **changes: Any) -> Visits:
    """Return visits of places on an endless chain, which are a site and its image along c."""
    image = np.zeros((*place.shape, 3), int)
    image[..., 2] = place // sites
    return visits(place % sites, image, **changes)


def jumps(
    rng: np.random.Generator, rates: tuple[float, float], duration: float, ions: int
) -> list[list[tuple[float, int]]]:
    """Return for each ion the times and places of a Markov chain on an endless row of sites.

    An ion leaves an even place at the first rate and an odd one at the second (per ps), to either side.
    """
    found = []
    for _ in range(ions):
        time, place = 0.0, 2 * int(rng.integers(0, 20))
        walk = [(time, place)]
        while time < duration:
            time += rng.exponential(1 / rates[place % 2])
            place += int(rng.choice([-1, 1]))
            walk.append((time, place))
        found.append(walk)
    return found


def sampled(walks: list[list[tuple[float, int]]], timestep: float, frames: int) -> np.ndarray:
    """Return the places of walks at the frames, (frames, ions)."""
    at = timestep * np.arange(frames)
    columns = []
    for walk in walks:
        times, places = np.array([t for t, _ in walk]), np.array([p for _, p in walk])
        columns.append(places[np.searchsorted(times, at, side="right") - 1])
    return np.stack(columns, axis=1)
