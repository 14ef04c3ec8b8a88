"""VASP's vasprun.xml of a molecular dynamics run: every step, with time step and temperature."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree as ET
from xml.parsers.expat import errors

import numpy as np

from frustra.arrays import Array
from frustra.errors import DataError
from frustra.io.hints import TrajectoryHints, numbers_of, require_elements, temperature_of, timestep_of
from frustra.io.source import Cut, Frame, Source, blocks_of, damaged, opened, whole
from frustra.units import FS

_AT_THE_END = {errors.codes[e] for e in (errors.XML_ERROR_NO_ELEMENTS, errors.XML_ERROR_UNCLOSED_TOKEN)}
"""What expat says where a file ends too early."""

_SECTIONS = ("incar", "parameters", "atominfo", "calculation")
_SYMBOLS = "array[@name='atoms']/set/rc/c[1]"
_DEFAULTS = {"POTIM": "nan", "TEBEG": "nan", "TEEND": "-1", "SMASS": "0", "ML_OUTBLOCK": "1"}


@contextmanager
def vasprun(path: Path, hints: TrajectoryHints) -> Iterator[Source]:
    """Open a vasprun.xml; the time step is POTIM, the temperature TEBEG where TEEND is the same.

    Raises
    ------
    DataError
        A damaged file, a run that is no molecular dynamics, hints that contradict it, or steps that may be
        written at larger distances (ML_OUTBLOCK).
    """
    with opened(path) as file:
        notes: list[str] = []
        elements = whole(_elements(path, file), notes)
        tags, symbols, first = _head(elements)
        if first is None or not symbols:
            raise DataError(f"{path} has no whole frame", "a vasprun.xml of a molecular dynamics run")
        numbers = numbers_of(path, symbols)
        require_elements(path, numbers, hints)
        timestep, temperature = _settings(path, tags, hints, notes)
        blocks = blocks_of(_frames(path, chain([first], elements), len(numbers)), len(numbers))
        yield Source("VASP vasprun.xml", numbers, timestep, temperature, blocks, notes=notes)


def _head(elements: Iterator[ET.Element]) -> tuple[dict[str, str], list[str], ET.Element | None]:
    """Return the settings, the symbols of the atoms, and the first step."""
    tags: dict[str, str] = {}
    symbols: list[str] = []
    for element in elements:
        if element.tag == "calculation":
            return tags, symbols, element
        tags |= {str(i.get("name")): (i.text or "").strip() for i in element.iter("i")}
        symbols = symbols or [(c.text or "").strip() for c in element.iterfind(_SYMBOLS)]
    return tags, symbols, None


def _elements(path: Path, file: BinaryIO) -> Iterator[ET.Element]:
    """Give the header's sections and the steps, and forget each afterwards."""
    depth, root = 0, None
    try:
        for event, element in ET.iterparse(file, events=("start", "end")):  # noqa: S314 - own data
            root = element if root is None else root
            depth += 1 if event == "start" else -1
            if event == "end" and depth == 1:
                if element.tag in _SECTIONS:
                    yield element
                root.clear()
    except ET.ParseError as error:
        if error.code in _AT_THE_END:
            raise Cut from None
        raise DataError(f"{path} is damaged ({error})", "XML as VASP writes it", "make it anew") from None


def _settings(
    path: Path, tags: dict[str, str], hints: TrajectoryHints, notes: list[str]
) -> tuple[float, float]:
    """Return the time between frames, ps, and the temperature, K."""
    if tags.get("IBRION") != "0":
        raise DataError(
            f"{path} has IBRION = {tags.get('IBRION', 'nothing')}", "molecular dynamics, which has IBRION = 0"
        )
    try:
        told = {name: float(tags.get(name, default)) for name, default in _DEFAULTS.items()}
    except ValueError as error:
        raise DataError(f"{path} has damaged settings ({error})", remedy="make the file anew") from None
    known = "POTIM" in tags and told["ML_OUTBLOCK"] <= 1  # else VASP's version tells which steps are written
    timestep = timestep_of(path, told["POTIM"] / FS if known else None, hints)
    constant = told["TEEND"] in (told["TEBEG"], -1) and told["SMASS"] != -3
    if not constant:
        notes.append("no thermostat" if told["SMASS"] == -3 else "a temperature that was changed on the way")
    return timestep, temperature_of(path, told["TEBEG"] if constant else None, hints)


def _frames(path: Path, elements: Iterator[ET.Element], atoms: int) -> Iterator[Frame]:
    steps = (element for element in elements if element.tag == "calculation")
    for frame, step in enumerate(steps, 1):
        try:
            cell = _vectors(step, "structure/crystal/varray[@name='basis']/v")
            positions = _vectors(step, "structure/varray[@name='positions']/v")
            if cell.shape != (3, 3) or len(positions) != atoms:
                raise ValueError(f"{len(cell)} cell vectors, {len(positions)} positions")
        except ValueError as error:
            raise damaged(path, frame, error) from None
        yield Frame(positions, cell)


def _vectors(step: ET.Element, where: str) -> Array:
    return np.array([(v.text or "").split() for v in step.iterfind(where)], dtype=float).reshape(-1, 3)
