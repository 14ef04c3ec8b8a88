"""Figures of transport: the mean-square displacement, and the Arrhenius plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from frustra.analysis.arrhenius import ROOM_TEMPERATURE, Arrhenius, arrhenius_of
from frustra.analysis.transport import Diffusion
from frustra.arrays import Array
from frustra.campaign.results import MaterialResult
from frustra.campaign.summaries import conductivities
from frustra.errors import FrustraError
from frustra.ladder import Ladder, Point
from frustra.plots.style import BLUE, DASHED, GREY, INK, ORANGE, certain, new_axes, temperature_colours
from frustra.stats import COVER
from frustra.units import CM2_PER_S, MS_PER_CM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 0.8
"""Fraction of the lags that is drawn: the last are of few origins."""

DRAWN = 100
"""Points of a curve."""

LAGS = 300
"""Lags that are drawn, evenly spread on a logarithmic axis."""

TICKS = (150, 200, 250, 300, 350, 400, 500, 600, 800, 1000, 1200, 1500, 2000, 3000)
"""Temperatures that are named, K."""

APART = 0.07
"""Part of the axis that two names need."""

MODELS = {
    "line": "one line", "kink": "kink", "jump": "jump", "undecided": "mean of line, kink, jump"
}  # fmt: skip


def plot_msd(diffusion: Diffusion | Sequence[Diffusion], ax: "Axes | None" = None) -> "Axes":
    """Draw the mean-square displacement against lag with its 95 % band; the lags of the fit are thick.

    Of an upper bound, the fit is dashed.
    """
    ax = ax or new_axes(1, 5.2, 3.6)[0]
    several = [diffusion] if isinstance(diffusion, Diffusion) else list(diffusion)
    for d, colour in zip(several, temperature_colours([d.temperature for d in several]), strict=True):
        _draw_msd(ax, d, colour)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("Lag (ps)")
    ax.set_ylabel("Mean-square displacement (Å$^2$)")
    ax.legend(ncols=2)
    return ax


def _draw_msd(ax: "Axes", d: Diffusion, colour: Any) -> None:
    last = max(2, int(SHOWN * len(d.lag)))
    chosen = np.unique(np.geomspace(1, last - 1, LAGS).astype(int))
    lag, msd = d.lag[chosen], d.msd[chosen]
    error = COVER * np.nan_to_num(d.msd_std[chosen])
    ax.fill_between(lag, np.maximum(msd - error, 0.02 * msd), msd + error, color=colour, alpha=0.18, lw=0)
    ax.plot(lag, msd, color=colour, lw=0.9)
    fitted = (lag >= d.window[0]) & (lag <= d.window[1])
    label = f"{d.temperature:g} K" if np.isfinite(d.temperature) else d.specie
    ax.plot(lag[fitted], msd[fitted], color=colour, lw=2.4, ls=":" if d.is_upper_bound else "-", label=label)


@dataclass(frozen=True)
class _Scale:
    """How a ladder's values are drawn: σT in mS K/cm, or D in cm²/s."""

    conducts: bool

    @property
    def unit(self) -> float:
        return MS_PER_CM if self.conducts else CM2_PER_S

    def of(self, values: Any, temperature: Any) -> Array:
        """Return the ordinate of a conductivity or diffusivity, internal units."""
        power = np.asarray(temperature, dtype=float) if self.conducts else 1.0
        return np.asarray(values, dtype=float) * power * self.unit


