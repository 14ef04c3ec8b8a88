"""pymatgen's DiffusionAnalyzer as JSON: a structure and the displacements of its atoms."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from frustra.errors import DataError
from frustra.io.hints import TrajectoryHints, numbers_of, require_elements, temperature_of, timestep_of
from frustra.io.source import BLOCK, Block, Source, opened
from frustra.units import FS


@contextmanager
def diffusion_analyzer(path: Path, hints: TrajectoryHints) -> Iterator[Source]:
    """Open the JSON of a DiffusionAnalyzer; it tells time step and temperature.

    Its displacements are unwrapped and, whatever it makes of them itself, not corrected for the drift of the
    framework. The whole file is read at once.

    Raises
    ------
    DataError
        A damaged file or another content, or hints that contradict it.
    """
    try:
        with opened(path) as file:
            content = json.load(file)
        source = _source(path, content, hints)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"{path} is damaged or something else ({type(error).__name__}: {error})",
            "the JSON of a DiffusionAnalyzer of pymatgen",
        ) from None
    yield source


def _source(path: Path, content: dict[str, Any], hints: TrajectoryHints) -> Source:
    structure = content["structure"]
    numbers = numbers_of(path, [site["species"][0]["element"] for site in structure["sites"]])
    require_elements(path, numbers, hints)
    displacements = np.array(content["displacements"], dtype=float).transpose(1, 0, 2)
    cell = np.array(structure["lattice"]["matrix"], dtype=float).reshape(3, 3)
    cells = np.array(content.get("lattices") or cell, dtype=float).reshape(-1, 3, 3)
    frames = len(displacements)
    if displacements.shape != (frames, len(numbers), 3) or len(cells) not in (1, frames):
        raise ValueError(f"displacements {displacements.shape}, {len(numbers)} sites, {len(cells)} cells")
    start = np.array([site["abc"] for site in structure["sites"]], dtype=float)
    cells = np.broadcast_to(cells, (frames, 3, 3))
    told = float(content["time_step"]) * float(content["step_skip"]) / FS
    return Source(
        "DiffusionAnalyzer of pymatgen",
        numbers,
        timestep_of(path, told, hints),
        temperature_of(path, float(content["temperature"]), hints),
        _blocks(start + displacements @ np.linalg.inv(cells), cells),
        unwrapped=True,
        notes=["displacements are taken as they are, with the framework's drift"],
    )


def _blocks(positions: Any, cells: Any) -> Iterator[Block]:
    together = max(1, BLOCK // positions.shape[1])
    for first in range(0, len(positions), together):
        yield Block(positions[first : first + together], cells[first : first + together])
