import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.io import decode
from frustra.io.decode import decoded

numbers = st.floats(-9999, 9999, allow_nan=False)


@given(
    st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=30),
    st.integers(1, 10),
    st.integers(0, 16),
    st.sampled_from(["\n", " \n", "\r\n"]),
)
def test_numbers_are_those_of_float_bit_by_bit(
    rows: list[tuple[float, ...]], decimals: int, width: int, end: str
) -> None:
    text = "".join(" ".join(f"{x:{width}.{decimals}f}" for x in row) + end for row in rows)
    expected = np.array([[float(word) for word in line.split()] for line in text.splitlines()])
    np.testing.assert_array_equal(decoded(text.encode(), 3), expected)


def test_lines_of_fixed_width_are_decoded_without_a_call_per_number() -> None:
    values = np.random.default_rng(0).uniform(-5, 105, (10000, 3))
    text = "".join("".join(f"{x:13.8f}" for x in row) + "\n" for row in values).encode()
    fast = decode._fixed_width(text, decode._fields(text, 3))  # noqa: SLF001 - it may not be None
    np.testing.assert_array_equal(fast, np.array(text.split(), dtype=float).reshape(-1, 3))


@pytest.mark.parametrize("way", ["%g %.3e %f", "%.17g %g %g", "%d %d %d", "%+.5f %5.2f %5.2f"])
def test_other_ways_to_print_numbers_are_understood(way: str) -> None:
    values = np.random.default_rng(0).normal(0, 30, (100, 3))
    text = "".join(way % tuple(row) + "\n" for row in values).encode()
    np.testing.assert_array_equal(decoded(text, 3), np.array(text.split(), dtype=float).reshape(-1, 3))


@given(st.integers(0, 10**9), st.integers(0, 255))
def test_one_changed_byte_gives_the_numbers_that_float_reads_or_none(place: int, byte: int) -> None:
    values = np.random.default_rng(1).uniform(0, 1, (50, 3))
    text = bytearray("".join("".join(f"{x:12.8f}" for x in row) + "\n" for row in values).encode())
    text[place % len(text)] = byte
    try:
        found = decoded(bytes(text), 3)
    except ValueError:
        return
    lines = bytes(text).splitlines()
    np.testing.assert_array_equal(found, np.array([line.split() for line in lines], dtype=float))


@pytest.mark.parametrize(
    "text", ["0.1 0.2\n0.3 0.4\n", "0.1 0.2 0.3\n0.4 0.5\n0.6\n", "0.1 x 0.3\n", "1 2 3 4\n"]
)
def test_lines_with_other_numbers_of_columns_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(text.encode(), 3)
