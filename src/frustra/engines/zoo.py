"""From the name of a model to a potential: one short loader for each family of models."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ase.calculators.calculator import BaseCalculator

from frustra.engines.calculator import CalculatorPotential
from frustra.engines.pairstyle import embedded_potentials, load_commands, load_pod
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
            f"the package {module} cannot be imported ({error})",
            remedy=f'install it: pip install "frustra[{extra}]"',
        ) from None


def model_file(argument: str, base: Path) -> Path:
    """Return the file of a model; refuse one that is not there."""
    path = (base / argument).resolve()
    if not path.is_file():
        raise PotentialError(f"no model file {path}", remedy="correct `model`")
    return path


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
    "ase": Family("package.module:factory, any function that returns an ASE calculator", "", _load_ase),
}
"""Every family by its name."""
