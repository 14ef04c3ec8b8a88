"""Calculators of the packages of machine-learning potentials, and what the models tell of themselves.

A package is imported by the function that needs it: `import frustra` loads neither torch nor TensorFlow.
Each function that makes a calculator stands alone, so that another process can make it too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial, wraps
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes
from ase.data import atomic_numbers, chemical_symbols

from frustra.engines.calculator import ALL
from frustra.engines.potential import Property
from frustra.errors import PotentialError


@dataclass(frozen=True)
class Known:
    """What a model tells of itself."""

    species: tuple[str, ...] | None = None
    cutoff: float | None = None
    """Range of its neighbours, Å; atoms further away count through layers of message passing."""
    provides: frozenset[Property] = ALL


_MADE: dict[str, BaseCalculator] = {}


def made_once(key: str, make: Callable[[], BaseCalculator]) -> BaseCalculator:
    """Return the calculator of a model, made once in each process: each job loads its potential anew."""
    if key not in _MADE:
        _MADE[key] = make()
    return _MADE[key]


def symbols(numbers: Iterable[Any]) -> tuple[str, ...]:
    """Return the symbols of atomic numbers."""
    return tuple(chemical_symbols[int(z)] for z in numbers)


def elements(names: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the names if all are chemical symbols; refuse other names.

    Raises
    ------
    PotentialError
        A name that is no symbol, or no names.
    """
    wrong = [n for n in names if atomic_numbers.get(n, 0) == 0]
    if wrong or not names:
        raise PotentialError(
            f"{' '.join(wrong) or 'no types'} among the types of {what}", "symbols of chemical elements"
        )
    return tuple(names)


def _device() -> str:
    return "cuda" if import_module("torch").cuda.is_available() else "cpu"


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Set the precision in which torch makes its tensors, and put back what it was."""
    torch = import_module("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _in_precision(name: str, make: Callable[[], Any]) -> BaseCalculator:
    """Make a calculator, and let it calculate, in a precision of torch.

    NequIP changes torch's default for good; SevenNet and CHGNet fail under another than float32.
    """
    with _precision(name):
        made: BaseCalculator = make()
    plain: Callable[..., None] = made.calculate

    @wraps(plain)
    def calculate(*arguments: Any, **words: Any) -> None:
        with _precision(name):
            plain(*arguments, **words)

    made.calculate = calculate  # type: ignore[method-assign]
    return made


class MtpCalculator(Calculator):
    """Moment tensor potential by motep, for any number of atoms.

    motep's own calculator keeps arrays and neighbours of the first structure, so it is made anew for
    another number of atoms.
    """

    implemented_properties = ["energy", "forces", "stress", "energies"]  # noqa: RUF012 - ASE reads a list

    def __init__(self, data: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.data = data
        self._inner: Any = None

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate the atoms."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        subject: Any = self.atoms
        if self._inner is None or len(self._inner.atoms) != len(subject):
            self._inner = import_module("motep.calculator").MTP(self.data)
        self._inner.calculate(subject, list(properties), list(system_changes))
        self.results = dict(self._inner.results)

    def reset(self) -> None:
        """Forget results and neighbours."""
        super().reset()  # type: ignore[no-untyped-call]
        self._inner = None


def make_mtp(path: Path, names: tuple[str, ...]) -> BaseCalculator:
    """Return the calculator of an MLIP file; `names` are its species if the file does not tell them.

    Raises
    ------
    PotentialError
        The file is incomplete, or the names are missing or too few.
    """
    data = import_module("motep.io.mlip.mtp").read_mtp(str(path))
    _check_complete(data, path)
    names = names or tuple((data.potential_tag or "").replace(",", " ").split())
    count = int(data.species_count)
    if len(names) != count:
        raise PotentialError(
            f"{len(names)} elements for the {count} species of {path}",
            f"one for each, in the order of the file, as in mtp:{path.name}:Li,Y,Cl",
            "add them to `model`",
        )
    data.species = [atomic_numbers[n] for n in elements(names, path.name)]
    return MtpCalculator(data)


def _check_complete(data: Any, path: Path) -> None:
    """Refuse coefficients that are missing: motep's C code would read beyond them."""
    sizes = {
        "species_coeffs": int(data.species_count or 0),
        "moment_coeffs": int(data.alpha_scalar_moments or 0),
        "alpha_moment_mapping": int(data.alpha_scalar_moments or 0),
        "alpha_index_basic": int(data.alpha_index_basic_count or 0),
        "radial_coeffs": int(data.species_count or 0),
    }
    for key, size in sizes.items():
        values = getattr(data, key)
        found = 0 if values is None else len(values)
        if size == 0 or found != size or not np.isfinite(values).all():
            raise PotentialError(
                f"{path} has {found} complete `{key}`",
                f"{size or 'some'}",
                "give a trained .mtp file of MLIP-2 or MLIP-3",
            )


