"""The command `frustra rdf`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from frustra.cli.errors import plain_errors
from frustra.cli.options import (
    Anions,
    Crystal,
    Elements,
    Files,
    Json,
    Material,
    Plot,
    Positions,
    SitesFrom,
    Specie,
    Temperature,
    Timestep,
    choice_from,
    hints_from,
    names_from,
    of_run,
    print_json,
    require_places,
    save_figure,
    told,
)
from frustra.errors import StudyError


def rdf(  # noqa: PLR0913, PLR0917 - options of a command line
    files: Files,
    specie: Specie = "",
    pairs: Annotated[
        str,
        typer.Option(
            help="Pairs of elements: Li-Li,Li-Cl/Br; by default the mobile one with itself and every other."
        ),
    ] = "",
    rmax: Annotated[float, typer.Option(help="Largest distance, Å; it may exceed half the cell.")] = 10.0,
    thickness: Annotated[float, typer.Option("--bin", help="Thickness of a shell, Å.")] = 0.05,
    frames: Annotated[
        int, typer.Option(help="Frames of a run that are looked at, at least; evenly spaced.")
    ] = 200,
    by_site: Annotated[
        bool, typer.Option("--by-site", help="Tell mobile ions apart by the kind of their site.")
    ] = False,
    by_label: Annotated[
        bool, typer.Option("--by-label", help="The same by the site's class, which is finer.")
    ] = False,
    structure: Crystal = None,
    anions: Anions = "",
    sites_from: SitesFrom = "anions",
    method: Annotated[
        str, typer.Option(help="counts, or the published convention: pymatgen (with --bin 0.1).")
    ] = "counts",
    material: Material = "",
    timestep: Timestep = None,
    temperature: Temperature = None,
    elements: Elements = "",
    positions: Positions = None,
    csv: Annotated[Path | None, typer.Option(help="Write every curve to this file.")] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Radial distribution functions of any pairs, with errors, at every temperature."""
    with plain_errors():
        from frustra.io import write_csv  # noqa: PLC0415
        from frustra.surveys.rdf import RdfSettings, rdf_of  # noqa: PLC0415
        from frustra.surveys.rdf_results import rdf_columns, rdf_result  # noqa: PLC0415
        from frustra.terminal.rdf import print_rdf  # noqa: PLC0415

        require_places(plot, csv)
        by: Literal["", "kind", "label"] = "label" if by_label else "kind" if by_site else ""
        settings = RdfSettings(_pairs(pairs), rmax, thickness, frames, method, by)
        choice = choice_from(anions, structure, sites_from)
        files, specie, choice = of_run(files, specie, choice, material)
        hints = hints_from(timestep, temperature, elements, positions)
        with told(quiet=as_json) as tell:
            survey = rdf_of(files, specie, hints, settings, choice, tell)
        if csv is not None:
            write_csv(csv, rdf_columns(survey))
        if plot is not None:
            from frustra.plots.rdf import plot_rdf  # noqa: PLC0415

            save_figure(plot, lambda: plot_rdf(survey.pairs)[0])
        if as_json:
            print_json(rdf_result(survey).model_dump(mode="json"))
        else:
            print_rdf(survey)


def _pairs(text: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Return the elements of pairs such as Li-Li,Li-Cl/Br."""
    found = []
    for pair in names_from(text) or ():
        sides = [tuple(e.strip() for e in side.split("/")) for side in pair.split("-")]
        if len(sides) != 2 or not all(all(side) for side in sides):
            raise StudyError(f"the pair {pair!r}", "two elements such as Li-Cl, or Li-Cl/Br")
        found.append((sides[0], sides[1]))
    return tuple(found)
