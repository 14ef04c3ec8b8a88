"""What `frustra doas` shows in the terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.report.doas_tables import doas_tables
from frustra.report.tables import Table as Cells
from frustra.surveys.doas_results import (
    DoasResult,
    OnsetResult,
)
from frustra.terminal.notes import grouped
from frustra.units import MEV

TABLE_WIDTH = 100
"""Columns that the tables need."""

ZEROS = {"min": "the lowest state", "quantile": "the 1 % quantile of all states", "none": "no zero taken"}


def print_doas(results: Sequence[DoasResult]) -> None:
    """Print the tables of every material, and what may be said of it."""
    console = Console(width=max(Console().width, TABLE_WIDTH), highlight=False, markup=False)
    for result in results:
        _print(console, result)


def _print(console: Console, r: DoasResult) -> None:
    console.print(_headline(r), style="bold", soft_wrap=True)
    for title, table in doas_tables(r):
        console.print(_table(title, table))
    for line in _sentences(r):
        console.print(line, soft_wrap=True)
    for note in grouped(r.notes):
        console.print(f"! {note}", soft_wrap=True)
    console.print()


def _headline(r: DoasResult) -> str:
    zero = f"zero at {r.zero_eV:.6g} eV, {ZEROS[r.zero]}" if r.zero != "none" else "energies as they are"
    told = f"{r.material}: {r.specie}, bins of {MEV * r.bin_eV:g} meV from the zero, {zero}"
    if r.kernel is not None:
        why = "as the data ask for" if r.kernel.chosen == "data" else "as given"
        told += f"; kernel density with a bandwidth of {MEV * r.kernel.bandwidth_eV:.3g} meV ({why})"
    return told


def _table(title: str, content: Cells) -> Table:
    heads, rows = content
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        title=title,
        title_justify="left",
        title_style="",
    )
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _sentences(r: DoasResult) -> list[str]:
    said = [at.summary for at in r.temperatures]
    said += [_onset("entropy", r.onset), _onset("IQR", r.onset_iqr)]
    for name, why in (
        ("sublattice energy", r.no_sublattice),
        ("DOAS of other atoms", r.no_framework),
        ("relaxed total energy", r.no_relaxed_energy),
    ):
        if why is not None:
            said.append(f"No {name}: {why.removeprefix('no sublattice energy: ')}")
    if any(at.equilibrated is False for at in r.temperatures):
        said.append("* not equilibrated")
    return said


def _onset(name: str, onset: OnsetResult) -> str:
    at = ""
    if onset.Tc_K is not None:
        t = onset.Tc_K
        between = "" if t.low is None or t.high is None else f" ({t.low:.0f}–{t.high:.0f})"
        at = f" at {t.value:.0f} K{between}"
    return f"Onset of the {name}: {onset.model}{at} – {onset.reason}."
