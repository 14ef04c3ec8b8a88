"""The command `frustra hops`."""

from pathlib import Path
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
from frustra.units import FS

if TYPE_CHECKING:
    from frustra.analysis.hops import HopSettings


def hops(  # noqa: PLR0913, PLR0917 - options of a command line
    files: Files,
    specie: Specie = "",
    settle: Annotated[
        float,
        typer.Option(help="Shortest visit by which an ion settles in a site, fs; shorter ones are no hops."),
    ] = 200.0,
    window: Annotated[
        float, typer.Option(help="Hops this close in time belong together (back and forth, in strings), fs.")
    ] = 1000.0,
    by_label: Annotated[
        bool,
        typer.Option("--by-label", help="Tell pathways apart by the labels of the sites, not their kinds."),
    ] = False,
    structure: Crystal = None,
    anions: Anions = "",
    sites_from: SitesFrom = "anions",
    material: Material = "",
    timestep: Timestep = None,
    temperature: Temperature = None,
    elements: Elements = "",
    positions: Positions = None,
    table: Annotated[Path | None, typer.Option(help="Write all hops to this Parquet file.")] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Hops between sites: rates by pathway, residence times, occupancies, attempt frequency, strings.

    A pathway is named by the kinds of its sites, with one that was passed between them, and by its direction:
    along c or in ab (of layers or a uniaxial cell), along a, b or c (of an orthogonal one), each within 30°,
    else oblique; of other cells none is given. Of the hops, "back" are those that undid the one before within
    --window; "lasting" are left when ways there and straight back cancel. "inflation" is the variance of the
    number of hops over that of independent ones: errors are so much wider.
    """
    with plain_errors():
        from frustra.io.hops import write_hops  # noqa: PLC0415
        from frustra.surveys.hop_results import hops_result  # noqa: PLC0415
        from frustra.surveys.hops import hop_table, survey_hops  # noqa: PLC0415
        from frustra.terminal.hops import print_hops  # noqa: PLC0415

        require_places(plot, table)
        settings = _settings(settle, window)
        hints = hints_from(timestep, temperature, elements, positions)
        choice = choice_from(anions, structure, sites_from)
        files, specie, choice = of_run(files, specie, choice, material)
        if not specie:
            raise StudyError("no mobile element", "one such as Li", "name it: --specie")
        with told(quiet=as_json) as tell:
            survey = survey_hops(files, specie, hints, settings, choice, by_label, tell)
        if table is not None:
            write_hops(table, hop_table(survey))
        if plot is not None:
            from frustra.plots.hops import plot_hops  # noqa: PLC0415

            save_figure(plot, lambda: plot_hops(survey.temperatures)[0])
        if as_json:
            print_json(hops_result(survey).model_dump(mode="json"))
        else:
            print_hops(hops_result(survey))


def _settings(settle: float, window: float) -> "HopSettings":
    from frustra.analysis.hops import HopSettings  # noqa: PLC0415

    for name, value in (("settle", settle), ("window", window)):
        if not 0 < value < float("inf"):
            raise StudyError(f"--{name} {value:g}", "a time above zero, fs")
    return HopSettings(settle=settle / FS, window=window / FS)
