"""One figure of the report."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """One figure with its data and what it shows."""

    name: str
    title: str
    caption: str
    figure: "Figure"
    data: dict[str, Any]
    wide: bool = False
    """Whether it takes the whole width of the page."""
