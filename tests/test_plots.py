"""Figures show what the records hold: read back from the artists, not from pictures."""

from typing import Any

import numpy as np
import pytest

from frustra.analysis.arrhenius import Arrhenius, arrhenius_of
from frustra.analysis.markers import Marker, Reading, marker_of
from frustra.analysis.transport import Diffusion, diffusion_of
from frustra.ladder import Ladder, Point
from frustra.plots import plot_arrhenius, plot_markers, plot_msd
from frustra.units import BOLTZMANN, CM2_PER_S, MS_PER_CM
from tests.helpers import random_walk, trajectory

LADDER = np.arange(350.0, 801, 50)


def ladder(drop: float = 0.0, bounds: int = 0, quantity: Any = "conductivity") -> Ladder:
    """Return ln(σT) of 0.3 eV, lower by `drop` below 520 K; the coldest are upper bounds."""
    log = -0.3 / BOLTZMANN * (1 / LADDER - 1 / 700) - drop * (LADDER < 520)
    noise = 0.05 * np.random.default_rng(1).normal(size=len(LADDER))
    values = np.exp(log + noise) / (LADDER if quantity == "conductivity" else 1.0)
    points = [
        Point(t, 3 * v, is_upper_bound=True) if i < bounds else Point(t, v, 0.1 * v)
        for i, (t, v) in enumerate(zip(LADDER, values, strict=True))
    ]
    return Ladder(quantity, tuple(points))


def texts(ax: Any) -> str:
    return " ".join(t.get_text() for t in ax.texts)


def symbols(ax: Any, marker: str) -> np.ndarray:
    """Return the places (n, 2) of all symbols of a kind."""
    found = [line.get_xydata() for line in ax.lines if line.get_marker() == marker]
    return np.concatenate(found) if found else np.empty((0, 2))


@pytest.fixture(scope="module")
def jump() -> Arrhenius:
    return arrhenius_of(ladder(2.5))


@pytest.fixture(scope="module")
def walks() -> list[Diffusion]:
    rng = np.random.default_rng(0)
    found = []
    for temperature, jumps in ((500.0, 60), (700.0, 600)):
        walk, _ = random_walk(rng, 20, 400, jumps)
        found.append(diffusion_of(trajectory(walk, temperature=temperature), "Li"))
    return found


def test_conductivities_stand_where_they_were_measured(jump: Arrhenius) -> None:
    ax = plot_arrhenius(jump)
    shown = symbols(ax, "o")
    expected = [(1e3 / p.temperature, MS_PER_CM * p.value * p.temperature) for p in jump.ladder.points]
    assert shown == pytest.approx(np.array(expected))
    assert ax.get_yscale() == "log"
    assert "T_c" in texts(ax)


def test_error_bars_are_those_of_the_logarithm(jump: Arrhenius) -> None:
    ax = plot_arrhenius(jump)
    bars = next(s for c in ax.containers for s in c[2]).get_segments()[0][:, 1]
    first = jump.ladder.points[0]
    value = MS_PER_CM * first.value * first.temperature
    assert bars == pytest.approx([value * np.exp(-0.196), value * np.exp(0.196)], rel=1e-6)


def test_nothing_is_drawn_where_a_jump_may_lie(jump: Arrhenius) -> None:
    tc = jump.transition
    assert tc is not None
    curves = [line.get_xdata() for line in plot_arrhenius(jump).lines if line.get_color() == "#1b1f23"]
    drawn = 1e3 / np.concatenate([c for c in curves if len(c) > 5])
    assert not ((drawn > tc.low + 1e-6) & (drawn < tc.high - 1e-6)).any()
    assert drawn.min() == pytest.approx(300)  # extrapolated by the branch below


def test_the_extrapolation_ends_at_the_value_that_is_told(jump: Arrhenius) -> None:
    room = jump.value_at(300)
    assert room is not None
    (place,) = symbols(plot_arrhenius(jump), "D")
    assert place == pytest.approx([1e3 / 300, 300 * room.value * MS_PER_CM])