def plot_arrhenius(
    found: Arrhenius | MaterialResult, ax: "Axes | None" = None, doubtful: Sequence[float] = ()
) -> "Axes":
    """Draw σT, or D, against 1000/T with 95 % errors, and the model that was chosen with its 95 % band.

    Upper bounds are triangles. The break is a vertical band as wide as its interval. What is extrapolated,
    down to 300 K, is dashed.

    Parameters
    ----------
    found
        An analysis; or a material of a study, whose conductivities are analysed anew.
    ax
        Of a new figure if not given.
    doubtful
        Temperatures (K) that are not equilibrated; their symbols are open. Of a material, its own.
    """
    ax = ax or new_axes(1, 5.2, 4.2)[0]
    if isinstance(found, MaterialResult):
        doubtful = [r.T_K for r in found.temperatures if not r.equilibrated]
        points, fit = _analysed(found)
        scale = _Scale(conducts=True)
    else:
        points, fit = found.ladder.points, found
        scale = _Scale(conducts=found.ladder.quantity == "conductivity")
    for point in points:
        _draw_point(ax, point, scale, open_symbol=point.temperature in doubtful)
    inverse = [1e3 / p.temperature for p in points]
    left, right = min(inverse) - 0.1, max([*inverse, 1e3 / ROOM_TEMPERATURE]) + 0.15
    if fit is not None:
        _draw_fit(ax, fit, scale)
        ax.text(0.03, 0.03, _told(fit), transform=ax.transAxes, va="bottom", fontsize=8.5)
    ax.set_xlim(left, right)
    ax.set_yscale("log")
    ax.set_ylim(*_limits(points, fit, scale))
    ax.set_xlabel("1000 / T (K$^{-1}$)")
    ax.set_ylabel("$\\sigma T$ (mS cm$^{-1}$ K)" if scale.conducts else "$D$ (cm$^2$ s$^{-1}$)")
    _temperature_axis(ax)
    ax.legend(handles=_symbols(points, fit, doubtful), loc="upper right")
    return ax


def _analysed(material: MaterialResult) -> tuple[tuple[Point, ...], Arrhenius | None]:
    """Return a material's conductivities, and their analysis unless it is refused."""
    points = conductivities(material)
    try:
        return points, arrhenius_of(Ladder("conductivity", points))
    except FrustraError:  # the results say why
        return points, None


def _draw_point(ax: "Axes", point: Point, scale: _Scale, open_symbol: bool) -> None:
    x, y = 1e3 / point.temperature, float(scale.of(point.value, point.temperature))
    if point.is_upper_bound:
        ax.plot(x, y, "v", color=GREY, ms=7, mfc="none", zorder=3)
        ax.plot([x - 0.03, x + 0.03], [y, y], color=GREY, lw=1.2)
        return
    span = np.exp(COVER * np.nan_to_num(point.std) / point.value)
    ax.errorbar(
        x, y, [[y - y / span], [y * span - y]], fmt="o", color=BLUE, mfc="white" if open_symbol else BLUE,
        ms=5.5, capsize=2.5, lw=1.1, zorder=4,
    )  # fmt: skip


