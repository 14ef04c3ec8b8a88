"""Anyone's frames → relaxed snapshots and their states, in a folder that survives a kill."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from frustra.analysis.groups import groups_of, is_group
from frustra.analysis.tabulate import sites_for, tabulate_runs
from frustra.arrays import IntArray
from frustra.campaign.batches import BATCHES, FrameChoice, Relaxing
from frustra.campaign.locks import locked
from frustra.campaign.relax_results import RelaxedAtResult, RelaxResult, result_at
from frustra.engines.potential import Potential
from frustra.engines.relax import RelaxSettings
from frustra.engines.zoo import load_potential
from frustra.errors import DataError, FrustraError, StudyError
from frustra.io import ladder_files, read_json, read_structure, write_json, write_states
from frustra.io.hints import TrajectoryHints
from frustra.io.structures import is_crystal
from frustra.sites import Sites
from frustra.snapshots import Snapshots
from frustra.states import StateTable, concatenate
from frustra.structures import anions_of, check_structure, formula
from frustra.surveys.runs import Tell, runs_by_temperature
from frustra.surveys.sites import crystal_sites, require_alike, require_crystal_of
from frustra.trajectory import Frames, Trajectory

INPUTS, ANSWER, LOCK, STATES = "inputs.json", "relaxed.json", "lock", "states.parquet"
"""Files of the folder; the answer is written last, and says that everything is done."""

VERSION = 1
"""Of the outcome: raised by whoever changes the code so that the same arguments give something else."""


@dataclass(frozen=True)
class StateChoice:
    """What is told of the relaxed frames."""

    specie: str = ""
    """Mobile element or group for the state table; empty for none."""
    anions: tuple[str, ...] | None = None
    """Elements whose polyhedra are the sites; by default every anion element."""
    crystal: Path | None = None
    """Crystal whose framework gives the sites; by default the mean framework of the coldest frames."""

    def __post_init__(self) -> None:
        if not self.specie and (self.anions or self.crystal):
            raise StudyError("sites without a mobile element", remedy="name it: --specie")


def relax_files(
    paths: Sequence[Path],
    model: str,
    folder: Path,
    hints: TrajectoryHints,
    settings: RelaxSettings,
    frames: FrameChoice,
    states: StateChoice,
    tell: Tell = lambda _: None,
) -> tuple[RelaxResult, bool]:
    """Relax frames of trajectories or crystals, or go on with that; return what it gave.

    All frames of a temperature are strained to one cell. Of each run a file of snapshots is written, and of
    all temperatures one state table. Frames are read when their turn comes, and batch by batch is kept on
    disk: a killed call goes on from there and ends with the same numbers.

    Parameters
    ----------
    paths
        Trajectories as for `ladder_files`, or crystals, which are relaxed together.
    model
        Name of the potential.
    folder
        Where everything is written: new, empty, or that of the same call.
    hints
        What the files do not tell.
    settings, frames, states
        How frames are relaxed, which ones in which cell, and what is told of them.
    tell
        Called with what is being done.

    Returns
    -------
    tuple
        What was found, and whether it had been there before.

    Raises
    ------
    FrustraError
        A file that cannot be read, a potential that cannot be used, or a folder that holds anything else.
    """
    potential = load_potential(model)
    tell("looking at the files")
    inputs = _inputs(_files_of(paths), potential, states.crystal, asdict(hints) | settings.model_dump())
    inputs |= json.loads(json.dumps(asdict(frames) | asdict(replace(states, crystal=None))))
    _require_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, str(folder)):
        _require_same(folder, inputs)
        before = _finished(folder)
        if before is not None:
            return before, True
        for half in folder.rglob(".*"):  # files that a kill left half-written
            half.unlink(missing_ok=True)
        write_json(folder / INPUTS, inputs)
        work = Relaxing(potential, settings, frames, folder, tell)
        result = _relaxed(work, states, _by_temperature(paths, hints, tell))
        write_json(folder / ANSWER, result.model_dump(mode="json"))
        shutil.rmtree(folder / BATCHES, ignore_errors=True)
    return result, False


def _finished(folder: Path) -> RelaxResult | None:
    """Return what a finished call found; None if it is not finished, or if files of it are gone."""
    if not (folder / ANSWER).is_file():
        return None
    found = RelaxResult.model_validate(read_json(folder / ANSWER))
    files = [name for at in found.temperatures for name in at.files]
    files += [found.states] if found.states else []
    return found if all((folder / name).is_file() for name in files) else None


def _inputs(
    files: Sequence[Path], potential: Potential, crystal: Path | None, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return what the outcome depends on, as JSON reads it back."""
    told = {
        "version": VERSION,
        "files": {str(path): _digest(path) for path in files},
        "potential": [potential.name, potential.fingerprint],
        "structure": crystal and _digest(crystal),
        **settings,
    }
    read_back: dict[str, Any] = json.loads(json.dumps(told))
    return read_back


def _files_of(paths: Sequence[Path]) -> list[Path]:
    return [file for _, files in ladder_files(paths) for file in files]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except FileNotFoundError:
        raise DataError(f"no file {path}", remedy="check the path") from None


def _require_free(folder: Path) -> None:
    """Refuse a folder that holds something else: its files might be written over."""
    if folder.exists() and not (folder.is_dir() and ((folder / INPUTS).is_file() or _is_empty(folder))):
        raise DataError(
            f"{folder} holds something else than relaxed frames", "a new folder", "choose another --out"
        )


