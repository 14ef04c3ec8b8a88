"""The figures of one material, each with its data and what it shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from frustra.analysis.markers import Marker
from frustra.campaign.analyse import MaterialAnalysis
from frustra.campaign.results import BranchResult, TemperatureResult
from frustra.plots import plot_arrhenius, plot_doas, plot_energy, plot_markers, plot_msd, plot_site_fractions
from frustra.plots.style import figure_of
from frustra.report.picture import Picture
from frustra.sites import SITE_KINDS
from frustra.units import MEV

BRANCHES = ", and both branches meet: heated from the ground state, and cooled from ions disordered by heat"
"""What the figure of energies shows besides where there are both."""


def pictures_of(analysis: MaterialAnalysis) -> list[Picture]:
    """Draw the figures of one material."""
    result, rows = analysis.result, analysis.result.temperatures
    doubtful = [r.T_K for r in rows if not r.equilibrated]
    edges = analysis.evidence.densities[0].edges
    bin_width = MEV * (edges[1] - edges[0])
    vertices = " and ".join(result.anions)
    return [
        Picture(
            "arrhenius",
            "Arrhenius plot",
            "Nernst–Einstein conductivity from the tracer diffusivity, with 95 % errors; triangles are 95 % "
            "upper bounds, which the fit takes as such. One line, a kink or a jump, chosen by evidence, with "
            "its 95 % band; dashed where extrapolated, to 300 K (diamond).",
            figure_of(plot_arrhenius(result)),
            _arrhenius_data(rows),
        ),
        Picture(
            "markers",
            "Markers of the super-ionic transition",
            "Every marker with 95 % errors and its own onset (95 % band), chosen as in the Arrhenius plot "
            "but against T, and claimed only if no smooth curve fits as well. Markers from the same "
            "snapshots are not independent.",
            figure_of(plot_markers(analysis.markers, analysis.arrhenius)[0]),
            _marker_data(analysis.markers),
        ),
        Picture(
            "doas",
            "Density of atomistic states",
            f"Per-atom energies of {result.specie} in relaxed snapshots, {bin_width:.3g} meV bins, by the "
            f"polyhedron of {vertices} around the ion; one zero for all temperatures, each panel to its "
            "maximum. "
            "S: Shannon entropy over the bins, exp S the effective number of levels; errors by bootstrap "
            "over snapshots.",
            figure_of(plot_doas(analysis.evidence.densities, doubtful=doubtful)[0]),
            _doas_data(analysis),
        ),
        Picture(
            "msd",
            "Mean-square displacement",
            "Over all time origins, relative to the framework's centre of mass; 95 % bands from the spread "
            "over ions. Thick: the lags of the fit; dotted where D is an upper bound.",
            figure_of(plot_msd(analysis.evidence.diffusion)),
            _msd_data(analysis),
        ),
        Picture(
            "energy",
            "Relaxed energy against temperature",
            f"Mean relaxed total energy per {result.specie} above the ground state of the same cell; "
            "it does not depend on the choice of per-atom energies. In equilibrium it never falls and "
            f"nothing lies below zero{BRANCHES if result.branches else ''}.",
            figure_of(plot_energy(rows, branches=result.branches)),
            {**_energy_data(rows), **_branch_data(result.branches)},
        ),
        Picture(
            "sites",
            "Site fractions",
            f"Coordination of every ion by {vertices} in its relaxed snapshot.",
            figure_of(plot_site_fractions(rows)),
            _site_data(rows),
        ),
    ]


def _doas_data(analysis: MaterialAnalysis) -> dict[str, Any]:
    parts: list[tuple[str, list[Any]]] = []
    for column in ("T_K", "energy_eV", *SITE_KINDS, "total"):
        values: list[Any] = []
        for d in analysis.evidence.densities:
            bins = {
                "T_K": np.full(len(d.total), d.temperature),
                "energy_eV": d.centres,
                "total": d.total,
                **d.parts,
            }
            values += bins[column].tolist()
        parts.append((column, values))
    return dict(parts)


def _arrhenius_data(rows: Sequence[TemperatureResult]) -> dict[str, Any]:
    return {
        "T": [r.T_K for r in rows],
        "D_cm2_s": [r.diffusivity.value for r in rows],
        "D_error": [r.diffusivity.std for r in rows],
        "sigma_mS_cm": [r.conductivity.value for r in rows],
        "sigma_error": [r.conductivity.std for r in rows],
        "is_upper_bound": [r.diffusivity.is_upper_bound for r in rows],
    }


def _marker_data(markers: Sequence[Marker]) -> dict[str, Any]:
    return {
        "marker": [m.name for m in markers for _ in m.values],
        "unit": [m.unit for m in markers for _ in m.values],
        "T_K": [t for m in markers for t in m.temperatures.tolist()],
        "value": [v for m in markers for v in m.values.tolist()],
        "std": [s for m in markers for s in m.std.tolist()],
    }


def _energy_data(rows: Sequence[TemperatureResult]) -> dict[str, Any]:
    return {
        "T_K": [r.T_K for r in rows],
        "mean_eV": [r.relaxed_energy.mean_eV for r in rows],
        "std_eV": [r.relaxed_energy.std_eV for r in rows],
        "lowest_eV": [r.relaxed_energy.lowest_eV for r in rows],
        "equilibrated": [r.equilibrated for r in rows],
    }


def _branch_data(branches: Sequence[BranchResult]) -> dict[str, Any]:
    if not branches:
        return {}
    names = ("heating_eV", "heating_std_eV", "cooling_eV", "cooling_std_eV", "differ")
    return {name: [getattr(b, name) for b in branches] for name in names}


def _site_data(rows: Sequence[TemperatureResult]) -> dict[str, Any]:
    columns: dict[str, Any] = {"T_K": [r.T_K for r in rows]}
    for kind in SITE_KINDS:
        columns[kind] = [r.site_fractions[kind] for r in rows]
        columns[f"{kind}_std"] = [r.site_fractions_std[kind] for r in rows]
    columns["off_ground"] = [r.off_ground_fraction for r in rows]
    return columns


def _msd_data(analysis: MaterialAnalysis) -> dict[str, Any]:
    return {
        "T_K": [d.temperature for d in analysis.evidence.diffusion for _ in d.lag],
        "lag_ps": [t for d in analysis.evidence.diffusion for t in d.lag.tolist()],
        "msd_A2": [m for d in analysis.evidence.diffusion for m in d.msd.tolist()],
        "std_A2": [s for d in analysis.evidence.diffusion for s in d.msd_std.tolist()],
    }
