"""Whatever interrupts a chain, it ends with the trajectory of a run that nothing happened to."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from frustra.engines.chain import Bath, Chain, Engine, Leg, Stored
from frustra.engines.lammps import Progress
from frustra.engines.md_ase import AseEngine
from frustra.engines.md_lammps import LammpsEngine
from frustra.errors import DataError
from frustra.structures import supercell
from tests.engines.toys import lennard_jones, lennard_jones_calculator


@given(
    st.integers(1, 5000),
    st.integers(1, 3000),
    st.sampled_from([0, 1, 2, 7, 50]),
    st.floats(1, 1000),
    st.floats(1, 1000),
)
def test_the_pieces_of_a_leg_make_up_the_leg(
    steps: int, size: int, every: int, begin: float, end: float
) -> None:
    pieces = Leg(begin, end, steps, every).cut(size)
    assert sum(p.steps for p in pieces) == steps
    assert all(p.steps > 0 for p in pieces)
    assert all((p.every, p.ensemble) == (every, "nvt") for p in pieces)
    if every:  # whole frames in all but the last piece: the distance of frames is the same everywhere
        assert all(p.steps % every == 0 for p in pieces[:-1])
        assert sum(p.steps // every for p in pieces) == steps // every
    assert (pieces[0].begin, pieces[-1].end) == pytest.approx((begin, end))
    slope, done = (end - begin) / steps, 0
    for piece in pieces:
        assert piece.begin == pytest.approx(begin + slope * done)
        done += piece.steps
        assert piece.end == pytest.approx(begin + slope * done)
    unit = max(1, every)
    assert max(p.steps for p in pieces) < max(size, unit) + unit


class Walker:
    """An engine of one atom whose every step depends on its state, the leg's temperatures and the seed."""

    def __init__(self, fail_at: int = -1, **changed: str) -> None:
        self.identity = {"engine": "walker", "start": "0", "nvt": "a", "npt": "b", **changed}
        self.calls, self._fail_at = 0, fail_at

    def advance(
        self, leg: Leg, seed: int, before: Path | None, after: Path, progress: Progress | None
    ) -> Stored:
        if self.calls == self._fail_at:
            raise KeyboardInterrupt
        self.calls += 1
        rng = np.random.default_rng(seed)
        place = np.zeros(3) if before is None else np.array(json.loads(before.read_text(encoding="utf-8")))
        walk = place + np.cumsum(rng.normal(leg.begin, 1, (leg.steps, 3)), axis=0)
        after.write_text(json.dumps(walk[-1].tolist()), encoding="utf-8")
        if progress is not None:
            progress(leg.steps)
        kept = walk[leg.every - 1 :: leg.every, None] if leg.every else np.empty((0, 1, 3))
        return Stored(kept, np.zeros((len(kept), 3, 3)))


LEGS = [Leg(5, 1, 25), Leg(1, 1, 43, 5)]


def chain(folder: Path, engine: Engine | None = None, seed: int = 3, legs: list[Leg] = LEGS) -> Chain:
    return Chain(engine or Walker(), legs, 10, np.random.default_rng(seed), folder)


def positions(made: Chain, progress: Progress | None = None) -> np.ndarray:
    return np.concatenate([frames.positions for frames in made.run(progress)])


def interrupted(folder: Path, after: int) -> Path:
    """Run a chain that is stopped after some of its pieces."""
    with pytest.raises(KeyboardInterrupt):
        positions(chain(folder, Walker(fail_at=after)))
    return folder


@pytest.mark.parametrize("after", range(7))
def test_a_chain_goes_on_from_any_piece_and_does_only_what_is_missing(after: int, tmp_path: Path) -> None:
    unbroken = positions(chain(tmp_path / "unbroken"))
    assert len(unbroken) == 43 // 5
    engine, told = Walker(), []
    resumed = positions(chain(interrupted(tmp_path / "killed", after), engine), told.append)
    np.testing.assert_array_equal(resumed, unbroken)
    assert engine.calls == 7 - after
    assert told[-1] == 68
    again = Walker()
    np.testing.assert_array_equal(positions(chain(tmp_path / "killed", again)), unbroken)
    assert again.calls == 0


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        ("piece-000004.npz", tear),
        ("piece-000002.npz", tear),
        ("piece-000001.npz", Path.unlink),
        ("state-000004", Path.unlink),
        ("run.json", tear),
        ("run.json", Path.unlink),
    ],
)
def test_a_damaged_chain_starts_anew_and_gives_the_same(
    file: str, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    unbroken = positions(chain(tmp_path / "unbroken"))
    harm(interrupted(tmp_path / "killed", 5) / file)
    engine = Walker()
    np.testing.assert_array_equal(positions(chain(tmp_path / "killed", engine)), unbroken)
    assert engine.calls == 7


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 4},
        {"legs": [Leg(5, 1, 25), Leg(1, 1, 44, 5)]},
        {"legs": [Leg(5, 2, 25), Leg(1, 1, 43, 5)]},
        {"legs": [Leg(5, 1, 25), Leg(1, 1, 43, 5, "npt")]},
    ],
)
def test_the_checkpoints_of_another_run_are_refused(other: dict[str, object], tmp_path: Path) -> None:
    interrupted(tmp_path, 3)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(DataError, match="checkpoints of another run"):
        chain(tmp_path, **other)  # type: ignore[arg-type]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("key", "matters"), [("start", True), ("nvt", True), ("npt", False)])
