"""Tables of conductivities, diffusivities and mean-square displacements as people write them."""

from pathlib import Path

import numpy as np
import pytest

from frustra.errors import DataError
from frustra.io import read_ladder, read_msd, write_csv
from frustra.ladder import Ladder
from frustra.units import CM2_PER_S, MS_PER_CM

ROWS = ["600,1e-6,1e-7", "700,2e-6,2e-7", "800,4e-6,4e-7"]


def written(path: Path, header: str, rows: list[str] | None = None, separator: str = ",") -> Path:
    file = path / "ladder.csv"
    text = "\n".join([header, *(rows or ROWS)]) + "\n"
    file.write_text(text.replace(",", separator), encoding="utf-8")
    return file


def values(ladder: Ladder) -> list[float]:
    factor = CM2_PER_S if ladder.quantity == "diffusivity" else MS_PER_CM
    return [p.value * factor for p in ladder.points]


def errors(ladder: Ladder) -> list[float]:
    factor = CM2_PER_S if ladder.quantity == "diffusivity" else MS_PER_CM
    return [p.std * factor for p in ladder.points]


def test_the_published_garnet_ladder_is_read(data: Path) -> None:
    ladder = read_ladder(data / "arrhenius_aimd/D_T.csv")
    table = np.loadtxt(data / "arrhenius_aimd/D_T.csv", delimiter=",", skiprows=1)
    assert ladder.quantity == "diffusivity"
    np.testing.assert_array_equal(ladder.temperatures, table[:, 0])
    np.testing.assert_allclose(values(ladder), table[:, 1])
    np.testing.assert_allclose(errors(ladder), table[:, 2])
    assert ladder.errors_known


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        ("T,D,D_error", 1),
        ("T_K,D_cm2_s,D_error", 1),
        ("T (K),D (cm2/s),D_err", 1),
        ("temperature,D (cm^2/s),D_std", 1),
        ("Temperature [K],D [cm²/s],D_error [cm²/s]", 1),
        ("temperature_K,diffusivity,diffusivity_error", 1),
        ("T,D (cm2 s-1),D_error", 1),
        ("T,D_m2_s,D_error", 1e4),
        ("T,D (m2/s),D_error (m2/s)", 1e4),
        ("T,D_A2_ps,D_error", 1e-4),
        ("T,D (Å²/ps),D_error", 1e-4),
        ("T,sigma,sigma_error", 1),
        ("T,sigma_mS_cm,sigma_error", 1),
        ("T,sigma (mS/cm),sigma_error", 1),
        ("T,σ (mS cm⁻¹),σ_error", 1),
        ("T,sigma_S_cm,sigma_error", 1e3),
        ("T,sigma (S/cm),sigma_std (S/cm)", 1e3),
        ("T,conductivity (S/m),conductivity_err", 10),
        ("T,sigma_S_m,sigma_S_m_std", 10),
    ],
)
def test_units_are_taken_from_the_header(tmp_path: Path, header: str, factor: float) -> None:
    ladder = read_ladder(written(tmp_path, header))
    assert ladder.quantity == ("diffusivity" if header.lower().split(",")[1][0] == "d" else "conductivity")
    np.testing.assert_allclose(values(ladder), factor * np.array([1e-6, 2e-6, 4e-6]))
    np.testing.assert_allclose(errors(ladder), factor * np.array([1e-7, 2e-7, 4e-7]))


def test_an_error_in_another_unit_than_its_value_is_converted(tmp_path: Path) -> None:
    ladder = read_ladder(written(tmp_path, "T,sigma_mS_cm,sigma_error_S_cm"))
    np.testing.assert_allclose(errors(ladder), [1e-4, 2e-4, 4e-4])


@pytest.mark.parametrize("separator", [",", ";", "\t", ", ", " ;"])
def test_separators_comments_blank_lines_and_marks_of_other_systems(tmp_path: Path, separator: str) -> None:
    path = written(tmp_path, "T,D,D_error", separator=separator)
    text = path.read_text(encoding="utf-8")
    first, rest = text.split("\n", 1)
    dressed = f"\ufeff# from a paper, 2020; p. 3\n\n{first}\n# the rows\n{rest}\n\n".replace("\n", "\r\n")
    path.write_bytes(dressed.encode())
    np.testing.assert_allclose(values(read_ladder(path)), [1e-6, 2e-6, 4e-6])


