"""From records of analysis to what JSON files and the command line tell: display units, no NaN."""

import math
from collections.abc import Sequence
from dataclasses import astuple

from frustra.analysis.arrhenius import ROOM_TEMPERATURE, Arrhenius, arrhenius_of
from frustra.analysis.markers import Agreement, Marker
from frustra.analysis.transport import Diffusion
from frustra.campaign.results import (
    AgreementResult,
    ArrheniusResult,
    Interval,
    MarkerResult,
    MaterialResult,
    Quantity,
    Transport,
    TransportResult,
)
from frustra.errors import FrustraError
from frustra.ladder import Ladder, Measured, Point
from frustra.stats import Estimate
from frustra.units import CM2_PER_S, FS, MS_PER_CM


def finite(value: float) -> float | None:
    """Return a number, or None for what is none."""
    return float(value) if math.isfinite(value) else None


def interval(estimate: Estimate | None, factor: float = 1.0) -> Interval | None:
    """Return an estimate in another unit; None if there is none."""
    if estimate is None or not math.isfinite(estimate.value):
        return None
    value, std, low, high = astuple(estimate.scaled(factor))
    return Interval(value=value, std=finite(std), low=low, high=high)


def arrhenius_result(fit: Arrhenius) -> ArrheniusResult:
    """Return an Arrhenius analysis in display units.

    The prefactor is in K mS/cm for σT and in cm²/s for D. A diffusivity gives no conductivity at 300 K: see
    `Ladder.as_conductivity`.
    """
    ladder, breaks = fit.ladder, fit.breaks
    conducts = ladder.quantity == "conductivity"
    unit = MS_PER_CM if conducts else CM2_PER_S
    return ArrheniusResult(
        model=breaks.model,
        reason=breaks.reason,
        quantity=ladder.quantity,
        Tc_K=interval(fit.transition),
        Ea_low_eV=interval(fit.energy("low")),
        Ea_high_eV=interval(fit.energy("high")),
        prefactor_low=interval(fit.prefactor("low"), unit),
        prefactor_high=interval(fit.prefactor("high"), unit),
        sigma_300K_mS_cm=interval(fit.value_at(ROOM_TEMPERATURE), unit) if conducts else None,
        delta_bic=finite(breaks.delta_bic),
        log10_bayes=finite(breaks.log10_bayes),
        **_temperatures(ladder.points),
        errors="measured" if ladder.errors_known else "inferred",
        notes=list(fit.notes),
    )


def no_arrhenius(
    reason: str, points: tuple[Point, ...] = (), quantity: Measured = "conductivity"
) -> ArrheniusResult:
    """Return the answer where there is no fit: undecided, with the reason.

    Parameters
    ----------
    reason
        A sentence, as that of `AnalysisError`.
    points, quantity
        What was there to be fitted.
    """
    return ArrheniusResult(
        model="undecided", reason=f"cannot tell: {reason}", quantity=quantity, **_temperatures(points)
    )


def fit_or_refusal(
    points: tuple[Point, ...], quantity: Measured = "conductivity"
) -> tuple[Arrhenius | None, ArrheniusResult]:
    """Return the Arrhenius analysis of points, and what is told of it; none, with the reason, if refused."""
    try:
        fit = arrhenius_of(Ladder(quantity, points))
    except FrustraError as refusal:  # too few temperatures, or too few with a measured value
        return None, no_arrhenius(str(refusal).removesuffix("."), points, quantity)
    return fit, arrhenius_result(fit)


def _temperatures(points: tuple[Point, ...]) -> dict[str, list[float]]:
    return {
        "temperatures_K": [p.temperature for p in points if not p.is_upper_bound],
        "upper_bounds_K": [p.temperature for p in points if p.is_upper_bound],
    }


def diffusivity(d: Diffusion) -> Quantity:
    """Return the tracer diffusivity in cm²/s."""
    return _quantity(d, CM2_PER_S, "cm²/s")


