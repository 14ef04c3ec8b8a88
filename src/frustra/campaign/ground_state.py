"""The lowest ordering of the mobile ions that a short search finds.

An MD run that starts from a metastable order stays in it at low temperature and measures the wrong
crystal. Every walker relaxes its start and anneals it: single ions move to empty sites, mostly near ones,
each trial is relaxed, and the Metropolis rule keeps it or not while its temperature falls. Unlike MD, such
moves need not wait for a barrier. Walkers beyond the number of starts are first held hot and cooled by MD,
so that not all begin in the same order.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase import Atoms
from pydantic import Field

from frustra.arrays import Array
from frustra.engines.lammps import Progress
from frustra.engines.md import MDSettings, StartSettings, cool
from frustra.engines.potential import Potential
from frustra.engines.relax import RelaxSettings, relax_crystal, relax_frames
from frustra.errors import DataError
from frustra.geometry import minimum_image
from frustra.io import read_frames, write_frames
from frustra.settings import Settings
from frustra.sites import coordination_in, sites_of
from frustra.structures import indices_of
from frustra.units import BOLTZMANN

TRIAL_FORCE_CALLS = 15
"""Force calls that one trial move usually takes; only the estimate of the time uses it."""

_BATCH = 8  # trial moves relaxed in one call of LAMMPS
_CATION_RADIUS = 1.0  # Å: a site this near a framework cation is that cation's
_SAME = 1e-3  # eV: relaxed energies closer than this are the same state
_ROUNDS = 4  # between rounds the cell is relaxed: another ordering wants another cell
_NEAR = 12  # a near site is among so many nearest ones
_FAR_MOVES = 0.2  # fraction of trials that may go to any empty site
_TRIAL_FMAX = 0.03  # eV/Å: enough to rank orderings; the outcome is relaxed further
_COMMON = 0.1  # site kinds holding this fraction of the ions are tried


class PrepareSettings(Settings):
    """How the lowest ordering of the mobile ions is searched for before any production."""

    walkers: int = Field(
        2, ge=1, description="independent searches; each takes its own start where several are given"
    )
    moves: int = Field(1200, ge=0, description="trial moves of single ions to empty sites, per walker")
    move_temperature: float = Field(
        600.0, gt=0, description="temperature of the Metropolis rule at the first move (K); it falls to zero"
    )
    hold_temperature: float = Field(
        550.0,
        gt=0,
        description="temperature at which walkers beyond the number of starts are first held by MD (K)",
    )
    hold: float = Field(5.0, ge=0, description="time at that temperature (ps)")
    cool_temperature: float = Field(250.0, gt=0, description="temperature that it is then cooled to (K)")
    cool: float = Field(10.0, ge=0, description="time of cooling (ps)")


@dataclass(frozen=True)
class Walk:
    """What one walker found."""

    atoms: Atoms
    """The lowest ordering, positions and cell relaxed."""
    energy: float
    """Its energy, eV."""
    history: tuple[tuple[str, float], ...]
    """(stage, energy in eV) of the start, after cooling and after the trial moves."""


@dataclass(frozen=True)
class GroundStateSearch:
    """A search for the lowest ordering of one material's mobile ions."""

    specie: str
    """The mobile element."""
    anions: tuple[str, ...]
    """Elements whose polyhedra are its sites."""
    potential: Potential
    settings: PrepareSettings
    md: MDSettings
    """Time step and thermostat of the MD that shuffles the ions."""

    def force_calls(self, heat: bool) -> int:
        """Return roughly how many force calls a walk takes."""
        return self._md_steps(heat) + self.settings.moves * TRIAL_FORCE_CALLS

    def _md_steps(self, heat: bool) -> int:
        times = (self.settings.hold, self.settings.cool) if heat else ()
        return sum(self.md.steps(t) for t in times if t > 0)

    def walk(
        self, start: Atoms, seed: int, folder: Path, heat: bool = False, progress: Progress | None = None
    ) -> Walk:
        """Walk from a start to the lowest ordering found; the start itself, relaxed, if nothing is lower.

        Parameters
        ----------
        start
            A supercell with every mobile ion in place.
        heat
            Whether MD shuffles the ions first.
        progress
            Called with the number of force calls done, roughly.
        """
        tell = progress or (lambda _: None)
        stages = _kept(folder / "start.extxyz", lambda: [self._relaxed(start, "start", folder)])
        steps = self._md_steps(heat)
        if steps:
            hot = stages[0]
            stages += _kept(folder / "cooled.extxyz", lambda: [self._cooled(hot, seed, folder, tell)])
        rounds = np.unique(np.linspace(0, self.settings.moves, _ROUNDS + 1).astype(int)).tolist()
        for first, end in pairwise(rounds):
            todo = partial(
                self._round, stages[-1], range(first, end), seed, folder, partial(_tell, tell, steps)
            )
            stages += _kept(folder / f"moves-{end}.extxyz", todo)
        lowest = min(stages, key=_energy)
        return Walk(lowest, _energy(lowest), tuple((str(s.info["stage"]), _energy(s)) for s in stages))

    def _cooled(self, atoms: Atoms, seed: int, folder: Path, progress: Progress) -> Atoms:
        s, rng = self.settings, np.random.default_rng(seed)
        heat = StartSettings(hot=s.hold_temperature, hold=s.hold, cool=s.cool)
        cold = s.cool_temperature
        last = cool(atoms, self.potential, self.md, heat, cold, rng, folder / "cool", progress)
        return self._relaxed(last, "cooled", folder)

    def _round(
        self, atoms: Atoms, numbers: range, seed: int, folder: Path, progress: Progress
    ) -> list[Atoms]:
        """Make the trial moves of these numbers; return the lowest ordering met and the last one."""
        moves = _Moves(self, atoms, folder / "moves")
        moves.run(numbers, np.random.default_rng([seed, numbers.start]), progress)
        named = ((moves.lowest, f"lowest up to move {numbers.stop}"), (moves.atoms, f"move {numbers.stop}"))
        return [self._relaxed(found, name, folder) for found, name in named]

    def _relaxed(self, atoms: Atoms, stage: str, folder: Path) -> Atoms:
        relaxed, energy = relax_crystal(atoms, self.potential, folder=folder / "relax")
        relaxed.info = {"stage": stage, "energy_eV": energy}
        return relaxed


