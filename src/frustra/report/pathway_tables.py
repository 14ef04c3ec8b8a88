"""What the page says of sites, hops and ways, in words and tables."""

from collections.abc import Iterator

from frustra.campaign.pathway_results import PathwaysAtResult, PathwaysResult
from frustra.report.tables import Table
from frustra.stats import COVER
from frustra.surveys.percolation_results import PercolationResult
from frustra.surveys.values import Value
from frustra.units import MEV

NONE = "–"

SHARP = 0.1
"""eV: activation energies that are known better than this are told in the first lines."""


def site_rows(result: PathwaysResult) -> Table:
    """Return the classes of open sites, with the mean number of ions per site at every temperature."""
    temperatures = [t for t in result.temperatures if t.hops is not None]
    heads = [
        "class of sites", "sites", "Wyckoff", "volume (Å³)", *(f"{t.T_K:g} K (%)" for t in temperatures)
    ]  # fmt: skip
    body = [
        [
            c.label,
            f"{c.number}",
            " ".join(c.wyckoff) or NONE,
            NONE if c.mean_volume_A3 is None else f"{c.mean_volume_A3:.1f}",
            *(_occupancy(t, c.label) for t in temperatures),
        ]
        for c in result.sites.classes
        if c.open
    ]
    return heads, body


def _occupancy(at: PathwaysAtResult, label: str) -> str:
    """Return a mean number of ions per site in per cent, with its 95 % error."""
    found = [o.occupancy for o in at.hops.occupancy if o.label == label] if at.hops is not None else []
    if not found or found[0].value == 0:
        return "0"
    percent = 100 * found[0].value
    digits = 1 if percent >= 1 else 3
    error = "" if found[0].std is None else f" ± {100 * COVER * found[0].std:.{digits}f}"
    return f"{percent:.{digits}f}{error}"


def level_rows(result: PathwaysResult) -> Table:
    """Return hops and the levels at which state energies percolate, at every temperature."""
    levels = ["E 1-D (meV)", "E 2-D", "E 3-D", "|Δe| 3-D"]
    heads = ["T (K)", "hops", "in concert", "by chance", "ν₀ (THz)", *levels]
    return heads, [[f"{t.T_K:g}", *_hop_cells(t), *_levels(t)] for t in result.temperatures]


def _hop_cells(at: PathwaysAtResult) -> list[str]:
    if at.hops is None:
        return [NONE] * 4
    strings, frequency = at.hops.strings, at.hops.attempt_frequency_THz
    return [
        f"{at.hops.hops}",
        f"{strings.concerted_hops}",
        f"{strings.concerted_hops_by_chance:.1f} ± {1.96 * strings.concerted_hops_by_chance_std:.1f}",
        NONE if frequency is None else f"{frequency.value:.2f}",
    ]


def _levels(at: PathwaysAtResult) -> list[str]:
    if at.states is None:
        return [NONE] * 4
    energy, step = at.states.energy, at.states.difference
    return [*(_level(energy.thresholds[k].level) for k in range(3)), _level(step.thresholds[2].level)]


def _level(level: Value | None) -> str:
    if level is None:
        return NONE
    low = NONE if level.low is None else f"{MEV * level.low:.0f}"
    high = "∞" if level.high is None else f"{MEV * level.high:.0f}"
    return f"{MEV * level.value:.0f} ({low}–{high})"


def hop_rows(result: PathwaysResult) -> Table:
    """Return every class of hops that was seen: how often at every temperature, and its activation energy."""
    temperatures = [(t.T_K, t.hops) for t in result.temperatures if t.hops is not None]
    heads = ["class of hops", *(f"{kelvin:g} K" for kelvin, _ in temperatures), "Ea (eV)"]
    energies = {a.pathway: a.Ea_eV for a in result.activation}
    counts = {
        name: [sum(p.hops for p in hops.pathways if p.pathway == name) for _, hops in temperatures]
        for name in energies
    }
    names = sorted(counts, key=lambda name: -sum(counts[name]))
    return heads, [[name, *map(str, counts[name]), _energy(energies[name])] for name in names]


def _energy(value: Value | None) -> str:
    if value is None:
        return NONE
    interval = "" if value.low is None or value.high is None else f" ({value.low:.2f}–{value.high:.2f})"
    return f"{value.value:.2f}{interval}"


def pathway_sentences(result: PathwaysResult) -> Iterator[str]:
    """Say what the sites are, which ways ions take, and what opens them."""
    sites = result.sites
    counts = ", ".join(f"{n} {kind}" for kind, n in sites.counts.items() if n)
    shared = "; ".join(f"{n} tet share a face with {e}" for e, n in sites.tet_face_sharing.items() if n)
    yield f"{counts} sites in the cell{'; ' + shared if shared else ''}."
    dimensions = [
        f"{t.T_K:g} K: {_dimension(t.ways.hops)}" for t in result.temperatures if t.ways is not None
    ]
    if dimensions:
        yield f"Ways along which hops lead through the crystal: {', '.join(dimensions)}."
    told = [(a.pathway, a.Ea_eV) for a in result.activation if a.Ea_eV is not None and _sharp(a.Ea_eV)]
    if told:
        listed = "; ".join(f"{name} {_energy(energy)}" for name, energy in told)
        yield f"Activation energies of hops, where known to {SHARP:g} eV: {listed} eV."


def _sharp(value: Value) -> bool:
    """Return whether the interval is narrow enough to be told in the first lines."""
    return value.low is not None and value.high is not None and value.high - value.low < 2 * SHARP


def pathway_notes(result: PathwaysResult) -> list[str]:
    """Return what limits the numbers, each once, with its temperatures."""
    noted: dict[str, list[float]] = {}
    for t in result.temperatures:
        parts = [
            t.hops.notes if t.hops else [],
            t.ways.notes if t.ways else [],
            t.states.notes if t.states else [],
        ]
        for note in dict.fromkeys(n for part in parts for n in part):
            noted.setdefault(note, []).append(t.T_K)
    return [f"{', '.join(f'{k:g}' for k in kelvin)} K: {note}." for note, kelvin in noted.items()]


def _dimension(found: PercolationResult | None) -> str:
    return "no hops" if found is None else "none" if found.dimension == 0 else f"{found.dimension}-D"