def test_upper_bounds_are_triangles_and_doubts_are_open() -> None:
    found = arrhenius_of(ladder(bounds=2))
    ax = plot_arrhenius(found, doubtful=[500.0])
    assert 1e3 / symbols(ax, "v")[:, 0] == pytest.approx([350, 400])
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == ["measured", "not equilibrated", "95 % upper bound", "one line, 95 % band"]


def test_diffusivities_are_drawn_in_their_own_unit() -> None:
    found = arrhenius_of(ladder(quantity="diffusivity"))
    ax = plot_arrhenius(found)
    assert symbols(ax, "o")[:, 1] == pytest.approx([CM2_PER_S * p.value for p in found.ladder.points])
    assert "$D$" in ax.get_ylabel()
    assert "D_{300" in texts(ax)


def test_figures_draw_into_given_axes(jump: Arrhenius, walks: list[Diffusion]) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot_arrhenius(jump, left) is left
    assert plot_msd(walks, right) is right
    assert plot_msd(walks[0]).figure is not figure


def test_the_band_of_an_msd_holds_its_errors_and_the_fit_is_thick(walks: list[Diffusion]) -> None:
    d = walks[1]
    ax = plot_msd(d)
    thin, thick = ax.lines
    lag = thick.get_xdata()
    assert lag[0] == pytest.approx(d.window[0], rel=0.02)
    assert lag[-1] == pytest.approx(d.window[1], rel=0.02)
    band = ax.collections[0].get_paths()[0].vertices
    at = int(np.searchsorted(d.lag, thin.get_xdata()[5]))
    edges = band[np.isclose(band[:, 0], d.lag[at]), 1]
    assert max(edges) == pytest.approx(d.msd[at] + 1.96 * d.msd_std[at])
    assert min(edges) == pytest.approx(d.msd[at] - 1.96 * d.msd_std[at])


def markers() -> list[Marker]:
    rng = np.random.default_rng(2)
    kink = np.maximum(0, LADDER - 525) / 100 + 0.02 * rng.normal(size=len(LADDER))
    readings = [Reading(t, v, 0.02, t < 400) for t, v in zip(LADDER, kink, strict=True)]
    return [
        marker_of("energy", "energy", "meV/ion", readings),
        marker_of("none", "none", "", [], "cannot tell: no peak"),
        marker_of("short", "short", "nat", readings[:3]),
    ]


def test_every_marker_with_values_has_a_panel_with_its_onset(jump: Arrhenius) -> None:
    found = markers()
    axes = plot_markers(found, jump)
    assert len(axes) == 3  # the conductivity, and two markers
    assert [len(symbols(ax, "o")) for ax in axes] == [len(LADDER), len(LADDER), 3]
    onset = found[0].onset
    assert onset is not None
    assert f"{onset.value:.0f} K ({onset.low:.0f}–{onset.high:.0f})" in texts(axes[1])
    assert "cannot tell" in texts(axes[2])
    spans = [p.get_extents().transformed(axes[1].transData.inverted()) for p in axes[1].patches]
    assert (spans[0].x0, spans[0].x1) == pytest.approx((onset.low, onset.high))
    assert len(axes[2].patches) == 0


def test_doubtful_temperatures_have_open_symbols_in_every_panel(jump: Arrhenius) -> None:
    for ax in plot_markers(markers()[:1], jump):
        faces = [line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "o"]
        assert [f == "white" for f in faces] == [True] + [False] * (len(LADDER) - 1)


def test_a_figure_without_any_value_is_empty_and_no_error() -> None:
    assert len(plot_markers([markers()[1]])) == 1


def test_a_flat_msd_of_an_upper_bound_is_dotted() -> None:
    still, _ = random_walk(np.random.default_rng(3), 20, 400, 0)
    (_, fitted) = plot_msd(diffusion_of(trajectory(still), "Li")).lines
    assert fitted.get_linestyle() == ":"
