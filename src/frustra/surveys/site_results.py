"""What `frustra sites --json` prints. Keys carry their units."""

from collections import Counter
from typing import Any, Literal

import numpy as np
from pydantic import Field

from frustra.analysis.site_occupancy import Occupancy
from frustra.arrays import BoolArray, IntArray
from frustra.sites import SITE_KINDS, Sites
from frustra.sites.labels import shared_with
from frustra.surveys.occupancy_results import (
    ClassOccupancyResult,
    ViolationResult,
    class_occupancies,
    violations,
)
from frustra.surveys.site_table import Filled, SiteSurvey, layers_in
from frustra.surveys.values import Record, Value, known, sure_value

Axis = Literal["a", "b", "c"]


class Neighbour(Record):
    """A site beyond a face."""

    site: int = Field(description="its index")
    shift: tuple[int, int, int] = Field(description="cell vectors from that site's home copy")


class SiteResult(Record):
    """One site."""

    index: int = Field(description="number of the site")
    fractional: tuple[float, float, float] = Field(
        description="mean of its vertices, in cell vectors, 0 to 1"
    )
    position_A: tuple[float, float, float] = Field(description="the same, Å, in the orientation of cell_A")
    kind: Literal["oct", "tet", "other"] = Field(description="octahedral, tetrahedral or anything else")
    shape: str = Field(description="the polyhedron in words")
    coordination: int = Field(description="its vertices")
    volume_A3: float | None = Field(description="of the polyhedron; null where there is none")
    distortion: float | None = Field(
        description="Baur's index: mean of abs(l − mean l)/mean l over distances l from site to vertex"
    )
    vertices: list[int] = Field(
        description="indices of the anions among the atoms of the file, each once: of two periodic images of "
        "an anion only one is listed"
    )
    held: str | None = Field(description="framework cation in the site; null of an open site")
    face_cations: dict[str, int] = Field(description="framework cations whose polyhedra share a face with it")
    edge_cations: dict[str, int] = Field(description="those that share an edge and no face")
    label: str = Field(description="name of its class")
    orbit: int = Field(description="number of its class under the symmetry of the framework")
    wyckoff: str | None = Field(
        description="multiplicity and letter of its Wyckoff position; null without symmetry"
    )
    layer: int | None = Field(description="number of its layer; null where there are no layers")
    face_neighbours: list[Neighbour] = Field(description="sites that share a face with it")


class ClassResult(Record):
    """All sites of one label."""

    label: str = Field(description="kind, and what tells it from others: the framework cations around it")
    kind: Literal["oct", "tet", "other"] = Field(description="as of its sites")
    shapes: dict[str, int] = Field(description="how many of its sites have which polyhedron")
    number: int = Field(description="sites in it")
    open: bool = Field(description="whether a mobile ion may take them: they hold no framework cation")
    mean_volume_A3: float | None = Field(description="mean volume; null where there are no polyhedra")
    mean_distortion: float | None = Field(description="mean of Baur's index")
    wyckoff: dict[str, int] = Field(
        description="how many of them are on which Wyckoff position; empty without symmetry"
    )
    layers: dict[int, int] = Field(description="how many of them are in which layer; empty without layers")


class LayerResult(Record):
    """One layer of sites between layers of anions."""

    layer: int = Field(description="its number, as in the list of sites")
    axis: Axis = Field(description="cell vector along which layers are stacked")
    height: float = Field(description="where it is along that vector, 0 to 1")
    octahedra: int = Field(description="octahedral sites in it")
    held: dict[str, int] = Field(description="framework cations in it")


