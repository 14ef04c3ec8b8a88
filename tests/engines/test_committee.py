"""Committees of Lennard-Jones potentials, whose spread is that of their depths."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones  # noqa: TID251 - a potential that is not ours
from hypothesis import given, settings
from hypothesis import strategies as st

from frustra.engines.calculator import ALL, CalculatorPotential
from frustra.engines.committee import Committee, load_committee
from frustra.engines.potential import Evaluation
from frustra.errors import PotentialError
from tests.helpers import seeds


def calculator(epsilon: float) -> LennardJones:
    return LennardJones(sigma=3.4, epsilon=epsilon, rc=6.0, smooth=True)


def member(epsilon: float, **changes: Any) -> CalculatorPotential:
    options = {"species": ("Ar", "Kr"), "cutoff": 6.0, **changes}
    return CalculatorPotential(f"lj{epsilon:g}", partial(calculator, epsilon), f"lj{epsilon:.17g}", **options)


@dataclass(frozen=True)
class Shifted:
    """A potential whose per-atom energies are moved by a constant for each species; its total too."""

    inner: CalculatorPotential
    shifts: dict[str, float]
    name: str = "shifted"
    species: tuple[str, ...] = ("Ar", "Kr")
    cutoff: float = 6.0
    not_for: tuple[str, ...] = ()
    provides = ALL

    @property
    def fingerprint(self) -> str:
        return f"{self.inner.fingerprint}{self.shifts}"

    def evaluate(self, frames: list[Atoms]) -> Evaluation:
        found = self.inner.evaluate(frames)
        moved = np.array([[self.shifts[s] for s in f.get_chemical_symbols()] for f in frames])
        atomic = found.atomic_energies + moved
        return replace(found, atomic_energies=atomic, energies=atomic.sum(axis=1))


def frames(seed: int = 0, count: int = 3) -> list[Atoms]:
    """Return rattled mixed crystals; who is argon differs from frame to frame."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        atoms = bulk("Ar", "fcc", a=5.4, cubic=True).repeat((2, 1, 1))
        atoms.symbols[rng.permutation(8)[:3]] = "Kr"
        atoms.positions += 0.1 * rng.normal(size=(8, 3))
        made.append(atoms)
    return made


def test_two_depths_differ_as_their_depths_do() -> None:
    """Everything is proportional to ε, so members 1 ± x of the mean deviate by x of the mean."""
    seen = frames()
    mean = member(0.01).evaluate(seen)
    committee = Committee([member(0.008), member(0.012)])
    found, deviation = committee.evaluate(seen), committee.deviation(seen)
    np.testing.assert_allclose(found.energies, mean.energies, rtol=1e-12)
    np.testing.assert_allclose(found.forces, mean.forces, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.stress, mean.stress, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.partition("lj"), mean.atomic_energies, rtol=1e-12)
    norms = np.linalg.norm(mean.forces, axis=2)
    np.testing.assert_allclose(deviation.forces, 0.2 * norms, rtol=1e-9)
    np.testing.assert_allclose(deviation.largest, 0.2 * norms.max(axis=1), rtol=1e-9)


def test_the_spread_of_per_atom_energies_is_that_around_each_species_mean() -> None:
    seen = frames()
    energies, symbols = member(0.01).evaluate(seen).atomic_energies, np.array([f.symbols for f in seen])
    assert energies is not None
    expected = np.zeros_like(energies)
    for element in ("Ar", "Kr"):
        of = [(k, i) for k in range(3) for i in range(8) if symbols[k][i] == element]
        average = sum(energies[k, i] for k, i in of) / len(of)
        for k, i in of:
            expected[k, i] = 0.2 * abs(energies[k, i] - average)
    spread = Committee([member(0.008), member(0.012)]).deviation(seen).atomic_energies
    np.testing.assert_allclose(spread, expected, rtol=1e-8, atol=1e-14)


@settings(max_examples=5)
@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4), seeds)
def test_constants_of_the_species_are_no_spread(constants: list[float], seed: int) -> None:
    one = Shifted(member(0.01), {"Ar": constants[0], "Kr": constants[1]})
    two = Shifted(member(0.01), {"Ar": constants[2] + 20, "Kr": constants[3]})
    deviation = Committee([one, two]).deviation(frames(seed))
    np.testing.assert_allclose(deviation.atomic_energies, 0, atol=1e-12)
    np.testing.assert_allclose(deviation.forces, 0, atol=1e-14)


