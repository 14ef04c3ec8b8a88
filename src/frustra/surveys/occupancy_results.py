"""What answers tell of the ions in classes of sites, and of those that share a face with a cation."""

from collections.abc import Iterable

from pydantic import Field

from frustra.analysis.site_occupancy import ClassOccupancy, Violation
from frustra.surveys.values import Record, Value, sure_value


class ClassOccupancyResult(Record):
    """Ions in the sites of one class."""

    label: str = Field(description="name of the class")
    sites: int = Field(description="sites in it")
    occupancy: Value = Field(description="mean number of ions per site")
    share: float = Field(description="part of all mobile ions that is in these sites")


class ViolationResult(Record):
    """Mobile ions that share a face of their polyhedron with another cation."""

    pair: str = Field(description="oct–tet for two mobile ions, tet–Y for one and a framework cation")
    ions: Value = Field(description="mean part of the mobile ions that do")
    frames: float = Field(description="part of the frames in which any does")


def class_occupancies(classes: Iterable[ClassOccupancy]) -> list[ClassOccupancyResult]:
    """Return who is in each class of sites."""
    return [
        ClassOccupancyResult(label=c.name, sites=c.sites, occupancy=sure_value(c.occupancy), share=c.share)
        for c in classes
    ]


def violations(found: Iterable[Violation]) -> list[ViolationResult]:
    """Return how many ions share a face with which cation."""
    return [ViolationResult(pair=v.name, ions=sure_value(v.ions), frames=v.frames) for v in found]
