import re
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from frustra.campaign.study import MaterialSettings, Study, commented_study, load_study
from frustra.engines.md import MDSettings
from frustra.errors import StudyError

SMALLEST = """
name = "a"
[materials.m]
structure = "m.cif"
[md]
temperatures = [300, 400]
"""


def load(folder: Path, text: str) -> Study:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return load_study(path)


def tables_in(field: Any) -> list[type[BaseModel]]:
    """Return the settings class of a field that is a table, or of a table of tables."""
    kinds = typing.get_args(field.annotation) or (field.annotation,)
    return [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]


def settings_classes(model: type[BaseModel] = Study) -> set[type[BaseModel]]:
    """Return the class of the study file and of every table in it."""
    inner = [k for field in model.model_fields.values() for k in tables_in(field)]
    return {model}.union(*(settings_classes(k) for k in inner))


def uncommented(text: str) -> str:
    return re.sub(r"^# (\w+ = .+)$", r"\1", text, flags=re.MULTILINE)


def test_the_smallest_study_has_the_defaults_of_every_class(tmp_path: Path) -> None:
    study = load(tmp_path, SMALLEST)
    expected = Study(
        name="a",
        materials={"m": MaterialSettings(structure=tmp_path / "m.cif")},
        md=MDSettings(temperatures=(300.0, 400.0)),
    )
    assert study == expected


def test_paths_are_relative_to_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    text = SMALLEST.replace('"m.cif"', '"sub/m.cif"\nstarts = ["b.extxyz", "/far/c.extxyz"]')
    material = load(tmp_path / "in", text).materials["m"]
    assert material.structure == tmp_path / "in/sub/m.cif"
    assert material.starts == (tmp_path / "in/b.extxyz", Path("/far/c.extxyz"))
    monkeypatch.chdir(tmp_path / "in")
    nearby = load_study(Path("study.toml")).materials["m"]
    assert nearby.structure.resolve() == material.structure


def test_every_value_of_a_study_is_taken(tmp_path: Path) -> None:
    text = SMALLEST.replace('name = "a"', 'name = "b"\nspecie = "Na"\nanions = ["S", "I"]\nseed = 7')
    text += 'production = 20\ncell = "fixed"\n[sampling]\nsnapshots = 12\n[doas]\nzero = "quantile"\n'
    text += "[transport]\ncharge = 1.5\n"
    study = load(tmp_path, text)
    assert (study.name, study.specie, study.anions, study.seed) == ("b", "Na", ("S", "I"), 7)
    assert (study.md.production, study.md.cell, study.sampling.snapshots) == (20.0, "fixed", 12)
    assert (study.doas.zero, study.transport.charge) == ("quantile", 1.5)


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("sed = 3\n" + SMALLEST, "sed", "seed"),
        (SMALLEST + "[relaxx]\nfmax = 0.001\n", "relaxx", "relax"),
        (SMALLEST + "timestp = 1\n", "md.timestp", "timestep"),
        (SMALLEST + "[prepare]\nwalker = 1\n", "prepare.walker", "walkers"),
        (
            SMALLEST.replace("structure", "supercel = [1, 1, 1]\nstructure"),
            "materials.m.supercel",
            "supercell",
        ),
    ],
)
def test_an_unknown_key_is_refused_by_name_with_the_nearest_valid_one(
    tmp_path: Path, text: str, key: str, nearest: str
) -> None:
    with pytest.raises(StudyError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert f"unknown key '{key}'" in message
    assert f"did you mean '{nearest}'" in message
    assert str(tmp_path / "study.toml") in message


def test_the_valid_keys_are_named_where_one_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        load(tmp_path, SMALLEST + "timestp = 1\n")
    assert all(key in str(caught.value) for key in MDSettings.model_fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALLEST.replace("[300, 400]", "[400, 300]"), "md.temperatures = .*ascending"),
        (SMALLEST.replace("[300, 400]", "[300, 300]"), "md.temperatures = .*distinct"),
        (SMALLEST.replace("[300, 400]", "[-300, 400]"), "md.temperatures = .*positive"),
        (SMALLEST.replace("[300, 400]", "[]"), "md.temperatures"),
        (SMALLEST.replace("[300, 400]", "300"), "md.temperatures = 300"),
        (SMALLEST.replace("[300, 400]", '["hot"]'), "md.temperatures"),
        (SMALLEST + "timestep = 0\n", "md.timestep = 0"),
        (SMALLEST + "timestep = nan\n", "md.timestep = nan"),
        (SMALLEST + 'cell = "nvt"\n', "md.cell = 'nvt'.*'npt' or 'fixed'"),
        (SMALLEST + "[relax]\nfmax = 0.1\n", r"relax.fmax = 0.1.*less than or equal to 0\.05"),
        (SMALLEST + "[sampling]\nsnapshots = 1\n", "sampling.snapshots = 1"),
        (SMALLEST + "[sampling]\nsnapshots = 2.5\n", "sampling.snapshots = 2.5"),
        (SMALLEST + "[doas]\nbin = 0\n", "doas.bin = 0"),
        ("seed = 0\n" + SMALLEST, "seed = 0"),
        (SMALLEST.replace("structure", "supercell = [0, 1, 1]\nstructure"), "materials.m.supercell"),
        (SMALLEST.replace("structure", "supercell = [2, 2]\nstructure"), "materials.m.supercell"),
        (SMALLEST.replace('"a"', '"../a"'), "name = '../a'.*letters, digits"),
        (SMALLEST.replace('"a"', '".."'), "name = '..'.*letters, digits"),
        (SMALLEST.replace('"a"', '""'), "name = ''"),
        (SMALLEST.replace("materials.m]", 'materials."a/b"]'), "a/b.*letters, digits"),
        (SMALLEST.replace('structure = "m.cif"', ""), "no 'materials.m.structure'"),
        (SMALLEST.replace('name = "a"', ""), "no 'name'"),
        (SMALLEST.replace("temperatures = [300, 400]", ""), "no 'md.temperatures'"),
        ('name = "a"\nmaterials = 3\n[md]\ntemperatures = [300]\n', "materials = 3"),
        ("", "no 'name'"),
    ],
)
def test_a_bad_or_missing_value_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALLEST + "production = 5\n[sampling]\nsnapshots = 51\n", "51 snapshots of 5 ps"),
        (SMALLEST + "production = 1\n", "only 10 stored frames"),
        (SMALLEST + "npt_time = 0.01\n", "npt_time = 0.01 ps"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "line",
    [
        "temperatures = [nan]",
        "temperatures = [300, inf]",
        "temperatures = [300]\nproduction = inf",
        "temperatures = [300]\ninterval = inf",
        "temperatures = [300]\nequilibration = inf",
        "temperatures = [300]\nthermostat_time = inf",
        "temperatures = [300]\nbarostat_time = inf",
        "temperatures = [300]\ncheckpoint = inf",
        "temperatures = [300]\n[transport]\ncharge = nan",
        "temperatures = [300]\n[doas]\nbin = inf",
    ],
)
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(StudyError):
        load(tmp_path, SMALLEST.replace("temperatures = [300, 400]", line))


