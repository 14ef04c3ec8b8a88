"""Files and names that are no models, and models without what the density of atomistic states needs."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from frustra.engines.lammps import LMP_VARIABLE
from frustra.engines.zoo import load_potential
from frustra.errors import EngineError, FrustraError, PotentialError
from tests.extras.models import write_metatomic, write_nep, write_nequip


def one_sentence(model: str, folder: Path, atoms: Atoms | None = None) -> str:
    """Return how a model is refused, when it is loaded or at its first evaluation."""
    with pytest.raises(FrustraError) as caught:
        load_potential(model, folder).evaluate(
            [atoms or Atoms("LiCl", [[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4])]
        )
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


@pytest.mark.parametrize("content", [b"", b"no model\n", b"PK\x03\x04" + bytes(100), bytes(range(256))])
@pytest.mark.parametrize(
    "name", ["metatomic:bad.pt", "nequip:bad.nequip.pth", "mtp:bad.mtp:Li,Cl", "nep:bad.txt"]
)
def test_a_file_that_is_no_model_is_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name.split(":")[1]).write_bytes(content)
    assert "bad" in one_sentence(name, tmp_path)


@pytest.mark.parametrize("name", ["sevennet:bad.pth", "chgnet:bad.pth.tar", "deepmd:bad.pb"])
def test_a_file_that_is_no_model_is_one_sentence_where_it_takes_long(name: str, tmp_path: Path) -> None:
    (tmp_path / name.split(":")[1]).write_bytes(b"no model\n")
    assert "bad" in one_sentence(name, tmp_path)


@pytest.mark.parametrize(
    "name", ["mtp:none.mtp", "nep:none.txt", "nequip:none.nequip.pth", "metatomic:none.pt", "deepmd:none.pb"]
)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    assert "no model file" in one_sentence(name, tmp_path)


@pytest.mark.parametrize("name", ["chgnet:9.9.9", "sevennet:7net-nothing"])
def test_an_unknown_name_is_one_sentence(name: str, tmp_path: Path) -> None:
    assert name in one_sentence(name, tmp_path)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.97, 0.99])
def test_a_truncated_mtp_is_refused_before_it_is_evaluated(data: Path, kept: float, tmp_path: Path) -> None:
    text = (data / "potentials_LYC_MTP/PBE.optB88.mtp").read_text(encoding="utf-8")
    (tmp_path / "cut.mtp").write_text(text[: int(kept * len(text))], encoding="utf-8")
    with pytest.raises(PotentialError, match=r"cut\.mtp"):
        load_potential("mtp:cut.mtp:Li,Y,Cl", tmp_path)


@pytest.mark.parametrize(
    ("elements", "message"),
    [("", "0 elements for the 3 species"), (":Li,Y", "2 elements for the 3"), (":Li,Y,Cx", "Cx")],
)
def test_an_mtp_needs_its_elements(data: Path, elements: str, message: str) -> None:
    with pytest.raises(PotentialError, match=message):
        load_potential(f"mtp:{data / 'potentials_LYC_MTP/PBE.optB88.mtp'}{elements}")


def test_an_mtp_may_name_its_elements_itself(data: Path, tmp_path: Path) -> None:
    text = (data / "potentials_LYC_MTP/PBE.optB88.mtp").read_text(encoding="utf-8")
    (tmp_path / "told.mtp").write_text(text.replace("potential_tag =", "potential_tag = Li Y Cl"))
    assert load_potential("mtp:told.mtp", tmp_path).species == ("Li", "Y", "Cl")


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_nep_is_refused(kept: float, tmp_path: Path) -> None:
    text = write_nep(tmp_path / "nep.txt").read_text(encoding="utf-8")
    (tmp_path / "cut.txt").write_text(text[: int(kept * len(text))], encoding="utf-8")
    with pytest.raises(PotentialError, match=r"nep:cut\.txt cannot be loaded"):
        load_potential("nep:cut.txt", tmp_path)


def test_a_nep_without_an_energy_is_refused(tmp_path: Path) -> None:
    text = write_nep(tmp_path / "nep.txt").read_text(encoding="utf-8")
    (tmp_path / "dipole.txt").write_text(text.replace("nep4 ", "nep4_dipole ", 1), encoding="utf-8")
    assert "dipole" in one_sentence("nep:dipole.txt", tmp_path)


def test_packages_of_different_precision_take_turns(
    tmp_path: Path, workshop: Executor, crystal: Atoms
) -> None:
    workshop.submit(write_nequip, tmp_path / "small.nequip.pth").result()
    double, single = load_potential("nequip:small.nequip.pth", tmp_path), load_potential("chgnet:0.3.0")
    first = [p.evaluate([crystal]).energies[0] for p in (double, single)]
    again = [p.evaluate([crystal]).energies[0] for p in (double, single)]
    assert first == pytest.approx(again, abs=1e-4)


def test_a_nequip_model_must_be_compiled(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(PotentialError, match="nequip-compile"):
        load_potential("nequip:last.ckpt", tmp_path)


def test_an_element_that_a_model_does_not_know_is_named(tmp_path: Path, workshop: Executor) -> None:
    workshop.submit(write_nequip, tmp_path / "small.nequip.pth").result()
    gold = Atoms("Au2", [[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True)
    assert "Au in frames" in one_sentence("nequip:small.nequip.pth", tmp_path, gold)


def test_a_metatomic_model_of_the_total_serves_md_alone(
    tmp_path: Path, workshop: Executor, crystal: Atoms
) -> None:
    workshop.submit(write_metatomic, tmp_path / "total.pt", False).result()
    workshop.submit(write_metatomic, tmp_path / "atoms.pt", True).result()
    total = load_potential("metatomic:total.pt", tmp_path)
    assert "atomic_energies" not in total.provides
    found = total.evaluate([crystal])
    twin = load_potential("metatomic:atoms.pt", tmp_path).evaluate([crystal])
    assert found.energies == pytest.approx(twin.energies, abs=1e-10)
    assert found.forces == pytest.approx(twin.forces, abs=1e-10)
    with pytest.raises(PotentialError, match="gives no per-atom energies"):
        found.partition("total")


def test_a_named_lammps_is_not_given_the_wheels_plugin(
    tmp_path: Path, deep_potential: Path, crystal: Atoms, monkeypatch: pytest.MonkeyPatch
) -> None:
    potential = load_potential(f"deepmd:{deep_potential}")
    assert np.isfinite(potential.evaluate([crystal]).energies).all()
    fake = tmp_path / "lmp"
    fake.write_text('#!/bin/sh\necho "plugins: $LAMMPS_PLUGIN_PATH."\nexit 1\n', encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv(LMP_VARIABLE, str(fake))
    with pytest.raises(EngineError, match=r"plugins: \."):
        potential.evaluate([crystal])


def test_a_file_of_lammps_commands_may_name_a_deep_potential(
    deep_potential: Path, tmp_path: Path, crystal: Atoms
) -> None:
    commands = f"# species: Li Y Cl\n# cutoff: 4.5\npair_style deepmd {deep_potential}\npair_coeff * *\n"
    (tmp_path / "commands.lammps").write_text(commands, encoding="utf-8")
    found = load_potential("lammps:commands.lammps", tmp_path).evaluate([crystal])
    twin = load_potential(f"deepmd:{deep_potential}").evaluate([crystal])
    assert found.energies == pytest.approx(twin.energies)
