"""From the name of a model to a potential: one short loader for each family of models."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from ase.calculators.calculator import BaseCalculator

from frustra.engines import adapters
from frustra.engines.adapters import Known
from frustra.engines.calculator import CalculatorPotential, told
from frustra.engines.committee import load_committee
from frustra.engines.pairstyle import LammpsPotential, embedded_potentials, load_commands, load_pod
from frustra.engines.potential import Potential, file_fingerprint
from frustra.errors import PotentialError

Loader = Callable[[str, str, Path], Potential]
"""Called with the whole name, what follows the colon, and the folder that relative paths start from."""


@dataclass(frozen=True)
class Family:
    """A family of models with one loader."""

    argument: str
    """What follows the colon."""
    needs: str
    """What must be installed besides frustra, as an extra of it; empty for nothing."""
    load: Loader


def load_potential(model: str, base: Path | None = None) -> Potential:
    """Return the potential that a name stands for.

    Parameters
    ----------
    model
        `FAMILY:ARGUMENT`, as `pod:li-y-cl` or `mace:model.pt`; `frustra check-potential --list` shows
        all families.
    base
        Folder that a relative path starts from; the working folder if not given.

    Raises
    ------
    PotentialError
        An unknown family, no such model, a missing package, or a file that cannot be read.
    """
    family, _, argument = model.partition(":")
    if family not in FAMILIES or not argument:
        raise PotentialError(
            f"potential {model!r}",
            f"FAMILY:ARGUMENT with a family of {', '.join(FAMILIES)}; {embedded_potentials()[0]} is shipped",
            "correct `model`; frustra check-potential --list tells what each needs",
        )
    return FAMILIES[family].load(model, argument, base or Path.cwd())


def imported(module: str, extra: str) -> ModuleType:
    """Import the package of an extra; say how to install it where it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise PotentialError(
            f"the package {module} cannot be imported ({told(error)})",
            remedy=f'install it: pip install "frustra[{extra}]"',
        ) from None
    except Exception as error:  # a library that does not load, or one that another package has changed
        raise PotentialError(
            f"the package {module} fails when it is imported ({told(error)})",
            remedy=f'give it an environment of its own, with pip install "frustra[{extra}]"',
        ) from error


def model_file(argument: str, base: Path) -> Path:
    """Return the file of a model; refuse one that is not there."""
    path = (base / argument).resolve()
    if not path.is_file():
        raise PotentialError(f"no model file {path}", remedy="correct `model`")
    return path


def _from_calculator(
    model: str, make: Callable[[], BaseCalculator], known: Callable[[Any], Known], fingerprint: str
) -> CalculatorPotential:
    """Make the calculator at once, which finds a damaged file early, and ask it for what it knows."""
    make_once = partial(adapters.made_once, f"{model} {fingerprint}", make)
    potential = CalculatorPotential(model, make_once, fingerprint)
    told_by_model = known(potential.calculator)
    potential.species, potential.cutoff = told_by_model.species, told_by_model.cutoff
    potential.provides = told_by_model.provides
    return potential


_PROBE = """
import json, sys
from deepmd.infer import DeepPot
model = DeepPot(sys.argv[1])
print(json.dumps([list(model.get_type_map()), float(model.get_rcut())]))
"""
"""Asks a Deep Potential for its elements and cutoff; run apart, so that TensorFlow stays out of here."""


def _load_deepmd(model: str, argument: str, base: Path) -> Potential:
    """Load a frozen Deep Potential, which LAMMPS evaluates through deepmd-kit's plugin."""
    imported("deepmd", "deepmd")
    path = model_file(argument, base)
    digest = file_fingerprint([path])
    species, cutoff = _probed(path, digest)
    commands = (f'pair_style deepmd "{path}"', f"pair_coeff * * {' '.join(species)}")
    return LammpsPotential(model, species, cutoff, commands, digest)


