from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.errors import DataError
from frustra.io.levels_text import read_levels_text, write_levels_text

energies = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20)


def text(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@given(sections=st.dictionaries(st.sampled_from(["Li", "Y", "Cl", "PS4"]), energies, min_size=1))
def test_what_is_written_is_read_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, list[float]]
):
    path = tmp_path_factory.mktemp("texts") / "doas.out"
    write_levels_text(path, {name: np.array(values) for name, values in sections.items()})
    found = read_levels_text(path)
    assert list(found) == list(sections)
    for name, values in sections.items():
        assert found[name].tolist() == values


def test_the_form_is_that_of_the_other_program(tmp_path: Path):
    write_levels_text(tmp_path / "a.out", {"Li": np.array([-1.5, -1.25]), "Cl": np.array([-3.0])})
    lines = (tmp_path / "a.out").read_text().splitlines()
    assert [lines[0], lines[3], lines[4], lines[6]] == ["# Li", "", "# Cl", ""]
    assert [float(lines[k]) for k in (1, 2, 5)] == [-1.5, -1.25, -3.0]


@pytest.mark.parametrize(
    "content",
    [
        b"# Li\n1.5\n2.5\n\n# Cl\n-1\n\n",
        b"# Li\r\n1.5\r\n2.5\r\n\r\n# Cl\r\n-1\r\n\r\n",
        b"# Li\n1.5\n2.5\n# Cl\n-1",
        b"\n\n  #Li  \n 1.5 \n\n\t2.5\n\n\n#\tCl \n-1.0e0\n",
        b"# Li\n1.5\n# Cl\n-1\n# Li\n2.5\n",
        b"\xef\xbb\xbf# Li\n+1.5\n0.25E1\n\n# Cl\n-1\n",
    ],
)
def test_other_ways_to_write_the_same_are_read(tmp_path: Path, content: bytes):
    found = read_levels_text(text(tmp_path / "a.out", content))
    assert {name: values.tolist() for name, values in found.items()} == {"Li": [1.5, 2.5], "Cl": [-1.0]}


@pytest.mark.parametrize(
    ("content", "line", "shown"),
    [
        (b"1.5\n# Li\n2\n", 1, "no section"),
        (b"\n\n-4.2\n", 3, "no section"),
        (b"# Li\n1\nfoo\n2\n", 3, "'foo'"),
        (b"# Li\n1\n2 3\n", 3, "'2 3'"),
        (b"# Li\n1\n\n\n2,3\n", 5, "'2,3'"),
        (b"# Li\n1\n2 # note\n", 3, "'2 # note'"),
        (b"# Li\n1\nnan\n", 3, "'nan'"),
        (b"# Li\n1\n# Cl\n-inf\n", 4, "'-inf'"),
        (b"# Li\n1\n# of Cl\n2\n", 3, "'# of Cl'"),
        (b"# Li\n1\n#\n2\n", 3, "'#'"),
        (b"# Li\n1\n\n# Cl\n\n# Y\n2\n", 4, "no energies of Cl"),
        (b'# Li\n"1"\n', 2, "1"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, content: bytes, line: int, shown: str):
    with pytest.raises(DataError, match=f"line {line}") as refusal:
        read_levels_text(text(tmp_path / "a.out", content))
    assert shown in str(refusal.value)


def test_no_file_and_an_empty_one_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no file"):
        read_levels_text(tmp_path / "none.out")
    with pytest.raises(DataError, match="is empty"):
        read_levels_text(text(tmp_path / "a.out", b"\n \n"))
