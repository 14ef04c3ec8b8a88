"""What the page and the terminal say in words and tables: numbers with errors, the verdict."""

from collections.abc import Sequence

import numpy as np

from frustra.campaign.results import (
    ArrheniusResult,
    BranchResult,
    Interval,
    LowerState,
    MarkerResult,
    MaterialResult,
    Quantity,
    TemperatureResult,
)
from frustra.units import MEV

Table = tuple[list[str], list[list[str]]]
"""Headings, and the cells of every row."""


def format_quantity(quantity: Quantity) -> str:
    """Return a quantity as a reader wants it: `2.1 ± 0.3 cm²/s`, or `< 1e-07 cm²/s`."""
    if quantity.is_upper_bound:
        return f"< {quantity.value:.2g} {quantity.unit}"
    if quantity.std is None or quantity.std <= 0:
        return f"{quantity.value:.3g} {quantity.unit}"
    return f"{_with_error(quantity.value, quantity.std)} {quantity.unit}"


def _with_error(value: float, std: float) -> str:
    """Return `value ± std` with as many digits as the error's two; powers of ten where numbers are small."""
    exponent = int(np.floor(np.log10(abs(value)))) if value else 0
    scaled = -3 <= exponent <= 4
    power = 1.0 if scaled else 10.0**exponent
    digits = min(max(0, 1 - int(np.floor(np.log10(std / power)))), 4)
    text = f"{value / power:.{digits}f} ± {std / power:.{digits}f}"
    return text if scaled else f"({text})e{exponent:d}"


def format_interval(interval: Interval | None, digits: str = ".2g") -> str:
    """Return a value with its 95 % interval: `420 (410–440)`; a dash if there is none."""
    if interval is None:
        return "–"
    return f"{interval.value:{digits}} ({interval.low:{digits}}–{interval.high:{digits}})"


def summary_rows(rows: Sequence[TemperatureResult]) -> Table:
    """Return headings and cells of the summary table, for the page and for the terminal."""
    heads = [
        "T (K)",
        "D (cm²/s)",
        "σ (mS/cm)",
        "oct %",
        "tet %",
        "S (nat)",
        "IQR (meV)",
        "E (meV/ion)",
        "relaxed",
        "equil.",
    ]
    body = []
    for r in rows:
        energy, states = r.relaxed_energy, r.states
        body.append(
            [
                f"{r.T_K:g}",
                format_quantity(r.diffusivity).rsplit(" ", 1)[0],
                format_quantity(r.conductivity).rsplit(" ", 1)[0],
                f"{100 * r.site_fractions['oct']:.1f}",
                f"{100 * r.site_fractions['tet']:.1f}",
                _pm(states.entropy_nat, states.entropy_std_nat, 2),
                _pm(states.iqr_eV, states.iqr_std_eV, 0, MEV),
                _pm(energy.mean_eV, energy.std_eV, 1, MEV),
                f"{r.snapshots.converged}/{r.snapshots.n}",
                "yes" if r.equilibrated else "no",
            ]
        )
    return heads, body


def _pm(value: float | None, std: float | None, digits: int, scale: float = 1.0) -> str:
    if value is None:
        return "–"
    text = f"{scale * value:.{digits}f}"
    return text if std is None else f"{text} ± {scale * std:.{digits}f}"


def transport_rows(rows: Sequence[TemperatureResult]) -> Table:
    """Return headings and cells of what the displacements tell besides D and σ."""
    heads = ["T (K)", "D_c/D_ab", "σ collective (mS/cm)", "Haven ratio", "diffusive jumps", "fit (ps)"]
    body = [
        [
            f"{r.T_K:g}",
            format_interval(r.transport.anisotropy),
            format_interval(r.transport.sigma_collective_mS_cm, ".3g"),
            format_interval(r.transport.haven),
            f"{r.transport.diffusive_jumps:.0f}",
            f"{r.transport.window_ps[0]:.3g}–{r.transport.window_ps[1]:.3g}",
        ]
        for r in rows
    ]
    return heads, body


def sampling_rows(rows: Sequence[TemperatureResult]) -> Table:
    """Return headings and cells of how snapshots were chosen, and how many the entropy needs."""
    heads = [
        "T (K)", "asked", "relaxed", "independent", "τ (ps)", "S too low by (nat)", "needed", "MD for it (ps)"
    ]  # fmt: skip
    return heads, [_sampling_cells(r) for r in rows]


