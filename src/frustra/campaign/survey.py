"""From anyone's trajectories to the diffusivity at every temperature, and what the ladder of them tells."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from frustra.analysis.arrhenius import Arrhenius, arrhenius_line
from frustra.analysis.transport import Diffusion, TransportSettings, diffusion_of, diffusion_of_msd
from frustra.campaign.analyse import fitted
from frustra.campaign.recall import doubtful_of, material_of, read_results
from frustra.campaign.recall import ladder_of as recalled_ladder
from frustra.campaign.results import ArrheniusResult, Interval
from frustra.campaign.summaries import (
    fit_or_refusal,
    interval,
    transport_result,
)
from frustra.errors import DataError
from frustra.io import read_ladder, read_msd, read_structure
from frustra.io.hints import TrajectoryHints
from frustra.io.trajectories import format_of
from frustra.ladder import FEWEST, Ladder, Point
from frustra.structures import FORMAL_CHARGES, indices_of
from frustra.surveys.runs import Tell, runs_by_temperature
from frustra.trajectory import Frames
from frustra.units import CM2_PER_S, MS_PER_CM

CURVES = (".out", ".csv", ".txt", ".dat")
"""Suffixes of files that may hold a mean-square displacement."""


@dataclass(frozen=True)
class Survey:
    """What the trajectories of one crystal tell, temperature by temperature."""

    specie: str
    charge: float | None
    """e; None if not known."""
    diffusion: tuple[Diffusion, ...]
    """By ascending temperature."""
    arrhenius: Arrhenius | None
    arrhenius_result: ArrheniusResult | None
    """None with fewer than three temperatures."""
    notes: tuple[str, ...]
    """What the readers of the files had to say."""

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON; a single temperature's record lies at the top level too."""
        records = [transport_result(d, self.charge).model_dump(mode="json") for d in self.diffusion]
        ladder = self.arrhenius_result
        top = dict(records[0]) if len(records) == 1 else {"specie": self.specie, "charge": self.charge}
        return top | {
            "temperatures": records,
            "arrhenius": None if ladder is None else ladder.model_dump(mode="json"),
            "notes": [*self.notes, *(records[0]["notes"] if len(records) == 1 else [])],
        }


def survey_of(
    paths: Sequence[Path],
    specie: str,
    hints: TrajectoryHints,
    settings: TransportSettings,
    ions: int | None = None,
    tell: Tell = lambda _: None,
) -> Survey:
    """Derive the diffusivity at every temperature from files and folders, and fit the ladder of them.

    Parameters
    ----------
    paths
        As for `ladder_files`, or files with a mean-square displacement.
    specie
        The mobile element.
    hints
        What the files do not tell; a temperature holds for all of them.
    settings
        How D is derived; its charge is the usual one of the element by default.
    ions
        Mobile ions that a mean-square displacement is a mean of.
    tell
        Called with what is being done.

    Raises
    ------
    FrustraError
        A file that cannot be read, or from which no diffusivity can be derived.
    """
    charge = settings.charge if settings.charge is not None else FORMAL_CHARGES.get(specie)
    found, notes = [], []
    for runs, said in _runs(paths, hints, tell):
        notes += said
        if isinstance(runs, Path):
            tell(f"reading {runs}")
            found.append(_of_curve(runs, specie, hints, settings, ions))
        else:
            tell(f"deriving D from {len(runs)} run(s) of {len(runs[0])} frames")
            found.append(diffusion_of(runs, specie, settings))
    found.sort(key=lambda d: np.nan_to_num(d.temperature))
    fit, told = _fitted(found, charge)
    return Survey(specie, charge, tuple(found), fit, told, tuple(dict.fromkeys(notes)))


def _runs(
    paths: Sequence[Path], hints: TrajectoryHints, tell: Tell
) -> Iterator[tuple[list[Frames] | Path, list[str]]]:
    """Give the runs of each temperature, open, with the notes of their readers; or the file of an MSD."""
    curves = [p for p in paths if p.is_file() and p.suffix in CURVES and format_of(p) is None]
    yield from ((curve, []) for curve in curves)
    yield from runs_by_temperature([p for p in paths if p not in curves], hints, tell)


