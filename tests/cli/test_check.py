"""`frustra check-potential`: what it prints, and its exit codes."""

import json
import sys
from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

from frustra.cli import app
from frustra.engines.zoo import FAMILIES
from tests.cli.test_app import refused

TOY = """
import os

from ase.calculators.lj import LennardJones


class Wrong(LennardJones):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["forces"] = 1.02 * self.results["forces"]


class Total(LennardJones):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["energies"] = [self.results["energy"]]


def made(kind):
    print("loading the model")
    os.write(1, b"using one thread\\n")
    return kind(sigma=2.3, epsilon=0.3, rc=5.0, smooth=True)


def right():
    return made(LennardJones)


def wrong():
    return made(Wrong)


def total():
    return made(Total)
"""


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a module of toy models and a crystal; it is the working folder."""
    (tmp_path / "toy_models.py").write_text(TOY, encoding="utf-8")
    bulk("Cu", a=3.7).write(tmp_path / "Cu.cif")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "toy_models", raising=False)
    return tmp_path


def told(*arguments: str, code: int) -> str:
    result = CliRunner().invoke(app, ["check-potential", *arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def test_fit_for_both_is_exit_code_zero() -> None:
    text = told("pod:li-y-cl", code=0)
    assert "MD: fit" in text
    assert "DOAS: fit" in text
    assert "atom-steps/s" in text
    assert "MiB" in text
    assert "FAIL" not in text
    assert "Not for: " in text


def test_fit_for_md_only_is_exit_code_zero_and_told(toys: Path) -> None:
    text = told("ase:toy_models:total", str(toys / "Cu.cif"), code=0)
    assert "MD: fit" in text
    assert "DOAS: not fit" in text
    assert "(1,)" in text


def test_wrong_forces_are_exit_code_one(toys: Path) -> None:
    text = told("ase:toy_models:wrong", str(toys / "Cu.cif"), code=1)
    assert "MD: not fit – failed: forces" in text
    assert "forces: its forces are not the slope of the energy" in text


def test_json_is_one_object_whatever_the_model_prints(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["check-potential", "ase:toy_models:right", str(toys / "Cu.cif"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["md"]["fit"]
    assert report["doas"]["fit"]
    assert report["atoms"] == 8
    assert all(c["passed"] for c in report["checks"])
    assert {"name", "value", "tolerance", "unit", "passed", "note"} <= set(report["checks"][0])
    assert "loading the model" in result.stderr
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == "using one thread\n"


def test_the_list_has_every_family() -> None:
    lines = told("--list", code=0).splitlines()
    assert [line.split()[0] for line in lines] == list(FAMILIES)
    for line, family in zip(lines, FAMILIES.values(), strict=True):
        assert family.argument in line
        assert family.needs in line


def test_the_list_as_json() -> None:
    assert set(json.loads(told("--list", "--json", code=0))) == set(FAMILIES)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--list"),
        (["--json"], "--list"),
        (["pod:none"], "parameters.pod"),
        (["nonsense"], "FAMILY:ARGUMENT"),
        (["pod:li-y-cl", "none.cif"], "no structure file none.cif"),
        (["ase:toy_models:right"], "MODEL STRUCTURE"),
        (["ase:toy_models:none", "Cu.cif"], "no function 'none'"),
        (["pod:li-y-cl", "Cu.cif"], "Cu in frames for pod:li-y-cl"),
    ],
)
def test_bad_input_is_one_sentence(toys: Path, arguments: list[str], sentence: str) -> None:
    assert toys.is_dir()
    assert sentence in refused("check-potential", *arguments)