@settings(max_examples=5)
@given(st.permutations([0.007, 0.01, 0.011, 0.02]), seeds)
def test_the_order_of_the_members_does_not_matter(depths: list[float], seed: int) -> None:
    seen = frames(seed, 1)
    one, two = (Committee([member(e) for e in order]) for order in (sorted(depths), depths))
    assert one.fingerprint == two.fingerprint
    a, b = one.evaluate(seen), two.evaluate(seen)
    np.testing.assert_allclose(a.energies, b.energies, rtol=1e-12)
    np.testing.assert_allclose(a.forces, b.forces, rtol=1e-9, atol=1e-15)
    c, d = one.deviation(seen), two.deviation(seen)
    np.testing.assert_allclose(c.forces, d.forces, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(c.atomic_energies, d.atomic_energies, rtol=1e-8, atol=1e-14)


def test_it_claims_what_all_members_claim() -> None:
    committee = Committee(
        [
            member(0.01, species=("Ar", "Kr", "Ne"), not_for=("melts", "surfaces")),
            member(0.02, species=("Kr", "Ne"), cutoff=8.0, provides=ALL - {"stress"}, not_for=("melts",)),
            member(0.03, species=None),
        ]
    )
    assert committee.species == ("Kr", "Ne")
    assert committee.cutoff == 8.0
    assert committee.provides == ALL - {"stress"}
    assert committee.not_for == ("melts", "surfaces")
    assert committee.name == "committee:lj0.01+lj0.02+lj0.03"


def test_an_unknown_range_or_elements_stay_unknown() -> None:
    committee = Committee([member(0.01, cutoff=None), member(0.02)])
    assert committee.cutoff is None
    assert Committee([member(e, species=None) for e in (0.01, 0.02)]).species is None


def test_a_member_without_per_atom_energies_silences_all() -> None:
    silent = member(0.01, provides=ALL - {"atomic_energies"})
    committee = Committee([silent, member(0.02)])
    assert committee.deviation(frames()).atomic_energies is None
    assert committee.deviation(frames()).forces.max() > 0
    with pytest.raises(PotentialError, match=r"none from lj0.01"):
        committee.evaluate(frames()).partition(committee.name)


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([], "committee of 0"),
        ([member(0.01)], "at least two"),
        ([member(0.01), member(0.02), member(0.01)], "twice"),
        ([member(0.01, species=("Ar",)), member(0.02, species=("Kr",))], "common element"),
    ],
)
def test_what_is_no_committee_is_refused(members: list[CalculatorPotential], told: str) -> None:
    with pytest.raises(PotentialError, match=told):
        Committee(members)


def test_elements_that_one_member_does_not_know_are_refused() -> None:
    committee = Committee([member(0.01), member(0.02, species=("Kr",))])
    with pytest.raises(PotentialError, match="Ar"):
        committee.evaluate(frames())


HEAD = "# species: Ar\n# cutoff: 6\npair_style lj/cut 6\npair_coeff * * {} 3.4\n"


def test_a_name_joins_the_names_of_the_members(tmp_path: Path) -> None:
    for file, depth in (("a+b.lmp", 0.01), ("c.lmp", 0.03)):
        (tmp_path / file).write_text(HEAD.format(depth), encoding="utf-8")
    name = "committee:lammps:a+b.lmp+lammps:c.lmp"
    committee = load_committee(name, name.partition(":")[2], tmp_path)
    assert [m.name for m in committee.members] == ["lammps:a+b.lmp", "lammps:c.lmp"]
    assert committee.name == name
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True).repeat(2)
    singles = [m.evaluate([atoms]).energies[0] for m in committee.members]
    assert singles[1] == pytest.approx(3 * singles[0], rel=1e-9)
    assert committee.evaluate([atoms]).energies[0] == pytest.approx(2 * singles[0], rel=1e-9)


@pytest.mark.parametrize(
    "argument", ["pod:li-y-cl", "pod:li-y-cl+committee:pod:li-y-cl", "pod:none+pod:li-y-cl"]
)
def test_a_name_of_no_committee_is_refused(argument: str, tmp_path: Path) -> None:
    with pytest.raises(PotentialError):
        load_committee(f"committee:{argument}", argument, tmp_path)
