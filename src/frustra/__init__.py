"""The density of atomistic states (DOAS) of fast ion conductors.

    import frustra as fr

gives every public name below; each is loaded from its module when it is first used, so that importing
the package takes milliseconds.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "analysis.arrhenius": ("Arrhenius", "arrhenius_of"),
    "analysis.assignment": ("visits_of",),
    "analysis.classes": ("classes_by",),
    "analysis.collective": ("strings_of",),
    "analysis.configurations": ("configurations_of",),
    "analysis.contrasts": ("contrasts_of",),
    "analysis.density": ("Density", "DensitySettings", "densities_of", "site_fractions"),
    "analysis.diffusion": ("Diffusion", "TransportSettings"),
    "analysis.framework": ("mean_framework",),
    "analysis.hops": ("HopSettings", "hops_of"),
    "analysis.levels": ("LevelTable", "Levels", "levels_of"),
    "analysis.percolation.paths": ("percolation_of_visits",),
    "analysis.percolation.states": ("percolation_of_states",),
    "analysis.rdf.curve": ("radial",),
    "analysis.rdf.pairs": ("pair_distribution",),
    "analysis.refine": ("effort_of", "refine"),
    "analysis.residence": ("rates_of", "residences_of"),
    "analysis.sampling": ("evenly_spaced",),
    "analysis.site_occupancy": ("occupancy_of",),
    "analysis.tabulate": ("tabulate",),
    "analysis.transport": ("diffusion_of", "diffusion_of_msd"),
    "analysis.transitions.shares": ("shares_of",),
    "analysis.transitions.survey": ("survey_transitions",),
    "analysis.vibration": ("vibration_of",),
    "analysis.volume.ions": ("ion_density",),
    "engines.committee": ("Committee", "CommitteeDeviation"),
    "engines.md": ("MDSettings", "mean_cell", "run_md"),
    "engines.relax": ("RelaxSettings", "relax_crystal", "relax_frames"),
    "engines.zoo": ("load_potential",),
    "errors": ("FrustraError",),
    "io": (
        "TrajectoryHints",
        "TrajectoryWriter",
        "open_trajectory",
        "read_ladder",
        "read_msd",
        "read_snapshots",
        "read_states",
        "read_structure",
        "read_trajectory",
        "write_snapshots",
        "write_states",
        "write_trajectory",
    ),
    "io.hops": ("read_hops", "write_hops"),
    "io.levels_text": ("read_levels_text", "write_levels_text"),
    "io.transitions": ("read_transitions", "write_transitions"),
    "io.volumes": ("write_chgcar", "write_cube"),
    "ladder": ("Ladder", "Point"),
    "plots.configurations": ("plot_configurations",),
    "plots.density": ("plot_density",),
    "plots.hops": ("plot_hops",),
    "plots.markers": ("plot_markers",),
    "plots.percolation": ("plot_percolation",),
    "plots.rdf": ("plot_rdf",),
    "plots.sites": ("plot_sites",),
    "plots.states": ("plot_doas",),
    "plots.transitions": ("plot_joint", "plot_levels", "plot_shares"),
    "plots.transport": ("plot_arrhenius", "plot_msd"),
    "sites": ("Sites", "coordination_of", "sites_of"),
    "sites.peaks": ("sites_from_density",),
    "snapshots": ("Snapshots",),
    "states": ("StateTable",),
    "structures": ("check_structure", "supercell"),
    "testing": ("PotentialReport", "check_potential"),
    "surveys.density": ("volume_of",),
    "trajectory": ("Trajectory",),
    "transitions": ("Transitions",),
    "visits": ("Visits",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605 - a test compares the names with their modules


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"module 'frustra' has no attribute {name!r}")
    return getattr(import_module(f"frustra.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
