"""Anyone's trajectories → where the mobile ions are at every temperature, as densities with their maxima."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from frustra.analysis.volume.ions import IonDensity, VolumeSettings, ion_density
from frustra.arrays import Array
from frustra.errors import FrustraError
from frustra.io.hints import TrajectoryHints
from frustra.io.volumes import Volume, write_chgcar, write_cube
from frustra.sites.peaks import Maxima, PeakSettings, maxima_of
from frustra.surveys.runs import Tell, runs_by_temperature
from frustra.surveys.values import Record, known

ENCLOSED = 0.9
"""Part of the ions that the quoted level encloses."""


class MaximumClass(Record):
    """Maxima of the density that symmetry maps on each other."""

    label: str = Field(description="name: max 1 is the class with the most ions per maximum")
    count: int = Field(description="maxima in the cell")
    ions: float = Field(description="mean number of ions in the basin of one maximum")
    ions_spread: float = Field(description="standard deviation of it among the maxima of the class")
    height_per_A3: float = Field(description="density at the maximum, smeared by `smear_maxima_A`")
    volume_A3: float = Field(description="volume of the basin of one maximum")
    places: list[tuple[float, float, float]] = Field(
        description="mean position of the upper half of each maximum, in vectors of the cell and the "
        "coordinates of the first run"
    )


class DensityResult(Record):
    """Where the mobile ions are at one temperature."""

    specie: str = Field(description="mobile element")
    T_K: float | None = Field(description="temperature; null if not known")
    ions: int = Field(description="mobile ions in the cell: the integral of the density")
    frames: int = Field(description="frames of all runs")
    runs: int = Field(description="runs that were added up")
    grid: tuple[int, int, int] = Field(description="points along the cell vectors")
    cell_A: list[list[float]] = Field(description="mean cell, one vector a row")
    origin_A: list[float] = Field(description="where the first point of the grid lies in the first run")
    smear_A: float = Field(description="standard deviation of the Gaussian that every ion is smeared with")
    space_group: str = Field(description="of the mean framework; P1 (1) where none was used")
    operations: int = Field(description="symmetry operations of the cell of which the density is the mean")
    departure: float | None = Field(
        description="½∫|ρ − mean of ρ over symmetry|dV/ions, smeared by 0.3 Å: 0 to 1; null without symmetry"
    )
    scatter: float | None = Field(
        description="standard error of the density in the same measure, from four blocks of time, without "
        "symmetry; null for a single frame"
    )
    level_90_per_A3: float = Field(description="density above which 90 % of the ions are")
    volume_90: float = Field(description="part of the cell's volume that holds them")
    smear_maxima_A: float = Field(description="the Gaussian with which the maxima were sought")
    maxima: list[MaximumClass] = Field(description="classes of maxima, the one with the most ions first")
    outside: float | None = Field(description="ions that belong to no maximum; null where none was found")
    notes: list[str] = Field(description="what was doubted or could not be told")


@dataclass(frozen=True)
class DensitySurvey:
    """The densities of all temperatures, with their maxima."""

    specie: str
    densities: tuple[IonDensity, ...]
    """By ascending temperature."""
    maxima: tuple[Maxima | None, ...]
    """Of each density; None where it has none."""
    peaks: PeakSettings
    notes: tuple[str, ...]
    """What the readers of the files had to say."""

    def results(self) -> list[DensityResult]:
        """Return the numbers of every temperature."""
        return [_result(d, m, self.peaks) for d, m in zip(self.densities, self.maxima, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON; a single temperature's record lies at the top level too."""
        records = [r.model_dump(mode="json") for r in self.results()]
        top = dict(records[0]) if len(records) == 1 else {"specie": self.specie}
        notes = [*self.notes, *(records[0]["notes"] if len(records) == 1 else [])]
        return top | {"temperatures": records, "notes": notes}


def density_survey(
    paths: Sequence[Path],
    specie: str,
    hints: TrajectoryHints,
    settings: VolumeSettings | None = None,
    peaks: PeakSettings | None = None,
    tell: Tell = lambda _: None,
) -> DensitySurvey:
    """Count the mobile ions of every temperature on a grid, and find the maxima.

    Parameters
    ----------
    paths, hints
        As for `runs_by_temperature`.
    specie
        The mobile element.
    settings, peaks
        Grid and symmetry; what counts as a maximum.
    tell
        Called with what is being done.

    Raises
    ------
    FrustraError
        A file that cannot be read, or runs of different crystals at one temperature.
    """
    peaks = peaks or PeakSettings()
    densities, notes = [], []
    for runs, said in runs_by_temperature(paths, hints, tell):
        notes += said
        tell(f"counting {specie} in {len(runs)} run(s) of {len(runs[0])} frames")
        densities.append(ion_density(runs, specie, settings))
    densities.sort(key=lambda d: np.nan_to_num(d.temperature))
    maxima = []
    for density in densities:
        tell(f"seeking the maxima at {density.temperature:g} K")
        maxima.append(_maxima_of(density, peaks, notes))
    return DensitySurvey(specie, tuple(densities), tuple(maxima), peaks, tuple(dict.fromkeys(notes)))


