"""The figures of one material's sites, local configurations, hops and ways through the crystal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from frustra.analysis.configurations import LOCAL, configurations_of
from frustra.analysis.density import Density, converged_states
from frustra.campaign.analyse import MaterialAnalysis
from frustra.campaign.pathway_results import PathwaysAtResult, PathwaysResult
from frustra.errors import FrustraError
from frustra.plots.configurations import plot_configurations
from frustra.plots.density import plot_density
from frustra.plots.hops import plot_hops
from frustra.plots.percolation import plot_percolation
from frustra.plots.rdf import plot_rdf
from frustra.plots.sites import plot_sites
from frustra.plots.states import plot_doas
from frustra.plots.style import figure_of
from frustra.report.picture import Picture
from frustra.surveys.percolation_results import PercolationResult, ThresholdResult
from frustra.surveys.rdf_results import rdf_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure


RESOLVED = {"label": "class of sites", "anions": "the elements of the polyhedron around the ion"}
"""Columns of the state table that resolve the DOAS, in words."""


def pathway_pictures(analysis: MaterialAnalysis) -> Iterator[Picture]:
    """Draw what is known; what was refused has no figure."""
    found, result = analysis.pathways, analysis.result.pathways
    specie = analysis.result.specie
    yield Picture(
        "crystal",
        "Sites of the crystal",
        f"Middles of the polyhedra of {' and '.join(analysis.result.anions)}, which fill space; crosses mark "
        "those that share a face with the polyhedron of a framework cation, lines join sites that share one.",
        figure_of(plot_sites(found.sites)[0]),
        _class_data(result),
        wide=True,
    )
    densities = [t.density for t in found.temperatures if t.density is not None]
    if densities:
        yield Picture(
            "density",
            f"Where {specie} is",
            "Surface that holds 90 % of the mobile ions in MD, at the lowest and the highest temperature, "
            "averaged over the symmetry of the mean framework.",
            _densities(analysis),
            {
                "T_K": [d.temperature for d in densities],
                "level_90_per_A3": [d.level(0.9) for d in densities],
                "volume_90": [d.volume_of(0.9) for d in densities],
                "departure": [d.departure for d in densities],
                "scatter": [d.scatter for d in densities],
            },
            wide=True,
        )
    for column, densities_by in analysis.evidence.densities_by.items():
        what = RESOLVED[column]
        yield Picture(
            f"doas_{column}",
            f"Density of atomistic states by {what}",
            f"As above, resolved by {what}.",
            figure_of(plot_doas(densities_by, doubtful=analysis.evidence.doubtful)[0]),
            _doas_data(densities_by),
        )
    configurations = _configurations(analysis)
    if configurations is not None:
        yield configurations
    hops = [t.hops for t in found.temperatures if t.hops is not None]
    if any(h.hops for h in hops):
        yield Picture(
            "hops",
            "Hops and pathways",
            "Rates of every class of hops per ion in a site of the origin's kind, with 95 % intervals "
            "(triangles: upper bounds), and the pathways at the lowest and highest temperature with hops; "
            "visits shorter than 0.2 ps are no hops.",
            figure_of(plot_hops(hops)[0]),
            _hop_data(result),
        )
    levels = [(t.temperature, t.states.energy) for t in found.temperatures if t.states is not None]
    if levels:
        yield Picture(
            "percolation",
            "Percolation of state energies",
            "Largest cluster of sites whose mean relaxed per-atom energy is below the level; circle, square "
            "and diamond where it first leads through the crystal in 1, 2 and 3 dimensions (95 % bars).",
            figure_of(plot_percolation([p for _, p in levels], None, [t for t, _ in levels])),
            _level_data(result),
        )
    if found.rdf is not None:
        yield Picture(
            "rdf",
            "Radial distribution functions",
            f"g(r) of {specie} with itself and all others in MD, with 95 % bands from blocks of time.",
            figure_of(plot_rdf(found.rdf.pairs)[0]),
            rdf_columns(found.rdf),
        )


def _doas_data(densities: Sequence[Density]) -> dict[str, Any]:
    rows = [
        (d.temperature, name, energy, value)
        for d in densities
        for name, values in d.parts.items()
        for energy, value in zip(d.centres.tolist(), values.tolist(), strict=True)
        if value
    ]
    columns = zip(*rows, strict=True) if rows else ((),) * 4
    return dict(zip(("T_K", "part", "energy_eV", "density"), map(list, columns), strict=True))


def _configurations(analysis: MaterialAnalysis) -> Picture | None:
    """Draw the local configurations at the highest temperature with converged snapshots."""
    states = converged_states(analysis.states)
    if not len(states):
        return None
    hottest = float(states["temperature"].max())
    try:
        found = configurations_of(states.select(states["temperature"] == hottest))
    except FrustraError:
        return None
    snapshots = analysis.evidence.snapshots[analysis.evidence.temperatures.index(hottest)]
    axes = plot_configurations(found, snapshots, analysis.pathways.sites)
    most = found.most_frequent(50)
    return Picture(
        "configurations",
        f"Local configurations at {hottest:g} K",
        "The most frequent surroundings of an ion in relaxed snapshots, and those of lowest and highest mean "
        "energy: its polyhedron, neighbouring mobile ions, empty sites (hollow) and framework cations.",
        figure_of(axes[0]),
        {
            **{column: [c.values[column] for c in most] for column in LOCAL},
            "states": [c.states for c in most],
            "fraction": [c.fraction for c in most],
            "fraction_std": [c.fraction_std for c in most],
            "mean_eV": [c.mean for c in most],
            "mean_std_eV": [c.mean_std for c in most],
        },
    )


def _densities(analysis: MaterialAnalysis) -> "Figure":
    from matplotlib.figure import Figure

    densities = [t.density for t in analysis.pathways.temperatures if t.density is not None]
    figure = Figure(figsize=(5.2 * len(densities), 4.2), layout="constrained")
    for ax, density in zip(figure.subplots(1, len(densities), squeeze=False)[0], densities, strict=True):
        plot_density(density, ax)
    return figure


def _class_data(result: PathwaysResult) -> dict[str, Any]:
    classes = result.sites.classes
    return {
        "class": [c.label for c in classes],
        "sites": [c.number for c in classes],
        "volume_A3": [c.mean_volume_A3 for c in classes],
        "distortion": [c.mean_distortion for c in classes],
        "wyckoff": [" ".join(c.wyckoff) for c in classes],
    }


def _hop_data(result: PathwaysResult) -> dict[str, Any]:
    rows = [(t.T_K, p) for t in result.temperatures if t.hops is not None for p in t.hops.pathways]
    return {
        "T_K": [t for t, _ in rows],
        "pathway": [p.pathway for _, p in rows],
        "hops": [p.hops for _, p in rows],
        "rate_THz": [p.from_origin_THz.value for _, p in rows],
        "low_THz": [p.from_origin_THz.low for _, p in rows],
        "high_THz": [p.from_origin_THz.high for _, p in rows],
        "is_upper_bound": [p.from_origin_THz.is_upper_bound for _, p in rows],
    }


def _level_data(result: PathwaysResult) -> dict[str, Any]:
    rows = [row for t in result.temperatures for row in _levels(t)]
    levels = [threshold.level for _, _, threshold in rows]
    shuffled = [threshold.shuffled for _, _, threshold in rows]
    return {
        "T_K": [t for t, _, _ in rows],
        "quantity": [p.quantity for _, p, _ in rows],
        "dimension": [threshold.dimension for _, _, threshold in rows],
        "level_eV": [None if v is None else v.value for v in levels],
        "low_eV": [None if v is None else v.low for v in levels],
        "high_eV": [None if v is None else v.high for v in levels],
        "shuffled_eV": [None if v is None else v.mean for v in shuffled],
        "reason": [threshold.reason for _, _, threshold in rows],
    }


def _levels(at: PathwaysAtResult) -> Iterator[tuple[float, PercolationResult, ThresholdResult]]:
    if at.states is not None:
        for found in (at.states.energy, at.states.difference):
            yield from ((at.T_K, found, threshold) for threshold in found.thresholds)
