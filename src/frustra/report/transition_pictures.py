"""Figures, sentences and tables of transitions between levels of the DOAS."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from frustra.analysis.transitions.survey import TransitionsAt, TransitionSurvey
from frustra.campaign.analyse import MaterialAnalysis
from frustra.campaign.transition_results import BROKEN, SharesResult, TransitionsAtResult, TransitionsResult
from frustra.plots.style import figure_of
from frustra.plots.transitions import PANELS, plot_joint, plot_levels, plot_shares
from frustra.report.picture import Picture
from frustra.report.tables import Table
from frustra.surveys.values import Value
from frustra.units import MEV

NONE = "–"


def transition_pictures(analysis: MaterialAnalysis) -> Iterator[Picture]:
    """Draw hops between levels, their joint densities, and Δe against ΔE, where there are any."""
    found, specie = analysis.transitions, analysis.result.specie
    moving = [at for at in found.temperatures if len(at.ways)]
    if not moving:
        return
    if any(np.isin(at.ways.pathway, [name for name, _ in PANELS]).any() for at in moving):
        yield Picture(
            "transitions",
            "Hops between levels of the DOAS",
            f"Per-atom energy of {specie} in its relaxed states before and after hops that were seen in MD, "
            "from oct to oct and by a tet site; dashed where it was passed without settling. Columns: the "
            "DOAS of the sites. Ways back to the same place are left out.",
            figure_of(plot_levels(moving, analysis.evidence.densities)[0]),
            _way_data(moving),
            wide=True,
        )
    yield Picture(
        "transition_density",
        "Energies before and after hops",
        "The joint density p(e_i, e_f), one point for each hop, its area in proportion to the hops that it "
        "stands for. Symmetric about the dashed line in equilibrium, for a class together with its reverse.",
        figure_of(plot_joint(moving)[0]),
        _joint_data(found),
    )
    if any(at.alone for at in moving):
        yield Picture(
            "hop_energy",
            "Energy of a hop: the ion and the cell",
            f"Change of the hopping {specie}'s own energy against that of the total energy, which does not "
            "depend on how a potential splits it, for hops of one ion alone. Line: slope, with 95 % band; "
            "dashed: all of the change is on the ion.",
            figure_of(plot_shares(found)),
            _hop_data(found),
        )


def _way_data(moving: list[TransitionsAt]) -> dict[str, Any]:
    ways = [at.ways for at in moving]
    energies = {
        "before_eV": [w.before for w in ways],
        "tet_first_eV": [w.middle[:, 0] for w in ways],
        "tet_last_eV": [w.middle[:, 1] for w in ways],
        "after_eV": [w.after for w in ways],
    }
    return {
        "T_K": [at.temperature for at in moving for _ in range(len(at.ways))],
        "pathway": [str(p) for w in ways for p in w.pathway],
        "direction": [str(d) for w in ways for d in w.direction],
        **{name: _blank(np.concatenate(values)) for name, values in energies.items()},
        "weight": [float(v) for w in ways for v in w.weight],
    }


def _blank(values: Any) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def _joint_data(found: TransitionSurvey) -> dict[str, Any]:
    rows = [
        (j.temperature, j.pathway, j.centres[i], j.centres[k], j.density[i, k])
        for at in found.temperatures
        for j in at.joints
        for i, k in np.argwhere(j.density)
    ]
    columns = zip(*rows, strict=True)
    names = ("T_K", "pathway", "before_eV", "after_eV", "density_per_eV2")
    return dict(zip(names, map(list, columns), strict=True))


def _hop_data(found: TransitionSurvey) -> dict[str, Any]:
    table = found.transitions.select(found.transitions["alone_ok"])
    return {
        "T_K": table["temperature"].tolist(),
        "ion": table["ion"].tolist(),
        "pathway": table["pathway"].tolist(),
        "ion_change_eV": table.alone_change("energy").tolist(),
        "others_change_eV": table.alone_change("others").tolist(),
        "total_change_eV": table.alone_change("total").tolist(),
        "companions_seen": table["companions"].tolist(),
        "weight": table["weight"].tolist(),
    }


def transition_sentences(result: TransitionsResult) -> Iterator[str]:
    """Say whether hops are balanced, and how far the energy of a hop is the ion's own."""
    if not result.temperatures:
        return
    used, relaxed = (sum(getattr(t, what) for t in result.temperatures) for what in ("used", "relaxed"))
    yield f"{relaxed} hops seen in MD were relaxed before and after; {used} of them can be used."
    shares = result.shares
    if shares is not None:
        yield (
            f"Of the total energy that a hop of one ion costs, {_plain(shares.ion)} is on that ion, "
            f"{_plain(shares.others)} on the other mobile ions and {_plain(shares.framework)} on the "
            f"framework ({shares.hops} hops; correlation of Δe with ΔE {_plain(shares.correlation)}; Δe "
            f"misses ΔE by {MEV * shares.difference_eV.value:.0f} meV, where ΔE is "
            f"{MEV * shares.rms_total_eV.value:.0f} meV, both root-mean-square). {_meaning(shares)}"
        )
    yield from _balanced(result)