def _maxima_of(density: IonDensity, peaks: PeakSettings, notes: list[str]) -> Maxima | None:
    try:
        return maxima_of_density(density, peaks)
    except FrustraError as refusal:
        at = f"{density.temperature:g} K: " if np.isfinite(density.temperature) else ""
        notes.append(f"{at}{str(refusal).removesuffix('.')}")
        return None


def maxima_of_density(density: IonDensity, peaks: PeakSettings | None = None) -> Maxima:
    """Return the maxima of a density in the coordinates of the first run, with its symmetry and noise.

    Every frame and every symmetry operation counts as an independent configuration: noise is underestimated
    where frames are close in time.
    """
    symmetry, settings = density.symmetry, peaks or PeakSettings()
    left = float(np.sqrt(max(settings.smearing**2 - density.smear**2, 0.0)))  # beyond its own smearing
    return maxima_of(
        density.values,
        density.cell,
        (symmetry.rotations, symmetry.translations),
        density.origin,
        density.frames * symmetry.operations,
        settings.model_copy(update={"smearing": left}),
    )


def _result(density: IonDensity, maxima: Maxima | None, peaks: PeakSettings) -> DensityResult:
    return DensityResult(
        specie=density.specie,
        T_K=known(density.temperature),
        ions=round(density.ions),
        frames=density.frames,
        runs=density.runs,
        grid=density.values.shape,
        cell_A=density.cell.tolist(),
        origin_A=density.origin.tolist(),
        smear_A=density.smear,
        space_group=density.symmetry.space_group,
        operations=density.symmetry.operations,
        departure=known(density.departure),
        scatter=known(density.scatter),
        level_90_per_A3=density.level(ENCLOSED),
        volume_90=density.volume_of(ENCLOSED),
        smear_maxima_A=max(peaks.smearing, density.smear),
        maxima=[] if maxima is None else _classes(maxima),
        outside=None if maxima is None else max(maxima.outside, 0.0),
        notes=list(density.notes),
    )


def _classes(maxima: Maxima) -> list[MaximumClass]:
    sites, found = maxima.sites, []
    places = sites.positions @ np.linalg.inv(sites.cell)
    for orbit in range(int(sites.orbit.max()) + 1):
        rows = np.flatnonzero(sites.orbit == orbit)
        found.append(
            MaximumClass(
                label=str(sites.label[rows[0]]),
                count=len(rows),
                ions=float(maxima.weights[rows].mean()),
                ions_spread=float(maxima.weights[rows].std()),
                height_per_A3=float(maxima.heights[rows].mean()),
                volume_A3=float(sites.volume[rows].mean()),
                places=[_triple(p) for p in places[rows]],
            )
        )
    return found


def _triple(place: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 5) for v in place)
    return x, y, z


def write_volumes(
    densities: Sequence[IonDensity], chgcar: Path | None = None, cube: Path | None = None
) -> list[Path]:
    """Write every density, and return the files; those of several temperatures tell it: `li_600K.cube`.

    The atoms of the framework are moved with the grid, whose first point is at the corner of the cell: by
    less than a spacing.
    """
    written = []
    for density in densities:
        at = f" at {density.temperature:g} K" if np.isfinite(density.temperature) else ""
        title = f"number density of {density.specie}{at}, {density.symmetry.space_group}, by frustra"
        for path, write in ((chgcar, write_chgcar), (cube, write_cube)):
            if path is not None:
                file = named(path, density, len(densities) > 1)
                write(file, volume_of(density), title)
                written.append(file)
    return written


def volume_of(density: IonDensity) -> Volume:
    """Return a density as files hold it: with its first point, and the framework around it, at the corner."""
    atoms = density.framework.copy()
    atoms.positions -= density.origin
    atoms.wrap()
    return Volume(density.values, atoms)


def named(path: Path, density: IonDensity, several: bool) -> Path:
    """Return the name of a file for one temperature of several: with `_600K` before the suffix."""
    if not several:
        return path
    return path.with_name(f"{path.stem}_{density.temperature:g}K{path.suffix}")
