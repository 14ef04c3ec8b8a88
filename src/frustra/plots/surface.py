"""Triangles of a surface and of balls, seen from far away: what figures in three dimensions are made of."""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import ConvexHull

from frustra.arrays import Array, BoolArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINE, FINEST = 0.16, 84
"""Å between the points of which a surface is drawn; points along a cell vector, at most."""

PALER = 0.55
"""How far the faces on which the cell cuts the surface are lighter than it."""

LIGHT = np.array([-0.45, 0.65, 0.75])
"""Where the light comes from: left, above, from the viewer."""

SHADE = (0.42, 0.58, 0.35)
"""Light from everywhere, from the lamp, and of its reflex."""

HIDDEN = -0.15
"""Triangles are drawn whose normal points less than this away from the viewer: normals are smoothed."""

MIST = 0.35
"""How far the most distant triangle fades into white."""


@dataclass(frozen=True)
class Mesh:
    """Triangles with their normals and colours."""

    corners: Array
    """(triangles, 3, 3), Å."""
    normals: Array
    """(triangles, 3), of length one, to the outside."""
    colours: Array
    """(triangles, 3), red, green and blue from 0 to 1."""

    def __len__(self) -> int:
        """Return the number of triangles."""
        return len(self.corners)

    def select(self, rows: BoolArray) -> "Mesh":
        """Return some of the triangles."""
        return Mesh(self.corners[rows], self.normals[rows], self.colours[rows])


def together(meshes: "list[Mesh]") -> Mesh:
    """Return several meshes as one."""
    return Mesh(
        np.concatenate([m.corners for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.colours for m in meshes]),
    )


def isosurface(values: Array, cell: Array, level: float, colour: Any) -> Mesh:
    """Return the surface of a periodic density in its cell, closed where the faces of the cell cut it.

    Parameters
    ----------
    values
        (n1, n2, n3) at the points m/n of the cell.
    cell
        (3, 3), Å.
    level
        In units of the values.
    colour
        Any that Matplotlib knows.
    """
    import mcubes  # noqa: PLC0415
    from matplotlib.colors import to_rgb

    values = _resampled(values, cell)
    size = np.array(values.shape)
    # the first planes once more behind the last ones, and nothing beyond
    box = np.pad(np.pad(values, [(0, 1)] * 3, mode="wrap"), 1)
    points, found = mcubes.marching_cubes(box, level)
    triangles = np.asarray(found, dtype=np.int64).reshape(-1, 3)
    places = np.clip(np.reshape(points, (-1, 3)) - 1, 0, size) / size
    corners = (places @ cell)[triangles]
    if np.linalg.det(corners).sum() < 0:  # the volume inside: triangles shall be seen from outside
        triangles, corners = triangles[:, ::-1], corners[:, ::-1]
    normals = _smooth(_normals(corners), triangles, len(places))
    cut = [(places[triangles][:, :, axis] == side).all(axis=1) for axis in range(3) for side in (0, 1)]
    colours = np.tile(to_rgb(colour), (len(corners), 1))
    colours[np.any(cut, axis=0)] += PALER * (1 - np.array(to_rgb(colour)))
    return Mesh(corners, normals, colours)


def _resampled(values: Array, cell: Array) -> Array:
    """Return the density on as many points as look smooth, but no more than can be drawn."""
    wanted = np.ceil(np.linalg.norm(cell, axis=1) / FINE).astype(int)
    size = np.minimum(np.maximum(wanted, values.shape), FINEST)
    grids = [np.arange(n) * (full / n) for n, full in zip(size, values.shape, strict=True)]
    points = np.stack(np.meshgrid(*grids, indexing="ij"))
    fine: Array = map_coordinates(values, points, order=3, mode="grid-wrap")
    return fine


def _normals(corners: Array) -> Array:
    """Return normals as long as twice the areas of the triangles."""
    normals: Array = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals


def _smooth(normals: Array, triangles: IntArray, count: int) -> Array:
    """Return the mean of the normals around each triangle, so that its edges do not show."""
    sums = np.zeros((count, 3))
    for corner in range(3):
        np.add.at(sums, triangles[:, corner], normals)
    unit = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    mean = unit[triangles].mean(axis=1)
    flat = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    sharp = (mean * flat).sum(axis=1) < 0.85  # at the edges of the faces of the cell
    mean[sharp] = flat[sharp]
    smooth: Array = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return smooth