def _of_curve(
    file: Path, specie: str, hints: TrajectoryHints, settings: TransportSettings, ions: int | None
) -> Diffusion:
    if ions is None:
        raise DataError(
            f"{file} does not tell how many {specie} its mean-square displacement is a mean of",
            remedy="give their number (--ions)",
        )
    known = np.nan if hints.temperature is None else hints.temperature
    return diffusion_of_msd(read_msd(file), ions, settings, specie=specie, temperature=known)


def _fitted(
    found: Sequence[Diffusion], charge: float | None
) -> tuple[Arrhenius | None, ArrheniusResult | None]:
    """Fit the conductivities, or the diffusivities where charge or volume is not known."""
    known = [d for d in found if np.isfinite(d.temperature)]
    if len(known) < FEWEST:
        return None, None
    if charge is not None and all(np.isfinite(d.volume) for d in known):
        return fitted(known, charge)
    points = (Point(d.temperature, d.value, d.std, d.is_upper_bound) for d in known)
    return fit_or_refusal(tuple(points), "diffusivity")


@dataclass(frozen=True)
class Host:
    """What turns a diffusivity into a conductivity."""

    structure: Path
    specie: str
    charge: float | None = None


def ladder_of(source: Path, material: str | None = None, host: Host | None = None) -> Ladder:
    """Read a ladder from a CSV file, or from the folder of a run.

    Parameters
    ----------
    source
        The file, or a folder with `results.json`.
    material
        Which of the run's materials; needed where there are several.
    host
        The crystal of diffusivities that are to become conductivities.

    Raises
    ------
    DataError
        No ladder there, or several materials and none named.
    """
    if source.is_dir():
        return recalled_ladder(material_of(read_results(source), material or "")[1])
    ladder = read_ladder(source)
    if host is None or ladder.quantity == "conductivity":
        return ladder
    charge = host.charge if host.charge is not None else FORMAL_CHARGES.get(host.specie)
    if charge is None:
        raise DataError(f"no usual charge known for {host.specie}", "its charge", "give --charge")
    crystal = read_structure(host.structure)
    ions = len(indices_of(crystal, host.specie))
    if not ions:
        raise DataError(f"no {host.specie} in {host.structure}", "the mobile element", "check --specie")
    return ladder.as_conductivity(ions / crystal.get_volume(), float(charge))


def doubtful_temperatures(source: Path, material: str | None = None) -> list[float]:
    """Return the temperatures (K) of a run that are not equilibrated; of a file nobody knows, none."""
    return doubtful_of(material_of(read_results(source), material or "")[1]) if source.is_dir() else []


CONVENTION = (
    "one line by weighted least squares, no transition looked for; intervals are one standard error wide on "
    "each side (68 %), and that at 300 K takes slope and intercept as independent, as published (He, Zhu, "
    "Epstein and Mo 2018)"
)


def line_result(ladder: Ladder) -> ArrheniusResult:
    """Return the published convention's line in the keys of every other answer.

    Raises
    ------
    FrustraError
        As `arrhenius_line`.
    """
    fit = arrhenius_line(ladder)
    conducts = ladder.quantity == "conductivity"
    energy: Interval | None = interval(fit.energy)
    return ArrheniusResult(
        model="line",
        reason="least squares by name",
        quantity=ladder.quantity,
        Ea_low_eV=energy,
        Ea_high_eV=energy,
        sigma_300K_mS_cm=interval(fit.value_at(), MS_PER_CM) if conducts else None,
        temperatures_K=[p.temperature for p in ladder.measured],
        upper_bounds_K=[p.temperature for p in ladder.points if p.is_upper_bound],
        notes=[CONVENTION],
    )


def ladder_columns(survey: Survey) -> dict[str, list[Any]]:
    """Return the ladder of a survey as columns that `read_ladder` reads again."""
    known = survey.charge is not None and all(np.isfinite(d.volume) for d in survey.diffusion)
    columns: dict[str, list[Any]] = {
        "T": [d.temperature for d in survey.diffusion],
        "D_cm2_s": [d.value * CM2_PER_S for d in survey.diffusion],
        "D_error": [d.std * CM2_PER_S for d in survey.diffusion],
    }
    if known:
        sigma = [d.conductivity(survey.charge or 0.0) for d in survey.diffusion]
        columns["sigma_mS_cm"] = [value * MS_PER_CM for value, _ in sigma]
        columns["sigma_error"] = [std * MS_PER_CM for _, std in sigma]
    columns["is_upper_bound"] = [d.is_upper_bound for d in survey.diffusion]
    return columns
