"""What `frustra rdf --json` prints, and its columns as CSV. Keys carry their units."""

from typing import Any

import numpy as np
from pydantic import Field

from frustra.analysis.rdf.curve import Radial
from frustra.analysis.rdf.peak import Peak
from frustra.arrays import Array
from frustra.stats import Estimate, Line
from frustra.surveys.rdf import PairCurves, RdfSurvey
from frustra.surveys.values import Record, Value, known, sure_value, value_of

Numbers = list[float | None]


class PeakResult(Record):
    """The first peak of g(r)."""

    end_A: float = Field(description="first minimum of the mean g(r) of all temperatures")
    position_A: Value | None = Field(description="where g is largest")
    height: Value | None = Field(description="g there")
    width_A: Value | None = Field(
        description="root mean square of the distances about their mean, up to the end"
    )
    width2_A2: Value | None = Field(description="its square; of a harmonic crystal proportional to T")
    coordination: Value | None = Field(description="neighbours up to the end")


class CurveResult(Record):
    """g(r) of one pair at one temperature."""

    T_K: float | None = Field(description="temperature; null where nobody knows it")
    frames: int = Field(description="frames that were looked at, of all runs")
    blocks: int = Field(description="blocks of time, of all runs, that the errors come from")
    inefficiency: float = Field(
        description="largest factor of a variance as blocks are not independent, or runs differ; else 1"
    )
    g: Numbers = Field(description="g at r_A; null where nobody was there to be a pair")
    g_std: Numbers = Field(description="its standard error; null where no pair was seen")
    coordination: Numbers = Field(description="mean number of neighbours within reach_A")
    coordination_std: Numbers = Field(description="its standard error")
    maximum_r_A: float | None = Field(description="where the curve is highest")
    maximum_g: Value | None = Field(description="its value there")
    first_peak: PeakResult | None = Field(description="null where there is none")


class Broadening(Record):
    """A line through the squared width of the first peak against T."""

    slope_A2_per_K: Value
    intercept_A2: Value = Field(description="at 0 K; zero of a harmonic crystal without quantum effects")
    chi2_per_dof: float | None = Field(description="about 1 if a line will do; null of two temperatures")


class PairResult(Record):
    """g(r) of one pair at every temperature."""

    pair: str = Field(description="such as Li-Cl, or Li(oct)-Li(tet)")
    first: str = Field(description="atoms that are looked from")
    second: str = Field(description="atoms that are looked at")
    r_A: list[float] = Field(description="distances")
    reach_A: list[float] = Field(description="outer edges of the shells, for the coordination")
    temperatures: list[CurveResult]
    broadening: Broadening | None = Field(description="null with fewer than two temperatures with errors")
    notes: list[str] = Field(description="what to know before quoting a number")


class RdfResult(Record):
    """The whole answer."""

    method: str = Field(description="counts, or the published convention")
    pairs: list[PairResult]
    notes: list[str] = Field(description="what the readers had to say, and what was looked at")


def rdf_result(survey: RdfSurvey) -> RdfResult:
    """Return a survey as what is printed."""
    pairs = [_pair(p) for p in survey.pairs]
    return RdfResult(method=survey.settings.method, pairs=pairs, notes=list(survey.notes))


def rdf_columns(survey: RdfSurvey) -> dict[str, Any]:
    """Return all curves as columns of one table, curve after curve."""
    names = ("pair", "T_K", "r_A", "g", "g_std", "reach_A", "coordination", "coordination_std")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for curve in (c for p in survey.pairs for c in p.curves):
        shells = len(curve.reach)  # a convention may have one point more than shells
        parts = (curve.r, curve.values, curve.std, curve.reach, curve.coordination, curve.coordination_std)
        for row in zip(*(p[:shells].tolist() for p in parts), strict=True):
            for name, value in zip(names, (_label(curve), curve.temperature, *row), strict=True):
                columns[name].append(value)
    return columns


def _label(of: Radial | PairCurves) -> str:
    return f"{of.first}-{of.second}"


def _pair(pair: PairCurves) -> PairResult:
    one = pair.curves[0]
    return PairResult(
        pair=_label(pair),
        first=pair.first,
        second=pair.second,
        r_A=np.round(one.r, 9).tolist(),
        reach_A=np.round(one.reach, 9).tolist(),
        temperatures=[_curve(c, p) for c, p in zip(pair.curves, pair.peaks, strict=True)],
        broadening=None if pair.broadening is None else _broadening(pair.broadening),
        notes=list(pair.notes),
    )


def _curve(curve: Radial, peak: Peak | None) -> CurveResult:
    seen = bool(np.isfinite(curve.values).any())
    top = int(np.nanargmax(curve.values)) if seen else 0
    return CurveResult(
        T_K=known(curve.temperature),
        frames=curve.frames,
        blocks=len(curve.blocks),
        inefficiency=curve.blocks.coordination_inefficiency,
        g=_numbers(curve.values),
        g_std=_numbers(curve.std),
        coordination=_numbers(curve.coordination),
        coordination_std=_numbers(curve.coordination_std),
        maximum_r_A=float(curve.r[top]) if seen else None,
        maximum_g=value_of(Estimate.normal(curve.values[top], curve.std[top])),
        first_peak=None if peak is None else _peak(peak),
    )


def _peak(peak: Peak) -> PeakResult:
    found = (peak.position, peak.height, peak.width, peak.square, peak.coordination)
    position, height, width, square, coordination = (value_of(e) for e in found)
    return PeakResult(
        end_A=peak.end, position_A=position, height=height, width_A=width, width2_A2=square,
        coordination=coordination,
    )  # fmt: skip


def _broadening(line: Line) -> Broadening:
    intercept, slope = np.sqrt(np.diag(line.covariance)).tolist()
    return Broadening(
        slope_A2_per_K=sure_value(Estimate.normal(line.slope, slope)),
        intercept_A2=sure_value(Estimate.normal(line.intercept, intercept)),
        chi2_per_dof=line.chi2 / (line.points - 2) if line.points > 2 else None,
    )


def _numbers(values: Array) -> Numbers:
    return [known(v) for v in values.tolist()]