def _sampling_cells(row: TemperatureResult) -> list[str]:
    s = row.sampling
    bound = "> " if s.tau_is_lower_bound else ""
    most = "< " if s.tau_is_lower_bound else ""
    wanted = f"{s.needed} for ± {s.entropy_error_nat:g}" if s.needed is not None else "–"
    if s.frozen:
        tau, held = "no ion moved", "one per run"
    else:
        tau = "–" if s.tau_ps is None else bound + _pm(s.tau_ps, s.tau_std_ps, 2)
        held = "–" if s.independent is None else f"{most}{s.independent:.0f}"
    return [
        f"{row.T_K:g}",
        f"{s.asked}",
        f"{s.taken}",
        held,
        tau,
        "–" if s.entropy_bias_nat is None else f"{s.entropy_bias_nat:.3f}",
        wanted,
        "–" if s.needed_ps is None else f"{bound}{s.needed_ps:.3g}",
    ]


def branch_rows(branches: Sequence[BranchResult]) -> Table:
    """Return headings and cells of both branches: heated from the ground state, cooled from disorder."""
    heads = ["T (K)", "heating (meV/ion)", "cooling (meV/ion)", "difference"]
    return heads, [_branch_cells(b) for b in branches]


def _branch_cells(branch: BranchResult) -> list[str]:
    means, errors = (branch.heating_eV, branch.cooling_eV), (branch.heating_std_eV, branch.cooling_std_eV)
    gap = "–"
    if means[0] is not None and means[1] is not None:
        known = errors[0] is not None and errors[1] is not None
        error = float(np.hypot(errors[0] or 0.0, errors[1] or 0.0)) if known else None
        gap = _pm(means[1] - means[0], error, 1, MEV) + (": not in equilibrium" if branch.differ else "")
    cells = [_pm(mean, error, 1, MEV) for mean, error in zip(means, errors, strict=True)]
    return [f"{branch.T_K:g}", *cells, gap]


def lower_rows(states: Sequence[LowerState]) -> Table:
    """Return headings and cells of the states found below the ground state in use."""
    heads = ["file", "found at T (K)", "run", "below (meV per cell)", "energy (eV)"]
    body = [
        [s.file, f"{s.T_K:g}", f"{s.run}", f"{MEV * s.below_eV:.0f}", f"{s.energy_eV:.4f}"] for s in states
    ]
    return heads, body


def how_to_start(states: Sequence[LowerState]) -> str:
    """Return how to start from the lowest of such states."""
    return (
        "What was started from a higher state is not in equilibrium with them. To start from the lowest, "
        f'give the material starts = ["{states[0].start}"] in the study file, beside those it has, '
        "and run again."
    )


def marker_rows(markers: Sequence[MarkerResult]) -> Table:
    """Return headings and cells of the markers: what each tells of the transition."""
    heads = ["marker", "model", "onset (K)", "ΔBIC", "why"]
    body = [
        [
            m.label,
            m.model,
            format_interval(m.Tc_K, ".0f"),
            "–" if m.delta_bic is None else f"{m.delta_bic:.1f}",
            m.reason,
        ]
        for m in markers
    ]
    return heads, body


def arrhenius_sentences(fit: ArrheniusResult) -> list[str]:
    """Return what an Arrhenius plot says: the break and its evidence, the branches, σ at 300 K."""
    found = fit.model if fit.Tc_K is None else f"{fit.model} at {format_interval(fit.Tc_K, '.0f')} K"
    branches = {"Ea": fit.Ea_high_eV}
    if fit.model != "line":
        branches = {"Ea below": fit.Ea_low_eV, "Ea above": fit.Ea_high_eV}
    numbers = [f"{name} {format_interval(e, '.3f')} eV" for name, e in branches.items() if e is not None]
    if fit.sigma_300K_mS_cm is not None:
        numbers.append(f"σ(300 K) {format_interval(fit.sigma_300K_mS_cm)} mS/cm")
    evidence = ""
    if fit.delta_bic is not None and fit.log10_bayes is not None:
        evidence = f" (ΔBIC {fit.delta_bic:.1f}, log10 of the Bayes factor {fit.log10_bayes:.1f})"
    sentences = [f"Arrhenius plot: {found} – {fit.reason}{evidence}."]
    return sentences + (["; ".join(numbers) + "."] if numbers else [])


def verdict_of(material: MaterialResult) -> list[str]:
    """Return the answer in sentences: the break, the branches, σ at 300 K, and what the markers say."""
    doubtful = material.agreement.not_equilibrated_K
    doubts = f"Not equilibrated: {', '.join(f'{t:g}' for t in doubtful)} K." if doubtful else ""
    sentences = [*arrhenius_sentences(material.arrhenius), material.agreement.sentence, doubts]
    return [s for s in sentences if s]
