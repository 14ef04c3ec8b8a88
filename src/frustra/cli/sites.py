"""The command `frustra sites`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frustra.cli.errors import plain_errors
from frustra.cli.options import (
    Anions,
    Crystal,
    Elements,
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
from frustra.errors import DataError, StudyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from frustra.io.hints import TrajectoryHints
    from frustra.surveys.runs import Tell
    from frustra.surveys.site_table import SiteSurvey
    from frustra.surveys.sites import SiteChoice


def sites(  # noqa: PLR0913, PLR0917 - options of a command line
    files: Annotated[
        list[Path],
        typer.Argument(
            help="A crystal (CIF, POSCAR, …), trajectories, folders 600K, 700K, …, or the folder of a run."
        ),
    ],
    specie: Specie = "",
    anions: Anions = "",
    structure: Crystal = None,
    sites_from: SitesFrom = "anions",
    symmetry: Annotated[
        float | None,
        typer.Option(
            help="How far atoms may be off their symmetric places, Å; by default 0.1 in a crystal, 0.4 in "
            "the mean of a run."
        ),
    ] = None,
    material: Material = "",
    timestep: Timestep = None,
    temperature: Temperature = None,
    elements: Elements = "",
    positions: Positions = None,
    cif: Annotated[Path | None, typer.Option(help="Write framework and all sites to this CIF.")] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Sites of the mobile ion from the framework alone: polyhedra, classes, neighbours, occupancies."""
    with plain_errors():
        from frustra.io.structures import write_sites  # noqa: PLC0415
        from frustra.surveys.site_results import sites_answer  # noqa: PLC0415
        from frustra.surveys.site_table import occupied_at  # noqa: PLC0415
        from frustra.terminal.sites import print_sites  # noqa: PLC0415

        require_places(plot, cif)
        hints = hints_from(timestep, temperature, elements, positions, timeless=True)
        choice = choice_from(anions, structure, sites_from, symmetry)
        files, specie, choice = of_run(files, specie, choice, material)
        with told(quiet=as_json) as tell:
            survey = _survey(files, specie, hints, choice, tell)
        answer = sites_answer(survey)
        held = None if survey.coldest is None else survey.coldest.occupancy.per_site
        if cif is not None:
            write_sites(cif, survey.framework, survey.sites, held, occupied_at(survey))
        if plot is not None:
            save_figure(plot, lambda: _drawn(survey))
        if as_json:
            print_json(answer.model_dump(mode="json"))
        else:
            print_sites(survey, answer)


def _survey(
    files: list[Path], specie: str, hints: "TrajectoryHints", choice: "SiteChoice", tell: "Tell"
) -> "SiteSurvey":
    from frustra.io.structures import is_crystal  # noqa: PLC0415
    from frustra.surveys.site_table import crystal_survey, elements_in, run_survey  # noqa: PLC0415

    first = files[0]
    alone = len(files) == 1 and not first.is_dir() and is_crystal(first)
    if not specie:
        known = elements_in(first) if alone else _elements_of(files, hints)
        raise DataError("no mobile element", f"one of {', '.join(known)}", "name it: --specie")
    if not alone:
        return run_survey(files, specie, hints, choice, tell)
    if choice.crystal is not None:
        raise StudyError(f"the crystal {first} and --structure", "one of them", "leave --structure away")
    tell("finding the sites")
    return crystal_survey(first, specie, choice)


def _drawn(survey: "SiteSurvey") -> "Axes":
    from frustra.plots.sites import plot_sites  # noqa: PLC0415
    from frustra.surveys.site_table import occupied_at, title_of  # noqa: PLC0415

    held = None if survey.coldest is None else survey.coldest.occupancy.per_site
    axes = plot_sites(survey.sites, held)
    axes[0].figure.suptitle("; ".join(filter(None, [title_of(survey), occupied_at(survey)])), fontsize=9)
    return axes[0]


def _elements_of(files: list[Path], hints: "TrajectoryHints") -> list[str]:
    from frustra.surveys.runs import runs_by_temperature  # noqa: PLC0415

    return next(sorted(set(runs[0].symbols)) for runs, _ in runs_by_temperature(files, hints))
