"""Every family but MACE, whose package needs another e3nn than SevenNet's and NequIP's."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.io import write

from frustra.engines.potential import Evaluation
from frustra.engines.zoo import load_potential
from tests.extras.checks import Case, PotentialChecks, by_ase
from tests.extras.models import CUTOFF, write_metatomic, write_nep, write_nequip

LYC = frozenset(("Li", "Y", "Cl"))


@dataclass(frozen=True)
class Bench:
    """What a model is made with."""

    folder: Path
    data: Path
    workshop: Executor
    request: pytest.FixtureRequest


def pod(_: Bench) -> Case:
    """Return the shipped potential; LAMMPS is its package, here asked for one frame in another order."""
    potential = load_potential("pod:li-y-cl")

    def own(atoms: Atoms) -> Evaluation:
        order = np.argsort(-atoms.numbers, kind="stable")
        found = potential.evaluate([atoms[order]])
        back = np.argsort(order)
        atomic = found.partition("pod")[:, back]
        return Evaluation(found.energies, found.forces[:, back], atomic, found.stress)

    return Case(potential, LYC, 5.3, own)


def deepmd(bench: Bench) -> Case:
    """Return a Deep Potential; its package's own interface runs apart, as TensorFlow and torch may clash."""
    path: Path = bench.request.getfixturevalue("deep_potential")
    script = (
        "import json, sys, numpy as np; from ase.io import read; from deepmd.infer import DeepPot\n"
        "m, a = DeepPot(sys.argv[1]), read(sys.argv[2])\n"
        "types = [m.get_type_map().index(s) for s in a.get_chemical_symbols()]\n"
        "out = m.eval(a.positions[None], a.cell.array[None], types, atomic=True)\n"
        "print(json.dumps([np.asarray(x).ravel().tolist() for x in out[:4]]))\n"
    )

    def own(atoms: Atoms) -> Evaluation:
        write(bench.folder / "frame.traj", atoms)
        words = [sys.executable, "-c", script, str(path), str(bench.folder / "frame.traj")]
        said = subprocess.run(words, capture_output=True, check=True, text=True).stdout
        energy, forces, virial, atomic = map(np.array, json.loads(said.strip().splitlines()[-1]))
        stress = -virial.reshape(1, 3, 3) / atoms.get_volume()
        return Evaluation(energy, forces.reshape(1, -1, 3), atomic[None], stress)

    return Case(load_potential(f"deepmd:{path}"), LYC, CUTOFF, own)


def mtp(bench: Bench) -> Case:
    """Return the published moment tensor potential; motep's other engine, in numpy, is the judge."""
    from motep.calculator import MTP
    from motep.io.mlip.mtp import read_mtp

    path = bench.data / "potentials_LYC_MTP/PBE.optB88.mtp"
    parameters = read_mtp(str(path))
    parameters.species = [3, 39, 17]
    potential = load_potential(f"mtp:{path}:Li,Y,Cl")
    return Case(potential, LYC, 5.0, lambda atoms: by_ase(atoms, MTP(parameters, engine="numpy")))


def nep(bench: Bench) -> Case:
    """Return a NEP of random parameters; calorine's functions judge its calculator."""
    from calorine.nep import get_potential_forces_and_virials

    path = write_nep(bench.folder / "nep.txt")

    def own(atoms: Atoms) -> Evaluation:
        energies, forces, virials = get_potential_forces_and_virials(atoms, str(path))
        stress = -np.sum(virials, axis=0).reshape(1, 3, 3) / atoms.get_volume()
        return Evaluation(np.array([np.sum(energies)]), forces[None], np.array(energies)[None], stress)

    return Case(load_potential("nep:nep.txt", bench.folder), LYC, CUTOFF, own)


def sevennet(_: Bench) -> Case:
    """Return SevenNet-0."""
    from sevenn.calculator import SevenNetCalculator

    calculator = SevenNetCalculator("7net-0", device="cpu")
    everything = LYC | {"H", "O", "Pu"}
    potential = load_potential("sevennet:7net-0")
    return Case(potential, everything, 5.0, lambda atoms: by_ase(atoms, calculator), double=False, step=0.03)


def chgnet(_: Bench) -> Case:
    """Return CHGNet 0.3.0; its energies are per atom and its site energies not, in its own words."""
    from chgnet.model.model import CHGNet
    from pymatgen.io.ase import AseAtomsAdaptor

    network = CHGNet.load(model_name="0.3.0", use_device="cpu")

    def own(atoms: Atoms) -> Evaluation:
        structure = AseAtomsAdaptor.get_structure(atoms)
        said = network.predict_structure(structure, return_site_energies=True)
        energy = np.array([float(said["e"]) * len(atoms)])
        return Evaluation(energy, said["f"][None], said["site_energies"][None], said["s"][None] * units.GPa)

    potential = load_potential("chgnet:0.3.0")
    # a short step: its energy has small jumps where neighbours cross its cutoffs
    return Case(potential, LYC | {"H", "Pu"}, 6.0, own, double=False, step=0.005)


def nequip(bench: Bench) -> Case:
    """Return a small NequIP network."""
    from nequip.integrations.ase import NequIPCalculator

    path = bench.workshop.submit(write_nequip, bench.folder / "small.nequip.pth").result()
    calculator = NequIPCalculator.from_compiled_model(str(path), device="cpu")
    potential = load_potential(f"nequip:{path}")
    return Case(potential, LYC, CUTOFF, lambda atoms: by_ase(atoms, calculator))


def metatomic(bench: Bench) -> Case:
    """Return a pair potential exported as a metatomic model."""
    from metatomic_ase import MetatomicCalculator

    path = bench.workshop.submit(write_metatomic, bench.folder / "pairs.pt", True).result()

    def own(atoms: Atoms) -> Evaluation:
        said = MetatomicCalculator(str(path)).compute_energy(atoms, True, per_atom=True)
        energy = np.array([said["energy"]])
        return Evaluation(energy, said["forces"][None], said["energies"].reshape(1, -1), said["stress"][None])

    return Case(load_potential(f"metatomic:{path}"), LYC, CUTOFF, own)


# metatomic cannot be imported after SevenNet (see `workshop`), and NequIP, used without us, leaves torch in
# a precision in which SevenNet and CHGNet, used without us, fail
MAKERS = (pod, mtp, nep, deepmd, metatomic, sevennet, chgnet, nequip)


@pytest.fixture(scope="module", params=MAKERS, ids=lambda maker: maker.__name__)
def case(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    data: Path,
    workshop: Executor,
) -> Case:
    maker: Callable[[Bench], Case] = request.param
    return maker(Bench(tmp_path_factory.mktemp(maker.__name__), data, workshop, request))


class TestFamilies(PotentialChecks):
    """All checks for each family."""
