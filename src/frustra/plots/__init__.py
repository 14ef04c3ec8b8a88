"""Figures: each takes records, draws into the axes given or new ones, and returns them; nothing below draws.

With axes of one's own the figure has one's own style; `style` gives that of the report.
"""

from frustra.plots.configurations import plot_configuration, plot_configurations
from frustra.plots.density import plot_density, plot_projections
from frustra.plots.hops import plot_hops
from frustra.plots.markers import plot_markers
from frustra.plots.percolation import plot_paths, plot_percolation, plot_state_percolation
from frustra.plots.rdf import plot_rdf
from frustra.plots.sites import plot_sites
from frustra.plots.states import plot_doas, plot_energy, plot_site_fractions
from frustra.plots.style import style
from frustra.plots.transport import plot_arrhenius, plot_msd

__all__ = [
    "plot_arrhenius",
    "plot_configuration",
    "plot_configurations",
    "plot_density",
    "plot_doas",
    "plot_energy",
    "plot_hops",
    "plot_markers",
    "plot_msd",
    "plot_paths",
    "plot_percolation",
    "plot_projections",
    "plot_rdf",
    "plot_site_fractions",
    "plot_sites",
    "plot_state_percolation",
    "style",
]
