"""Where the trajectories of a finished run are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frustra.campaign.ledger import LEDGER
from frustra.campaign.recall import material_of, read_results
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
    named = results.study.get("materials", {})
    # with runs from order and from disorder there are two results of one material: X and X-quenched
    base = name if name in named else name.removesuffix(f"-{found.start}")
    steps = folder / "steps"
    rows: Any = read_json(steps / LEDGER) if (steps / LEDGER).is_file() else []
    folders = [Path(step) for row in rows for step in row["steps"]]
    mine = [f for f in folders if f.parts[0] == base and f.name.startswith(f"md-{found.start}-")]
    files = [steps / f / "trajectory.h5" for f in mine if is_whole(steps / f)]
    if not files:
        raise DataError(
            f"no trajectories of {name} in {folder}",
            "those of its MD under steps/",
            "run the study again: finished steps are kept",
        )
    return RunFiles(name, found.specie, tuple(found.anions), tuple(files))
