"""What `frustra percolation` shows in the terminal."""

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.analysis.percolation.record import Percolation, Threshold
from frustra.stats import Estimate
from frustra.surveys.percolation import PathPercolation, PercolationSurvey
from frustra.terminal.notes import grouped

TABLE_WIDTH = 124
"""Columns that the tables need."""


def print_percolation(survey: PercolationSurvey) -> None:
    """Print a table of the levels for each temperature, then what is missing, and every note."""
    console = Console(width=max(Console().width, TABLE_WIDTH), highlight=False, markup=False)
    console.print(
        f"{survey.specie}: where ways open in 1, 2, 3 dimensions, 95 % intervals in brackets", soft_wrap=True
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    heads = ("T (K)", "of", "dimension", "1-D", "2-D", "3-D", "1-D along")
    for head in heads:
        table.add_column(head, justify="left" if head == "of" else "right", no_wrap=True)
    for path in survey.temperatures:
        for name, found in (("occupancy", path.visited), ("hops (1/ns)", path.hopped)):
            if found is not None:
                table.add_row(_kelvin(path), name, *_cells(found))
    console.print(table)
    for path in survey.temperatures:
        console.print(_vacancies(path), soft_wrap=True)
    for note in _notes(survey):
        console.print(f"! {note}", soft_wrap=True)


def _kelvin(path: PathPercolation) -> str:
    return f"{path.temperature:g}" if np.isfinite(path.temperature) else "–"


def _cells(found: Percolation) -> list[str]:
    factor = 1e3 if found.quantity == "rate" else 1.0
    levels = [_level(t, factor) for t in found.thresholds]
    return [str(found.dimension), *levels, directions_text(found.thresholds[0])]


def _level(threshold: Threshold, factor: float) -> str:
    if threshold.estimate is None:
        return "–"
    e = threshold.estimate.scaled(factor)
    return f"{e.value:.2g}{_bracket(e)}"


def _bracket(e: Estimate) -> str:
    if np.isnan(e.std):
        return ""
    return f" ({e.low:.2g}–{e.high:.2g})" if np.isfinite(e.high) else f" (> {e.low:.2g})"


def directions_text(threshold: Threshold) -> str:
    """Return directions in cell vectors: `[0 0 1]`; a dash where there are none."""
    return ", ".join(f"[{' '.join(map(str, v))}]" for v in threshold.directions.tolist()) or "–"


def _vacancies(path: PathPercolation) -> str:
    v = path.vacancies
    at = "" if np.isnan(path.temperature) else f"{path.temperature:g} K: "
    number = f"{at}{v.mean_number.value:.3g} empty {v.kind} sites in a frame"
    if not v.mean_number.value:
        return number
    spans = "/".join(f"{100 * s.value:.0f}" for s in v.spanning)
    largest = f"{100 * v.largest_fraction.value:.0f} % of them"
    return (
        f"{number}, {largest} in the largest cluster, without end in 1/2/3 directions in {spans} % of frames"
    )


def _notes(survey: PercolationSurvey) -> list[str]:
    """Return every note and every reason once, with its temperature."""
    found = []
    for path in survey.temperatures:
        at = "" if np.isnan(path.temperature) else f"{path.temperature:g} K: "
        parts = [p for p in (path.visited, path.hopped) if p is not None]
        told = [
            *path.notes,
            *(n for p in parts for n in (*p.notes, *(t.reason for t in p.thresholds if t.reason))),
        ]
        found += [at + n for n in told]
    return grouped([*found, *survey.notes])