def test_a_table_of_numpy_with_its_header_behind_a_mark(tmp_path: Path) -> None:
    table = np.array([[600, 1e-6, 1e-7], [700, 2e-6, 2e-7], [800, 4e-6, 4e-7]])
    np.savetxt(tmp_path / "a.csv", table, delimiter=",", header="T,D,D_error")
    np.testing.assert_allclose(values(read_ladder(tmp_path / "a.csv")), table[:, 1])


def test_our_own_figures_tables_are_read_and_sigma_is_taken(tmp_path: Path) -> None:
    nan = np.nan
    columns = {
        "T": [300.0, 600.0, 700.0],
        "D_cm2_s": [1e-9, 1e-6, 2e-6],
        "D_error": [nan, 1e-7, 2e-7],
        "sigma_mS_cm": [0.1, 50.0, 90.0],
        "sigma_error": [nan, 5.0, 9.0],
        "is_upper_bound": [True, False, False],
    }
    write_csv(tmp_path / "arrhenius.csv", columns)
    ladder = read_ladder(tmp_path / "arrhenius.csv")
    assert ladder.quantity == "conductivity"
    np.testing.assert_allclose(values(ladder), columns["sigma_mS_cm"])
    np.testing.assert_allclose(errors(ladder), columns["sigma_error"])
    assert [p.is_upper_bound for p in ladder.points] == columns["is_upper_bound"]


def test_upper_bounds_are_marked_in_the_value_too(tmp_path: Path) -> None:
    ladder = read_ladder(written(tmp_path, "T,D,D_error", ["300,<3e-7,", "500,< 4e-7,1e-7", *ROWS]))
    assert [p.is_upper_bound for p in ladder.points] == [True, True, False, False, False]
    np.testing.assert_allclose(values(ladder)[:2], [3e-7, 4e-7])
    assert np.isnan(errors(ladder)[:2]).all()


