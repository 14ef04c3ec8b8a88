"""The explorer: one page on which a click on a state of the DOAS shows the ion's surroundings in 3D.

The page needs no network: the viewer (chemiscope) is read from its installed package and written into it.
"""

import html
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors

from frustra.analysis.clusters import clusters_of
from frustra.analysis.density import Density, converged_states
from frustra.analysis.stratified import Sample, stratified
from frustra.arrays import Array, IntArray
from frustra.campaign.analyse import MaterialAnalysis
from frustra.errors import DataError, FrustraError
from frustra.io import write_text
from frustra.plots.configurations import TILT, TURN
from frustra.plots.states import SITE_NAMES
from frustra.plots.style import SITE_COLOURS
from frustra.plots.surface import camera
from frustra.sites import SITE_KINDS, Sites
from frustra.snapshots import Snapshots
from frustra.states import COLUMNS, StateTable
from frustra.units import MEV

_ASSETS = Path(__file__).parents[1] / "assets"

STATES = 6000
"""States on a page at most: with `ATOMS` each, the page has less than `LIMIT` bytes."""

ATOMS = 80
"""Atoms around an ion at most."""

REACH = 5.5
"""Å from the ion to the most distant atom shown."""

LIMIT = 15_000_000
"""Bytes of a page at most."""

GRAIN = 1e-3
"""Å: places are rounded to it."""

EMPTY = len(SITE_KINDS)
"""Code of an empty site of the first kind; before it those of mobile ions, after it those of elements."""

VIEWER = "chemiscope/sphinx/static/chemiscope.min.js"
"""The viewer in its installed package."""

BUNDLED = "chemiscope-widget.mjs.LICENSE.txt"
"""File of chemiscope with the licences of the code that its viewer contains."""

_LEFT_OUT = {"material", "element", "energy", "converged"}

_DIGITS = 4
"""Decimals to which numbers of the table are rounded."""


def write_explorer(
    path: Path,
    states: StateTable,
    densities: Sequence[Density],
    snapshots: Mapping[tuple[float, int], Snapshots],
    sites: Sites,
    title: str = "",
    doubtful: Sequence[float] = (),
) -> Sample:
    """Write the page; return which states it shows.

    Parameters
    ----------
    path
        Where to write it.
    states
        Of one material and one element, with `place` on these sites. States of snapshots that did not
        converge are left out.
    densities
        The DOAS of the same states by site: `densities_of(states)`.
    snapshots
        (temperature in K, number of the run) → its relaxed frames.
    sites
        Of the crystal.
    title
        What the material is called.
    doubtful
        Temperatures (K) that are not equilibrated; they are marked so.

    Raises
    ------
    AnalysisError
        No converged state, or several materials or elements.
    DataError
        States of snapshots that are not given, or a page that would be too large.
    """
    states = converged_states(states)
    first = densities[0]
    zero = first.zero + float(first.edges[0])
    sample = stratified(states, STATES, float(first.edges[1] - first.edges[0]), zero)
    shown = states.select(sample.rows)
    content = {
        "specie": str(states["element"][0]),
        "bin": round(MEV * sample.width, 6),
        "most": sample.most,
        "states": len(states),
        "kinds": [{"key": k, "name": SITE_NAMES[k], "colour": SITE_COLOURS[k]} for k in SITE_KINDS],
        "temperatures": [_ridge(d, d.temperature in doubtful) for d in densities],
        "energy": _rounded(MEV * (shown["energy"] - first.zero), 2),
        "columns": [_column(c.name, c.unit, c.doc, shown) for c in COLUMNS if c.name not in _LEFT_OUT],
        **_surroundings(states, shown, snapshots, sites),
    }
    page = _page(title or "Density of atomistic states", content)
    if len(page.encode()) >= LIMIT:
        raise DataError(
            f"an explorer of {len(page) / 1e6:.1f} MB", f"less than {LIMIT / 1e6:g} MB", "show fewer states"
        )
    write_text(path, page)
    return sample


