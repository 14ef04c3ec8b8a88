"""The report: one self-contained HTML page, and every figure as SVG, PNG and CSV."""

import html
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from frustra.campaign.analyse import MaterialAnalysis
from frustra.campaign.results import Quantity, Results, TemperatureResult
from frustra.io import replacing, write_csv, write_text
from frustra.plots import (
    plot_arrhenius,
    plot_doas,
    plot_energy,
    plot_msd,
    plot_site_fractions,
    style,
)
from frustra.sites import SITE_KINDS
from frustra.units import MEV

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ASSETS = Path(__file__).parent / "assets"

STARTS = {"ordered": "from the ground state", "quenched": "from ions disordered by heat"}
"""What the runs of a material start from, in words."""

SOFTNESS = (
    "Machine-learning potentials tend to be soft (forces too small away from equilibrium): expect transition "
    "temperatures, activation energies and energy gaps that are too low. Per-atom energies are a partition "
    "of the total energy that the potential chose: compare them within one element and one potential only. "
    "The relaxed total energy per ion is free of that choice."
)


@dataclass(frozen=True)
class Picture:
    """One figure with its data and what it shows."""

    name: str
    title: str
    caption: str
    figure: "Figure"
    data: dict[str, Any]


def pictures_of(analysis: MaterialAnalysis) -> list[Picture]:
    """Draw the figures of one material."""
    result, rows = analysis.result, analysis.result.temperatures
    doubtful = [r.T_K for r in rows if not r.equilibrated]
    bin_width = MEV * (analysis.densities[0].edges[1] - analysis.densities[0].edges[0])
    return [
        Picture(
            "doas",
            "Density of atomistic states",
            f"Per-atom energies of {result.specie} in relaxed snapshots, {bin_width:.3g} meV bins, by the "
            "polyhedron of anions around the ion; one zero for all temperatures, each panel to its maximum. "
            "S: Shannon entropy over the bins, exp S the effective number of levels; errors by bootstrap "
            "over snapshots.",
            plot_doas(analysis.densities, doubtful),
            _doas_data(analysis),
        ),
        Picture(
            "msd",
            "Mean-square displacement",
            "Over all time origins, relative to the framework's centre of mass. Thick: the lags of the fit.",
            plot_msd(analysis.diffusion),
            _msd_data(analysis),
        ),
        Picture(
            "arrhenius",
            "Arrhenius plot",
            "Nernst–Einstein conductivity from the tracer diffusivity. The line and its 68 % band use the "
            "measured temperatures only; triangles are 95 % upper bounds. The dashed part is extrapolated "
            "and ignores any super-ionic transition.",
            plot_arrhenius(result, analysis.arrhenius),
            _arrhenius_data(rows),
        ),
        Picture(
            "energy",
            "Relaxed energy against temperature",
            f"Mean relaxed total energy per {result.specie} above the ground state of the same cell; "
            "it does not depend on the choice of per-atom energies. In equilibrium it never falls and "
            "nothing lies below zero.",
            plot_energy(rows),
            _energy_data(rows),
        ),
        Picture(
            "sites",
            "Site fractions",
            "Coordination of every ion in the anion sublattice of its relaxed snapshot.",
            plot_site_fractions(rows),
            _site_data(rows),
        ),
    ]


def _doas_data(analysis: MaterialAnalysis) -> dict[str, Any]:
    parts: list[tuple[str, list[Any]]] = []
    for column in ("T_K", "energy_eV", *SITE_KINDS, "total"):
        values: list[Any] = []
        for d in analysis.densities:
            bins = {
                "T_K": np.full(len(d.total), d.temperature),
                "energy_eV": d.centres,
                "total": d.total,
                **d.by_site,
            }
            values += bins[column].tolist()
        parts.append((column, values))
    return dict(parts)


def _arrhenius_data(rows: Sequence[TemperatureResult]) -> dict[str, Any]:
    return {
        "T": [r.T_K for r in rows],
        "D_cm2_s": [r.diffusivity.value for r in rows],
        "D_error": [r.diffusivity.std for r in rows],
        "sigma_mS_cm": [r.conductivity.value for r in rows],
        "sigma_error": [r.conductivity.std for r in rows],
        "is_upper_bound": [r.diffusivity.is_upper_bound for r in rows],
    }


def _energy_data(rows: Sequence[TemperatureResult]) -> dict[str, Any]:
    return {
        "T_K": [r.T_K for r in rows],
        "mean_eV": [r.relaxed_energy.mean_eV for r in rows],
        "std_eV": [r.relaxed_energy.std_eV for r in rows],
        "lowest_eV": [r.relaxed_energy.lowest_eV for r in rows],
        "equilibrated": [r.equilibrated for r in rows],
    }


def _site_data(rows: Sequence[TemperatureResult]) -> dict[str, Any]:
    columns: dict[str, Any] = {"T_K": [r.T_K for r in rows]}
    for kind in SITE_KINDS:
        columns[kind] = [r.site_fractions[kind] for r in rows]
        columns[f"{kind}_std"] = [r.site_fractions_std[kind] for r in rows]
    columns["off_ground"] = [r.off_ground_fraction for r in rows]
    return columns


def _msd_data(analysis: MaterialAnalysis) -> dict[str, Any]:
    return {
        "T_K": [d.temperature for d in analysis.diffusion for _ in d.lag],
        "lag_ps": [t for d in analysis.diffusion for t in d.lag.tolist()],
        "msd_A2": [m for d in analysis.diffusion for m in d.msd.tolist()],
    }


