"""What a run shows in the terminal: a bar with the time left, a line per running job, the summary."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from frustra.campaign.estimate import Estimate
from frustra.campaign.jobs import Job, is_done
from frustra.campaign.ledger import RunStatus, State
from frustra.campaign.materials import Material
from frustra.campaign.pipeline import Failure
from frustra.campaign.results import Results
from frustra.campaign.workflow import read_progress
from frustra.report import summary_rows, verdict_of

MINUTE = 60

SEEN = 0.02
"""Fraction of the work that must be done before the time left is told."""

TABLE_WIDTH = 120
"""Columns that the summary needs."""

COLOURS: dict[State, str] = {"done": "green", "running": "cyan", "failed": "red", "left": "default"}
"""Colour of each state of a job, in the order in which they are counted."""


class Display:
    """The progress of a run; in a pipe or a log file, one line per finished job."""

    def __init__(self, name: str, materials: Sequence[Material]) -> None:
        self._console = Console(stderr=True)
        self._told = materials[0].context.progress
        self._tasks: dict[str, TaskID] = {}
        self._skipped: set[str] = set()
        self._began = time.monotonic()
        self._calls: dict[str, int] = {}
        self._done: set[str] = set()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        planned = [job for m in materials for job in m.planned()]
        self._total = sum(job.force_calls for job in planned)
        self._console.print(
            f"[bold]{name}[/bold]: {len(planned)} jobs; results will be in {materials[0].context.root}",
            highlight=False,
            soft_wrap=True,
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._progress.start()
        self._all = self._progress.add_task("all", total=self._total)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing."""
        self._progress.stop()

    def watch(self, known: Sequence[Job], waiting: Sequence[Job]) -> None:
        """Draw how far every job is; called a few times a second."""
        names = {job.name for job in waiting}
        for job in known:
            if job.name in names:
                self._calls.setdefault(job.name, 0)
                told = read_progress(self._told, job.name)
                if told is not None:
                    label, done = told
                    self._calls[job.name] = min(done, job.force_calls)
                    self._draw(job.name, label, job.force_calls)
            elif job.name not in self._done and is_done(job):
                self._finish(job)
        self._progress.update(self._all, completed=sum(self._calls.values()))

    def _draw(self, name: str, stage: str, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=self._calls[name], description=f"{name}: {stage}")

    def _finish(self, job: Job) -> None:
        began = job.name in self._calls
        if not began:
            self._skipped.add(job.name)
        self._done.add(job.name)
        self._calls[job.name] = job.force_calls
        if job.name in self._tasks:
            self._progress.remove_task(self._tasks[job.name])
        text = f"  done: {job.name} ({self._time_left()})" if began else f"  already done: {job.name}"
        self._console.print(text, highlight=False)

    def _time_left(self) -> str:
        elapsed = time.monotonic() - self._began
        done = sum(self._calls[name] for name in self._calls if name not in self._skipped)
        left = self._total - sum(self._calls.values())
        minutes = elapsed / MINUTE
        if done < SEEN * self._total:
            return f"{minutes:.1f} min elapsed"
        return f"{minutes:.1f} min elapsed, about {minutes * left / done:.0f} min left"


def print_estimate(name: str, cost: Estimate, materials: Sequence[Material]) -> None:
    """Print tasks, force calls and the time that a run would take."""
    console = Console()
    table = Table(title=f"{name}: what a run would do", title_justify="left")
    for head in ("job", "atoms", "force calls"):
        table.add_column(head, justify="left" if head == "job" else "right")
    for job, atoms, calls in cost.jobs:
        table.add_row(job, str(atoms), f"{calls:,}")
    table.add_section()
    table.add_row(f"{len(cost.jobs)} jobs", "", f"{sum(c for *_, c in cost.jobs):,}")
    console.print(table)
    for material, speed in cost.speeds.items():
        console.print(f"{material}: {speed:,.0f} atom-steps/s per worker, measured now", highlight=False)
    minutes = cost.seconds / MINUTE
    console.print(
        f"About {minutes:.0f} min with {cost.workers} workers, if nothing is done yet; "
        f"results would be in {materials[0].context.root}",
        highlight=False,
        soft_wrap=True,
    )


def print_status(status: RunStatus) -> None:
    """Print how far a run is: a line for each job, and the counts."""
    console = Console(width=max(Console().width, TABLE_WIDTH))
    table = Table(title=str(status.folder), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for head in ("job", "state", "computed", "ended", ""):
        table.add_column(head, justify="right" if head == "computed" else "left", overflow="fold")
    for job in status.jobs:
        spent = f"{job.seconds / MINUTE:.1f} min" if job.ended else ""
        ended = job.ended[:16].replace("T", " ")
        table.add_row(job.job, f"[{COLOURS[job.state]}]{job.state}", spent, ended, job.note)
    console.print(table)
    counts = ", ".join(f"{status.count(state)} {state}" for state in COLOURS)
    driver = f"driven by {status.driver}" if status.driver else "nothing works on it now"
    console.print(f"{counts}; {driver}", highlight=False, soft_wrap=True)


def print_failures(failures: Sequence[Failure], folder: Path) -> None:
    """Print which materials failed and why, on stderr."""
    console = Console(stderr=True)
    for failure in failures:
        if failure.trace:
            console.print(failure.trace, highlight=False, markup=False)
        text = f"frustra: {failure.material} failed at {failure.job}: {failure.reason}"
        console.print(" ".join(text.split()), highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"Finished steps are kept in {folder}: the same command goes on from there.",
        highlight=False,
        soft_wrap=True,
    )


def print_summary(results: Results, page: Path) -> None:
    """Print the table of results, the warnings and where the report is."""
    console = Console(width=max(Console().width, TABLE_WIDTH))
    for name, material in results.materials.items():
        heads, rows = summary_rows(material.temperatures)
        table = Table(
            title=f"{name} ({material.formula})", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
        )
        for head in heads:
            table.add_column(head, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        for sentence in verdict_of(material):
            console.print(sentence, highlight=False, soft_wrap=True)
    for warning in results.warnings:
        console.print(f"[yellow]![/yellow] {warning}", highlight=False, soft_wrap=True)
    console.print(f"[bold]Report:[/bold] {page}", highlight=False, soft_wrap=True)
