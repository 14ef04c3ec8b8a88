"""What a run found, read back from its folder."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from frustra.campaign.results import SCHEMA_VERSION, MaterialResult, Results
from frustra.campaign.summaries import conductivities
from frustra.errors import DataError
from frustra.io import read_json
from frustra.ladder import Ladder


def read_results(folder: Path) -> Results:
    """Read `results.json` of a run.

    Raises
    ------
    DataError
        The folder has none, or it is damaged or of another version of frustra.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise DataError(f"no results.json in {folder}", "the folder of a finished run (runs/NAME)")
    told = read_json(path)
    version = told.get("schema_version") if isinstance(told, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {version}",
            f"{SCHEMA_VERSION}",
            "run the study again: finished steps are kept",
        )
    try:
        return Results.model_validate(told)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(f"{path} is damaged at {where}", remedy="run the study again") from None


def material_of(results: Results, name: str = "") -> tuple[str, MaterialResult]:
    """Return a material by its name; without one, the only one.

    Raises
    ------
    DataError
        No such material, or several and none is named.
    """
    names = ", ".join(results.materials)
    if name in results.materials:
        return name, results.materials[name]
    if name:
        raise DataError(f"no material {name!r} in the run", f"one of {names}")
    if len(results.materials) != 1:
        raise DataError(
            f"{len(results.materials)} materials ({names})", "one of them", "name it by --material"
        )
    return next(iter(results.materials.items()))


def doubtful_of(material: MaterialResult) -> list[float]:
    """Return the temperatures (K) of a material that are not equilibrated."""
    return [row.T_K for row in material.temperatures if not row.equilibrated]


def doubt_about(temperatures: Sequence[float]) -> list[str]:
    """Return the sentence about temperatures that are not equilibrated; none if there are none."""
    if not temperatures:
        return []
    listed = ", ".join(f"{t:g}" for t in temperatures)
    return [f"not equilibrated, so that no number there is to be trusted: {listed} K"]


def ladder_of(material: MaterialResult) -> Ladder:
    """Return the conductivities of a material.

    Raises
    ------
    DataError
        As `Ladder`.
    """
    return Ladder("conductivity", conductivities(material))
