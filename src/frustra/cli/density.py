"""The command `frustra density`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from frustra.cli.errors import plain_errors
from frustra.cli.options import (
    Elements,
    Files,
    Json,
    Material,
    Positions,
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


def density(  # noqa: PLR0913, PLR0917 - options of a command line
    files: Files,
    specie: Specie = "",
    grid: Annotated[float, typer.Option(help="Largest distance of the grid's points, Å.")] = 0.2,
    smear: Annotated[
        float, typer.Option(help="Smear every ion with a Gaussian of this standard deviation, Å.")
    ] = 0.0,
    symmetry: Annotated[
        bool, typer.Option("--symmetry/--no-symmetry", help="Mean over the symmetry of the framework.")
    ] = True,
    symprec: Annotated[
        float, typer.Option(help="How far framework atoms may be from where the symmetry puts them, Å.")
    ] = 0.3,
    alike: Annotated[
        str, typer.Option(help="Elements that count as one for the symmetry, as they share sites: Cl,Br")
    ] = "",
    material: Material = "",
    timestep: Timestep = None,
    temperature: Temperature = None,
    elements: Elements = "",
    positions: Positions = None,
    chgcar: Annotated[
        Path | None, typer.Option(help="Write the density to this file as VASP's CHGCAR, such as li.vasp.")
    ] = None,
    cube: Annotated[
        Path | None, typer.Option(help="Write the density to this file as a Gaussian cube, such as li.cube.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Write the surface and the projections to this file (.png, .svg, .pdf)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Density of the mobile ions, mean over the symmetry of the framework, with its maxima.

    Of several temperatures, each has files of its own, with 600K in their names.
    """
    with plain_errors():
        from frustra.surveys.density import density_survey, named, write_volumes  # noqa: PLC0415
        from frustra.terminal.density import print_densities  # noqa: PLC0415

        require_places(plot, chgcar, cube)
        files, specie, _ = of_run(files, specie, choice_from("", None, "anions"), material)
        if not specie:
            raise StudyError("no mobile element", "one such as Li", "name it: --specie")
        settings = _settings(
            grid=grid, smear=smear, symmetry=symmetry, symprec=symprec, alike=names_from(alike) or ()
        )
        hints = hints_from(timestep, temperature, elements, positions, timeless=True)
        with told(quiet=as_json) as tell:
            survey = density_survey(files, specie, hints, settings, tell=tell)
            tell("writing")
            write_volumes(survey.densities, chgcar, cube)
            if plot is not None:
                from frustra.plots.density import density_figure  # noqa: PLC0415

                for one in survey.densities:
                    file = named(plot, one, len(survey.densities) > 1)
                    tell(f"drawing {file}")
                    save_figure(file, partial(density_figure, one))
        if as_json:
            print_json(survey.as_json())
        else:
            print_densities(survey)


def _settings(**given: Any) -> Any:
    from pydantic import ValidationError  # noqa: PLC0415

    from frustra.analysis.volume.ions import VolumeSettings  # noqa: PLC0415

    try:
        return VolumeSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"]
        raise StudyError(
            f"--{first['loc'][0]} {first['input']}", remedy=message[:1].lower() + message[1:]
        ) from None
