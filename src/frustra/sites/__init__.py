"""Where a mobile ion can sit, from the crystal alone: no reference structure is needed."""

from frustra.sites.build import sites_of
from frustra.sites.coordination import Coordination, coordination_in, coordination_of
from frustra.sites.record import SITE_KINDS, Links, Sites, Tiling

__all__ = [
    "SITE_KINDS",
    "Coordination",
    "Links",
    "Sites",
    "Tiling",
    "coordination_in",
    "coordination_of",
    "sites_of",
]