def test_a_missing_file_a_folder_and_what_is_not_toml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no study file .*nothing\.toml; .*frustra init"):
        load_study(tmp_path / "nothing.toml")
    with pytest.raises(StudyError, match="directory"):
        load_study(tmp_path)
    with pytest.raises(StudyError, match=r"study.toml is not valid TOML: .*line 2"):
        load(tmp_path, 'name = "a"\nspecie = Li\n')
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match=r"binary.toml is not valid TOML"):
        load_study(tmp_path / "binary.toml")


def test_the_commented_study_is_valid_and_means_the_defaults(tmp_path: Path) -> None:
    text = commented_study()
    plain, every = (tomllib.loads(t) for t in (text, uncommented(text)))
    study = Study.model_validate(plain)
    assert Study.model_validate(every) == study
    bare = Study(
        name=study.name,
        materials={k: MaterialSettings(structure=m.structure) for k, m in study.materials.items()},
        md=MDSettings(temperatures=study.md.temperatures),
    )
    assert study == bare
    assert load(tmp_path, uncommented(text)).md == study.md


@pytest.mark.parametrize("model", sorted(settings_classes(), key=lambda m: m.__name__))
def test_every_setting_stands_in_the_commented_study_below_its_description(model: type[BaseModel]) -> None:
    lines = commented_study().splitlines()
    for key, field in model.model_fields.items():
        if tables_in(field):
            assert any(re.match(rf"\[{key}(\.|\])", line) for line in lines)
            continue
        assert field.description
        below = lines[lines.index(f"## {field.description}") + 1]
        assert re.match(rf"(# )?{key} =|## {key}: not set", below)


def test_every_uncommented_default_is_written_in_full() -> None:
    every = tomllib.loads(uncommented(commented_study()))

    def keys(model: Any, table: dict[str, Any]) -> None:
        for key, field in model.model_fields.items():
            if tables_in(field):
                inner = table[key]
                keys(
                    tables_in(field)[0], inner["my-material"] if typing.get_args(field.annotation) else inner
                )
            elif field.is_required() or field.default is not None:
                assert key in table

    keys(Study, every)
