"""What the user says about a file that does not say it itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from ase.data import atomic_numbers

from frustra.arrays import IntArray
from frustra.errors import DataError
from frustra.units import FS

SAME_TIME = 1e-4
"""Relative difference to which two statements of a time step agree."""

SAME_TEMPERATURE = 1.0
"""Difference to which two statements of a temperature agree, K: folders are named in whole kelvin."""


@dataclass(frozen=True)
class TrajectoryHints:
    """What a trajectory file may not tell. What it tells need not be given, and must not be contradicted.

    Raises
    ------
    DataError
        A time step or temperature that is not above zero, a name that is no element, or another word.
    """

    timestep: float | None = None
    """Time per step as the file counts steps, ps; for a file without a count of steps, per frame."""
    temperature: float | None = None
    """K."""
    elements: tuple[str, ...] | None = None
    """Elements of the types 1, 2, … of a LAMMPS dump."""
    positions: Literal["wrapped", "unwrapped"] | None = None
    """Whether the positions are in the cell or go on beyond it, where that cannot be told."""
    timeless: bool = False
    """Whether time does not matter: frames of which nobody knows the time count as 1 ps apart."""
    apart: bool = False
    """Whether frames need not follow one another: atoms may move any way from one to the next."""

    def __post_init__(self) -> None:
        for name, value, unit in (("time step", self.timestep, "ps"), ("temperature", self.temperature, "K")):
            if value is not None and not 0 < value < np.inf:
                raise DataError(f"a {name} of {value:g} {unit}", "a number above zero")
        unknown = [e for e in self.elements or () if e not in atomic_numbers or e == "X"]
        if unknown:
            raise DataError(f"{unknown[0]!r} among the elements", "chemical symbols such as Li,Y,Cl")
        if self.positions not in (None, "wrapped", "unwrapped"):
            raise DataError(f"positions that are {self.positions!r}", "wrapped or unwrapped")


def timestep_of(path: Path, told: float | None, hints: TrajectoryHints, per: str = "frame") -> float:
    """Return the time per frame or step, ps, from the file or else from the hint.

    Raises
    ------
    DataError
        Neither tells it, or they contradict each other.
    """
    given = hints.timestep
    if told is None and given is None and hints.timeless:
        return 1.0
    if told is None and given is None:
        raise DataError(
            f"{path} does not tell the time from one {per} to the next",
            remedy=f"give the time step (--timestep, fs per {per})",
        )
    if told is not None and given is not None and abs(told - given) > SAME_TIME * told:
        raise DataError(
            f"{path} has {told * FS:g} fs per {per}, but {given * FS:g} fs were given (--timestep)",
            remedy="leave the time step away, or check that this is the right file",
        )
    return told if told is not None else float(given or np.nan)


def temperature_of(path: Path, told: float | None, hints: TrajectoryHints) -> float:
    """Return the temperature, K, from the file or else from the hint; NaN where neither tells it.

    Raises
    ------
    DataError
        They contradict each other.
    """
    given = hints.temperature
    known = told is not None and not np.isnan(told)
    if known and given is not None and abs(float(told or 0) - given) > SAME_TEMPERATURE:
        raise DataError(
            f"{path} is of {told:g} K, but {given:g} K were given (--temperature, or its folder's name)",
            remedy="leave the temperature away, or check that this is the right file",
        )
    return float(told or np.nan) if known else given if given is not None else np.nan


def numbers_of(path: Path, symbols: list[str]) -> IntArray:
    """Return atomic numbers; a symbol that is no element is refused."""
    unknown = [s for s in symbols if s not in atomic_numbers or s == "X"]
    if unknown:
        raise DataError(f"{path} has atoms of {unknown[0]!r}", "chemical elements")
    return np.array([atomic_numbers[s] for s in symbols], dtype=np.int64)


def require_elements(path: Path, numbers: IntArray, hints: TrajectoryHints) -> None:
    """Refuse hints with other elements than those that the file names itself."""
    if hints.elements and set(numbers_of(path, list(hints.elements))) != set(numbers):
        raise DataError(
            f"{path} names its elements, and they are not {','.join(hints.elements)} (--elements)",
            remedy="leave the elements away, or check that this is the right file",
        )
