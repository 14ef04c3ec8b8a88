"""What `frustra hops` shows in the terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scipy.stats import chi2

from frustra.sites.record import SITE_KINDS
from frustra.surveys.hop_results import (
    ActivationResult,
    HopsAtResult,
    HopsResult,
    PathwayResult,
    RateResult,
    ResidenceResult,
)
from frustra.surveys.values import Value

TABLE_WIDTH = 124
"""Columns that the tables need."""

UNLIKELY = 0.01
"""Probability of a χ² so large by chance below which the rates follow no line."""

MOST = 10
"""Classes of hops with a row of their own."""


def print_hops(result: HopsResult) -> None:
    """Print rates, residence times and occupancies of every temperature, the energies, and every note."""
    console = Console(width=max(Console().width, TABLE_WIDTH), highlight=False, markup=False)
    for at in result.temperatures:
        console.print(_headline(at, result.specie), style="bold", soft_wrap=True)
        console.print(_rates(at))
        console.print(_classes(at))
        for sentence in _sentences(at):
            console.print(sentence, soft_wrap=True)
        for note in at.notes:
            console.print(f"! {note}", soft_wrap=True)
        console.print()
    for line in _energies(result):
        console.print(line, soft_wrap=True)


def _headline(at: HopsAtResult, specie: str) -> str:
    where = "" if at.T_K is None else f"{at.T_K:g} K: "
    return (
        f"{where}{at.hops} hops of {at.runs * at.ions} {specie} ({at.crossings} crossings before the "
        f"filter of {at.settle_fs:g} fs), {at.recrossed} of them straight back within {at.window_fs:g} fs, "
        f"{at.lasting} lasting"
    )


def _table(*heads: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left", no_wrap=True)
    return table


def _rates(at: HopsAtResult) -> Table:
    """Return a row for each of the most frequent classes and of those that were not seen but might be."""
    heads = (
        "pathway",
        "hops",
        "back",
        "lasting",
        "per ion (1/ns)",
        "per ion at the origin (1/ns)",
        "inflation",
    )
    table = _table(*heads)
    ranked = sorted(at.pathways, key=_by_hops)
    for p in ranked[:MOST]:
        table.add_row(
            p.pathway, str(p.hops), str(p.recrossed), str(p.lasting), _rate(p.per_ion_THz),
            _rate(p.from_origin_THz), "–" if p.inflation is None else f"{p.inflation:.1f}",
        )  # fmt: skip
    others = [p for p in ranked[MOST:] if p.hops]
    if others:
        total = [str(sum(v)) for v in zip(*((p.hops, p.recrossed, p.lasting) for p in others), strict=True)]
        table.add_row(f"{len(others)} more classes", *total)
    return table


def _by_hops(p: PathwayResult) -> tuple[int, str]:
    return -p.hops, p.pathway


def _rate(rate: RateResult) -> str:
    if rate.value is None or rate.high is None:
        return "–"
    if rate.is_upper_bound:
        return f"< {1e3 * rate.value:.3g}"
    return f"{1e3 * rate.value:.3g} ({1e3 * rate.low:.3g}–{1e3 * rate.high:.3g})"


def _classes(at: HopsAtResult) -> Table:
    table = _table("sites", "number", "ions per site", "share of ions", "residence (ps)", "departures")
    occupancy = {o.label: o for o in at.occupancy}
    for r in at.residence:
        o = occupancy[r.label]
        table.add_row(
            r.label, str(r.sites), _value(o.occupancy, 3), f"{100 * o.share:.2f} %", _residence(r),
            str(r.departures),
        )  # fmt: skip
    return table


def _residence(r: ResidenceResult) -> str:
    if r.mean_ps is not None and r.high_ps is not None:
        return f"{r.mean_ps:.3g} ({r.low_ps:.3g}–{r.high_ps:.3g})"
    return f"> {r.low_ps:.3g}" if r.low_ps > 0 else "–"


def _value(v: Value, digits: int = 4) -> str:
    if v.low is None or v.high is None:
        return f"{v.value:.{digits}g}"
    return f"{v.value:.{digits}g} ({v.low:.{digits}g}–{v.high:.{digits}g})"


def _sentences(at: HopsAtResult) -> list[str]:
    s = at.strings
    said = [
        f"Attempt frequency: {_value(at.attempt_frequency_THz, 3)} THz"
        if at.attempt_frequency_THz is not None
        else f"No attempt frequency: {at.attempt_frequency_refused}",
        f"In concert: {s.concerted_hops} of {at.hops} hops ({s.concerted_hops_by_chance:.1f} ± "
        f"{s.concerted_hops_by_chance_std:.1f} by chance); strings of 1, 2, … ions: "
        + ", ".join(f"{c} ({b:.1f})" for c, b in zip(s.count, s.by_chance, strict=True)),
    ]
    shared = [
        f"{v.pair} {100 * v.ions.value:.3g} ({100 * v.frames:.3g})" for v in at.face_sharing if v.ions.value
    ]
    if shared:
        said.append(f"Face to face, % of the ions (% of frames): {', '.join(shared)}")
    kinds = {k for p in at.pathways for k in p.pathway.partition(" ")[0].split("–")}
    if len(kinds) == 1 and kinds <= set(SITE_KINDS) and sum(r.departures > 0 for r in at.residence) > 1:
        said.append(f"All sites are of one kind, {kinds.pop()}: --by-label tells their classes apart")
    if at.shared_sites:
        said.append(f"Sites with more than one ion: {at.shared_sites:.3g} on average")
    return said


def _energies(result: HopsResult) -> list[str]:
    """Return a line for the energy of each of the most frequent classes of hops."""
    counts: dict[str, int] = {}
    for p in (p for at in result.temperatures for p in at.pathways):
        counts[p.pathway] = counts.get(p.pathway, 0) + p.hops
    known = [(a, a.Ea_eV) for a in result.activation if a.Ea_eV is not None]
    known.sort(key=lambda pair: -counts.get(pair[0].pathway, 0))
    lines = [_energy(a, energy) for a, energy in known[:MOST]]
    left = len(known) - len(lines)
    return [*lines, f"and {left} of rarer classes: --json tells them"] if left else lines


def _energy(a: ActivationResult, energy: Value) -> str:
    dof = len(a.temperatures_K) - 2
    told = (
        f"{a.pathway}: Ea = {_value(energy, 3)} eV, prefactor {a.prefactor_THz:.3g} THz; χ² of the line "
        f"{a.chi2:.1f} for {dof} degree{'s' if dof > 1 else ''} of freedom"
    )
    bad = a.chi2 is not None and dof > 0 and a.chi2 > float(chi2.isf(UNLIKELY, dof))
    return f"{told}: the rates follow no single line" if bad else told