def _is_empty(folder: Path) -> bool:
    return all(path.name == LOCK for path in folder.iterdir())


def _require_same(folder: Path, inputs: dict[str, Any]) -> None:
    """Refuse frames that were relaxed with other arguments; those of a refused command relaxed none."""
    if not (folder / INPUTS).is_file() or not any(folder.rglob("*.h5")):
        return
    there = read_json(folder / INPUTS)
    other = sorted(key for key in {*there, *inputs} if there.get(key) != inputs.get(key))
    if other:
        small = (key for key in other if key not in {"files", "potential", "structure"})
        told = [f"{key} = {there.get(key)}, now {inputs.get(key)}" for key in small]
        told += [f"other {key}" for key in other if key in {"files", "potential", "structure"}]
        raise DataError(
            f"{folder} holds frames relaxed with other arguments ({'; '.join(told)})",
            "those arguments again, to go on",
            "choose another --out",
        )


def _by_temperature(
    paths: Sequence[Path], hints: TrajectoryHints, tell: Tell
) -> Iterator[tuple[list[Frames], list[str]]]:
    """Give the runs of each temperature, or all crystals as one run."""
    crystals = [path for path in paths if path.is_file() and is_crystal(path)]
    if not crystals:
        yield from runs_by_temperature(paths, replace(hints, apart=True), tell)
        return
    if len(crystals) < len(paths):
        raise DataError(f"crystals such as {crystals[0]} and trajectories", "one kind of files")
    yield [_crystals(crystals, hints)], []


def _crystals(paths: Sequence[Path], hints: TrajectoryHints) -> Trajectory:
    """Return crystals in files of their own as frames, in the order of their names."""
    frames = [read_structure(path) for path in paths]
    for path, atoms in zip(paths, frames, strict=True):
        if not np.array_equal(atoms.numbers, frames[0].numbers):
            raise DataError(
                f"{path} has other atoms than {paths[0]}, or another order of them",
                "the same atoms in the same order",
                "relax one crystal at a time",
            )
    return Trajectory(
        np.stack([a.positions for a in frames]),
        np.stack([a.cell.array for a in frames]),
        frames[0].numbers.astype(np.int64),
        1.0,
        hints.temperature or np.nan,
    )


def _relaxed(
    work: Relaxing, choice: StateChoice, temperatures: Iterator[tuple[list[Frames], list[str]]]
) -> RelaxResult:
    """Relax everything, one temperature after the other, and write the state table."""
    rows: list[RelaxedAtResult] = []
    notes: list[str] = []
    told = _States(choice, work.tell)
    numbers: IntArray | None = None
    for runs, said in temperatures:
        notes += said
        if numbers is None:
            numbers = runs[0].numbers
            _check(runs[0], work.potential, choice)
        require_alike(runs, numbers)
        at = work.relaxed(runs)
        table, why = told.of(at.parts)
        work.tell("comparing the relaxed frames")
        rows.append(result_at(at, choice.specie, table, work.frames.cell))
        notes += why
    rows.sort(key=lambda row: row.T_K or 0.0)
    if told.tables:
        write_states(work.folder / STATES, concatenate(told.tables))
    return RelaxResult(
        folder=str(work.folder),
        potential=work.potential.name,
        fmax_eV_A=work.settings.fmax,
        specie=choice.specie or None,
        states=STATES if told.tables else None,
        temperatures=rows,
        notes=list(dict.fromkeys(notes)),
    )


def _check(run: Frames, potential: Potential, choice: StateChoice) -> None:
    """Refuse before anything is computed what would be refused after it."""
    atoms = run.atoms(0)
    check_structure(atoms, atoms.symbols[0], potential.species, None)
    if is_group(choice.specie):
        groups_of(run.read([0]), choice.specie)
    elif choice.specie:
        run.indices_of(choice.specie)
    if choice.anions:
        anions_of(atoms, choice.specie, choice.anions)
    if choice.crystal is not None:
        require_crystal_of(choice.crystal, run, choice.specie)


UNPLACED = (
    "{} is an anion itself and was taken for framework, in no site; where it is mobile, name the cations "
    "around it (--anions)"
)
"""What is told of an anion for which no elements were named."""


class _States:
    """Makes the state tables of all temperatures on the same sites, those of the first."""

    def __init__(self, choice: StateChoice, tell: Tell) -> None:
        self._choice, self._tell = choice, tell
        self._sites: Sites | None = None
        self.tables: list[StateTable] = []

    def of(self, parts: Sequence[Snapshots]) -> tuple[StateTable | None, list[str]]:
        """Return the table of one temperature, or why there is none: the relaxed frames are worth keeping."""
        choice = self._choice
        if not choice.specie:
            return None, []
        self._tell("telling the states of the ions")
        try:
            self._sites = self._sites or self._found(parts)
            material = formula(parts[0].atoms(0))
            table = tabulate_runs(parts, choice.specie, choice.anions, material, self._sites)
        except FrustraError as refusal:
            return None, [f"no state table: {str(refusal).removesuffix('.')}"]
        self.tables.append(table)
        placed = choice.anions or self._sites is not None or is_group(choice.specie)
        return table, [] if placed else [UNPLACED.format(choice.specie)]

    def _found(self, parts: Sequence[Snapshots]) -> Sites | None:
        choice = self._choice
        if choice.crystal is not None:
            return crystal_sites(choice.crystal, choice.specie, choice.anions)
        return sites_for(parts, choice.specie, choice.anions)
