"""Potentials that LAMMPS evaluates: POD, Deep Potential, or any pair style."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms

import frustra
from frustra.arrays import Array, IntArray
from frustra.engines.calculator import ALL
from frustra.engines.lammps import preamble, read_dump, run_lammps, write_data, write_dump
from frustra.engines.potential import Evaluation, Property, check_frames, file_fingerprint
from frustra.errors import PotentialError
from frustra.structures import lower_triangular
from frustra.units import BAR_PER_EV_A3

EMBEDDED = Path(frustra.__file__).parent / "potentials"
"""The potentials shipped with the package, one folder each."""


@dataclass(frozen=True)
class LammpsPotential:
    """A LAMMPS pair style whose `compute pe/atom` sums to the total energy."""

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
    charges: tuple[float, ...] = ()
    """Charge of each element, e; empty for a pair style without charges."""
    provides: frozenset[Property] = ALL

    def evaluate(self, frames: Sequence[Atoms]) -> Evaluation:
        """Evaluate frames in one run of LAMMPS for each order of the atoms; cells may be any."""
        check_frames(frames, self.name, self.species)
        orders = np.array([f.numbers for f in frames])
        kinds, which = np.unique(orders, axis=0, return_inverse=True)
        if len(kinds) > 1:
            groups = [np.flatnonzero(which.reshape(-1) == k) for k in range(len(kinds))]
            return _scattered([self.evaluate([frames[int(i)] for i in group]) for group in groups], groups)
        turned, rotations = zip(*(lower_triangular(f) for f in frames), strict=True)
        with TemporaryDirectory(prefix="frustra-") as name:
            folder = Path(name)
            write_data(folder / "structure.data", turned[0], self.species, self.charges)
            cells = np.array([t.cell.array for t in turned])
            write_dump(folder / "frames.dump", np.array([t.positions for t in turned]), cells)
            run_lammps(_evaluation_script(self, len(frames)), folder)
            values = read_dump(folder / "values.dump", len(frames[0]), 5)
            totals = np.loadtxt(folder / "totals.txt", ndmin=2)
        return _collected(values, totals, np.array(rotations))


def _evaluation_script(potential: LammpsPotential, count: int) -> str:
    totals = " ".join(f"$({key}:%.12g)" for key in ("pe", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz"))
    loop = [
        "compute pe all pe/atom",
        "thermo_style custom step pe pxx pyy pzz pxy pxz pyz",
        f"variable i loop 0 {count - 1} pad",
        "label next",
        "read_dump frames.dump $i x y z box yes",
        "run 0",
        "write_dump all custom values.dump id fx fy fz c_pe modify sort id append yes format float %.12g",
        f'print "{totals}" append totals.txt screen no',
        "next i",
        "jump SELF next",
    ]
    return preamble(potential.commands, potential.charges) + "\n".join(loop) + "\n"


def _collected(values: Array, totals: Array, rotations: Array) -> Evaluation:
    xx, yy, zz, xy, xz, yz = -totals[:, 1:].T / BAR_PER_EV_A3
    stress = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
    return Evaluation(
        energies=totals[:, 0],
        forces=values[:, :, 1:4] @ rotations,
        atomic_energies=values[:, :, 4],
        stress=np.swapaxes(rotations, 1, 2) @ stress @ rotations,
    )


def _scattered(parts: Sequence[Evaluation], groups: Sequence[IntArray]) -> Evaluation:
    """Return the evaluations of groups of frames in the order of the frames."""
    order = np.argsort(np.concatenate(groups))

    def joined(name: str) -> Array:
        values: Array = np.concatenate([getattr(p, name) for p in parts])[order]
        return values

    return Evaluation(joined("energies"), joined("forces"), joined("atomic_energies"), joined("stress"))


def embedded_potentials() -> list[str]:
    """Return the names of the potentials shipped with the package."""
    return sorted(f"pod:{p.parent.name}" for p in EMBEDDED.glob("*/parameters.pod"))


def load_pod(model: str, argument: str, base: Path) -> LammpsPotential:
    """Load a POD: a shipped one by its name, or a folder with the two files that `fitpod` makes."""
    folder = EMBEDDED / argument
    if not folder.is_dir():
        folder = (base / argument).resolve()
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
    digest = file_fingerprint((parameters, coefficients))
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


def load_commands(model: str, argument: str, base: Path) -> LammpsPotential:
    """Load any pair style: a file of LAMMPS commands (metal units) under a head of three comments.

        # species: Ca F
        # cutoff: 10
        # charges: 2 -1
        pair_style buck/coul/long 10
        ...

    `charges` is left out for a pair style without them. A word of the commands that names a file beside
    this one stands for that file.
    """
    path = (base / argument).resolve()
    if not path.is_file():
        raise PotentialError(f"no file {path}", "LAMMPS commands that define a pair style", "correct `model`")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    species = _head(lines, "species", path)
    cutoff = _numbers(_head(lines, "cutoff", path), path)
    charges = _numbers(_head(lines, "charges", path, needed=False), path)
    if charges and len(charges) != len(species):
        raise PotentialError(f"{len(charges)} charges in {path}", f"one for each of {' '.join(species)}")
    words = [line.split() for line in lines if line and not line.startswith("#")]
    if not any(w[0] == "pair_style" for w in words):
        raise PotentialError(f"no pair_style in {path}", "LAMMPS commands that define a pair style")
    files = sorted({(path.parent / w) for line in words for w in line if (path.parent / w).is_file()})
    located = [[str(path.parent / w) if path.parent / w in files else w for w in line] for line in words]
    return LammpsPotential(
        model,
        tuple(species),
        max(cutoff),
        tuple(" ".join(line) for line in located),
        file_fingerprint((path, *files)),
        charges=charges,
    )


def _head(lines: Sequence[str], key: str, path: Path, *, needed: bool = True) -> list[str]:
    for line in lines:
        found = re.match(rf"#\s*{key}\s*[:=]?\s+(.+)", line)
        if found:
            return found[1].split()
    if needed:
        raise PotentialError(
            f"no `# {key}:` in {path}", "the head `# species: …` and `# cutoff: …` (Å)", "add the line"
        )
    return []


def _numbers(words: Sequence[str], path: Path) -> tuple[float, ...]:
    try:
        return tuple(float(w) for w in words)
    except ValueError:
        raise PotentialError(f"{' '.join(words)!r} in the head of {path}", "numbers") from None