@cache
def _probed(path: Path, _digest: str) -> tuple[tuple[str, ...], float]:
    """Return elements and cutoff of a Deep Potential; TensorFlow takes seconds, so each file is read once."""
    asked = subprocess.run(  # noqa: S603 - our own Python and our own words; the path is an argument
        [sys.executable, "-c", _PROBE, str(path)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
    )
    lines = (asked.stdout if asked.returncode == 0 else asked.stderr).strip().splitlines()
    if asked.returncode != 0 or not lines:
        errors = [line.strip() for line in lines if "Error" in line] or ["it says nothing"]
        raise PotentialError(
            f"{path} cannot be read by deepmd-kit ({errors[-1]})",
            "a frozen energy model",
            "make it with dp freeze",
        )
    names, cutoff = json.loads(lines[-1])
    return adapters.elements(names, path.name), float(cutoff)


def _load_mtp(model: str, argument: str, base: Path) -> Potential:
    """Load a moment tensor potential (`FILE` or `FILE:Li,Y,Cl`): MLIP's files seldom name their elements."""
    imported("motep", "mtp")
    name, _, names = argument.partition(":")
    path, species = model_file(name, base), tuple(names.replace(",", " ").split())
    make = partial(adapters.make_mtp, path, species)
    return _from_calculator(model, make, adapters.known_mtp, file_fingerprint([path], *species))


def _load_nep(model: str, argument: str, base: Path) -> Potential:
    """Load a neuroevolution potential, which calorine evaluates on the CPU."""
    imported("calorine.calculators", "nep")
    path = model_file(argument, base)
    make = partial(adapters.make_nep, path)
    return _from_calculator(model, make, adapters.known_nep, file_fingerprint([path]))


def _load_sevennet(model: str, argument: str, base: Path) -> Potential:
    """Load SevenNet by name or file; a fidelity follows a colon (`7net-mf-0:PBE`)."""
    imported("sevenn.calculator", "sevennet")
    name, _, modal = argument.partition(":")
    path, digest = _named_or_file("sevenn", name, base, modal)
    make = partial(adapters.make_sevennet, str(path) if path else name, modal or None)
    return _from_calculator(model, make, adapters.known_sevennet, digest)


def _load_chgnet(model: str, argument: str, base: Path) -> Potential:
    """Load CHGNet by name or file."""
    imported("chgnet.model.dynamics", "chgnet")
    path, digest = _named_or_file("chgnet", argument, base)
    make = partial(adapters.make_chgnet, path or argument)
    return _from_calculator(model, make, adapters.known_chgnet, digest)


def _named_or_file(package: str, name: str, base: Path, *words: str) -> tuple[Path | None, str]:
    """Return the file of a model, None for one that its package brings by name, and its fingerprint."""
    path = (base / name).resolve()
    if path.is_file():
        return path, file_fingerprint([path], *words)
    return None, file_fingerprint([], package, metadata.version(package), name, *words)


def _load_mace(model: str, argument: str, base: Path) -> Potential:
    """Load a MACE model from its file."""
    imported("mace.calculators", "mace")
    path = model_file(argument, base)
    make = partial(adapters.make_mace, path)
    return _from_calculator(model, make, adapters.known_mace, file_fingerprint([path]))


def _load_nequip(model: str, argument: str, base: Path) -> Potential:
    """Load a compiled NequIP or Allegro model."""
    imported("nequip.integrations.ase", "nequip")
    path = model_file(argument, base)
    if not path.name.endswith((".nequip.pt2", ".nequip.pth")):
        raise PotentialError(
            f"the file {path}",
            "a compiled model, *.nequip.pt2 or *.nequip.pth",
            "compile it: nequip-compile --mode aotinductor --target ase --device cpu FILE OUT.nequip.pt2",
        )
    make = partial(adapters.make_nequip, path)
    return _from_calculator(model, make, adapters.known_nequip, file_fingerprint([path]))


def _load_metatomic(model: str, argument: str, base: Path) -> Potential:
    """Load an exported metatomic model, such as PET."""
    imported("metatomic_ase", "metatomic")
    path = model_file(argument, base)
    make = partial(adapters.make_metatomic, path)
    return _from_calculator(model, make, adapters.known_metatomic, file_fingerprint([path]))


def _load_ase(model: str, argument: str, base: Path) -> Potential:
    """Load any ASE calculator from a function without arguments; its module's source is fingerprinted."""
    module, _, factory = argument.partition(":")
    if not module or not factory:
        raise PotentialError(
            f"potential {model!r}", "ase:package.module:factory", "name a function without arguments"
        )
    source = _module(module, base).__file__
    digest = file_fingerprint([Path(source)] if source else [], argument)
    return CalculatorPotential(model, partial(_made, module, factory, base.resolve()), digest)


def _made(module: str, factory: str, base: Path) -> BaseCalculator:
    found = getattr(_module(module, base), factory, None)
    if not callable(found):
        raise PotentialError(f"no function {factory!r} in {module}", remedy="correct `model`")
    made: BaseCalculator = found()
    return made


def _module(name: str, base: Path) -> ModuleType:
    """Import a module; the study's folder counts as a place to import from."""
    if str(base) not in sys.path:
        sys.path.append(str(base))
    try:
        return import_module(name)
    except ImportError as error:
        raise PotentialError(
            f"the module {name} cannot be imported ({error})",
            f"an installed module or one in {base}",
            "correct `model` or install it",
        ) from None


FAMILIES: dict[str, Family] = {
    "pod": Family(f"a shipped potential ({', '.join(embedded_potentials())}) or a folder", "", load_pod),
    "lammps": Family("a file of LAMMPS commands that define a pair style", "", load_commands),
    "deepmd": Family("a frozen Deep Potential (FILE.pb), evaluated by LAMMPS", "deepmd", _load_deepmd),
    "mtp": Family("a moment tensor potential of MLIP, with its elements: FILE:Li,Y,Cl", "mtp", _load_mtp),
    "nep": Family("a neuroevolution potential (nep.txt)", "nep", _load_nep),
    "sevennet": Family(
        "7net-0, another model of SevenNet or a file, as NAME:FIDELITY", "sevennet", _load_sevennet
    ),
    "chgnet": Family("0.3.0, another model of CHGNet or a file", "chgnet", _load_chgnet),
    "mace": Family("a MACE model file", "mace", _load_mace),
    "nequip": Family("a compiled NequIP or Allegro model (*.nequip.pt2)", "nequip", _load_nequip),
    "metatomic": Family("an exported metatomic model", "metatomic", _load_metatomic),
    "committee": Family("models joined by +, as pod:li-y-cl+mtp:FILE:Li,Y,Cl", "", load_committee),
    "ase": Family("package.module:factory, any function that returns an ASE calculator", "", _load_ase),
}
"""Every family by its name."""