def conductivity(d: Diffusion, charge: float) -> Quantity:
    """Return the Nernst–Einstein conductivity in mS/cm; the temperature must be known."""
    return _quantity(d, MS_PER_CM * d.conductivity(charge)[0] / d.value, "mS/cm")


def _quantity(d: Diffusion, factor: float, unit: str) -> Quantity:
    return Quantity(
        value=factor * d.value,
        std=finite(factor * d.std),
        low=factor * d.low,
        high=factor * d.high,
        unit=unit,
        is_upper_bound=d.is_upper_bound,
    )


def conductivities(material: MaterialResult) -> tuple[Point, ...]:
    """Return the ladder that a material's results hold, internal units."""
    return tuple(
        Point(
            row.T_K,
            row.conductivity.value / MS_PER_CM,
            math.nan if row.conductivity.std is None else row.conductivity.std / MS_PER_CM,
            row.conductivity.is_upper_bound,
        )
        for row in material.temperatures
    )


def transport(d: Diffusion, charge: float | None, discarded: float | None = None) -> Transport:
    """Return everything else that the displacements tell.

    Parameters
    ----------
    d
        At one temperature.
    charge
        Of the mobile ion, e; None if not known, and then there is no conductivity.
    discarded
        Equilibration before production, ps.
    """
    x, y, z = (interval(a, CM2_PER_S) for a in d.axes)
    collective = None if charge is None else d.collective_conductivity(charge)
    return Transport(
        D_axes_cm2_s=(x, y, z) if x and y and z else None,
        anisotropy=interval(d.anisotropy),
        sigma_collective_mS_cm=interval(collective, MS_PER_CM),
        haven=interval(d.haven),
        N_jump=d.jumps,
        diffusive_jumps=d.diffusive_jumps,
        window_ps=d.window,
        drift=d.drift,
        method=d.method,
        ions=d.ions,
        frames=len(d.lag),
        timestep_fs=FS * float(d.lag[1] - d.lag[0]),
        duration_ps=float(d.lag[-1] + d.lag[1]),  # a frame stands for the interval before it
        discarded_ps=discarded,
        notes=[*d.notes, *_unknown(d, charge)],
    )


def _unknown(d: Diffusion, charge: float | None) -> list[str]:
    """Say why there is no conductivity."""
    known = {
        "temperature": math.isfinite(d.temperature),
        "volume of the cell": math.isfinite(d.volume),
        f"charge of {d.specie}": charge is not None,
    }
    missing = [what for what, is_known in known.items() if not is_known]
    return [f"No conductivity: the {' and the '.join(missing)} is not known."] if missing else []


def transport_result(d: Diffusion, charge: float | None) -> TransportResult:
    """Return what `frustra transport` tells of one trajectory; arguments as for `transport`."""
    unknown = bool(_unknown(d, charge))
    return TransportResult(
        **dict(transport(d, charge)),
        specie=d.specie,
        charge=charge,
        T_K=finite(d.temperature),
        D=diffusivity(d),
        sigma_NE=None if charge is None or unknown else conductivity(d, charge),
    )


def marker_result(marker: Marker) -> MarkerResult:
    """Return a marker with its onset."""
    found = marker.breaks
    return MarkerResult(
        label=marker.label,
        unit=marker.unit,
        temperatures_K=marker.temperatures.tolist(),
        values=marker.values.tolist(),
        std=marker.std.tolist(),
        not_equilibrated_K=marker.temperatures[marker.doubtful].tolist(),
        model=marker.model,
        reason=marker.reason,
        Tc_K=interval(marker.onset),
        delta_bic=None if found is None else finite(found.delta_bic),
        log10_bayes=None if found is None else finite(found.log10_bayes),
    )


def agreement_result(found: Agreement, not_equilibrated: Sequence[float]) -> AgreementResult:
    """Return whether the markers agree, with the temperatures (K) that are in doubt."""
    return AgreementResult(
        verdict=found.verdict,
        sentence=found.sentence,
        common_K=found.common,
        not_equilibrated_K=list(not_equilibrated),
    )
