import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.md.verlet import VelocityVerlet

from frustra.engines.calculator import CalculatorPotential, calculator_of
from frustra.engines.zoo import FAMILIES, load_potential
from frustra.errors import PotentialError

FORMAL_CHARGES = """\
# species: Ca F
# cutoff: 8
# charges: 2 -1
pair_style buck/coul/long 8.0
pair_coeff 1 1 0.0 1.0 0.0
pair_coeff 1 2 1272.8 0.2997 0.0
pair_coeff 2 2 99731834.0 0.12013 17.02
kspace_style ewald 1.0e-6
"""

CALCULATORS = """\
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones


def lj():
    return LennardJones(epsilon=0.0104, sigma=3.4, rc=6.0, smooth=True)


class Total(Calculator):
    implemented_properties = ["energy", "forces", "stress", "energies"]

    def __init__(self, shape):
        super().__init__()
        self.inner, self.shape = lj(), shape

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.inner.calculate(self.atoms, ["energy", "forces", "stress"], all_changes)
        self.results = dict(self.inner.results)
        self.results["energies"] = np.full(self.shape, self.results["energy"])


def scalar():
    return Total(())


def vector():
    return Total((1,))


class Broken(Total):
    def calculate(self, *args, **words):
        raise RuntimeError("a long story\\nof many lines")


def broken():
    return Broken(())


class Forceless(Total):
    def calculate(self, *args, **words):
        super().calculate(*args, **words)
        del self.results["forces"]


def forceless():
    return Forceless(())


def failing():
    raise ValueError("no weights\\nat all")


number = 3
"""


