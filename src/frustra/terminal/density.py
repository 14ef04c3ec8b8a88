"""What `frustra density` shows in the terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.surveys.density import DensityResult, DensitySurvey
from frustra.terminal.notes import grouped

WIDTH = 124
"""Columns that the tables need."""

SHOWN = 12
"""Classes of maxima in a table: without symmetry there is one for every maximum."""


def print_densities(survey: DensitySurvey) -> None:
    """Print for each temperature what was counted, a table of the maxima, and every note."""
    console = Console(width=max(Console().width, WIDTH), highlight=False, markup=False)
    for result in survey.results():
        console.print(_told(result), soft_wrap=True)
        if result.maxima:
            console.print(_table(result))
        if len(result.maxima) > SHOWN:
            console.print(f"and {len(result.maxima) - SHOWN} more: --json tells them", soft_wrap=True)
        for note in result.notes:
            console.print(f"! {note}", soft_wrap=True)
    for note in grouped(survey.notes):
        console.print(f"! {note}", soft_wrap=True)


def _told(result: DensityResult) -> str:
    at = "" if result.T_K is None else f"{result.T_K:g} K: "
    grid = " × ".join(str(n) for n in result.grid)
    runs = "" if result.runs == 1 else f" of {result.runs} runs"
    parts = [f"{at}{result.ions} {result.specie} in {result.frames} frames{runs}, on {grid} points"]
    if result.operations > 1:
        parts.append(f"mean over the {result.operations} operations of {result.space_group}")
    if result.departure is not None and result.scatter is not None:
        parts.append(f"from which the ions depart by {result.departure:.2f} (scatter {result.scatter:.2f})")
    elif result.scatter is not None:
        parts.append(f"scatter {result.scatter:.2f}")
    where = f"90 % of the ions on {result.volume_90:.1%} of the volume"
    return f"{', '.join(parts)}; {where}, above {result.level_90_per_A3:.2g} Å⁻³"


def _table(result: DensityResult) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("maxima", "in the cell", "ions at each", "height (Å⁻³)", "volume (Å³)", "the first at"):
        table.add_column(head, justify="right", no_wrap=True)
    for kind in result.maxima[:SHOWN]:
        x, y, z = kind.places[0]
        table.add_row(
            kind.label,
            str(kind.count),
            f"{kind.ions:.3f}",
            f"{kind.height_per_A3:.3g}",
            f"{kind.volume_A3:.1f}",
            f"{x:.3f} {y:.3f} {z:.3f}",
        )
    return table
