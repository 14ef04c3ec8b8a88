"""What `frustra check-potential` shows in the terminal."""

import json

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.engines.zoo import FAMILIES
from frustra.testing import Check, PotentialReport, Verdict

TABLE_WIDTH = 100
"""Columns that the table needs."""


def print_check(report: PotentialReport) -> None:
    """Print the table of checks, what failed and why, speed, memory and the two verdicts."""
    console = Console(width=max(Console().width, TABLE_WIDTH), highlight=False, markup=False)
    title = f"{report.potential} on {report.structure} ({report.atoms} atoms)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in ("check", "value", "tolerance", "unit", ""):
        table.add_column(head, justify="right" if head in {"value", "tolerance"} else "left", no_wrap=True)
    for check in report.checks:
        outcome = _outcome(check)
        style = {"FAIL": "bold red", "skipped": "yellow"}.get(outcome, "")
        table.add_row(
            check.name, _number(check.value), _number(check.tolerance), check.unit, outcome, style=style
        )
    console.print(table)
    for note in [*_notes(report), *report.warnings]:
        console.print(f"! {note}", soft_wrap=True)
    speed = (
        "not measured" if report.atom_steps_per_s is None else f"{report.atom_steps_per_s:,.0f} atom-steps/s"
    )
    console.print(f"Speed: {speed}; peak memory: {report.memory_MiB:,.0f} MiB")
    for purpose, verdict in (("MD", report.md), ("DOAS", report.doas)):
        console.print(
            _sentence(purpose, verdict), style="bold" if verdict.fit else "bold red", soft_wrap=True
        )
    for warning in report.not_for:
        console.print(f"Not for: {warning}", soft_wrap=True)


def _notes(report: PotentialReport) -> list[str]:
    """Return every note once, after the checks that it explains."""
    names: dict[str, list[str]] = {}
    for check in report.checks:
        if check.note:
            names.setdefault(check.note, []).append(check.name)
    return [f"{', '.join(checks)}: {note}" for note, checks in names.items()]


def _outcome(check: Check) -> str:
    if not check.passed:
        return "FAIL"
    return "skipped" if check.value is None else "pass"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _sentence(purpose: str, verdict: Verdict) -> str:
    return f"{purpose}: {'fit' if verdict.fit else 'not fit'} – {verdict.reason}"


def list_families(*, as_json: bool) -> str:
    """Return every loader, one a line: its name, what follows the colon, and which extra it needs."""
    if as_json:
        rows = {name: {"argument": f.argument, "needs": f.needs} for name, f in FAMILIES.items()}
        return json.dumps(rows, ensure_ascii=False)
    width = max(len(name) for name in FAMILIES)
    return "\n".join(
        f"{name:<{width}}  {f.argument}" + (f"; needs frustra[{f.needs}]" if f.needs else "")
        for name, f in FAMILIES.items()
    )