def test_only_settings_of_the_ensembles_that_are_run_matter(key: str, matters: bool, tmp_path: Path) -> None:
    interrupted(tmp_path, 3)
    other = Walker(**{key: "another"})
    if matters:
        with pytest.raises(DataError, match="another run"):
            chain(tmp_path, other)
    else:
        positions(chain(tmp_path, other))
        assert other.calls == 4


# The engines themselves


def argon() -> Atoms:
    return supercell(bulk("Ar", "fcc", a=5.30, cubic=True), (2, 2, 2))


def engine_of(kind: str, thermostat: str, folder: Path, atoms: Atoms) -> Engine:
    bath = Bath(0.005, thermostat, 0.05, 0.3)  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "LAMMPS":
        return LammpsEngine(atoms, lennard_jones(), bath, folder)
    return AseEngine(atoms, lennard_jones_calculator(), bath)


def run(engine: Engine, ensemble: str, folder: Path, size: int = 10, hot: float = 60) -> list[Stored]:
    legs = [Leg(hot, 40, 20), Leg(40, 40, 40, 5, ensemble)]  # type: ignore[arg-type]
    return list(Chain(engine, legs, size, np.random.default_rng(5), folder).run())


ENSEMBLES = [("bussi", "nvt"), ("nose-hoover", "nvt"), ("bussi", "npt")]


@pytest.mark.parametrize(("thermostat", "ensemble"), ENSEMBLES)
@pytest.mark.parametrize("kind", ["LAMMPS", "ASE"])
def test_an_engine_goes_on_from_any_piece_bit_by_bit(
    kind: str, thermostat: str, ensemble: str, tmp_path: Path
) -> None:
    whole = run(engine_of(kind, thermostat, tmp_path / "whole", argon()), ensemble, tmp_path / "whole")
    assert len(list((tmp_path / "whole").glob("piece-*"))) == 6
    for kept in (1, 2, 4):
        folder = tmp_path / f"from-{kept}"
        with pytest.raises(KeyboardInterrupt):
            run(Stopping(engine_of(kind, thermostat, folder, argon()), kept), ensemble, folder)
        assert len(list(folder.glob("piece-*"))) == kept
        resumed = run(engine_of(kind, thermostat, folder, argon()), ensemble, folder)
        for one, other in zip(resumed, whole, strict=True):
            np.testing.assert_array_equal(one.positions, other.positions)
            np.testing.assert_array_equal(one.cells, other.cells)


class Stopping:
    """An engine that is stopped in the middle of a piece."""

    def __init__(self, engine: Engine, after: int) -> None:
        self._engine, self._left = engine, after

    @property
    def identity(self) -> dict[str, str]:
        return self._engine.identity

    def advance(
        self, leg: Leg, seed: int, before: Path | None, after: Path, progress: Progress | None
    ) -> Stored:
        frames = self._engine.advance(leg, seed, before, after, progress)
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return frames


@pytest.mark.parametrize(
    ("cell", "ensemble"),
    [("cubic", "nvt"), ("cubic", "npt"), ("hexagonal", "npt"), ("orthorhombic", "npt"), ("triclinic", "npt")],
)
@pytest.mark.parametrize("kind", ["LAMMPS", "ASE"])
def test_cutting_a_run_into_pieces_does_not_change_it(
    kind: str, ensemble: str, cell: str, tmp_path: Path
) -> None:
    # a Nosé–Hoover chain draws no random numbers: thermostat and barostat must remember everything
    one, many = (
        run(
            engine_of(kind, "nose-hoover", tmp_path / str(n), crystals()[cell]),
            ensemble,
            tmp_path / str(n),
            n,
            40,
        )
        for n in (1000, 10)
    )
    for name in ("positions", "cells"):
        first, second = (np.concatenate([getattr(f, name) for f in frames]) for frames in (one, many))
        assert first.shape == second.shape
        assert np.abs(first - second).max() < 2e-5  # Å; LAMMPS' dumps are rounded to 1e-6
    if ensemble == "npt":
        assert np.ptp(np.concatenate([f.cells for f in many]), axis=0).max() > 1e-4


def crystals() -> dict[str, Atoms]:
    """Return argon in cells of several lattice types."""
    cubic = argon()

    def strained(cell: np.ndarray) -> Atoms:
        atoms = cubic.copy()
        atoms.set_cell(cell, scale_atoms=True)
        return supercell(atoms, (1, 1, 1))

    a = cubic.cell.lengths()[0]
    return {
        "cubic": cubic,
        "hexagonal": supercell(bulk("Ar", "hcp", a=3.75, c=6.12), (3, 3, 2)),
        "orthorhombic": strained(np.diag([a, 1.01 * a, 0.99 * a])),
        "triclinic": strained(np.array([[a, 0, 0], [0.03 * a, a, 0], [0.01 * a, 0.02 * a, a]])),
    }
