"""What `frustra sites` shows in the terminal."""

from math import floor, log10

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.surveys.site_results import ClassResult, OccupancyResult, SitesAnswer
from frustra.surveys.site_table import SiteSurvey, title_of
from frustra.terminal.notes import grouped

TABLE_WIDTH = 124
"""Columns that the tables need."""

MOST = 6
"""Temperatures that have a column of their own."""


def print_sites(survey: SiteSurvey, answer: SitesAnswer) -> None:
    """Print tables of the classes of sites and of who is in them, one line of counts, and every note."""
    console = Console(width=max(Console().width, TABLE_WIDTH), highlight=False, markup=False)
    console.print(title_of(survey), style="bold", soft_wrap=True)
    console.print(_classes(answer.classes))
    console.print(_counts(answer), soft_wrap=True)
    for line in _layer_lines(answer):
        console.print(line, soft_wrap=True)
    if answer.temperatures:
        console.print(
            f"\n{answer.specie} per site; in brackets the standard error of the last digits", soft_wrap=True
        )
        console.print(_occupied(answer))
    for note in _notes(answer):
        console.print(f"! {note}", soft_wrap=True)


def _classes(classes: list[ClassResult]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", no_wrap=True)
    table.add_column("polyhedron")
    for head in ("sites", "volume (Å³)", "distortion", "Wyckoff", "layer"):
        table.add_column(head, justify="right")
    for row in classes:
        table.add_row(*_row(row))
    return table


def _occupied(answer: SitesAnswer) -> Table:
    """Return a table with a column for each temperature: ions per site, and what else is known of them."""
    shown = _shown(answer.temperatures)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for filled in shown:
        table.add_column(
            "T not known" if filled.T_K is None else f"{filled.T_K:g} K", justify="right", no_wrap=True
        )
    for row in (c for c in answer.classes if c.open):
        table.add_row(row.label, *(_occupancy(t, row.label) for t in shown))
    table.add_section()
    table.add_row("entropy (nat per ion)", *(_text(t.entropy_nat, t.entropy_std_nat) for t in shown))
    pairs = list(dict.fromkeys(v.pair for t in shown for v in t.face_sharing if v.ions.value > 0))
    for pair in pairs:
        table.add_row(f"face to face {pair} (%)", *(_face_to_face(t, pair) for t in shown))
    table.add_row("sites with several ions", *(f"{t.shared_sites:.2g}" for t in shown))
    table.add_row("frames", *(str(t.frames) for t in shown))
    return table


def _shown(temperatures: list[OccupancyResult]) -> list[OccupancyResult]:
    """Return the temperatures that find room: the first, the last, and some between."""
    if len(temperatures) <= MOST:
        return temperatures
    last = len(temperatures) - 1
    return [temperatures[round(k * last / (MOST - 1))] for k in range(MOST)]


def _row(row: ClassResult) -> list[str]:
    shapes = ", ".join(s if len(row.shapes) == 1 else f"{n} {s}" for s, n in row.shapes.items())
    return [
        row.label,
        shapes,
        str(row.number),
        "–" if row.mean_volume_A3 is None else f"{row.mean_volume_A3:.2f}",
        "–" if row.mean_distortion is None else f"{row.mean_distortion:.3f}",
        ", ".join(row.wyckoff) or "–",
        ", ".join(str(n) for n in row.layers) or "–",
    ]


def _occupancy(filled: OccupancyResult, label: str) -> str:
    found = next((c.occupancy for c in filled.classes if c.label == label), None)
    return "" if found is None else _text(found.value, found.std)


def _face_to_face(filled: OccupancyResult, pair: str) -> str:
    found = next((v.ions for v in filled.face_sharing if v.pair == pair), None)
    return "" if found is None else _text(100 * found.value, 100 * (found.std or 0))


def _text(value: float, std: float | None) -> str:
    """Return a value with the error of its last two digits in brackets: 0.529(12)."""
    if not std:
        return f"{value:.3g}"
    digits = max(0, 1 - floor(log10(std)))
    return f"{value:.{digits}f}({std * 10**digits:.0f})"


def _counts(answer: SitesAnswer) -> str:
    """Return the numbers of sites, and of those next to framework cations, in one line."""
    kinds = ", ".join(f"{n} {k}" for k, n in answer.counts.items() if n)
    open_ = ", ".join(f"{n} {k}" for k, n in answer.open.items() if n)
    held = ", ".join(f"{n} hold {e}" for e, n in answer.held.items())
    line = f"{kinds}" + (f"; {held}; open: {open_}" if held else "")
    found = (("tet", answer.tet_face_sharing), ("oct", answer.oct_face_sharing))
    shared = [f"{n} {kind} share a face with {e}" for kind, around in found for e, n in around.items() if n]
    return "; ".join([line, *shared])


def _layer_lines(answer: SitesAnswer) -> list[str]:
    """Return a line that tells the layers apart; none where there are too many."""
    parts = []
    for one in answer.layers:
        held = "".join(f", {n} {e}" for e, n in one.held.items())
        parts.append(f"{one.layer} at {round(one.height, 2) % 1:.2f} ({one.octahedra} oct{held})")
    return [f"layers along {answer.layers[0].axis}: " + "; ".join(parts)] if 1 < len(parts) <= 8 else []


def _notes(answer: SitesAnswer) -> list[str]:
    """Return every note once, with its temperature."""
    told = list(answer.notes)
    for filled in answer.temperatures:
        at = "" if filled.T_K is None else f"{filled.T_K:g} K: "
        told += [at + note for note in filled.notes]
    return grouped(told)