def test_without_a_column_of_errors_they_are_unknown(tmp_path: Path) -> None:
    ladder = read_ladder(written(tmp_path, "T,D,comment", ["600,1e-6,a", "700,2e-6,b", "800,4e-6,"]))
    assert not ladder.errors_known


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("1000/T,D,D_error", None, "the column 1000/T; expected temperatures in kelvin"),
        ("1/T (1/K),D,D_error", None, "the column 1/T"),
        ("T_C,D,D_error", None, "the column T_C; expected temperatures in kelvin"),
        ("T (°C),D,D_error", None, "the column T .°C.; expected temperatures in kelvin"),
        ("T,D,D_error", ["1.1,1,1", "1.2,1,1", "1.3,1,1"], "from 1.1 to 1.3; expected kelvin; give T"),
        ("x,y,z", None, r"no column with the temperature \(x, y, z\); expected T \(K\) and D or sigma"),
        ("T,ln D,error", None, "no column with the conductivity or diffusivity"),
        ("T,log10_sigma", ["600,1", "700,2", "800,3"], "no column with the conductivity or diffusivity"),
        ("T,D (mm2/s),D_error", None, "no column with the conductivity or diffusivity"),
        ("T,sigmaT,sigma_error", None, "no column with the conductivity or diffusivity"),
        ("T,D,D_m2_s", None, "2 columns with the conductivity or diffusivity"),
        ("T,temperature,D", None, "2 columns with the temperature"),
        ("T,D,D_unc", None, "the column D_unc; expected errors in one column"),
        ("T,D,err", None, "the column err; expected errors in one column"),
        ("T,D,D", None, "two columns of one name"),
        ("600,1e-6,1e-7", None, "has no header"),
        ("T,D,D_error", ["600,1e-6", *ROWS[1:]], "row 1 of .* has 2 cells; expected 3"),
        ("T,D,D_error", ["600,one,1e-7", *ROWS[1:]], "'one' in the column D of .*a number"),
        ("T,D,D_error", ["600,1e-6,", *ROWS[1:]], "no error at 600 K but at others"),
        ("T,D,D_error", ["600,-1e-6,1e-7", *ROWS[1:]], "a diffusivity of .* at 600 K; expected a positive"),
        ("T,D,D_error", ["600,nan,1e-7", *ROWS[1:]], "a diffusivity of nan cm²/s at 600 K"),
        ("T,D,D_error", ["600,1e-6,0", *ROWS[1:]], "an error of 0 cm²/s at 600 K"),
        ("T,D,D_error", ["600,1e-6,1e-7", *ROWS], "600 K more than once"),
        ("T,D,D_error", ROWS[:2], "2 temperature"),
        ("T,D,D_error", ["# none"], "has no rows"),
        ("T,D,is_upper_bound", ["600,1e-6,maybe", *ROWS[1:]], "'maybe' in the column is_upper_bound"),
    ],
)
def test_what_is_no_ladder_is_refused_in_a_sentence(
    tmp_path: Path, header: str, rows: list[str] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_ladder(written(tmp_path, header, rows))


def test_decimal_commas_are_refused_and_not_misread(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "T;D;D_error\n" + "\n".join(f"{t};1,5E-06;1,2E-07" for t in (600, 700, 800)), encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"'1,\dE-0\d' in the column D.*a number"):
        read_ladder(path)


@pytest.mark.parametrize("read", [read_ladder, read_msd])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x93", b"\x89HDF\r\n\x1a\n\x00\x00"])
def test_empty_and_binary_files_are_refused(tmp_path: Path, read: object, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.csv"):
        read(tmp_path / "a.csv")  # type: ignore[operator]
    with pytest.raises(DataError, match="no file"):
        read(tmp_path / "b.csv")  # type: ignore[operator]


def test_the_published_mean_squares_are_read(data: Path) -> None:
    found = read_msd(data / "arrhenius_aimd/msd-t.csv")
    table = np.loadtxt(data / "arrhenius_aimd/msd-t.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(found.lag, table[:, 0] / 1000)
    np.testing.assert_array_equal(found.msd, table[:, 1])
    np.testing.assert_array_equal(found.components, table[:, 2:])


def test_gpumds_file_is_read(tmp_path: Path) -> None:
    # gpumd.org, msd.out: time (ps), three mean squares (Å²), three self-diffusivities (Å²/ps)
    (tmp_path / "msd.out").write_text(
        "0.02 0.1 0.2 0.3 0.9 0.9 0.9\n0.04 0.2 0.4 0.6 0.9 0.9 0.9\n0.06 0.3 0.6 0.9 0.9 0.9 0.9\n",
        encoding="utf-8",
    )
    found = read_msd(tmp_path / "msd.out")
    np.testing.assert_allclose(found.lag, [0.02, 0.04, 0.06])
    np.testing.assert_allclose(found.msd, [0.6, 1.2, 1.8])
    np.testing.assert_allclose(found.components, np.outer([0.1, 0.2, 0.3], [1, 2, 3]))


def test_our_own_mean_squares_are_read(tmp_path: Path) -> None:
    write_csv(tmp_path / "msd.csv", {"lag_ps": [0.0, 0.1, 0.2], "msd_A2": [0.0, 1.0, 1.5]})
    found = read_msd(tmp_path / "msd.csv")
    np.testing.assert_allclose(found.lag, [0.0, 0.1, 0.2])
    np.testing.assert_allclose(found.msd, [0.0, 1.0, 1.5])
    assert found.components is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.1 1 1 1\n0.2 1 1 1\n0.3 1 1 1\n", "4 columns without a header"),
        ("t,msd\n1,2\n2,3\n3,4\n", "the columns t, msd; expected dt .fs."),
        ("dt (fs),msd\n1,2\n2,3\n3,4\n", "the columns dt .fs., msd; expected"),
        ("lag_ps,msd_A2\n1,2\n2,3\n2,4\n", "times that do not ascend"),
        ("lag_ps,msd_A2\n1,2\n2,-3\n3,4\n", "below zero"),
        ("lag_ps,msd_A2\n1,2\n2,nan\n3,4\n", "not finite"),
        ("lag_ps,msd_A2\n1,2\n2,3\n", "at 2 time"),
        ("lag_ps,msd_A2\n1,2\n2,x\n", "'x' in the column msd_A2"),
        (
            "lag_ps,msd_A2,msd_component_0,msd_component_1,msd_component_2\n1,2,1,1,1\n2,3,1,1,1\n3,4,1,1,1\n",
            "not the sums of their components",
        ),
    ],
)
def test_what_is_no_mean_squares_is_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_msd(tmp_path / "a.csv")