def balls(centres: Array, radii: Array, colours: Array) -> Mesh:
    """Return spheres of 320 triangles each.

    Parameters
    ----------
    centres, radii, colours
        (n, 3) and (n,), Å; (n, 3).
    """
    unit = _sphere()
    corners = centres[:, None, None] + radii[:, None, None, None] * unit
    normals = np.broadcast_to(unit.mean(axis=1), (len(centres), *unit.shape[:2]))
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return Mesh(
        corners.reshape(-1, 3, 3), (normals / length).reshape(-1, 3), np.repeat(colours, len(unit), axis=0)
    )


def _sphere() -> Array:
    """Return the triangles of an icosahedron whose faces are cut into four twice, (320, 3, 3)."""
    golden = (1 + np.sqrt(5)) / 2
    points = np.array([(0, s, t * golden) for s, t in product((-1, 1), repeat=2)], dtype=float)
    points = np.concatenate([np.roll(points, k, axis=1) for k in range(3)])
    triangles = points[ConvexHull(points).simplices]
    for _ in range(2):
        a, b, c = triangles.transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        triangles = np.concatenate([np.stack(part, axis=1) for part in parts])
    unit: Array = triangles / np.linalg.norm(triangles, axis=2, keepdims=True)
    return unit


def camera(cell: Array, turn: float = 22.0, tilt: float = 14.0) -> Array:
    """Return rows right, up and towards the viewer; c points up, and b away from the viewer.

    Parameters
    ----------
    cell
        (3, 3), Å.
    turn, tilt
        Degrees about c and above the plane normal to it.
    """
    up = cell[2] / np.linalg.norm(cell[2])
    right = cell[0] - cell[0] @ up * up
    right /= np.linalg.norm(right)
    away = np.cross(up, right)
    if away @ cell[1] < 0:
        away = -away
    t, s = np.radians(turn), np.radians(tilt)
    viewer = np.cos(s) * (np.sin(t) * right - np.cos(t) * away) + np.sin(s) * up
    x = np.cross(up, viewer)
    x /= np.linalg.norm(x)
    y = up - up @ viewer * viewer
    return np.array([x, y / np.linalg.norm(y), viewer])


def draw_mesh(ax: "Axes", mesh: Mesh, view: Array) -> None:
    """Draw triangles, the most distant first, as they look from far away in the direction of the view."""
    from matplotlib.collections import PolyCollection

    mesh = mesh.select((mesh.normals @ view[2]) > HIDDEN)  # of closed surfaces nobody sees the far sides
    seen = mesh.corners @ view.T
    depth = seen[:, :, 2].mean(axis=1)
    order = np.argsort(depth)
    shaded = _shaded(mesh, view, depth)[order]
    faces = PolyCollection(
        cast("Any", seen[order][:, :, :2]),
        facecolors=shaded,
        edgecolors=shaded,
        linewidths=0.25,
        rasterized=True,
        zorder=2,
    )
    faces.set_in_layout(False)  # it is inside the cell anyhow, and to measure it takes as long as to draw it
    ax.add_collection(faces)


def _shaded(mesh: Mesh, view: Array, depth: Array) -> Array:
    normals = mesh.normals @ view.T
    normals *= np.where(normals[:, 2:] < 0, -1.0, 1.0)  # the side that is seen
    light = LIGHT / np.linalg.norm(LIGHT)
    half = light + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    everywhere, lamp, reflex = SHADE
    bright = everywhere + lamp * np.clip(normals @ light, 0, 1)
    colours = mesh.colours * bright[:, None] + reflex * (np.clip(normals @ half, 0, 1) ** 30)[:, None]
    mist = MIST * (depth.max() - depth) / max(float(np.ptp(depth)), 1e-9)
    shaded: Array = np.clip(colours + mist[:, None] * (1 - colours), 0, 1)
    return shaded


def draw_cell(ax: "Axes", cell: Array, view: Array, colour: str) -> None:
    """Draw the edges of the cell: those at its nearest corner in front of everything, the others behind."""
    corners = np.array(list(product((0, 1), repeat=3)))
    nearest = corners[np.argmax(corners @ cell @ view[2])]
    for one, other in product(corners, corners):
        if (other - one).sum() != 1 or (other < one).any():
            continue
        (x0, y0), (x1, y1) = (np.array([one, other]) @ cell @ view[:2].T).tolist()
        front = (one == nearest).all() or (other == nearest).all()
        ax.plot([x0, x1], [y0, y1], color=colour, lw=0.9, zorder=3 if front else 1, solid_capstyle="round")
    for axis, name in enumerate("abc"):
        x, y = (cell[axis] + 0.9 * cell[axis] / np.linalg.norm(cell[axis])) @ view[:2].T
        ax.text(x, y, name, ha="center", va="center", style="italic", color=colour, zorder=4)
