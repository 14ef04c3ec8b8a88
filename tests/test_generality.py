"""Other ions and other potentials: F in CaF2 with a classical pair potential, groups in an argyrodite."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from typer.testing import CliRunner

import frustra as fr
from frustra.analysis.groups import groups_of
from frustra.analysis.sampling import relaxed_frames
from frustra.campaign.materials import materials_of
from frustra.campaign.study import load_study
from frustra.cli.app import app
from frustra.engines.pairstyle import LammpsPotential, load_commands
from frustra.errors import StructureError
from tests.helpers import snapshots

EXAMPLE = Path(__file__).parents[1] / "examples/caf2"

A0 = 5.443  # Å, published for this potential
COULOMB = 14.399645  # eV Å

# Site potentials of fluorite in e/(4πε₀a), whose sum is the Madelung constant 5.0388 of the bond length.
SITE_POTENTIAL = {"Ca": -7.56585, "F": 4.07072}


@pytest.fixture(scope="module")
def potential() -> LammpsPotential:
    return load_commands("lammps:caf2.lmp", "caf2.lmp", EXAMPLE)


@pytest.fixture(scope="module")
def crystal() -> Atoms:
    return fr.supercell(fr.read_structure(EXAMPLE / "CaF2.cif"), (2, 2, 2))


def pair_energies(atoms: Atoms, cutoff: float) -> dict[str, float]:
    """Return half the Buckingham energy of all pairs of one Ca and one F, summed one by one."""
    shifts = np.stack(np.meshgrid(*3 * [np.arange(-2, 3)], indexing="ij"), axis=-1).reshape(-1, 3)
    everywhere = (atoms.positions[:, None] + shifts @ atoms.cell.array).reshape(-1, 3)
    fluorine = np.repeat(atoms.symbols == "F", len(shifts))
    found = {}
    for element in ("Ca", "F"):
        own = atoms.positions[list(atoms.symbols).index(element)]
        r = np.linalg.norm(everywhere - own, axis=1)
        near = (r > 0.1) & (r < cutoff)
        ca_f = 1272.8 * np.exp(-r / 0.2997)
        f_f = 99731834 * np.exp(-r / 0.12013) - 17.02 / np.maximum(r, 0.1) ** 6
        terms = np.where(fluorine, f_f, ca_f) if element == "F" else np.where(fluorine, ca_f, 0.0)
        found[element] = float(terms[near].sum() / 2)
    return found


def test_per_atom_energies_of_a_pair_potential_are_half_of_every_bond(
    potential: LammpsPotential, crystal: Atoms
) -> None:
    # each atom has half of its pairs and half of its charge times the potential at its site
    found = potential.evaluate([crystal])
    energies = found.partition(potential.name)[0]
    assert energies.sum() == pytest.approx(found.energies[0], abs=1e-6)
    short = pair_energies(crystal, potential.cutoff)
    for element, charge in zip(potential.species, potential.charges, strict=True):
        coulomb = charge * SITE_POTENTIAL[element] * COULOMB / A0 / 2
        mine = energies[crystal.symbols == element]
        np.testing.assert_allclose(mine, coulomb + short[element], atol=1e-3)


def test_the_structure_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(EXAMPLE / "make_structure.py"))["fluorite"]()
    kept = fr.read_structure(EXAMPLE / "CaF2.cif")
    assert (made.numbers == kept.numbers).all()
    np.testing.assert_allclose(made.positions, kept.positions, atol=1e-6)


def test_the_crystal_relaxes_to_the_published_lattice_parameter(
    potential: LammpsPotential, crystal: Atoms
) -> None:
    relaxed, _ = fr.relax_crystal(fr.supercell(crystal, (1, 1, 1)), potential)
    np.testing.assert_allclose(relaxed.cell.array, 2 * A0 * np.eye(3), atol=0.003)


def test_the_sites_of_fluorite_are_tetrahedra_and_octahedra_of_calcium(crystal: Atoms) -> None:
    sites = fr.sites_of(crystal, ("Ca",), "F")
    assert len(sites) == 8 * (8 + 4)
    assert (sites.kind == "tet").sum() == 8 * 8
    assert (sites.kind == "oct").sum() == 8 * 4
    assert sites.open.all()
    assert sites.layer_axis == -1  # of three equal axes none is the stacking
    assert set(sites.layer.tolist()) == {-1}
    cell = crystal.get_cell().array / 2
    tet = sites.positions[sites.kind == "tet"] @ np.linalg.inv(cell)
    np.testing.assert_allclose(np.abs(tet % 0.5), 0.25, atol=1e-6)  # where F is


@pytest.fixture(scope="module")
def relaxed(potential: LammpsPotential, crystal: Atoms) -> fr.Snapshots:
    """Two frames of fluorite at rest, and two with an F driven off into an octahedron far from its place."""
    sites = fr.sites_of(crystal, ("Ca",), "F")
    rng = np.random.default_rng(1)
    frames = []
    for far in (False, True):
        for _ in range(2):
            frame = crystal.copy()
            if far:
                fluorine = fr.structures.indices_of(frame, "F")[0]
                distance = np.linalg.norm(
                    fr.geometry.minimum_image(sites.positions - frame.positions[fluorine], frame.cell.array),
                    axis=1,
                )
                chosen = np.argmax(np.where(sites.kind == "oct", distance, 0))
                frame.positions[fluorine] = sites.positions[chosen]
            frame.positions += rng.normal(0, 0.05, frame.positions.shape)
            frames.append(frame)
    return fr.relax_frames(frames, potential).with_origin(np.arange(4.0), 1500.0)


def test_the_density_of_states_of_a_mobile_anion(relaxed: fr.Snapshots) -> None:
    assert relaxed.converged.all()
    states = fr.tabulate(relaxed, "F", ["Ca"])
    still, pairs = states["snapshot"] < 2, states["snapshot"] >= 2
    assert set(states["site"][still]) == {"tet"}
    assert set(states["anions"]) == {"Ca4", "Ca6"}
    # one Frenkel pair in each of the others: an F in an octahedron, and a tetrahedron empty
    assert (states["site"][pairs] == "oct").sum() == 2
    one, several = (fr.densities_of(states.select(rows))[0] for rows in (still, pairs))
    assert one.entropy.value == 0
    assert one.iqr.value < 1e-3
    assert several.entropy.value > 1
    # the pair potential's defect energy is real: every F in an octahedron lies above those of the crystal
    assert relaxed.energies[2:].min() > relaxed.energies[:2].max() + 1
    np.testing.assert_allclose(relaxed.energies[:2], relaxed.energies[0], atol=1e-3)


def test_the_conductivity_of_an_anion_does_not_depend_on_the_sign_of_its_charge() -> None:
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(0, 0.3, (400, 20, 3)), axis=0)
    numbers = np.array([9] * 20 + [20] * 10)
    positions = np.concatenate([walk, np.zeros((400, 10, 3))], axis=1)
    run = fr.Trajectory(positions, np.tile(np.eye(3) * 20.0, (400, 1, 1)), numbers, 0.1, 1500.0)
    found = fr.diffusion_of([run], "F")
    assert found.conductivity(-1.0)[0] == found.conductivity(1.0)[0] > 0


def test_a_study_of_an_anion_names_its_cations(tmp_path: Path) -> None:
    study = load_study(EXAMPLE / "study.toml")
    (material,) = materials_of(study, tmp_path, EXAMPLE)
    assert material.context.anions(material.starts[0]) == ("Ca",)
    assert not material.warnings
    with pytest.raises(StructureError, match=r'anions = \["Ca"\] in the study file'):
        materials_of(study.model_copy(update={"anions": None}), tmp_path, EXAMPLE)


def test_sites_of_an_anion_by_the_command_line() -> None:
    file = str(EXAMPLE / "CaF2.cif")
    refused = CliRunner().invoke(app, ["sites", file, "--specie", "F"])
    assert refused.exit_code == 2
    assert "--anions Ca" in refused.output
    told = CliRunner().invoke(app, ["sites", file, "--specie", "F", "--anions", "Ca"])
    assert told.exit_code == 0
    assert "12 sites of Ca for F" in told.output


@pytest.mark.parametrize(("disorder", "kinds"), [("0p", {"I1S3"}), ("50p", {"I1S3", "I2S2", "S4"})])
def test_groups_of_an_argyrodite_add_their_atoms_and_lithium_sees_mixed_anions(
    data: Path, disorder: str, kinds: set[str]
) -> None:
    hints = fr.TrajectoryHints(timestep=5.0, temperature=500.0)
    path = data / f"argyrodite_Li6PS5I/{disorder}_run1_inherent_XDATCAR.gz"
    with fr.open_trajectory(path, hints=hints) as frames:
        some = [frames.atoms(k) for k in range(0, 100, 10)]
    record = snapshots(some[0], 10, positions=np.array([a.positions for a in some]))
    groups = groups_of(relaxed_frames(record), "PS4")
    assert groups.members.shape == (32, 5)
    reach = np.linalg.norm(
        fr.geometry.minimum_image(
            some[2].positions[groups.members[:, 1:]] - some[2].positions[groups.centres][:, None],
            some[2].cell.array,
        ),
        axis=2,
    )
    assert 1.9 < reach.min() < reach.max() < 2.2  # P–S bonds
    table = fr.tabulate(record, "PS4")
    assert len(table) == 10 * 32
    expected = [record.atomic_energies[k][members].sum() for k in range(10) for members in groups.members]
    np.testing.assert_allclose(table["energy"], expected)
    lithium = fr.tabulate(record, "Li")
    assert set(lithium["anions"]) == kinds
    # with 32 PS4 and 32 I there are as many free S
    assert (some[0].symbols == "S").sum() - groups.members[:, 1:].size == 32