def write_report(root: Path, results: Results, analyses: Sequence[MaterialAnalysis]) -> Path:
    """Write `report.html` and the folder `figures`; return the page's path."""
    sections = []
    with style():
        for (name, material), analysis in zip(results.materials.items(), analyses, strict=True):
            pictures = pictures_of(analysis)
            for picture in pictures:
                _save(picture, root / "figures" / f"{name}_{picture.name}")
            sections.append(_section(name, material.formula, analysis, pictures, root))
    page = root / "report.html"
    write_text(page, _page(results, sections))
    return page


def _runs(count: int) -> str:
    return "one run" if count == 1 else f"{count} independent runs"


def _save(picture: Picture, stem: Path) -> None:
    for suffix in (".svg", ".png"):
        with replacing(stem.with_suffix(suffix)) as temporary:
            picture.figure.savefig(temporary, metadata={"Date": None} if suffix == ".svg" else None)
    write_csv(stem.with_suffix(".csv"), picture.data)


def _section(
    name: str, formula: str, analysis: MaterialAnalysis, pictures: Sequence[Picture], root: Path
) -> str:
    figures = "".join(_figure_html(p, root / "figures" / f"{name}_{p.name}") for p in pictures)
    result = analysis.result
    arrhenius, times = result.arrhenius, result.temperatures[0].transport
    facts = [
        f"{result.atoms} atoms, {result.ions} {result.specie}",
        f"anions {', '.join(result.anions)}",
        f"{_runs(result.temperatures[0].runs)} of {times.duration_ps:g} ps at each temperature",
        f"{times.discarded_ps:g} ps before it discarded",
        STARTS[result.start],
    ]
    if arrhenius.Ea_eV is not None and arrhenius.sigma_300K_mS_cm is not None:
        facts.append(f"E<sub>a</sub> {format_quantity(arrhenius.Ea_eV)}")
        facts.append(
            f"σ(300 K, extrapolated) {arrhenius.sigma_300K_mS_cm:.2g} mS/cm "
            f"[{arrhenius.sigma_300K_low:.2g}, {arrhenius.sigma_300K_high:.2g}]"
        )
    title = f"{_formula_html(formula)} <small>{html.escape(name)}</small>"
    return (
        f"<section><h2>{title}</h2><p class=facts>{' · '.join(facts)}</p>"
        f"{_table(result.temperatures)}<div class=figures>{figures}</div></section>"
    )


def _formula_html(formula: str) -> str:
    return "".join(f"<sub>{c}</sub>" if c.isdigit() else html.escape(c) for c in formula)


def _figure_html(picture: Picture, stem: Path) -> str:
    image = b64encode(stem.with_suffix(".svg").read_bytes()).decode()  # as an image: ids cannot clash
    links = " ".join(f'<a href="figures/{stem.name}.{s}">{s.upper()}</a>' for s in ("svg", "png", "csv"))
    return (
        f'<figure class="{picture.name}"><h3>{html.escape(picture.title)}</h3>'
        f'<img alt="{html.escape(picture.title)}" src="data:image/svg+xml;base64,{image}">'
        f"<figcaption>{html.escape(picture.caption)} <span class=links>{links}</span></figcaption></figure>"
    )


def format_quantity(quantity: Quantity) -> str:
    """Return a quantity as a reader wants it: `2.1(3)e-06 cm²/s`-like, or `< 1e-07 cm²/s`."""
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


def summary_rows(rows: Sequence[TemperatureResult]) -> tuple[list[str], list[list[str]]]:
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


def _table(rows: Sequence[TemperatureResult]) -> str:
    heads, body = summary_rows(rows)
    head = "".join(f"<th>{html.escape(h)}</th>" for h in heads)
    lines = "".join(
        f"<tr{'' if r.equilibrated else ' class=doubt'}>"
        + "".join(f"<td>{html.escape(c)}</td>" for c in cells)
        + "</tr>"
        for r, cells in zip(rows, body, strict=True)
    )
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"


def _page(results: Results, sections: Sequence[str]) -> str:
    warnings = "".join(f"<li>{html.escape(w)}</li>" for w in results.warnings) or "<li>None.</li>"
    versions = ", ".join(f"{k} {v}" for k, v in results.versions.items())
    potential = results.potential
    parts = {
        "name": html.escape(str(results.study["name"])),
        "style": (_ASSETS / "report.css").read_text(encoding="utf-8"),
        "model": html.escape(str(potential["model"])),
        "created": html.escape(results.created),
        "sections": "".join(sections),
        "warnings": warnings,
        "softness": html.escape(SOFTNESS),
        "not_for": _not_for(potential["not_for"]),
        "settings": _settings_table(results.study),
        "versions": html.escape(versions),
        "fingerprint": html.escape(str(potential["fingerprint"])),
    }
    return Template((_ASSETS / "report.html").read_text(encoding="utf-8")).substitute(parts)


def _not_for(warnings: Sequence[str]) -> str:
    if not warnings:
        return "<p class=note>The potential has no model card.</p>"
    items = "; ".join(html.escape(w) for w in warnings)
    return f"<p class=note>By its model card, the potential is not for: {items}.</p>"


def _settings_table(study: dict[str, Any]) -> str:
    lines = "".join(
        f"<tr><td>{html.escape(key)}</td><td>{html.escape(str(value))}</td></tr>"
        for key, value in _flat(study)
    )
    return (
        f"<details><summary>All settings of this run</summary><table class=settings>{lines}</table></details>"
    )


def _flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, "default" if value is None else value))
    return rows