def _draw_fit(ax: "Axes", fit: Arrhenius, scale: _Scale) -> None:
    """Draw the chosen model where it was fitted, its extrapolation to 300 K, and the break."""
    ladder = fit.ladder.temperatures
    coldest = ladder[0] if fit.breaks.low_is_measured else fit.breaks.candidate.value
    for part in certain(fit.breaks, coldest, ladder[-1], DRAWN):
        _draw_curve(ax, fit, part, "-", scale)
    room = fit.value_at(ROOM_TEMPERATURE)
    if room is not None and coldest > ROOM_TEMPERATURE:
        _draw_curve(ax, fit, np.linspace(ROOM_TEMPERATURE, coldest, DRAWN // 3), DASHED, scale)
        value, low, high = scale.of([room.value, room.low, room.high], ROOM_TEMPERATURE)
        ax.errorbar(
            1e3 / ROOM_TEMPERATURE, value, [[value - low], [high - value]], fmt="D", ms=5, mfc="white",
            color=INK, capsize=2.5, lw=1.1, zorder=4,
        )  # fmt: skip
    if fit.transition is not None:
        tc = fit.transition
        ax.axvspan(1e3 / tc.high, 1e3 / tc.low, color=ORANGE, alpha=0.16, lw=0, zorder=0)
        ax.axvline(1e3 / tc.value, color=ORANGE, lw=1.2, zorder=1)


def _draw_curve(ax: "Axes", fit: Arrhenius, temperatures: Array, line: Any, scale: _Scale) -> None:
    value, low, high = (scale.unit * np.exp(v) for v in fit.breaks.curve(temperatures))  # of ln(σT), ln D
    ax.plot(1e3 / temperatures, value, color=INK, lw=1.2, ls=line)
    ax.fill_between(1e3 / temperatures, low, high, color=INK, alpha=0.10, lw=0)


def _limits(points: Sequence[Point], fit: Arrhenius | None, scale: _Scale) -> tuple[float, float]:
    """Return the ordinates to be shown: the values with room around them, whatever the width of the band."""
    known = list(points)
    room = None if fit is None else fit.value_at(ROOM_TEMPERATURE)
    if room is not None:
        known.append(Point(ROOM_TEMPERATURE, room.value))
    values = scale.of([p.value for p in known], [p.temperature for p in known])
    return float(values.min()) / 30, float(values.max()) * 8


def _told(fit: Arrhenius) -> str:
    """Return the verdict as text."""
    lines = [f"model: {fit.model}"]
    if fit.transition is not None:
        tc = fit.transition
        lines.append(f"$T_c$ = {tc.value:.0f} K ({tc.low:.0f}–{tc.high:.0f})")
    low, high = fit.energy("low"), fit.energy("high")
    if high is not None:
        name = "$E_a$" if fit.model == "line" else "$E_a$ above"
        lines.append(f"{name} = {high.value:.3f} eV ({high.low:.3f}–{high.high:.3f})")
    if low is not None and fit.model != "line":
        lines.append(f"$E_a$ below = {low.value:.3f} eV ({low.low:.3f}–{low.high:.3f})")
    room = fit.value_at(ROOM_TEMPERATURE)
    if room is not None:
        conducts = fit.ladder.quantity == "conductivity"
        r = room.scaled(MS_PER_CM if conducts else CM2_PER_S)
        name, unit = ("\\sigma", "mS cm$^{-1}$") if conducts else ("D", "cm$^2$ s$^{-1}$")
        lines.append(f"${name}_{{300\\,K}}$ = {r.value:.2g} {unit} ({r.low:.2g}–{r.high:.2g})")
    return "\n".join(lines)


def _temperature_axis(ax: "Axes") -> None:
    top = ax.secondary_xaxis("top", functions=(_reciprocal, _reciprocal))
    low, high = sorted(1e3 / np.array(ax.get_xlim()))
    ticks: list[int] = []
    for t in (t for t in TICKS if low <= t <= high):
        if not ticks or 1e3 / ticks[-1] - 1e3 / t > APART * (1e3 / low - 1e3 / high):
            ticks.append(t)
    top.set_xticks(ticks, [str(t) for t in ticks])
    top.minorticks_off()
    top.set_xlabel("T (K)")
    ax.tick_params(top=False, which="both")


def _reciprocal(value: Any) -> Any:
    return 1e3 / np.maximum(np.asarray(value, dtype=float), 1e-9)


def _symbols(points: Sequence[Point], fit: Arrhenius | None, doubtful: Sequence[float]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    symbol: dict[str, Any] = {"ls": "", "color": BLUE, "marker": "o"}
    measured = [p for p in points if not p.is_upper_bound]
    handles: list[Any] = []
    if any(p.temperature not in doubtful for p in measured):
        handles.append(Line2D([], [], **symbol, label="measured"))
    if any(p.temperature in doubtful for p in measured):
        handles.append(Line2D([], [], **symbol, mfc="white", label="not equilibrated"))
    if len(measured) < len(points):
        bound = {**symbol, "color": GREY, "marker": "v", "mfc": "none"}
        handles.append(Line2D([], [], **bound, label="95 % upper bound"))
    if fit is not None:
        handles.append(Line2D([], [], color=INK, lw=1.2, label=f"{MODELS[fit.model]}, 95 % band"))
        if fit.transition is not None:
            handles.append(Patch(color=ORANGE, alpha=0.3, label="$T_c$, 95 %"))
    return handles