class OccupancyResult(Record):
    """Who is in the sites at one temperature."""

    T_K: float | None = Field(description="temperature; null where nobody knows it")
    runs: int = Field(description="runs at this temperature")
    frames: int = Field(description="frames of all of them")
    classes: list[ClassOccupancyResult] = Field(description="of open sites")
    sites: list[float] = Field(description="mean number of ions in each site, in the order of `sites`")
    sites_std: list[float] = Field(
        description="standard errors; 0 for a site whose ions never changed, which tells nothing"
    )
    shared_sites: float = Field(description="mean number of sites with more than one ion")
    nowhere: Value = Field(description="part of the ions in no site")
    entropy_nat: float = Field(
        description="occupancy entropy −Σ[p ln p + (1−p) ln(1−p)] over sites, per mobile ion"
    )
    entropy_std_nat: float | None = Field(description="its standard error; null where nobody knows it")
    face_sharing: list[ViolationResult] = Field(
        description="mobile ions that share a face with another cation"
    )
    notes: list[str] = Field(description="what to know before quoting a number")


class SitesSummary(Record):
    """The sites of a crystal, counted."""

    counts: dict[str, int] = Field(description="all sites by kind: oct, tet, other")
    open: dict[str, int] = Field(description="those that hold no framework cation")
    shapes: dict[str, int] = Field(description="all sites by polyhedron")
    held: dict[str, int] = Field(description="sites that hold a framework cation")
    oct_face_sharing: dict[str, int] = Field(
        description="octahedral sites that share a face with a polyhedron that holds the cation"
    )
    tet_face_sharing: dict[str, int] = Field(description="tetrahedral sites that do")
    other_face_sharing: dict[str, int] = Field(description="other sites that do")
    classes: list[ClassResult]
    layers: list[LayerResult] = Field(description="empty where the crystal has no layers")


class SitesAnswer(SitesSummary):
    """The whole answer."""

    specie: str = Field(description="mobile element")
    anions: list[str] = Field(description="elements whose polyhedra are the sites")
    space_group: str | None = Field(description="of the framework, by spglib; null where there is none")
    cell_A: list[list[float]] = Field(description="cell vectors, in rows")
    sites: list[SiteResult]
    temperatures: list[OccupancyResult] = Field(description="occupancies by temperature; empty of a crystal")
    notes: list[str] = Field(description="what to know before quoting a number")


def sites_answer(survey: SiteSurvey) -> SitesAnswer:
    """Return a survey as what is printed."""
    return SitesAnswer(
        **dict(sites_summary(survey.sites)),
        specie=survey.specie,
        anions=list(survey.anions),
        space_group=survey.space_group or None,
        cell_A=survey.sites.cell.tolist(),
        sites=_sites(survey.sites),
        temperatures=[_filled(f, survey.sites) for f in survey.temperatures],
        notes=list(survey.notes),
    )


def sites_summary(sites: Sites) -> SitesSummary:
    """Return how many sites there are of which kind and class."""
    face = shared_with(sites.held, sites.links, "face")
    near = {kind: {e: int((n[sites.kind == kind] > 0).sum()) for e, n in face.items()} for kind in SITE_KINDS}
    return SitesSummary(
        counts=_by_kind(sites, np.ones(len(sites), bool)),
        open=_by_kind(sites, sites.open),
        shapes=_counted(sites.shape.tolist()),
        held=_counted([h for h in sites.held.tolist() if h]),
        oct_face_sharing=near["oct"],
        tet_face_sharing=near["tet"],
        other_face_sharing=near["other"],
        classes=site_classes(sites),
        layers=_layers(sites),
    )


def site_classes(sites: Sites) -> list[ClassResult]:
    """Return the classes of sites by kind, open ones first, then by label."""
    names = {(SITE_KINDS.index(k), h != "", n) for k, h, n in zip(*_naming(sites), strict=True)}
    return [_class(sites, name) for _, _, name in sorted(names)]


def _naming(sites: Sites) -> tuple[list[str], list[str], list[str]]:
    return sites.kind.tolist(), sites.held.tolist(), sites.label.tolist()


