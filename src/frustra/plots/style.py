"""What all figures share: colours, sizes, and new axes where none are given."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from frustra.analysis.breaks import Breaks
from frustra.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GREY = "#1b1f23", "#444c56", "#9aa0a6"
BLUE, ORANGE = "#2b6ca3", "#d9682b"

SITE_COLOURS = {"oct": BLUE, "tet": ORANGE, "other": GREY}
"""One colour per kind of site in every figure."""

DASHED = (0, (4, 3))
"""Line style of what is extrapolated."""

_STYLE: dict[str, Any] = {
    "font.size": 9, "axes.labelsize": 9.5, "axes.titlesize": 10,
    "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.fontsize": 8.5, "legend.frameon": False,
    "axes.linewidth": 0.8, "lines.linewidth": 1.4, "xtick.direction": "in", "ytick.direction": "in",
    "xtick.minor.visible": True, "ytick.minor.visible": True,
    "figure.dpi": 110, "savefig.dpi": 220, "svg.hashsalt": "frustra", "mathtext.default": "regular",
}  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """Apply the figures' common style inside the block."""
    import matplotlib as mpl

    with mpl.rc_context(cast("Any", _STYLE)):
        yield


def new_axes(
    rows: int, width: float, height: float, layout: str | None = "constrained", **options: Any
) -> "list[Axes]":
    """Return the axes, one below the other, of a new figure (inches)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=cast("Any", layout))
    return list(figure.subplots(rows, 1, squeeze=False, **options)[:, 0])


def figure_of(ax: "Axes") -> "Figure":
    """Return the figure that axes are in."""
    return cast("Figure", ax.figure)


def temperature_colours(temperatures: Sequence[float]) -> list[tuple[float, ...]]:
    """Return one colour per temperature, from cold (blue) to hot (orange)."""
    from matplotlib import colormaps

    positions = np.linspace(0.0, 0.88, max(len(temperatures), 2))[: len(temperatures)]
    return [tuple(colormaps["plasma"](p)) for p in positions]


def certain(breaks: Breaks, coldest: float, hottest: float, points: int) -> list[Array]:
    """Return the temperatures (K) at which the curve is drawn: all, but not those where a jump may lie."""
    temperatures = np.linspace(coldest, hottest, points)
    if breaks.model != "jump" or breaks.transition is None:
        return [temperatures]
    tc = breaks.transition
    sides = [np.linspace(coldest, tc.low, points // 2), np.linspace(tc.high, hottest, points // 2)]
    return [side for side in sides if side[-1] > side[0]]
