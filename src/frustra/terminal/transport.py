"""What `frustra transport` and `frustra arrhenius` show in the terminal."""

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.campaign.results import ArrheniusResult, TransportResult
from frustra.campaign.summaries import transport_result
from frustra.campaign.survey import Survey
from frustra.ladder import Ladder
from frustra.report import format_interval, format_quantity
from frustra.report.tables import arrhenius_sentences
from frustra.units import CM2_PER_S, MS_PER_CM

TABLE_WIDTH = 124
"""Columns that the tables need."""


def _console() -> Console:
    return Console(width=max(Console().width, TABLE_WIDTH), highlight=False, markup=False)


def print_survey(survey: Survey) -> None:
    """Print a table with a row for each temperature, the ladder's verdict, and every note."""
    console, records = _console(), [transport_result(d, survey.charge) for d in survey.diffusion]
    table = Table(
        title=f"{survey.specie}: 95 % intervals in brackets",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    heads = (
        "T (K)", "D (cm²/s)", "σ (mS/cm)", "σ collective", "Haven ratio", "D_c/D_ab", "jumps", "fit (ps)"
    )  # fmt: skip
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for record in records:
        table.add_row(*_row(record))
    console.print(table)
    for record in records:
        console.print(_how(record), soft_wrap=True)
    if survey.arrhenius_result is not None:
        print_arrhenius(survey.arrhenius_result)
    for record in records:
        at = "" if record.T_K is None else f"{record.T_K:g} K: "
        for note in record.notes:
            console.print(f"! {at}{note}", soft_wrap=True)
    for note in survey.notes:
        console.print(f"! {note}", soft_wrap=True)


def _row(record: TransportResult) -> list[str]:
    return [
        "–" if record.T_K is None else f"{record.T_K:g}",
        format_quantity(record.D).rsplit(" ", 1)[0],
        "–" if record.sigma_NE is None else format_quantity(record.sigma_NE).rsplit(" ", 1)[0],
        format_interval(record.sigma_collective_mS_cm, ".3g"),
        format_interval(record.haven),
        format_interval(record.anisotropy),
        f"{record.diffusive_jumps:.0f}",
        f"{record.window_ps[0]:.3g}–{record.window_ps[1]:.3g}",
    ]


def _how(record: TransportResult) -> str:
    at = "" if record.T_K is None else f"{record.T_K:g} K: "
    return (
        f"{at}{record.ions} {record.specie}, {record.frames} frames {record.timestep_fs:g} fs apart, "
        f"relative to {record.drift}; method {record.method}"
    )


def print_ladder(ladder: Ladder) -> None:
    """Print the points of a ladder."""
    conducts = ladder.quantity == "conductivity"
    unit, name = (MS_PER_CM, "σ (mS/cm)") if conducts else (CM2_PER_S, "D (cm²/s)")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("T (K)", name, "error"):
        table.add_column(head, justify="right")
    for p in ladder.points:
        value = f"{'< ' if p.is_upper_bound else ''}{unit * p.value:.3g}"
        known = np.isfinite(p.std) and not p.is_upper_bound
        table.add_row(f"{p.temperature:g}", value, f"{unit * p.std:.2g}" if known else "–")
    _console().print(table)


def print_arrhenius(result: ArrheniusResult) -> None:
    """Print the verdict of a ladder, and its notes."""
    console = _console()
    for sentence in arrhenius_sentences(result):
        console.print(sentence, style="bold", soft_wrap=True)
    for note in result.notes:
        console.print(f"! {note}", soft_wrap=True)
