"""The command `frustra models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frustra.cli.errors import plain_errors
from frustra.cli.options import Json, Material, Plot, print_json, require_places, save_figure, told
from frustra.errors import StudyError

if TYPE_CHECKING:
    from frustra.analysis.density import DensitySettings


def models(  # noqa: PLR0913, PLR0917 - options of a command line
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, such as runs/NAME.")],
    potential: Annotated[
        list[str] | None,
        typer.Option(
            help="Another model, as mtp:FILE:Li,Y,Cl; give it as often as there are models. Of a committee "
            "every member counts, also of the run's own."
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="Snapshots at each temperature at most.")] = 20,
    temperatures: Annotated[str, typer.Option(help="Temperatures, K: 300,600; by default all.")] = "",
    relax: Annotated[
        bool,
        typer.Option(help="Relax every snapshot again under each model, or only evaluate it."),
    ] = True,
    fmax: Annotated[
        float | None, typer.Option(help="Largest force at the end, eV/Å; by default as in the run.")
    ] = None,
    by: Annotated[str, typer.Option(help="Column of the state table that tells classes apart.")] = "site",
    bin_width: Annotated[float, typer.Option("--bin", help="Width of the bins, eV.")] = 0.005,
    material: Material = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the relaxed frames; by default RUN/models.")
    ] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Tell what of a run's density of states survives a change of the model.

    The run's relaxed snapshots are relaxed again under every other potential, in the same cells. A second
    call goes on from what is done. Every model is then shifted by one constant, which it may choose freely,
    and every number is told with the standard deviation of the models. One smaller than twice that is
    marked: it does not survive. Total energies, which no model shares out, are compared beside.
    """
    with plain_errors():
        from frustra.campaign.models import ModelChoice, models_result, survey_models  # noqa: PLC0415
        from frustra.terminal.models import print_models  # noqa: PLC0415

        require_places(plot)
        choice = ModelChoice(tuple(potential or ()), count, _kelvin(temperatures), relax, by, fmax)
        with told(quiet=as_json) as tell:
            survey = survey_models(run, choice, _density(bin_width), material, out, tell)
        if plot is not None:
            from frustra.plots.models import plot_models  # noqa: PLC0415

            save_figure(plot, lambda: plot_models(survey.comparison, by)[0])
        result = models_result(survey)
        if as_json:
            print_json(result.model_dump(mode="json"))
        else:
            print_models(result)


def _kelvin(text: str) -> tuple[float, ...]:
    from frustra.cli.options import names_from  # noqa: PLC0415

    try:
        return tuple(sorted({float(t) for t in names_from(text) or ()}))
    except ValueError:
        raise StudyError(f"--temperatures {text}", "numbers in K, such as 300,600") from None


def _density(width: float) -> "DensitySettings":
    from frustra.analysis.density import DensitySettings  # noqa: PLC0415

    return DensitySettings(bin=width)
