"""What `frustra models` shows in the terminal."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.campaign.models import short_names
from frustra.surveys.model_results import (
    AgreementResult,
    ModelsAtResult,
    ModelsResult,
    NumberResult,
    SpreadResult,
    SurvivorsResult,
)
from frustra.surveys.values import Value
from frustra.terminal.notes import grouped
from frustra.units import MEV

TABLE_WIDTH = 124
"""Columns that the tables need."""

HIGH = 0.9
"""Correlation from which models count as alike."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def print_models(result: ModelsResult) -> None:
    """Print which models there are, what became of the snapshots, every number, and how alike they are."""
    console = Console(width=max(Console().width, TABLE_WIDTH), highlight=False, markup=False)
    for letter, name in zip(LETTERS, short_names(result.models), strict=False):
        told = ", the run's own" if letter == "A" else ""
        told += "" if result.models[LETTERS.index(letter)] in result.members else ", the mean of its members"
        console.print(f"{letter}: {name}{told}", soft_wrap=True)
    console.print(_survivors(result))
    console.print(_numbers(result))
    console.print(
        "±: standard error; spread: standard deviation of the models; ?: less than 2 × spread, so that it "
        "does not survive a change of model",
        soft_wrap=True,
    )
    console.print(_alike(result))
    for sentence in [*_verdicts(result), *(f"! {note}" for note in grouped(result.notes))]:
        console.print(sentence, soft_wrap=True)


def _table(*heads: str, left: int = 1) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < left else "right", no_wrap=True)
    return table


def _survivors(result: ModelsResult) -> Table:
    table = _table(
        "model",
        "T (K)",
        "snapshots",
        "converged",
        "force calls",
        "ions moved (Å)",
        "states kept (%)",
        "whole (%)",
    )
    letters = dict(zip(result.models, LETTERS, strict=False))
    for s in result.survivors:
        table.add_row(*_survivor(letters[s.model], s))
    return table


def _survivor(letter: str, s: SurvivorsResult) -> list[str]:
    counts = [letter, f"{s.T_K:g}", str(s.frames), str(s.converged), str(s.force_calls)]
    return [*counts, f"{s.median_move_A:.3f}", f"{100 * s.same:.1f}", f"{100 * s.whole:.0f}"]


def _numbers(result: ModelsResult) -> Table:
    count = len(result.models)
    table = _table("", "T (K)", "A", "±", *LETTERS[1:count], "spread", "change", "±", "spread")
    names = dict.fromkeys(n.name for at in result.temperatures for n in at.numbers)
    for name in names:
        for at in result.temperatures:
            for number in (n for n in at.numbers if n.name == name):
                table.add_row(_named(number), f"{at.T_K:g}", *_cells(number))
    return table


def _named(number: NumberResult) -> str:
    unit = {"eV": "meV"}.get(number.unit, number.unit)
    return f"{number.name} ({unit})" if unit else number.name


def _cells(number: NumberResult) -> list[str]:
    factor = MEV if number.unit == "eV" else 1.0
    at, change = number.at, number.change
    own = [_number(at.value, factor) + _mark(at), _number(at.std, factor)]
    others = [_number(v, factor) for v in at.models[1:]]
    changed = ["", "", ""]
    if change is not None:
        changed = [
            _number(change.value, factor) + _mark(change),
            _number(change.std, factor),
            _number(change.spread, factor),
        ]
    return [*own, *others, _number(at.spread, factor), *changed]


def _mark(s: SpreadResult) -> str:
    return " ?" if s.unsure else "  "


def _number(value: float | None, factor: float) -> str:
    if value is None:
        return "–"
    return f"{factor * value:.1f}" if factor > 1 else f"{value:.3g}"


def _alike(result: ModelsResult) -> Table:
    """Return the agreement of the reference with every other model."""
    table = _table(
        "A and",
        "T (K)",
        "ions: r",
        "rank",
        "within classes",
        "slope",
        "rms (meV)",
        "totals: r",
        "rms (meV)",
        "frames",
    )
    letters = dict(zip(result.models, LETTERS, strict=False))
    for model in result.models[1:]:
        for at in result.temperatures:
            for a in (a for a in at.states if (a.first, a.second) == (result.models[0], model)):
                table.add_row(letters[model], f"{at.T_K:g}", *_agreement(a, _twin(at, a)))
    return table


def _twin(at: ModelsAtResult, states: AgreementResult) -> AgreementResult | None:
    """Return the agreement of total energies of the same two models."""
    pair = (states.first, states.second)
    return next((t for t in at.totals if (t.first, t.second) == pair), None)


def _agreement(a: AgreementResult, totals: AgreementResult | None) -> list[str]:
    told = [_value(v, 2) for v in (a.pearson, a.spearman, a.within, a.slope)] + [_value(a.rms_eV, 1, MEV)]
    if totals is None:
        return [*told, "–", "–", "0"]
    return [*told, _value(totals.pearson, 2), _value(totals.rms_eV, 2, MEV), str(totals.points)]


def _value(v: Value | None, digits: int, factor: float = 1.0) -> str:
    if v is None:
        return "–"
    error = "" if v.std is None else f" ± {factor * v.std:.{digits}f}"
    return f"{factor * v.value:.{digits}f}{error}"


def _verdicts(result: ModelsResult) -> list[str]:
    """Say of every model but the reference whether total and per-atom energies agree."""
    return [s for model in result.models[1:] if (s := _verdict(result, model))]


def _verdict(result: ModelsResult, model: str) -> str:
    pair = (result.models[0], model)
    ions = _correlations(a for at in result.temperatures for a in at.states if (a.first, a.second) == pair)
    totals = _correlations(a for at in result.temperatures for a in at.totals if (a.first, a.second) == pair)
    if not ions or not totals:
        return ""
    letter = LETTERS[result.models.index(model)]
    told = (
        f"{letter}: per-atom energies correlate with A's by {_span(ions)}, total energies by {_span(totals)}"
    )
    if min(ions) >= HIGH and min(totals) >= HIGH:
        return f"{told}: the models agree."
    if min(totals) >= HIGH:
        return f"{told}: they agree on what can be measured, and share it out differently."
    return f"{told}: they differ in the energies themselves, not only in how these are shared out."


def _correlations(found: Iterable[AgreementResult]) -> list[float]:
    return [a.pearson.value for a in found if a.pearson is not None]


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
