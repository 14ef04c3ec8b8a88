"""What `frustra rdf` shows in the terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.stats import COVER
from frustra.surveys.rdf import RdfSurvey
from frustra.surveys.rdf_results import CurveResult, PairResult, rdf_result
from frustra.surveys.values import Value
from frustra.terminal.notes import grouped

TABLE_WIDTH = 100
"""Columns that the table needs beside the names of the pairs."""


def print_rdf(survey: RdfSurvey) -> None:
    """Print the first peak of every pair and temperature, how it broadens, and every note."""
    result = rdf_result(survey)
    width = TABLE_WIDTH + max(len(p.pair) for p in result.pairs)
    console = Console(width=max(Console().width, width), highlight=False, markup=False)
    table = Table(
        title="First peak of g(r); ± holds 95 %", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    heads = ("pair", "T (K)", "frames", "position (Å)", "height", "width (Å)", "neighbours", "up to (Å)")
    for head in heads:
        table.add_column(head, justify="left" if head == "pair" else "right", no_wrap=True)
    for pair in result.pairs:
        for curve in pair.temperatures:
            table.add_row(pair.pair.replace("-", "–"), *_row(curve))
    console.print(table)
    for pair in result.pairs:
        if pair.broadening is not None:
            console.print(_broadening(pair), soft_wrap=True)
    for pair in result.pairs:
        for note in grouped(pair.notes):
            console.print(f"! {pair.pair.replace('-', '–')}: {note}", soft_wrap=True)
    for note in grouped(result.notes):
        console.print(f"! {note}", soft_wrap=True)


def _row(curve: CurveResult) -> list[str]:
    at = "–" if curve.T_K is None else f"{curve.T_K:g}"
    peak = curve.first_peak
    if peak is None:
        return [at, str(curve.frames), *["–"] * 5]
    values = (peak.position_A, peak.height, peak.width_A, peak.coordination)
    return [at, str(curve.frames), *(_text(v) for v in values), f"{peak.end_A:.2f}"]


def _text(value: Value | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    if value.std is None:
        return f"{value.value:.{digits}f}"
    return f"{value.value:.{digits}f} ± {COVER * value.std:.{digits}f}"


def _broadening(pair: PairResult) -> str:
    line = pair.broadening
    assert line is not None  # noqa: S101 - asked for by the caller
    slope, chi2 = line.slope_A2_per_K, line.chi2_per_dof
    error = 0.0 if slope.std is None else COVER * slope.std
    fits = "" if chi2 is None else f"; chi² of a line {chi2:.1f} per degree of freedom"
    return (
        f"{pair.pair.replace('-', '–')}: squared width of the first peak against T: "
        f"({1e4 * slope.value:.2f} ± {1e4 * error:.2f})·10⁻⁴ Å²/K, "
        f"{line.intercept_A2.value:.3f} Å² at 0 K{fits}"
    )