def known_mtp(calculator: Any) -> Known:
    """Return the elements and the cutoff of a moment tensor potential."""
    return Known(symbols(calculator.data.species), float(calculator.data.radial_basis.max))


def make_nep(path: Path) -> BaseCalculator:
    """Return calorine's calculator of a neuroevolution potential.

    Raises
    ------
    PotentialError
        A model of dipoles or polarisabilities, which has no energy.
    """
    model = _nep_model(path)
    if not model.model_type.startswith("potential"):
        raise PotentialError(f"{path} is a NEP model of the {model.model_type}", "one of the energy")
    made: BaseCalculator = import_module("calorine.calculators").CPUNEP(str(path))
    return made


def _nep_model(path: Path) -> Any:
    """Return the model as calorine reads it, which checks the number of parameters."""
    return import_module("calorine.nep").read_model(str(path))


def known_nep(calculator: Any) -> Known:
    """Return the elements and the largest cutoff of a neuroevolution potential."""
    model = _nep_model(Path(calculator.model_filename))
    cutoffs = np.concatenate([np.ravel(model.radial_cutoff), np.ravel(model.angular_cutoff)])
    return Known(tuple(model.types), float(cutoffs.max()))


def make_sevennet(model: str, modal: str | None) -> BaseCalculator:
    """Return SevenNet's calculator of a model by name or file; `modal` is one of its fidelities."""
    calculator = import_module("sevenn.calculator").SevenNetCalculator
    return _in_precision("float32", partial(calculator, model, modal=modal, device=_device()))


def known_sevennet(calculator: Any) -> Known:
    """Return the elements and the cutoff of a SevenNet model."""
    return Known(symbols(sorted(calculator.type_map)), float(calculator.cutoff))


def make_chgnet(model: str | Path) -> BaseCalculator:
    """Return CHGNet's calculator of a model by name or file, with its site energies.

    These include the composition model, so that they sum to the energy.
    """
    return _in_precision("float32", partial(_chgnet, model))


def _chgnet(model: str | Path) -> Any:
    network, device = import_module("chgnet.model.model").CHGNet, _device()
    calculator = import_module("chgnet.model.dynamics").CHGNetCalculator
    with redirect_stdout(StringIO()):  # it prints its name and device
        if isinstance(model, Path):
            loaded = network.from_file(str(model))
        else:
            loaded = network.load(model_name=model, use_device=device, verbose=False)
        return calculator(loaded, use_device=device, return_site_energies=True)


def known_chgnet(calculator: Any) -> Known:
    """Return the elements and the cutoff of a CHGNet model."""
    count = calculator.model.atom_embedding.embedding.num_embeddings  # H is its first row
    return Known(symbols(range(1, count + 1)), float(calculator.model.graph_converter.atom_graph_cutoff))


def make_mace(path: Path) -> BaseCalculator:
    """Return MACE's calculator of a model file, in the precision of the model."""
    calculator = import_module("mace.calculators").MACECalculator
    return _in_precision("float32", partial(calculator, model_paths=[str(path)], device=_device()))


def known_mace(calculator: Any) -> Known:
    """Return the elements and the cutoff of a MACE model."""
    return Known(symbols(calculator.z_table.zs), float(calculator.r_max))


def make_nequip(path: Path) -> BaseCalculator:
    """Return NequIP's calculator of a compiled NequIP or Allegro model."""
    calculator = import_module("nequip.integrations.ase").NequIPCalculator
    return _in_precision("float64", partial(calculator.from_compiled_model, str(path), device=_device()))


def known_nequip(calculator: Any) -> Known:
    """Return the elements and the cutoff of a NequIP model, from the transforms before it."""
    names = [n for t in calculator.transforms for n in getattr(t, "model_type_names", ())]
    cutoffs = [float(t.r_max) for t in calculator.transforms if hasattr(t, "r_max")]
    real = bool(names) and all(atomic_numbers.get(n, 0) for n in names)
    return Known(tuple(names) if real else None, max(cutoffs, default=None))


def make_metatomic(path: Path) -> BaseCalculator:
    """Return the calculator of an exported metatomic model, on the best device that it allows."""
    calculator = import_module("metatomic_ase").MetatomicCalculator
    return _in_precision("float32", partial(calculator, str(path)))


def known_metatomic(calculator: Any) -> Known:
    """Return what a metatomic model tells; per-atom energies if its energy is an output of atoms.

    Raises
    ------
    PotentialError
        The model has no energy.
    """
    model = calculator.model()
    outputs = model.capabilities().outputs
    energies = [output for key, output in outputs.items() if key.split("/")[0] == "energy"]
    if not energies:
        raise PotentialError(f"a metatomic model of {', '.join(outputs)}", "one with the output `energy`")
    cutoffs = [float(n.engine_cutoff("angstrom")) for n in model.requested_neighbor_lists()]
    atomic = all(output.sample_kind == "atom" for output in energies)
    return Known(
        symbols(model.capabilities().atomic_types),
        max(cutoffs, default=None),
        ALL if atomic else ALL - {"atomic_energies"},
    )
