"""The command `frustra relax`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from frustra.cli.errors import plain_errors, stdout_to_stderr
from frustra.cli.options import (
    Anions,
    Elements,
    Json,
    Material,
    Positions,
    Temperature,
    Timestep,
    choice_from,
    hints_from,
    of_run,
    print_json,
    told,
)
from frustra.errors import StudyError

if TYPE_CHECKING:
    from frustra.engines.relax import RelaxSettings


def relax(  # noqa: PLR0913, PLR0917 - options of a command line
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Trajectories (XDATCAR, vasprun.xml, LAMMPS dump, extended XYZ, .traj, H5MD), folders 600K, "
            "700K, …, the folder of a run, or crystals (CIF, POSCAR, …)."
        ),
    ],
    potential: Annotated[
        str,
        typer.Option(help="The model, as pod:li-y-cl; frustra check-potential --list names all families."),
    ] = "",
    specie: Annotated[
        str, typer.Option(help="Write the states of this element, such as Li, or group, such as PS4.")
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder for everything that is written.")] = Path("relaxed"),
    count: Annotated[
        int | None, typer.Option(help="Frames of each run, spread evenly; by default all.")
    ] = None,
    every: Annotated[int | None, typer.Option(help="Every so many frames of each run.")] = None,
    cell: Annotated[
        str,
        typer.Option(
            help="Cell that the frames of a temperature are strained to: the mean of all, that of the first "
            "one, or the own fixed one of each run."
        ),
    ] = "mean",
    fmax: Annotated[float, typer.Option(help="Largest force on an atom at the end, eV/Å.")] = 0.01,
    max_steps: Annotated[
        int | None, typer.Option(help="Steps after which a frame counts as not converged.")
    ] = None,
    structure: Annotated[
        Path | None,
        typer.Option(
            help="A crystal whose framework gives the sites; by default that of the coldest frames."
        ),
    ] = None,
    anions: Anions = "",
    material: Material = "",
    timestep: Timestep = None,
    temperature: Temperature = None,
    elements: Elements = "",
    positions: Positions = None,
    as_json: Json = False,
) -> None:
    """Relax frames statically: inherent structures, and the states of their ions.

    All frames of a temperature are relaxed in one fixed cell. A command that was stopped goes on from where
    it was when it is given again.
    """
    with plain_errors():
        from frustra.campaign.batches import FrameChoice  # noqa: PLC0415
        from frustra.campaign.relaxing import StateChoice, relax_files  # noqa: PLC0415
        from frustra.terminal.relax import print_relaxed  # noqa: PLC0415

        if not potential:
            raise StudyError("no model", "FAMILY:ARGUMENT, as pod:li-y-cl", "name it: --potential")
        frames = FrameChoice(count, every, cell)
        settings = _settings(fmax, max_steps)
        hints = hints_from(timestep, temperature, elements, positions, timeless=True)
        files, mobile, sites = of_run(files, "", choice_from(anions, structure, "anions"), material)
        states = StateChoice(specie or mobile, sites.anions, structure)
        with stdout_to_stderr(), told(quiet=as_json) as tell:
            result, before = relax_files(files, potential, out, hints, settings, frames, states, tell)
        if as_json:
            print_json(result.model_dump(mode="json"))
        else:
            print_relaxed(result, before)


def _settings(fmax: float, max_steps: int | None) -> "RelaxSettings":
    from pydantic import ValidationError  # noqa: PLC0415

    from frustra.engines.relax import RelaxSettings  # noqa: PLC0415

    given: dict[str, Any] = {"fmax": fmax} | ({} if max_steps is None else {"max_steps": max_steps})
    try:
        return RelaxSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        message = first["msg"]
        raise StudyError(f"--{name} {first['input']}", remedy=message[:1].lower() + message[1:]) from None
