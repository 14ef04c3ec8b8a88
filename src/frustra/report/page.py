"""The page: verdicts, tables, figures, warnings, settings."""

import html
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from frustra.campaign.analyse import MaterialAnalysis
from frustra.campaign.pathway_results import PathwaysResult
from frustra.campaign.results import MaterialResult, Results
from frustra.campaign.transition_results import TransitionsResult
from frustra.io import replacing, write_csv, write_text
from frustra.plots import style
from frustra.report.doas_pictures import doas_pictures
from frustra.report.doas_tables import doas_tables
from frustra.report.doubt import marked, marked_picture, marked_table
from frustra.report.explorer import explorer_part
from frustra.report.pathway_pictures import pathway_pictures
from frustra.report.pathway_tables import hop_rows, level_rows, pathway_notes, pathway_sentences, site_rows
from frustra.report.picture import Picture
from frustra.report.pictures import pictures_of
from frustra.report.tables import (
    Table,
    branch_rows,
    how_to_start,
    lower_rows,
    marker_rows,
    sampling_rows,
    summary_rows,
    transport_rows,
    verdict_of,
)
from frustra.report.transition_pictures import (
    share_rows,
    transition_pictures,
    transition_rows,
    transition_sentences,
)

_ASSETS = Path(__file__).parents[1] / "assets"

STARTS = {"ordered": "from the ground state", "quenched": "from ions disordered by heat"}
"""What the runs of a material start from, in words."""

DRAWN = (lambda a: [*pictures_of(a), *doas_pictures(a)], pathway_pictures, transition_pictures)
"""What draws the figures of a material's parts."""

SOFTNESS = (
    "Machine-learning potentials tend to be soft (forces too small away from equilibrium): expect transition "
    "temperatures, activation energies and energy gaps that are too low. Per-atom energies are a partition "
    "of the total energy that the potential chose: compare them within one element and one potential only. "
    "The relaxed total energy per ion is free of that choice."
)


def write_report(root: Path, results: Results, analyses: Sequence[MaterialAnalysis]) -> Path:
    """Write `report.html`, the explorers beside it and the folder `figures`; return the page's path."""
    sections = []
    with style():
        for (name, material), analysis in zip(results.materials.items(), analyses, strict=True):
            doubtful = [r.T_K for r in material.temperatures if not r.equilibrated]
            groups = [
                [marked_picture(p, doubtful) for p in pictures]
                for pictures in (draw(analysis) for draw in DRAWN)
            ]
            for picture in (p for group in groups for p in group):
                _save(picture, root / "figures" / f"{name}_{picture.name}")
            explorer = explorer_part(root / f"explorer_{name}.html", analysis, material.formula, doubtful)
            sections.append(_section(name, material.formula, analysis, groups, root, explorer))
    page = root / "report.html"
    write_text(page, _page(results, sections))
    return page


def _runs(count: int) -> str:
    return "one run" if count == 1 else f"{count} independent runs"


def _save(picture: Picture, stem: Path) -> None:
    for suffix in (".svg", ".png"):
        with replacing(stem.with_suffix(suffix)) as temporary:
            picture.figure.savefig(temporary, metadata={"Date": None} if suffix == ".svg" else None)
        picture.figure.set_layout_engine("none")  # what was laid out once stays so
    write_csv(stem.with_suffix(".csv"), picture.data)


def _section(
    name: str,
    formula: str,
    analysis: MaterialAnalysis,
    groups: Sequence[Sequence[Picture]],
    root: Path,
    explorer: str,
) -> str:
    figures, ways, hops = (
        "".join(_figure_html(p, root / "figures" / f"{name}_{p.name}") for p in group) for group in groups
    )
    result = analysis.result
    doubtful = [not r.equilibrated for r in result.temperatures]
    kelvin = [r.T_K for r in result.temperatures if not r.equilibrated]
    markers = marker_rows(list(result.markers.values()))
    title = f"{_formula_html(formula)} <small>{html.escape(name)}</small>"
    return (
        f"<section><h2>{title}</h2><p class=facts>{' · '.join(_facts(result))}</p>"
        f"<ul class=verdict>{''.join(f'<li>{html.escape(s)}</li>' for s in verdict_of(result))}</ul>"
        f"{_table(marked_table(summary_rows(result.temperatures), kelvin), doubtful)}"
        f"{_table(marked_table(transport_rows(result.temperatures), kelvin), doubtful)}"
        f"{_equilibrium(result, kelvin)}"
        f"<div class=figures>{figures}</div>{explorer}"
        f"{_metrics(result, kelvin)}"
        f"<details><summary>What every marker says</summary>"
        f"{_table(markers, None, 'words')}</details>"
        f"{_pathways(result.pathways, ways, kelvin)}"
        f"{_transitions(result.transitions, hops, kelvin)}</section>"
    )


