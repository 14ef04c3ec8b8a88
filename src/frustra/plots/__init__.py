"""Figures: each takes records, draws into the axes given or new ones, and returns them; nothing below draws.

With axes of one's own the figure has one's own style; `style` gives that of the report.
"""

from frustra.plots.markers import plot_markers
from frustra.plots.states import plot_doas, plot_energy, plot_site_fractions
from frustra.plots.style import style
from frustra.plots.transport import plot_arrhenius, plot_msd

__all__ = [
    "plot_arrhenius",
    "plot_doas",
    "plot_energy",
    "plot_markers",
    "plot_msd",
    "plot_site_fractions",
    "style",
]
