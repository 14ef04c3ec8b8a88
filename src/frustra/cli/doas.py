"""The command `frustra doas`."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frustra.cli.errors import plain_errors
from frustra.cli.options import (
    Json,
    Material,
    Plot,
    print_json,
    require_places,
    save_figure,
    told,
)
from frustra.errors import DataError, FrustraError, StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from frustra.analysis.density import DensitySettings
    from frustra.surveys.doas import Doas, KernelChoice
    from frustra.surveys.doas_levels import DoasChoice, MaterialLevels

Sources = Annotated[
    list[str],
    typer.Argument(
        help="Folders of runs, state tables (Parquet), or texts with temperatures: 600=a.out 1000=b.out."
    ),
]
Species = Annotated[str, typer.Option(help="An element, or a group of atoms such as PS4; the mobile ion.")]

OF_TEMPERATURE = re.compile(r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*K?\s*=(.+)", re.DOTALL)


def doas(  # noqa: PLR0913, PLR0917 - options of a command line
    sources: Sources,
    specie: Species = "",
    by: Annotated[
        str | None,
        typer.Option(help="Column that tells classes apart: site, layer, label, n_Br, …; none for nothing."),
    ] = None,
    bin: Annotated[float, typer.Option(help="Width of the bins, eV.")] = 0.005,  # noqa: A002
    zero: Annotated[
        str, typer.Option(help="min: the lowest state; quantile: the 1 % quantile; none: no zero.")
    ] = "min",
    classes: Annotated[int, typer.Option(help="Classes of a column of many numbers.")] = 4,
    kde: Annotated[bool, typer.Option("--kde", help="Draw a kernel density over the histogram.")] = False,
    bandwidth: Annotated[
        float | None, typer.Option(help="Of the kernel density, eV; by default what the data ask for.")
    ] = None,
    ions: Annotated[
        int | None, typer.Option(help="Ions of --specie in a snapshot, for texts, which do not tell it.")
    ] = None,
    material: Material = "",
    bootstrap: Annotated[int, typer.Option(help="Resamplings of snapshots for the errors.")] = 200,
    write_doas: Annotated[
        Path | None,
        typer.Option(help="Write the energies as text, one file per temperature (GPUMDkit's doas.out)."),
    ] = None,
    plot: Plot = None,
    plot_sublattice: Annotated[
        Path | None, typer.Option(help="Write the figure of the sublattice energies to this file.")
    ] = None,
    plot_framework: Annotated[
        Path | None, typer.Option(help="Write the figure of the other atoms' energies to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Density of atomistic states: metrics with errors, bands, overlaps, at every temperature.

    Of a run's folder, of state tables, or of texts that hold the energies of atoms element by element.
    Several sources are put on the same bins; each material has its own zero unless --zero none.
    """
    with plain_errors():
        from frustra.surveys.doas import KernelChoice, survey_doas  # noqa: PLC0415
        from frustra.surveys.doas_results import doas_result, doas_results  # noqa: PLC0415
        from frustra.terminal.doas import print_doas  # noqa: PLC0415

        require_places(plot, write_doas)
        for figure in (plot_sublattice, plot_framework):
            require_places(figure)
        settings = _settings(bin, zero, bootstrap)
        kernel = _kernel(KernelChoice(kde or bandwidth is not None, bandwidth))
        choice = _choice(specie, by, classes, ions)
        with told(quiet=as_json) as tell:
            tell("reading states")
            levels = _levels(sources, choice, material)
            found = [survey_doas(one, settings, kernel, tell) for one in levels]
        if write_doas is not None:
            _write(write_doas, levels)
        _draw(found, plot, plot_sublattice, plot_framework)
        if as_json:
            print_json(doas_results(found).model_dump(mode="json"))
        else:
            print_doas([doas_result(one) for one in found])


def _settings(width: float, zero: str, bootstrap: int) -> "DensitySettings":
    from frustra.analysis.density import DensitySettings  # noqa: PLC0415

    if not 1e-4 <= width < float("inf"):
        raise StudyError(f"--bin {width:g}", "at least 0.0001 eV")
    if zero not in {"min", "quantile", "none"}:
        raise StudyError(f"--zero {zero}", "min, quantile or none")
    if not 20 <= bootstrap <= 10_000:
        raise StudyError(f"--bootstrap {bootstrap}", "20 to 10 000")
    return DensitySettings.model_validate({"bin": width, "zero": zero, "bootstrap": bootstrap})


def _kernel(choice: "KernelChoice") -> "KernelChoice":
    if choice.bandwidth is not None and not 0 < choice.bandwidth < float("inf"):
        raise StudyError(f"--bandwidth {choice.bandwidth:g}", "a width above zero, eV")
    return choice


