"""The command `frustra percolation`."""

from typing import TYPE_CHECKING, Annotated

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
    of_run,
    print_json,
    require_places,
    save_figure,
    told,
)
from frustra.errors import StudyError

if TYPE_CHECKING:
    from frustra.analysis.percolation.record import PercolationSettings


def percolation(  # noqa: PLR0913, PLR0917 - options of a command line
    files: Files,
    specie: Specie = "",
    structure: Crystal = None,
    anions: Anions = "",
    sites_from: SitesFrom = "anions",
    links: Annotated[
        str, typer.Option(help="Which sites are neighbours: those that share faces, or also edges.")
    ] = "faces",
    shuffle: Annotated[
        str, typer.Option(help="Among which sites values are shuffled to compare: all, or those of a kind.")
    ] = "all",
    least_occupancy: Annotated[
        float, typer.Option(help="Occupancy from which on a site counts as visited; 0: once is enough.")
    ] = 0.0,
    material: Material = "",
    timestep: Timestep = None,
    temperature: Temperature = None,
    elements: Elements = "",
    positions: Positions = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Ways through the crystal: percolation of visited sites and of hops, and clusters of vacancies."""
    with plain_errors():
        from frustra.surveys.percolation import percolation_survey  # noqa: PLC0415
        from frustra.surveys.percolation_results import percolation_answer  # noqa: PLC0415
        from frustra.terminal.percolation import print_percolation  # noqa: PLC0415

        require_places(plot)
        choice = choice_from(anions, structure, sites_from)
        files, specie, choice = of_run(files, specie, choice, material)
        if not specie:
            raise StudyError("no mobile element", remedy="name it: --specie Li")
        settings = _settings(links, shuffle, least_occupancy)
        hints = hints_from(timestep, temperature, elements, positions)
        with told(quiet=as_json) as tell:
            survey = percolation_survey(files, specie, hints, settings, choice, tell)
        if plot is not None:
            from frustra.plots.percolation import plot_paths  # noqa: PLC0415

            save_figure(plot, lambda: plot_paths(survey.temperatures)[0])
        if as_json:
            print_json(percolation_answer(survey).model_dump(mode="json"))
        else:
            print_percolation(survey)


def _settings(links: str, shuffle: str, least_occupancy: float) -> "PercolationSettings":
    from frustra.analysis.percolation.record import PercolationSettings  # noqa: PLC0415

    if links not in {"faces", "edges"}:
        raise StudyError(f"links that are {links!r}", "faces or edges")
    if shuffle not in {"all", "kind"}:
        raise StudyError(f"a shuffle among {shuffle!r}", "all or kind")
    if not 0 <= least_occupancy <= 1:
        raise StudyError(f"a least occupancy of {least_occupancy:g}", "0 to 1")
    return PercolationSettings.model_validate(
        {"links": links, "shuffle": shuffle, "least_occupancy": least_occupancy}
    )
