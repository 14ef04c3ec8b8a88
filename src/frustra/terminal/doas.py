"""What `frustra doas` shows in the terminal."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from frustra.surveys.doas_results import (
    DoasAtResult,
    DoasResult,
    Metrics,
    OnsetResult,
    OverlapResult,
)
from frustra.terminal.notes import grouped
from frustra.units import MEV

TABLE_WIDTH = 100
"""Columns that the tables need."""

ZEROS = {"min": "the lowest state", "quantile": "the 1 % quantile of all states", "none": "no zero taken"}

SMALL = 0.005
"""Part of the states below which a class has no row of its own among the overlaps."""


def print_doas(results: Sequence[DoasResult]) -> None:
    """Print the tables of every material, and what may be said of it."""
    console = Console(width=max(Console().width, TABLE_WIDTH), highlight=False, markup=False)
    for result in results:
        _print(console, result)


def _print(console: Console, r: DoasResult) -> None:
    console.print(_headline(r), style="bold", soft_wrap=True)
    console.print(_whole(r))
    if any(len(at.classes) > 1 or at.classes[0].name != "all" for at in r.temperatures):
        console.print(_classes(r))
    console.print(_bands(r))
    if r.overlaps:
        console.print(_overlaps(r))
    if r.sublattice or r.relaxed_energy:
        console.print(_sums(r))
    if r.framework:
        console.print(_framework(r))
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


def _table(title: str, *heads: str) -> Table:
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
    return table


def _text(value: float, error: float | None, factor: float = 1.0, digits: int = 1) -> str:
    told = f"{factor * value:.{digits}f}".replace("-", "−")
    return told if error is None else f"{told} ± {factor * error:.{digits}f}"


def _metrics(m: Metrics) -> list[str]:
    return [
        _text(m.mean_eV, m.mean_error_eV, MEV),
        _text(m.std_eV, m.std_error_eV, MEV),
        _text(m.iqr_eV, m.iqr_error_eV, MEV),
        _text(m.entropy_nat, m.entropy_error_nat, digits=2),
    ]


def _mark(at: DoasAtResult) -> str:
    return f"{at.T_K:g}{'*' if at.equilibrated is False else ''}"


METRICS = ("mean (meV)", "std (meV)", "IQR (meV)", "S (nat)")


def _whole(r: DoasResult) -> Table:
    table = _table("All states", "T (K)", "states", "frames", *METRICS, "levels", "near kT (%)")
    for at in r.temperatures:
        frames = "–" if at.n_snapshots is None else str(at.n_snapshots)
        near = _text(at.near_median_fraction, at.near_median_error, 100, 0)
        table.add_row(_mark(at), str(at.n_states), frames, *_metrics(at), f"{at.effective_levels:.1f}", near)
    return table


def _classes(r: DoasResult) -> Table:
    table = _table(f"By {r.by}", "T (K)", r.by, "share (%)", *METRICS)
    for at in r.temperatures:
        for k, c in enumerate(at.classes):
            share = _text(c.weight, c.weight_error, 100)
            table.add_row("" if k else _mark(at), c.name, share, *_metrics(c))
    return table


def _bands(r: DoasResult) -> Table:
    table = _table("Bands", "T (K)", "centre (meV)", "width (meV)", "weight (%)")
    for at in r.temperatures:
        for k, b in enumerate(at.bands):
            table.add_row(
                "" if k else _mark(at), _text(b.center_eV, b.center_error_eV, MEV),
                _text(b.width_eV, b.width_error_eV, MEV), _text(b.weight, b.weight_error, 100),
            )  # fmt: skip
    return table


def _overlaps(r: DoasResult) -> Table:
    """Return a row for each pair of classes that hold states enough, and of neighbouring temperatures."""
    table = _table(
        "How far apart", "T (K)", "of", "overlap (%)", "if alike", "gap (meV)", "tail gap (meV)", ""
    )
    for o in _told(r):
        at = f"{o.T_K[0]:g}" if o.kind == "classes" else ""
        table.add_row(
            at, f"{o.first}, {o.second}", _text(o.overlap, o.overlap_error, 100), f"{100 * o.alike:.0f}",
            _text(o.gap_eV, o.gap_error_eV, MEV), _text(o.tail_gap_eV, o.tail_gap_error_eV, MEV), o.verdict,
        )  # fmt: skip
    return table


def _told(r: DoasResult) -> Iterable[OverlapResult]:
    weights = {(at.T_K, c.name): c.weight for at in r.temperatures for c in at.classes}
    kelvin = [at.T_K for at in r.temperatures]
    for o in r.overlaps:
        if o.kind == "classes":
            if min(weights[o.T_K[0], o.first], weights[o.T_K[1], o.second]) >= SMALL:
                yield o
        elif abs(kelvin.index(o.T_K[0]) - kelvin.index(o.T_K[1])) == 1:
            yield o


def _sums(r: DoasResult) -> Table:
    table = _table(
        "Energies of whole snapshots, per mobile ion", "T (K)", "sublattice (meV)", "std (meV)",
        "relaxed total (meV)", "lowest (meV)", "dE/dT above (k_B)",
    )  # fmt: skip
    sums = {s.T_K: s for s in r.sublattice}
    relaxed = {e.T_K: e for e in r.relaxed_energy}
    for k, at in enumerate(r.temperatures):
        row = [_mark(at), *(["–"] * 5)]
        if at.T_K in sums:
            s = sums[at.T_K]
            row[1:3] = _text(s.mean_eV, s.mean_error_eV, MEV), _text(s.std_eV, s.std_error_eV, MEV, 2)
        if at.T_K in relaxed:
            e = relaxed[at.T_K]
            row[3:5] = _text(e.mean_eV, e.mean_error_eV, MEV), _text(e.lowest_eV, None, MEV)
        after = r.temperatures[k + 1].T_K if k + 1 < len(r.temperatures) else None
        for h in r.relaxed_energy_derivative:
            if after is not None and abs(h.T_K - (at.T_K + after) / 2) < 1e-6:
                row[5] = _text(h.dE_dT_kB, h.dE_dT_error_kB, digits=2)
        table.add_row(*row)
    return table


def _framework(r: DoasResult) -> Table:
    table = _table("Other atoms, each above the lowest of its element", "T (K)", "element", *METRICS)
    for element in r.framework:
        for k, at in enumerate(element.temperatures):
            table.add_row(f"{at.T_K:g}", "" if k else element.name, *_metrics(at))
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
