"""What `frustra relax` shows in the terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.campaign.relax_results import RelaxedAtResult, RelaxResult
from frustra.surveys.values import Value
from frustra.terminal.notes import grouped
from frustra.units import MEV

WIDTH = 124
"""Columns that the table needs."""

HEADS = (
    "T\n(K)", "frames", "con-\nverged", "steps", "force\ncalls", "fmax\n(eV/Å)", "farthest\n(Å)",
    "left\nbasin", "struc-\ntures", "up to\nsymmetry", "most\noften", "energy\n(meV)",
)  # fmt: skip


def print_relaxed(result: RelaxResult, before: bool) -> None:
    """Print a table of all temperatures, why relaxations stopped, every note, and where the files are.

    Parameters
    ----------
    result
        What was found.
    before
        Whether everything had been done before.
    """
    console = Console(width=max(Console().width, WIDTH), highlight=False, markup=False)
    if before:
        console.print(f"{result.folder} is finished: there was nothing to do", soft_wrap=True)
    lowest = [at.lowest_eV for at in result.temperatures if at.lowest_eV is not None]
    console.print(_table(result, min(lowest, default=0.0)))
    for line in _stops(result.temperatures):
        console.print(line, soft_wrap=True)
    if lowest:
        console.print(f"Energies: {_meaning(result)}", soft_wrap=True)
    notes = [*result.notes, *(_at(at, note) for at in result.temperatures for note in at.notes)]
    for note in grouped(notes):
        console.print(f"! {note}", soft_wrap=True)
    written = [name for at in result.temperatures for name in at.files]
    written += [result.states] if result.states else []
    console.print(f"Written to {result.folder}: {', '.join(written)}", soft_wrap=True)


def _table(result: RelaxResult, zero: float) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for at in result.temperatures:
        table.add_row(
            "–" if at.T_K is None else f"{at.T_K:g}",
            str(at.frames),
            str(at.converged),
            f"{at.steps:.1f}",
            f"{at.force_calls:.1f}",
            f"{at.final_fmax_eV_A:.2g}",
            f"{at.max_displacement_A:.2f}",
            _left(at),
            str(at.structures),
            str(at.symmetry_classes),
            str(at.most_frequent),
            _energy(at.energy_eV, zero),
        )
    return table


def _left(at: RelaxedAtResult) -> str:
    if at.left_basin is None or at.left_basin_fraction is None:
        return "–"
    return f"{100 * at.left_basin_fraction:.2g} % ({at.left_basin})"


def _energy(energy: Value | None, zero: float) -> str:
    if energy is None:
        return "–"
    error = "" if energy.std is None else f" ± {MEV * energy.std:.2f}"
    return f"{MEV * (energy.value - zero):.2f}{error}"


def _meaning(result: RelaxResult) -> str:
    per = result.specie if result.states else "atom"
    return f"relaxed total energy per {per}, above the lowest of all frames"


def _stops(temperatures: list[RelaxedAtResult]) -> list[str]:
    """Return why relaxations stopped, in the words of what relaxed them."""
    stops: dict[str, int] = {}
    for at in temperatures:
        for reason, count in at.reasons.items():
            stops[reason] = stops.get(reason, 0) + count
    return [f"Stopped by: {', '.join(f'{reason} ({count})' for reason, count in stops.items())}"]


def _at(at: RelaxedAtResult, note: str) -> str:
    return note if at.T_K is None else f"{at.T_K:g} K: {note}"