def explorer_part(path: Path, analysis: MaterialAnalysis, title: str, doubtful: Sequence[float]) -> str:
    """Write the explorer of one material; return the part of the report in which it is, as HTML.

    Where it is refused, the part says why: no report fails for want of it.
    """
    evidence = analysis.evidence
    snapshots = {
        (replicas[0].temperature, run): one
        for replicas in evidence.snapshots
        for run, one in enumerate(replicas)
    }
    head = f'<h3 class=part id="{html.escape(path.stem)}">States and what is around their ions</h3>'
    try:
        write_explorer(path, analysis.states, evidence.densities, snapshots, evidence.sites, title, doubtful)
    except FrustraError as error:
        return f"{head}<p class=note>There is no explorer: {html.escape(str(error))}</p>"
    link = html.escape(quote(path.name))
    return (
        f"{head}<p class=note>Click a state of the DOAS to see its local configuration in three dimensions, "
        f'coloured by site type, here or <a href="{link}">on a page of its own</a>. It is in the file '
        f"{html.escape(path.name)} beside this one.</p>"
        f'<iframe class=explorer src="{link}" loading=lazy title="Explorer of states"></iframe>'
    )


def _ridge(density: Density, doubtful: bool) -> dict[str, Any]:
    """Return the DOAS of one temperature, all states, as the page draws it."""
    return {
        "T": density.temperature,
        "doubtful": doubtful,
        "states": density.states,
        "first": round(MEV * float(density.edges[0]), 6),
        "bin": round(MEV * float(density.edges[1] - density.edges[0]), 6),
        "parts": {k: _rounded(v, 3) for k, v in density.parts.items() if v.any()},
    }


def _column(name: str, unit: str, doc: str, shown: StateTable) -> dict[str, Any]:
    """Return one column of the table of states; text as numbers of its names."""
    values = shown[name]
    if values.dtype.kind == "b":
        values = np.where(values, "yes", "no")
    title = doc.split(";", maxsplit=1)[0].removesuffix(", or NaN").replace("`", "")
    column: dict[str, Any] = {"name": name, "unit": unit, "doc": doc, "title": title}
    if values.dtype.kind == "U":
        names, numbers = np.unique(values, return_inverse=True)
        return {**column, "names": names.tolist(), "values": numbers.reshape(-1).tolist()}
    return {**column, "values": _rounded(values, _DIGITS) if values.dtype.kind == "f" else values.tolist()}


def _rounded(values: Array, digits: int) -> list[float | None]:
    """Return numbers for JSON, which knows no NaN."""
    return [None if np.isnan(v) else v for v in np.round(values, digits).tolist()]


def _codes(specie: str, numbers: IntArray, anions: set[int]) -> list[dict[str, Any]]:
    """Return what points can be: a mobile ion by its site, an empty site by its kind, an atom by element."""
    ions = [{"role": "ion", "kind": k, "symbol": specie} for k in SITE_KINDS]
    empty = [{"role": "empty", "kind": k, "symbol": ""} for k in SITE_KINDS]
    return [*ions, *empty, *(_atom(int(z), int(z) in anions) for z in np.unique(numbers))]


def _atom(number: int, anion: bool) -> dict[str, Any]:
    colour = "#" + "".join(f"{round(255 * c):02x}" for c in jmol_colors[number])
    return {
        "role": "anion" if anion else "cation",
        "symbol": chemical_symbols[number],
        "colour": colour,
        "radius": round(float(covalent_radii[number]), 2),
    }


def _surroundings(
    states: StateTable, shown: StateTable, snapshots: Mapping[tuple[float, int], Snapshots], sites: Sites
) -> dict[str, Any]:
    """Return what is around every shown ion, packed: places as 16-bit integers, codes as bytes."""
    specie, first = str(states["element"][0]), next(iter(snapshots.values()))
    anions = set(first.numbers[np.unique(np.concatenate(list(sites.vertices)))].tolist())
    sizes = np.zeros((len(shown), 3), dtype=np.int64)
    places: list[Array] = [np.zeros((0, 3))] * len(shown)
    points: list[IntArray] = [np.zeros(0, dtype=np.int64)] * len(shown)
    kinds = _kinds(sites)
    for rows, part, place in _runs(states, shown, snapshots):
        codes = _coded(part, place, specie, sites)
        chosen = np.stack([shown["snapshot"][rows], shown["ion"][rows]], axis=1)
        clusters = clusters_of(part, sites, place, chosen, REACH, ATOMS)
        for row, frame, one in zip(rows.tolist(), chosen[:, 0].tolist(), clusters, strict=True):
            sizes[row] = len(one.atoms), one.corners, len(one.vacancies)
            places[row] = np.concatenate([one.places, one.middles])
            points[row] = np.concatenate([codes[frame, one.atoms], kinds[one.vacancies] + EMPTY])
    away = camera(first.cell, TURN, TILT)
    grains = np.round(np.concatenate(places) / GRAIN).astype("<i2")
    return {
        "codes": _codes(specie, first.numbers, anions),
        **dict(zip(("atoms", "corners", "empty"), sizes.T.tolist(), strict=True)),
        "camera": {"up": away[1].round(4).tolist(), "eye": away[2].round(4).tolist()},
        "grain": GRAIN,
        "places": b64encode(grains.tobytes()).decode(),
        "points": b64encode(np.concatenate(points).astype(np.uint8).tobytes()).decode(),
    }