def argon() -> Atoms:
    atoms = bulk("Ar", cubic=True, a=5.3).repeat(2)
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.fixture
def calculators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "toy_calculators.py").write_text(CALCULATORS, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "toy_calculators", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_formal_charges_give_the_lattice_parameter_of_calcium_fluoride(tmp_path: Path) -> None:
    (tmp_path / "caf2.lammps").write_text(FORMAL_CHARGES, encoding="utf-8")
    potential = load_potential("lammps:caf2.lammps", tmp_path)
    lengths = np.linspace(5.40, 5.49, 7)
    crystals = [bulk("CaF2", "fluorite", a=a, cubic=True).repeat(2) for a in lengths]
    found = potential.evaluate(crystals)
    assert found.partition("caf2").shape == (7, 96)
    c, b, _ = np.polynomial.polynomial.polyfit(lengths - 5.44, found.energies, 4)[2::-1]
    assert 5.44 - b / (2 * c) == pytest.approx(5.443, abs=0.002)
    pressure = -np.trace(found.stress, axis1=1, axis2=2)  # changes its sign at the same length
    assert np.interp(0, -pressure, lengths) == pytest.approx(5.443, abs=0.002)


def test_formal_charges_pull_as_the_energy_says(tmp_path: Path) -> None:
    (tmp_path / "caf2.lammps").write_text(FORMAL_CHARGES, encoding="utf-8")
    potential = load_potential("lammps:caf2.lammps", tmp_path)
    crystal, step = bulk("CaF2", "fluorite", a=5.45, cubic=True), 1e-3
    crystal.rattle(0.05, seed=1)
    ends = [crystal.copy(), crystal.copy()]
    for atoms, sign in zip(ends, (-1, 1), strict=True):
        atoms.positions[4, 1] += sign * step
    low, high = potential.evaluate(ends).energies
    forces = potential.evaluate([crystal]).forces
    assert forces[0, 4, 1] == pytest.approx((low - high) / (2 * step), abs=1e-4)


@pytest.mark.parametrize("name", ["", "pod", "pod:", "gap:file.xml", ":x"])
def test_an_unknown_family_is_told_all_others(name: str) -> None:
    with pytest.raises(PotentialError, match="FAMILY:ARGUMENT with a family of pod, lammps"):
        load_potential(name)


@pytest.mark.parametrize(
    ("family", "package"),
    [
        ("deepmd", "deepmd"),
        ("mtp", "motep"),
        ("nep", "calorine"),
        ("sevennet", "sevenn"),
        ("chgnet", "chgnet"),
        ("mace", "mace"),
        ("nequip", "nequip"),
        ("metatomic", "metatomic_ase"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    family: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    assert FAMILIES[family].needs == family
    with pytest.raises(PotentialError, match=rf'pip install "frustra\[{family}\]"'):
        load_potential(f"{family}:model")


def test_a_package_that_fails_when_imported_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metatomic_ase.py").write_text("raise RuntimeError('clash')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "metatomic_ase", raising=False)
    with pytest.raises(PotentialError, match=r"fails when it is imported \(RuntimeError: clash\)"):
        load_potential("metatomic:model.pt")


def test_frustra_imports_no_learning_framework() -> None:
    script = (
        "import sys, frustra, frustra.engines.zoo, frustra.cli\n"
        "print(sorted({'torch', 'tensorflow', 'motep', 'calorine', 'pymatgen'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "[]"


def test_any_ase_calculator_comes_in_through_a_factory(calculators: Path) -> None:
    potential = load_potential("ase:toy_calculators:lj", calculators)
    atoms = argon()
    found = potential.evaluate([atoms])
    atoms.calc = sys.modules["toy_calculators"].lj()
    assert found.energies[0] == pytest.approx(atoms.get_potential_energy())
    assert found.forces[0] == pytest.approx(atoms.get_forces())
    assert found.partition("lj")[0] == pytest.approx(atoms.get_potential_energies())


def test_changed_code_of_a_factory_is_another_potential(calculators: Path) -> None:
    first = load_potential("ase:toy_calculators:lj", calculators).fingerprint
    file = calculators / "toy_calculators.py"
    file.write_text(CALCULATORS.replace("3.4", "3.5"), encoding="utf-8")
    assert load_potential("ase:toy_calculators:lj", calculators).fingerprint != first


@pytest.mark.parametrize("factory", ["scalar", "vector"])
def test_a_total_called_energies_serves_md_but_is_no_per_atom_energy(factory: str, calculators: Path) -> None:
    potential = load_potential(f"ase:toy_calculators:{factory}", calculators)
    atoms = argon()
    found = potential.evaluate([atoms])
    assert found.atomic_energies is None
    with pytest.raises(PotentialError, match=r"gives no per-atom energies .*shape.*pod, lammps, deepmd"):
        found.partition(potential.name)
    atoms.calc = calculator_of(potential)
    before = atoms.get_total_energy()
    VelocityVerlet(atoms, timestep=0.2).run(20)
    assert atoms.get_total_energy() == pytest.approx(before, abs=1e-4)
    assert atoms.get_kinetic_energy() > 1e-4


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("broken", r"cannot be evaluated for Ar32 \(RuntimeError: a long story\)"),
        ("forceless", "gives no forces"),
        ("failing", r"cannot be loaded \(ValueError: no weights\)"),
        ("number", "no function 'number'"),
        ("nothing", "no function 'nothing'"),
    ],
)
def test_errors_of_a_calculator_are_one_sentence(factory: str, message: str, calculators: Path) -> None:
    potential = load_potential(f"ase:toy_calculators:{factory}", calculators)
    with pytest.raises(PotentialError, match=message) as caught:
        potential.evaluate([argon()])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ase:toy_calculators", "ase::lj", "ase:no_such_module:lj"])
def test_a_factory_that_is_not_there_is_refused(name: str, calculators: Path) -> None:
    with pytest.raises(PotentialError, match=r"no_such_module|ase:package\.module:factory"):
        load_potential(name, calculators)


def test_a_calculator_may_be_asked_for_what_it_lacks(calculators: Path) -> None:
    made = load_potential("ase:toy_calculators:lj", calculators)
    assert isinstance(made, CalculatorPotential)
    made.provides = frozenset(("energy", "forces"))
    assert made.evaluate([argon()]).atomic_energies is None
