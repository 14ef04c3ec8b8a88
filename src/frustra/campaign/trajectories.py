"""Where the trajectories of a finished run are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frustra.campaign.ledger import LEDGER
from frustra.campaign.recall import doubt_about, doubtful_of, material_of, read_results
from frustra.campaign.results import Results
from frustra.campaign.study import COPY, base_of
from frustra.campaign.workflow import is_whole
from frustra.errors import DataError
from frustra.io import read_json

RESULTS = "results.json"


@dataclass(frozen=True)
class RunFiles:
    """The trajectories of one material of a run, and what its study says of them."""

    material: str
    specie: str
    anions: tuple[str, ...]
    trajectories: tuple[Path, ...]
    """Of all temperatures and replicas; each file knows its temperature."""
    doubts: tuple[str, ...] = ()
    """What the run says of temperatures that are not equilibrated."""


def is_run(path: Path) -> bool:
    """Return whether a folder is that of a run with results."""
    return (path / RESULTS).is_file()


def run_files(folder: Path, material: str = "") -> RunFiles:
    """Return the trajectories that the results of a run were made of.

    Parameters
    ----------
    folder
        The run's folder, with `results.json`.
    material
        Which material of the run; not needed where there is only one.

    Raises
    ------
    DataError
        No such material, or a run whose trajectories are not there any more.
    """
    results = read_results(folder)
    name, found = material_of(results, material)
    files = _outcomes(folder, results, name, "md", "trajectory.h5")
    if not files:
        raise DataError(
            f"no trajectories of {name} in {folder}",
            "those of its MD under steps/",
            "run the study again: finished steps are kept",
        )
    doubts = tuple(doubt_about(doubtful_of(found)))
    return RunFiles(name, found.specie, tuple(found.anions), tuple(files), doubts)


@dataclass(frozen=True)
class RunSnapshots:
    """The relaxed snapshots of one material of a run, and what they were made with."""

    material: str
    specie: str
    anions: tuple[str, ...]
    model: str
    """Name of the potential."""
    base: Path
    """Folder that its relative paths start from."""
    fmax: float
    """Largest force at the end of a relaxation, eV/Å."""
    ground: Path
    """The ground state in use."""
    files: tuple[Path, ...]
    """Snapshots of all temperatures and replicas; each file knows its temperature."""
    doubts: tuple[str, ...]
    """What the run says of temperatures that are not equilibrated."""


def run_snapshots(folder: Path, material: str = "") -> RunSnapshots:
    """Return the relaxed snapshots that the results of a run were made of.

    Parameters and errors are those of `run_files`.
    """
    results = read_results(folder)
    name, found = material_of(results, material)
    files = _outcomes(folder, results, name, "snapshots", "snapshots.h5")
    ground = folder / f"{_base(results, name)}_ground_state.extxyz"
    if not files or not ground.is_file():
        raise DataError(
            f"no relaxed snapshots of {name} in {folder}",
            "those under steps/, and the ground state",
            "run the study again: finished steps are kept",
        )
    doubts = tuple(doubt_about(doubtful_of(found)))
    return RunSnapshots(
        material=name,
        specie=found.specie,
        anions=tuple(found.anions),
        model=str(results.study["potential"]["model"]),
        base=base_of(folder / COPY),
        fmax=float(results.study["relax"]["fmax"]),
        ground=ground,
        files=tuple(files),
        doubts=doubts,
    )


def _base(results: Results, name: str) -> str:
    """Return what the study calls a material of the results.

    With runs from order and from disorder there are two results of one material: X and X-quenched.
    """
    start = results.materials[name].start
    return name if name in results.study.get("materials", {}) else name.removesuffix(f"-{start}")


def _outcomes(folder: Path, results: Results, name: str, step: str, file: str) -> list[Path]:
    """Return a file of every finished step of one kind, of a material's runs."""
    steps, base, start = folder / "steps", _base(results, name), results.materials[name].start
    rows: Any = read_json(steps / LEDGER) if (steps / LEDGER).is_file() else []
    folders = [Path(told) for row in rows for told in row["steps"]]
    mine = [f for f in folders if f.parts[0] == base and f.name.startswith(f"{step}-{start}-")]
    return [steps / f / file for f in mine if is_whole(steps / f)]