def _kinds(sites: Sites) -> IntArray:
    """(sites + 1,) number of the kind of every site; the last, of an ion in none, is that of `other`."""
    return np.array([SITE_KINDS.index(k) for k in [*sites.kind.tolist(), SITE_KINDS[-1]]])


def _coded(part: Snapshots, place: IntArray, specie: str, sites: Sites) -> IntArray:
    """Return the code of every atom in every frame, (frames, atoms)."""
    element = EMPTY + len(SITE_KINDS) + np.unique(part.numbers, return_inverse=True)[1].reshape(-1)
    mobile = part.numbers == chemical_symbols.index(specie)
    return np.where(mobile, _kinds(sites)[place], element)


def _runs(
    states: StateTable, shown: StateTable, snapshots: Mapping[tuple[float, int], Snapshots]
) -> Iterator[tuple[IntArray, Snapshots, IntArray]]:
    """Give the shown rows of every run, by frame, with its frames and the place of every ion in them."""
    pairs = np.stack([shown["temperature"], shown["run"]], axis=1)
    for temperature, run in np.unique(pairs, axis=0).tolist():
        part = snapshots.get((temperature, int(run)))
        if part is None:
            raise DataError(
                f"states of run {run:g} at {temperature:g} K without its snapshots",
                "the snapshots of every run in the table",
            )
        rows = np.flatnonzero((pairs == (temperature, run)).all(axis=1))
        rows = rows[np.argsort(shown["snapshot"][rows], kind="stable")]
        of = states.select((states["temperature"] == temperature) & (states["run"] == run))
        frames, atoms = part.positions.shape[:2]
        if of["snapshot"].max() >= frames or of["ion"].max() >= atoms:
            raise DataError(
                f"states of snapshot {of['snapshot'].max()} and ion {of['ion'].max()}",
                f"numbers below {frames} and {atoms}, as the snapshots at {temperature:g} K have",
            )
        place = np.full((frames, atoms), -1)
        place[of["snapshot"], of["ion"]] = of["place"]
        yield rows, part, place


def _page(title: str, content: Mapping[str, Any]) -> str:
    """Return the page with everything in it."""
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {
        "title": html.escape(title),
        "style": _asset("report.css") + _asset("explorer.css"),
        "licences": html.escape(_licences()),
        "data": data,
        "viewer": _viewer().replace("</script", "<\\/script"),
        "script": _asset("explorer.js"),
    }
    return Template(_asset("explorer.html")).substitute(parts)


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _viewer() -> str:
    """Return chemiscope's code, without importing its package and the notebooks that it is made for."""
    file = Path(str(metadata.distribution("chemiscope").locate_file(VIEWER)))
    if not file.is_file():
        raise DataError(
            f"no {VIEWER} in chemiscope {metadata.version('chemiscope')}",
            "the version that frustra asks for",
            "install it anew",
        )
    return file.read_text(encoding="utf-8")


def _licences() -> str:
    """Return the licences of the viewer and of what it contains, which have to go with it."""
    own = [f for f in metadata.files("chemiscope") or [] if f.name in {"LICENSE", BUNDLED}]
    texts = [Path(str(f.locate())).read_text(encoding="utf-8") for f in own]
    return "\n\n".join([f"chemiscope {metadata.version('chemiscope')}", *texts])
