"""Potentials: what a study calls a model, resolved to something that an engine can evaluate."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import frustra
from frustra.errors import PotentialError

EMBEDDED = Path(frustra.__file__).parent / "potentials"
"""The potentials shipped with the package, one folder each."""


@dataclass(frozen=True)
class LammpsPotential:
    """A LAMMPS pair style with per-atom energies.

    The pair style's `compute pe/atom` must sum to the total energy; every record of relaxed frames
    checks that it does.
    """

    name: str
    species: tuple[str, ...]
    """Elements in the order of the atom types."""
    cutoff: float
    """Range of the interactions, Å."""
    commands: tuple[str, ...]
    """LAMMPS commands that define the pair style; file names are absolute."""
    fingerprint: str
    """Hash of everything that defines the potential, taken when it was loaded."""
    not_for: tuple[str, ...] = ()
    """What its model card (`card.json`) warns of; empty without a card."""


def embedded_potentials() -> list[str]:
    """Return the names of the potentials shipped with the package."""
    return sorted(f"pod:{p.parent.name}" for p in EMBEDDED.glob("*/parameters.pod"))


def load_potential(model: str, base: Path | None = None) -> LammpsPotential:
    """Return the potential that a name stands for.

    Parameters
    ----------
    model
        `pod:NAME` for a potential shipped with the package (`pod:li-y-cl`), or `pod:FOLDER` for a
        folder with the files `parameters.pod` and `coefficients.pod` that LAMMPS' `fitpod` makes.
    base
        Folder that a relative `FOLDER` starts from; the working folder if not given.

    Raises
    ------
    PotentialError
        An unknown kind, no such potential, or parameters that cannot be read.
    """
    kind, _, name = model.partition(":")
    if kind != "pod" or not name:
        raise PotentialError(
            f"potential {model!r}",
            f"pod:FOLDER or one of {', '.join(embedded_potentials())}",
            "correct `model`",
        )
    folder = EMBEDDED / name
    if not folder.is_dir():
        folder = ((base or Path.cwd()) / name).resolve()
    return _load_pod(model, folder)


def _load_pod(model: str, folder: Path) -> LammpsPotential:
    parameters, coefficients = folder / "parameters.pod", folder / "coefficients.pod"
    for file in (parameters, coefficients):
        if not file.is_file():
            raise PotentialError(
                f"no file {file.name} in {folder}",
                f"a folder with both POD files or one of {', '.join(embedded_potentials())}",
                "correct `model`",
            )
    text = parameters.read_text(encoding="utf-8")
    species = tuple(_parameter(text, "species", parameters).split())
    cutoff = float(_parameter(text, "rcut", parameters))
    commands = ("pair_style pod", f"pair_coeff * * {parameters} {coefficients} {' '.join(species)}")
    digest = hashlib.sha256(text.encode() + coefficients.read_bytes()).hexdigest()[:16]
    return LammpsPotential(model, species, cutoff, commands, digest, _warnings(folder / "card.json"))


def _warnings(card: Path) -> tuple[str, ...]:
    if not card.is_file():
        return ()
    return tuple(json.loads(card.read_text(encoding="utf-8")).get("not_for", ()))


def _parameter(text: str, key: str, path: Path) -> str:
    found = re.search(rf"^{key}\s+([^#\n]+)", text, flags=re.MULTILINE)
    if found is None:
        raise PotentialError(f"no `{key}` in {path}", "a POD parameter file", "check the file")
    return found[1].strip()
