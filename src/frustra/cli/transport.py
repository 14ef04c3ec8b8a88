"""The commands that analyse anyone's data: `frustra transport` and `frustra arrhenius`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frustra.cli.errors import plain_errors
from frustra.cli.options import (
    Elements,
    Json,
    Plot,
    Positions,
    Specie,
    Temperature,
    Timestep,
    hints_from,
    print_json,
    save_figure,
    told,
)
from frustra.errors import DataError, StudyError

if TYPE_CHECKING:
    from frustra.analysis.transport import TransportSettings
    from frustra.io.hints import TrajectoryHints
    from frustra.trajectory import Frames

Charge = Annotated[float | None, typer.Option(help="Charge of the mobile ion, e; by default the usual one.")]


def transport(  # noqa: PLR0913, PLR0917 - options of a command line
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Trajectories (XDATCAR, vasprun.xml, LAMMPS dump, extended XYZ, .traj, H5MD, JSON), "
            "folders 600K, 700K, …, or files with a mean-square displacement (msd.out, CSV)."
        ),
    ],
    specie: Specie = "",
    timestep: Timestep = None,
    temperature: Temperature = None,
    elements: Elements = "",
    positions: Positions = None,
    charge: Charge = None,
    method: Annotated[str, typer.Option(help="gls, or a published convention: he-zhu-mo, pymatgen.")] = "gls",
    jump_length: Annotated[float, typer.Option(help="Length of one jump, Å.")] = 3.0,
    fit_start: Annotated[float | None, typer.Option(help="First lag of the fit, ps.")] = None,
    fit_end: Annotated[float | None, typer.Option(help="Last lag of the fit, ps.")] = None,
    ions: Annotated[int | None, typer.Option(help="Mobile ions, for a mean-square displacement.")] = None,
    plot: Plot = None,
    csv: Annotated[Path | None, typer.Option(help="Write T, D and σ to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Diffusivity, conductivity, Haven ratio and anisotropy from trajectories of any program."""
    with plain_errors():
        from frustra.campaign.survey import ladder_columns, survey_of  # noqa: PLC0415
        from frustra.io import write_csv  # noqa: PLC0415
        from frustra.plots import plot_msd  # noqa: PLC0415
        from frustra.terminal.transport import print_survey  # noqa: PLC0415

        hints = hints_from(timestep, temperature, elements, positions)
        if not specie:
            raise _no_specie(files, hints)
        settings = _settings(
            charge=charge, method=method, jump_length=jump_length, fit_start=fit_start, fit_end=fit_end
        )
        with told(quiet=as_json) as tell:
            survey = survey_of(files, specie, hints, settings, ions, tell)
        if csv is not None:
            write_csv(csv, ladder_columns(survey))
        if plot is not None:
            save_figure(plot, lambda: plot_msd(survey.diffusion))
        if as_json:
            print_json(survey.as_json())
        else:
            print_survey(survey)


def arrhenius(
    source: Annotated[
        Path, typer.Argument(help="A CSV with T,D,D_error or T,sigma,sigma_error, or a run's folder.")
    ],
    material: Annotated[str | None, typer.Option(help="Which material of a run.")] = None,
    structure: Annotated[
        Path | None, typer.Option(help="The crystal, to turn diffusivities into conductivities.")
    ] = None,
    specie: Annotated[str, typer.Option(help="The mobile element of --structure.")] = "",
    charge: Charge = None,
    method: Annotated[
        str, typer.Option(help="bayes, or the published convention of one line: least-squares.")
    ] = "bayes",
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Activation energies, the super-ionic transition with its evidence, and σ at 300 K from a ladder."""
    with plain_errors():
        from frustra.analysis.arrhenius import arrhenius_of  # noqa: PLC0415
        from frustra.campaign.recall import doubt_about  # noqa: PLC0415
        from frustra.campaign.summaries import arrhenius_result  # noqa: PLC0415
        from frustra.campaign.survey import (  # noqa: PLC0415
            Host,
            doubtful_temperatures,
            ladder_of,
            line_result,
        )
        from frustra.plots import plot_arrhenius  # noqa: PLC0415
        from frustra.terminal.transport import print_arrhenius, print_ladder  # noqa: PLC0415

        if method not in {"bayes", "least-squares"}:
            raise StudyError(f"the method {method!r}", "bayes or least-squares")
        if structure is not None and not specie:
            raise StudyError("a structure without a mobile element", remedy="name it: --specie Li")
        host = None if structure is None else Host(structure, specie, charge)
        ladder = ladder_of(source, material, host)
        fit = arrhenius_of(ladder) if method == "bayes" else None
        result = line_result(ladder) if fit is None else arrhenius_result(fit)
        doubtful = doubtful_temperatures(source, material)
        result = result.model_copy(update={"notes": [*result.notes, *doubt_about(doubtful)]})
        if plot is not None:
            save_figure(plot, lambda: plot_arrhenius(fit or arrhenius_of(ladder), doubtful=doubtful))
        if as_json:
            print_json(result.model_dump(mode="json"))
        else:
            print_ladder(ladder)
            print_arrhenius(result)
            if result.quantity == "diffusivity":
                typer.echo("For σ give the crystal: --structure and --specie.")


def _settings(**given: Any) -> "TransportSettings":
    from pydantic import ValidationError  # noqa: PLC0415

    from frustra.analysis.transport import TransportSettings  # noqa: PLC0415

    try:
        return TransportSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        message = first["msg"].removeprefix("Value error, ")
        raise StudyError(f"{option} {first['input']}", remedy=message[:1].lower() + message[1:]) from None


def _no_specie(files: list[Path], hints: "TrajectoryHints") -> DataError:
    """Return the question for the mobile element, with the elements of the first trajectory."""
    from frustra.io import ladder_files, open_trajectory  # noqa: PLC0415

    first: Frames
    with open_trajectory(ladder_files(files)[0][1][0], hints) as first:
        symbols = ", ".join(sorted(set(first.symbols)))
    return DataError("no mobile element", f"one of {symbols}", "name it: --specie")
