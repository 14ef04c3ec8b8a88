from pathlib import Path

import numpy as np
import pytest

from frustra.errors import DataError
from frustra.io import ladder_files, open_trajectory
from frustra.io.hints import TrajectoryHints
from tests.io.test_vasp import write_vasprun, write_xdatcar
from tests.io.walks import walk


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    """Return a folder with runs at 600 and 1000 K, two of them replicas, among other files."""
    true = walk(np.random.default_rng(0), 5)
    for place in ("600K/XDATCAR", "1000_K/XDATCAR_1", "1000_K/XDATCAR_2", "relax/XDATCAR"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        write_xdatcar(tmp_path / place, true)
        (tmp_path / place).with_name("INCAR").write_text("POTIM = 2\n", encoding="utf-8")
        (tmp_path / place).with_name(".hidden").write_bytes((tmp_path / place).read_bytes())
    return tmp_path


def test_folders_named_by_temperature_are_understood(ladder: Path) -> None:
    low = (600.0, [ladder / "600K/XDATCAR"])
    high = (1000.0, [ladder / "1000_K/XDATCAR_1", ladder / "1000_K/XDATCAR_2"])
    assert ladder_files([ladder]) == [low, high]
    assert ladder_files([ladder / "1000_K", ladder / "600K"]) == [low, high]
    assert ladder_files([str(ladder / "600K/XDATCAR")]) == [low]


def test_files_elsewhere_have_no_temperature_and_stand_alone(ladder: Path) -> None:
    files = [ladder / "relax/XDATCAR", ladder / "600K/XDATCAR"]
    assert ladder_files(files) == [(600.0, files[1:]), (None, files[:1])]


@pytest.mark.parametrize("name", ["600", "T600", "600C", "K", "600Kelvin", "-600K", "600K_old"])
def test_names_that_may_mean_something_else_are_no_temperatures(ladder: Path, name: str) -> None:
    (ladder / "600K").rename(ladder / name)
    assert [t for t, _ in ladder_files([ladder])] == [1000.0]


def test_what_may_be_the_same_run_twice_is_refused(ladder: Path) -> None:
    write_vasprun(ladder / "600K/vasprun.xml", walk(np.random.default_rng(0), 5))
    with pytest.raises(DataError, match=r"several formats \(XDATCAR, vasprun\.xml\).*name the files"):
        ladder_files([ladder])
    with pytest.raises(DataError, match="XDATCAR is named twice"):
        ladder_files([ladder / "1000_K", ladder / "600K/XDATCAR", ladder / "600K" / ".." / "600K/XDATCAR"])


def test_folders_without_runs_are_refused(ladder: Path) -> None:
    (ladder / "700K").mkdir()
    with pytest.raises(DataError, match="700K has no trajectory"):
        ladder_files([ladder])
    with pytest.raises(DataError, match="relax has no folders such as 600K"):
        ladder_files([ladder / "relax"])
    with pytest.raises(DataError, match="no file or folder"):
        ladder_files([ladder / "absent"])


def test_a_folder_that_contradicts_its_file_is_refused_when_it_is_opened(ladder: Path) -> None:
    (ladder / "700K").mkdir()
    write_vasprun(ladder / "700K/vasprun.xml", walk(np.random.default_rng(0), 5))  # of 600 K
    ((temperature, (file,)),) = ladder_files([ladder / "700K"])
    with pytest.raises(DataError, match=r"is of 600 K, but 700 K were given .* folder's name"):
        open_trajectory(file, TrajectoryHints(temperature=temperature))