def _metrics(result: MaterialResult, doubtful: Sequence[float]) -> str:
    """Return every metric of the DOAS: a sentence for each temperature, and tables."""
    doas = result.doas
    if doas is None:
        return ""
    sentences = "".join(f"<li>{html.escape(marked(at.summary, doubtful))}</li>" for at in doas.temperatures)
    tables = "".join(
        f"<h4>{html.escape(title)}</h4>{_table(content)}" for title, content in doas_tables(doas)
    )
    return (
        f"<h3>The density of states in numbers</h3><ul class=note>{sentences}</ul>"
        f"<details><summary>All metrics, with errors</summary>{tables}</details>"
    )


def _equilibrium(result: MaterialResult, doubtful: Sequence[float]) -> str:
    """Return how the snapshots were chosen, heating and cooling, and states below the ground state in use."""
    rows = [not r.equilibrated for r in result.temperatures]
    sampling = marked_table(sampling_rows(result.temperatures), doubtful)
    title = "<summary>How many snapshots, and how many are needed</summary>"
    parts = [f"<details>{title}{_table(sampling, rows)}</details>"]
    if result.branches:
        differ = [b.differ for b in result.branches]
        parts.append(f"<h4>Heating and cooling</h4>{_table(branch_rows(result.branches), differ)}")
    if result.lower_states:
        parts.append(
            f"<h4>States below the ground state in use</h4>{_table(lower_rows(result.lower_states), None)}"
            f"<p class=note>{html.escape(how_to_start(result.lower_states))}</p>"
        )
    return "".join(parts)


def _pathways(result: PathwaysResult, figures: str, doubtful: Sequence[float]) -> str:
    """Return the part on sites, hops and ways."""
    sentences = "".join(f"<li>{html.escape(marked(s, doubtful))}</li>" for s in pathway_sentences(result))
    notes = "".join(f"<li>{html.escape(n)}</li>" for n in pathway_notes(result))
    return (
        f"<h3 class=part>Sites and pathways</h3><ul class=verdict>{sentences}</ul>"
        f"{_table(marked_table(site_rows(result), doubtful))}"
        f"{_table(marked_table(level_rows(result), doubtful))}"
        f"<div class=figures>{figures}</div>"
        f"<details><summary>Every class of hops</summary>"
        f"{_table(marked_table(hop_rows(result), doubtful))}"
        f"<ul class=note>{notes}</ul></details>"
    )


def _transitions(result: TransitionsResult, figures: str, doubtful: Sequence[float]) -> str:
    """Return the part on hops as transitions between levels."""
    sentences = "".join(f"<li>{html.escape(s)}</li>" for s in transition_sentences(result))
    notes = "".join(f"<li>{html.escape(marked(n, doubtful))}</li>" for n in result.notes)
    tables = (share_rows(result), transition_rows(result)) if result.temperatures else ()
    return (
        f"<h3 class=part>Transitions on the DOAS</h3><ul class=verdict>{sentences}</ul>"
        f"<div class=figures>{figures}</div>"
        f"{''.join(_table(marked_table(t, doubtful)) for t in tables)}<ul class=note>{notes}</ul>"
    )


def _facts(result: MaterialResult) -> list[str]:
    first = result.temperatures[0]
    return [
        f"{result.atoms} atoms, {result.ions} {result.specie}",
        f"sites: polyhedra of {', '.join(result.anions)}",
        f"{_runs(first.runs)} of {first.transport.duration_ps:g} ps at each temperature",
        f"{first.transport.discarded_ps:g} ps before it discarded",
        STARTS[result.start],
    ]


def _formula_html(formula: str) -> str:
    return "".join(f"<sub>{c}</sub>" if c.isdigit() else html.escape(c) for c in formula)


def _figure_html(picture: Picture, stem: Path) -> str:
    image = b64encode(stem.with_suffix(".svg").read_bytes()).decode()  # as an image: ids cannot clash
    links = " ".join(f'<a href="figures/{stem.name}.{s}">{s.upper()}</a>' for s in ("svg", "png", "csv"))
    if picture.name == "doas":
        links = f'<a href="#explorer_{stem.name.removesuffix("_doas")}">click its states</a> {links}'
    classes = f"{picture.name} wide" if picture.wide else picture.name
    return (
        f'<figure class="{classes}"><h3>{html.escape(picture.title)}</h3>'
        f'<img alt="{html.escape(picture.title)}" src="data:image/svg+xml;base64,{image}">'
        f"<figcaption>{html.escape(picture.caption)} <span class=links>{links}</span></figcaption></figure>"
    )


def _table(table: Table, doubtful: Sequence[bool] | None = None, kind: str = "numbers") -> str:
    heads, body = table
    doubtful = doubtful or [False] * len(body)
    head = "".join(f"<th>{html.escape(h)}</th>" for h in heads)
    lines = "".join(
        f"<tr{' class=doubt' if doubt else ''}>"
        + "".join(f"<td>{html.escape(c)}</td>" for c in cells)
        + "</tr>"
        for doubt, cells in zip(doubtful, body, strict=True)
    )
    return (
        f"<div class=scroll><table class={kind}><thead><tr>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


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
