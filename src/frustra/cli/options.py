"""Options that several commands share, and what is made of them."""

import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from frustra.errors import StudyError
from frustra.units import FS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from frustra.io.hints import TrajectoryHints
    from frustra.surveys.sites import SiteChoice

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Plot = Annotated[Path | None, typer.Option(help="Write the figure to this file (.png, .svg, .pdf).")]
Material = Annotated[str, typer.Option(help="Which material of a run's folder, where there are several.")]
Files = Annotated[
    list[Path],
    typer.Argument(
        help="Trajectories (XDATCAR, vasprun.xml, LAMMPS dump, extended XYZ, .traj, H5MD), or folders "
        "600K, 700K, …, or the folder of a run."
    ),
]
Specie = Annotated[str, typer.Option(help="The mobile element, such as Li.")]
Anions = Annotated[
    str,
    typer.Option(
        help="Elements whose polyhedra are the sites: Cl,Br; by default every anion element. Of a mobile "
        "anion name the cations."
    ),
]
Crystal = Annotated[
    Path | None,
    typer.Option(
        help="A crystal whose framework gives the sites; by default the mean framework of the trajectory."
    ),
]
SitesFrom = Annotated[
    str,
    typer.Option(
        help="anions: polyhedra of anions; density: maxima of the mobile ion's density, where no anions form "
        "a lattice."
    ),
]
Timestep = Annotated[
    float | None, typer.Option(help="fs per step as the file counts steps; per frame where it counts none.")
]
Temperature = Annotated[float | None, typer.Option(help="K, if neither file nor folder tells it.")]
Elements = Annotated[str, typer.Option(help="Elements of LAMMPS' types 1, 2, …: Li,Y,Cl")]
Positions = Annotated[str | None, typer.Option(help="wrapped or unwrapped, where it cannot be told.")]


def hints_from(
    timestep: float | None,
    temperature: float | None,
    elements: str,
    positions: str | None,
    *,
    timeless: bool = False,
) -> "TrajectoryHints":
    """Return what the options tell of the files; `timeless` if the command has no use for times."""
    from frustra.io.hints import TrajectoryHints  # noqa: PLC0415

    if positions not in {None, "wrapped", "unwrapped"}:
        raise StudyError(f"positions that are {positions!r}", "wrapped or unwrapped")
    step = None if timestep is None else timestep / FS
    return TrajectoryHints(step, temperature, names_from(elements), cast("Any", positions), timeless)


def names_from(text: str) -> tuple[str, ...] | None:
    """Return the names of a list such as Li,Y,Cl; None of an empty one."""
    if not text:
        return None
    names = tuple(e.strip() for e in text.split(","))
    if not all(names):
        raise StudyError(f"the list {text!r}", "names with commas between them, such as Li,Y,Cl")
    return names


def choice_from(
    anions: str, structure: Path | None, sites_from: str, symmetry: float | None = None
) -> "SiteChoice":
    """Return which sites the options ask for."""
    from frustra.surveys.sites import SiteChoice  # noqa: PLC0415

    if sites_from not in {"anions", "density"}:
        raise StudyError(f"sites from {sites_from!r}", "anions or density")
    named = names_from(anions)
    return SiteChoice(named and tuple(dict.fromkeys(named)), structure, symmetry, sites_from == "density")


def of_run(
    files: list[Path], specie: str, choice: "SiteChoice", material: str = ""
) -> "tuple[list[Path], str, SiteChoice]":
    """Return a run's trajectories, mobile element and anions where its folder is given.

    What is not equilibrated is told on stderr.
    """
    from dataclasses import replace  # noqa: PLC0415

    from frustra.campaign.trajectories import is_run, run_files  # noqa: PLC0415

    runs = [path for path in files if is_run(path)]
    if not runs:
        return files, specie, choice
    if len(files) > 1:
        raise StudyError(f"{len(files)} paths, one of them the run {runs[0]}", "a run alone")
    found = run_files(runs[0], material)
    for doubt in found.doubts:
        typer.echo(f"! {found.material}: {doubt}", err=True)
    if specie not in {"", found.specie}:
        raise StudyError(
            f"--specie {specie}", f"{found.specie}, the mobile element of the run", "leave it away"
        )
    if not (choice.anions or choice.from_density):
        choice = replace(choice, anions=found.anions)
    return list(found.trajectories), found.specie, choice


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object."""
    import json  # noqa: PLC0415

    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


FIGURES = (".png", ".svg", ".pdf")


def require_places(figure: Path | None, *others: Path | None) -> None:
    """Refuse files that cannot be written, before anything is computed.

    Parameters
    ----------
    figure
        Of a figure.
    others
        Of anything else; None of what is not asked for.

    Raises
    ------
    StudyError
        A figure in another format, a folder's name, or a folder that nobody may write in.
    """
    if figure is not None and figure.suffix.lower() not in FIGURES:
        raise StudyError(f"a figure {figure}", "a name that ends in .png, .svg or .pdf")
    for path in (p for p in (figure, *others) if p is not None):
        if path.is_dir():
            raise StudyError(f"{path} is a folder", "the name of a file")
        above = next(p for p in path.absolute().parents if p.exists())  # others will be made
        if not above.is_dir():
            raise StudyError(f"{path} is to lie in {above}, which is a file", "a folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise StudyError(f"{above} may not be written in", remedy=f"name another place than {path}")


def save_figure(path: Path, draw: "Callable[[], Any]") -> None:
    """Write the figure of the axes that `draw` returns, in the report's style."""
    from frustra.io.files import replacing  # noqa: PLC0415
    from frustra.plots import style  # noqa: PLC0415

    require_places(path)
    with style():
        axes = draw()
        with replacing(path) as temporary:
            cast("Figure", axes.figure).savefig(temporary)


@contextmanager
def told(quiet: bool) -> "Iterator[Callable[[str], None]]":
    """Give a function that shows what is being done; one that shows nothing where `quiet`."""
    from frustra.terminal.telling import telling  # noqa: PLC0415

    if quiet:
        yield lambda _: None
    else:
        with telling() as tell:
            yield tell