def _meaning(shares: SharesResult) -> str:
    if shares.ion.low is None or shares.ion.high is None:
        return "How exact this is, one ion cannot tell."
    if shares.difference_eV.value < 0.5 * shares.rms_total_eV.value:
        return "So gaps between levels are about the energies of hops across them."
    return "So a gap between levels of the DOAS is not the energy that a single hop across it costs."


def _balanced(result: TransitionsResult) -> Iterator[str]:
    tests = [b for t in result.temperatures for b in t.balance]
    if tests:
        least, limit = min(b.p for b in tests), BROKEN / len(tests)
        yield (
            f"Hops there and back: of {len(tests)} comparisons of their energies the smallest p is "
            f"{least:.2g}; in equilibrium one below {limit:.2g} is rare."
        )


def _plain(value: Value) -> str:
    interval = "" if value.low is None or value.high is None else f" ({value.low:.2f} to {value.high:.2f})"
    return f"{value.value:.2f}{interval}"


def transition_rows(result: TransitionsResult) -> Table:
    """Return every class of hops at every temperature: energies before and after, and detailed balance."""
    heads = ["T (K)", "class", "hops", "of", "before (meV)", "after (meV)", "Δe (meV)", "spread (meV)", "p"]
    body = [
        [
            f"{at.T_K:g}",
            j.pathway,
            f"{j.hops}",
            f"{j.stands_for:.0f}",
            _meV(j.before_eV),
            _meV(j.after_eV),
            _meV(j.change_eV),
            NONE if j.spread_eV is None else _meV(j.spread_eV),
            _chance(at, j.pathway),
        ]
        for at in result.temperatures
        for j in at.pathways
    ]
    return heads, body


def _chance(at: TransitionsAtResult, pathway: str) -> str:
    """Return how often chance separates hops there and back as far as they are."""
    reverse = "–".join(pathway.split("–")[::-1])
    return next((f"{b.p:.2g}" for b in at.balance if b.pathway in {pathway, reverse}), NONE)


def _meV(value: Value) -> str:  # noqa: N802 - the unit
    error = "" if value.low is None or value.high is None else f" ± {MEV * (value.high - value.low) / 2:.0f}"
    return f"{MEV * value.value:.0f}{error}"


def share_rows(result: TransitionsResult) -> Table:
    """Return for every temperature how the energy of single hops is split."""
    heads = [
        "T (K)", "relaxed", "used", "single", "alone", "on the ion", "on other ions", "on the framework",
        "correlation", "rms Δe − ΔE (meV)", "rms ΔE (meV)",
    ]  # fmt: skip
    body = [
        [f"{t.T_K:g}", f"{t.relaxed}", f"{t.used}", f"{t.single}", f"{t.alone}", *_share_cells(t.shares)]
        for t in result.temperatures
    ]
    if result.shares is not None:
        body.append(["all", "", "", "", f"{result.shares.hops}", *_share_cells(result.shares)])
    return heads, body


def _share_cells(shares: SharesResult | None) -> list[str]:
    if shares is None:
        return [NONE] * 6
    parts = (shares.ion, shares.others, shares.framework, shares.correlation)
    return [*(_plain(p) for p in parts), _meV(shares.difference_eV), _meV(shares.rms_total_eV)]
