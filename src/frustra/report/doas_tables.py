"""The metrics of a DOAS as tables, for the page and for the terminal."""

from collections.abc import Iterable

from frustra.report.tables import Table
from frustra.surveys.doas_results import DoasAtResult, DoasResult, Metrics, OverlapResult
from frustra.units import MEV

SMALL = 0.005
"""Part of the states below which a class has no row of its own among the overlaps."""


def _text(value: float, error: float | None, factor: float = 1.0, digits: int = 1) -> str:
    told = f"{round(factor * value, digits) + 0.0:.{digits}f}".replace("-", "−")  # no −0.0
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


def whole_rows(r: DoasResult) -> Table:
    """Return headings and cells of what is told of all states."""
    rows = []
    for at in r.temperatures:
        frames = "–" if at.n_snapshots is None else str(at.n_snapshots)
        near = _text(at.near_median_fraction, at.near_median_error, 100, 0)
        rows.append([_mark(at), str(at.n_states), frames, *_metrics(at), f"{at.effective_levels:.1f}", near])
    return ["T (K)", "states", "frames", *METRICS, "levels", "near kT (%)"], rows


def class_rows(r: DoasResult) -> Table:
    """Return headings and cells of every class."""
    rows = []
    for at in r.temperatures:
        for k, c in enumerate(at.classes):
            share = _text(c.weight, c.weight_error, 100)
            rows.append(["" if k else _mark(at), c.name, share, *_metrics(c)])
    return ["T (K)", r.by, "share (%)", *METRICS], rows


def band_rows(r: DoasResult) -> Table:
    """Return headings and cells of the bands."""
    rows = []
    for at in r.temperatures:
        for k, b in enumerate(at.bands):
            rows.append(
                [
                    "" if k else _mark(at),
                    _text(b.center_eV, b.center_error_eV, MEV),
                    _text(b.width_eV, b.width_error_eV, MEV),
                    _text(b.weight, b.weight_error, 100),
                ]
            )
    return ["T (K)", "centre (meV)", "width (meV)", "weight (%)"], rows


def overlap_rows(r: DoasResult) -> Table:
    """Return a row for each pair of classes that hold states enough, and of neighbouring temperatures."""
    rows = []
    for o in _told(r):
        at = f"{o.T_K[0]:g}" if o.kind == "classes" else ""
        rows.append(
            [
                at,
                f"{o.first}, {o.second}",
                _text(o.overlap, o.overlap_error, 100),
                f"{100 * o.alike:.0f}",
                _text(o.gap_eV, o.gap_error_eV, MEV),
                _text(o.tail_gap_eV, o.tail_gap_error_eV, MEV),
                o.verdict,
            ]
        )
    return ["T (K)", "of", "overlap (%)", "if alike", "gap (meV)", "tail gap (meV)", ""], rows


def _told(r: DoasResult) -> Iterable[OverlapResult]:
    weights = {(at.T_K, c.name): c.weight for at in r.temperatures for c in at.classes}
    kelvin = [at.T_K for at in r.temperatures]
    for o in r.overlaps:
        if o.kind == "classes":
            if min(weights[o.T_K[0], o.first], weights[o.T_K[1], o.second]) >= SMALL:
                yield o
        elif abs(kelvin.index(o.T_K[0]) - kelvin.index(o.T_K[1])) == 1:
            yield o


def sum_rows(r: DoasResult) -> Table:
    """Return headings and cells of the energies of whole snapshots, per mobile ion."""
    rows = []
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
        rows.append(row)
    return [
        "T (K)",
        "sublattice (meV)",
        "std (meV)",
        "relaxed total (meV)",
        "lowest (meV)",
        "dE/dT above (k_B)",
    ], rows


def framework_rows(r: DoasResult) -> Table:
    """Return headings and cells of the other elements, each above its own lowest state."""
    rows = []
    for element in r.framework:
        for k, at in enumerate(element.temperatures):
            rows.append([f"{at.T_K:g}", "" if k else element.name, *_metrics(at)])
    return ["T (K)", "element", *METRICS], rows


def doas_tables(r: DoasResult) -> list[tuple[str, Table]]:
    """Return every table that a DOAS fills, with its title."""
    classed = any(len(at.classes) > 1 or at.classes[0].name != "all" for at in r.temperatures)
    tables = [
        ("All states", whole_rows(r), True),
        (f"By {r.by}", class_rows(r), classed),
        ("Bands", band_rows(r), True),
        ("How far apart", overlap_rows(r), bool(r.overlaps)),
        ("Energies of whole snapshots, per mobile ion", sum_rows(r), bool(r.sublattice or r.relaxed_energy)),
        ("Other atoms, each above the lowest of its element", framework_rows(r), bool(r.framework)),
    ]
    return [(title, table) for title, table, filled in tables if filled]