def _class(sites: Sites, name: str) -> ClassResult:
    mine = np.flatnonzero(sites.label == name)
    return ClassResult.model_validate(
        {
            "label": name,
            "kind": str(sites.kind[mine[0]]),
            "shapes": _counted(sites.shape[mine].tolist()),
            "number": len(mine),
            "open": bool(sites.open[mine[0]]),
            "mean_volume_A3": known(sites.volume[mine].mean()),
            "mean_distortion": known(sites.distortion[mine].mean()),
            "wyckoff": _counted([w for w in sites.wyckoff[mine].tolist() if w]),
            "layers": _counted([n for n in sites.layer[mine].tolist() if n >= 0]),
        }
    )


def _layers(sites: Sites) -> list[LayerResult]:
    found = layers_in(sites)
    axis: Axis = "c" if not found else ("a", "b", "c")[sites.layer_axis]
    return [
        LayerResult(layer=f.layer, axis=axis, height=f.height, octahedra=f.octahedra, held=f.held)
        for f in found
    ]


def _sites(sites: Sites) -> list[SiteResult]:
    face, edge = (shared_with(sites.held, sites.links, what) for what in ("face", "edge"))
    places = sites.positions @ np.linalg.inv(sites.cell)  # of home copies, which shifts count from
    beyond = _beyond_faces(sites)
    return [
        SiteResult.model_validate(
            {
                "index": i,
                "fractional": (np.round(places[i], 6) + 0.0).tolist(),
                "position_A": np.round(sites.positions[i], 6).tolist(),
                "kind": str(sites.kind[i]),
                "shape": str(sites.shape[i]),
                "coordination": int(sites.coordination[i]),
                "volume_A3": known(sites.volume[i]),
                "distortion": known(sites.distortion[i]),
                "vertices": sites.vertices[i].tolist(),
                "held": str(sites.held[i]) or None,
                "face_cations": _around(face, i),
                "edge_cations": _around(edge, i),
                "label": str(sites.label[i]),
                "orbit": int(sites.orbit[i]),
                "wyckoff": str(sites.wyckoff[i]) or None,
                "layer": None if sites.layer[i] < 0 else int(sites.layer[i]),
                "face_neighbours": beyond[i],
            }
        )
        for i in range(len(sites))
    ]


def _around(shared: dict[str, IntArray], site: int) -> dict[str, int]:
    return {element: int(n[site]) for element, n in shared.items() if n[site]}


def _beyond_faces(sites: Sites) -> list[list[Neighbour]]:
    """Return for every site those beyond its faces, each pair from both sides."""
    found: list[list[Neighbour]] = [[] for _ in range(len(sites))]
    faces = sites.links.faces
    for (i, j), (a, b, c) in zip(faces.pairs.tolist(), faces.shifts.tolist(), strict=True):
        found[i].append(Neighbour(site=j, shift=(a, b, c)))
        found[j].append(Neighbour(site=i, shift=(-a, -b, -c)))
    return found


def _filled(filled: Filled, sites: Sites) -> OccupancyResult:
    occupancy: Occupancy = filled.occupancy
    held = set(sites.label[~sites.open].tolist())
    entropy, std = occupancy.entropy
    return OccupancyResult(
        T_K=known(filled.temperature),
        runs=filled.runs,
        frames=filled.frames,
        classes=class_occupancies(c for c in occupancy.classes if c.name not in held or c.share > 0),
        sites=np.round(occupancy.per_site, 6).tolist(),
        sites_std=np.round(occupancy.per_site_std, 6).tolist(),
        shared_sites=occupancy.shared,
        nowhere=sure_value(occupancy.nowhere),
        entropy_nat=entropy,
        entropy_std_nat=known(std),
        face_sharing=violations(occupancy.violations),
        notes=list(filled.notes),
    )


def _by_kind(sites: Sites, chosen: BoolArray) -> dict[str, int]:
    return {kind: int((chosen & (sites.kind == kind)).sum()) for kind in SITE_KINDS}


def _counted(values: list[Any]) -> dict[Any, int]:
    return dict(sorted(Counter(values).items()))