def _kept(path: Path, make: Callable[[], list[Atoms]]) -> list[Atoms]:
    """Return what a file holds; make it first if it is missing or torn.

    What was just made is read back as well, so that a walk that was killed goes on from the same numbers.
    """
    with contextlib.suppress(DataError):
        return read_frames(path)
    write_frames(path, make())
    return read_frames(path)


def _energy(atoms: Atoms) -> float:
    return float(atoms.info["energy_eV"])


def _tell(progress: Progress, base: int, moves: int) -> None:
    progress(base + moves * TRIAL_FORCE_CALLS)


class _Moves:
    """Metropolis walk over orderings in one cell: one ion to one empty site, then relaxed."""

    def __init__(self, search: GroundStateSearch, atoms: Atoms, folder: Path) -> None:
        self._search, self._folder = search, folder
        self.atoms, self._energy = atoms, _energy(atoms)
        self.lowest, self._lowest_energy = self.atoms, self._energy
        self._mobile = indices_of(atoms, search.specie)
        self._sites = open_sites(atoms, search.specie, search.anions)
        self._relax = RelaxSettings().model_copy(update={"fmax": _TRIAL_FMAX})
        between = minimum_image(self._sites[:, None] - self._sites[None], atoms.cell.array)
        order = np.linalg.norm(between, axis=2).argsort(axis=1)
        self._near = order[:, 1 : _NEAR + 1]

    def run(self, numbers: range, rng: np.random.Generator, progress: Progress) -> None:
        """Make the trial moves of these numbers in batches."""
        settings = self._search.settings
        for done in numbers[::_BATCH]:
            progress(done)
            kt = BOLTZMANN * settings.move_temperature * (1 - done / settings.moves)
            count = min(_BATCH, numbers.stop - done)
            trials = [t for t in (self._trial(rng) for _ in range(count)) if t is not None]
            if not trials:
                break
            self._step(trials, kt, rng)

    def _trial(self, rng: np.random.Generator) -> Atoms | None:
        """Return the current ordering with one ion moved to an empty site; None if none is empty."""
        offsets = minimum_image(
            self._sites[None] - self.atoms.positions[self._mobile][:, None], self.atoms.cell.array
        )
        taken = np.linalg.norm(offsets, axis=2).argmin(axis=1)
        empty = np.setdiff1d(np.arange(len(self._sites)), taken)
        if len(empty) == 0:
            return None
        trial: Atoms = self.atoms.copy()
        ion = int(rng.integers(len(self._mobile)))
        near = np.intersect1d(self._near[taken[ion]], empty)
        chosen = rng.choice(near if len(near) and rng.random() > _FAR_MOVES else empty)
        trial.positions[self._mobile[ion]] += offsets[ion, chosen]
        return trial

    def _step(self, trials: list[Atoms], kt: float, rng: np.random.Generator) -> None:
        """Relax the trials and take the first that the Metropolis rule accepts."""
        relaxed = relax_frames(trials, self._search.potential, self._relax, self._folder)
        for number, energy in enumerate(relaxed.energies):
            rise = float(energy) - self._energy
            if abs(rise) > _SAME and rng.random() < np.exp(-max(rise, 0.0) / kt):
                self.atoms, self._energy = relaxed.atoms(number), float(energy)
                if self._energy < self._lowest_energy:
                    self.lowest, self._lowest_energy = self.atoms, self._energy
                return


def open_sites(atoms: Atoms, specie: str, anions: Sequence[str]) -> Array:
    """Return the sites that a mobile ion may take, (n, 3), Å: of kinds it occupies, without a cation."""
    cell = atoms.cell.array
    sites = sites_of(atoms, anions)
    mobile = indices_of(atoms, specie)
    around = coordination_in(atoms, specie, anions)
    kinds, counts = np.unique(around.kind, return_counts=True)
    wanted = np.isin(sites.kind, kinds[counts >= _COMMON * len(mobile)])
    others = np.setdiff1d(np.arange(len(atoms)), indices_of(atoms, specie, *anions))
    if len(others):
        gaps = minimum_image(atoms.positions[others][None] - sites.positions[:, None], cell)
        wanted &= np.linalg.norm(gaps, axis=2).min(axis=1) > _CATION_RADIUS
    return sites.positions[wanted]