def _choice(specie: str, by: str | None, classes: int, ions: int | None) -> "DoasChoice":
    from frustra.surveys.doas_levels import DoasChoice  # noqa: PLC0415

    if ions is not None and ions < 1:
        raise StudyError(f"--ions {ions}", "1 or more")
    return DoasChoice(specie, "" if by == "none" else by, classes, ions)


def _levels(sources: "Sequence[str]", choice: "DoasChoice", material: str) -> "list[MaterialLevels]":
    """Return the levels of every source; materials of one name are told apart by their sources."""
    from frustra.surveys.doas_levels import levels_of_texts  # noqa: PLC0415

    texts: dict[float, list[Path]] = {}
    found: list[MaterialLevels] = []
    missing: list[FrustraError] = []
    for source in sources:
        text = _text(source)
        if text:
            texts.setdefault(text[0], []).append(text[1])
            continue
        try:
            found += _of_path(Path(source), choice, material)
        except DataError as error:
            if not material or len(sources) == 1 or "no material" not in error.found:
                raise
            missing.append(error)
    if texts:
        found.append(levels_of_texts(texts, choice))
    if not found:
        raise missing[0]
    names = [one.name for one in found]
    return [
        replace(one, name=f"{one.name} ({one.source})") if names.count(one.name) > 1 else one for one in found
    ]


def _text(source: str) -> tuple[float, Path] | None:
    """Return temperature (K) and file of a source such as 600=a.out; None of a path."""
    parted = OF_TEMPERATURE.fullmatch(source)
    if not parted or Path(source).exists():
        return None
    temperature, path = float(parted[1]), Path(parted[2])
    if not 0 < temperature < float("inf"):
        raise StudyError(f"the temperature of {source}", "one above 0 K")
    if path.is_file() and _is_parquet(path):
        raise StudyError(f"a temperature for the state table {path}", f"{path} alone: it tells its own")
    if path.is_dir():
        raise StudyError(f"a temperature for the folder {path}", "a text file, or the folder alone")
    return temperature, path


def _of_path(path: Path, choice: "DoasChoice", material: str) -> "list[MaterialLevels]":
    from frustra.campaign.doas import levels_of_run  # noqa: PLC0415
    from frustra.campaign.trajectories import is_run  # noqa: PLC0415
    from frustra.surveys.doas_levels import levels_of_table  # noqa: PLC0415

    relaxed = path / "states.parquet"
    if path.is_dir() and relaxed.is_file() and not is_run(path):
        path = relaxed  # the folder of `frustra relax`
    if path.is_dir():
        return levels_of_run(path, choice, material)
    if not path.exists():
        raise DataError(f"no file or folder {path}", remedy="check the path; texts are given as 600=a.out")
    if not _is_parquet(path):
        raise StudyError(
            f"{path}, which is neither the folder of a run nor a Parquet file",
            f"for a text its temperature: 600={path.name}",
        )
    return levels_of_table(path, choice, material)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1" or path.suffix == ".parquet"


def _write(path: Path, levels: "Sequence[MaterialLevels]") -> None:
    """Write texts; the temperature, and the material where there are several, go into the name."""
    from frustra.io.levels_text import write_levels_text  # noqa: PLC0415

    for one in levels:
        tables = {**one.framework, one.table.specie: one.table}
        order = [name for name in one.order if name in tables]
        by_temperature = {
            t: {
                name: level.energy
                for name in order or [one.table.specie]
                for level in tables[name].levels
                if level.temperature == t
            }
            for t in one.table.temperatures
        }
        for t, energies in by_temperature.items():
            parts = [path.stem]
            if len(levels) > 1:
                parts.append(re.sub(r"[^\w.+-]+", "_", one.name).strip("_"))
            if len(by_temperature) > 1:
                parts.append(f"{t:g}K")
            write_levels_text(path.with_name("-".join(parts) + path.suffix), energies)


def _draw(
    found: "Sequence[Doas]", plot: Path | None, sublattice: Path | None, framework: Path | None
) -> None:
    if not (plot or sublattice or framework):
        return
    from frustra.plots.doas import plot_densities, plot_framework, plot_sublattice  # noqa: PLC0415

    for path, draw in ((plot, plot_densities), (sublattice, plot_sublattice), (framework, plot_framework)):
        if path is not None:
            save_figure(path, partial(_first, draw, found))


def _first(draw: "Callable[[Sequence[Doas]], list[Axes]]", found: "Sequence[Doas]") -> "Axes":
    return draw(found)[0]
