"""Figures of the DOAS beside the one by site: of whole snapshots, and of the other elements."""

from collections.abc import Iterator, Sequence
from typing import Any

from frustra.analysis.density import Density
from frustra.campaign.analyse import MaterialAnalysis
from frustra.errors import AnalysisError
from frustra.plots.doas import plot_framework, plot_sublattice
from frustra.plots.style import figure_of
from frustra.report.picture import Picture


def doas_pictures(analysis: MaterialAnalysis) -> Iterator[Picture]:
    """Give the figures that the snapshots allow."""
    doas, specie = analysis.doas, analysis.result.specie
    if not isinstance(doas.sublattice, AnalysisError):
        yield Picture(
            "sublattice",
            "Energy of the whole sublattice",
            f"Distribution over snapshots of the summed per-atom energies of {specie}, per ion, above the "
            "lowest of all temperatures; errors by bootstrap over snapshots.",
            figure_of(plot_sublattice([doas])[0]),
            _data({specie: doas.sublattice}),
        )
    if doas.framework:
        yield Picture(
            "framework",
            "States of the other atoms",
            f"Per-atom energies of the elements beside {specie}, each above its own lowest state: what of "
            "the change with temperature the potential puts there.",
            figure_of(plot_framework([doas])[0]),
            _data(doas.framework),
        )


def _data(found: "dict[str, tuple[Density, ...]] | Any") -> dict[str, Sequence[Any]]:
    rows = [
        (name, d.temperature, energy, value)
        for name, densities in found.items()
        for d in densities
        for energy, value in zip(d.centres.tolist(), d.total.tolist(), strict=True)
        if value
    ]
    columns = zip(*rows, strict=True) if rows else ((),) * 4
    return dict(zip(("element", "T_K", "energy_eV", "density"), map(list, columns), strict=True))
