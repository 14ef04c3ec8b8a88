"""The lowest ordering of the mobile ions that a short search finds.

An MD run that starts from a metastable order stays in it at low temperature and measures the wrong
crystal. Every walker relaxes its start and anneals it: single ions move to empty sites, mostly near ones,
each trial is relaxed, and the Metropolis rule keeps it or not while its temperature falls. Unlike MD, such
moves need not wait for a barrier. Walkers beyond the number of starts are first held hot and cooled by MD,
so that not all begin in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase import Atoms
from pydantic import Field

from frustra.arrays import Array
from frustra.engines.lammps import Progress
from frustra.engines.md import MDSettings, cool
from frustra.engines.potential import Potential
from frustra.engines.relax import RelaxSettings, relax_crystal, relax_frames
from frustra.geometry import minimum_image
from frustra.settings import Settings
from frustra.sites import coordination_in, sites_of
from frustra.structures import indices_of
from frustra.units import BOLTZMANN

TRIAL_FORCE_CALLS = 25
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
        stages = [("start", *relax_crystal(start, self.potential, folder=folder / "start"))]
        steps = self._md_steps(heat)
        if steps:
            last = self._cooled(stages[0][1], seed, folder / "cool", tell)
            stages.append(("cooled", *relax_crystal(last, self.potential, folder=folder / "cooled")))
        rng = np.random.default_rng(seed)
        rounds = np.unique(np.linspace(0, self.settings.moves, _ROUNDS + 1).astype(int)).tolist()
        current = stages[-1]
        for first, end in pairwise(rounds):
            moves = _Moves(self, *current[1:], folder / "moves")
            moves.run(range(first, end), rng, lambda done: tell(steps + done * TRIAL_FORCE_CALLS))
            for atoms, name in ((moves.lowest, f"lowest up to move {end}"), (moves.atoms, f"move {end}")):
                current = (name, *relax_crystal(atoms, self.potential, folder=folder / "moved"))
                stages.append(current)
        _, lowest, energy = min(stages, key=lambda stage: stage[2])
        return Walk(lowest, energy, tuple((name, e) for name, _, e in stages))

    def _cooled(self, atoms: Atoms, seed: int, folder: Path, progress: Progress) -> Atoms:
        s = self.settings
        ramp, times = (s.hold_temperature, s.cool_temperature), (s.hold, s.cool)
        return cool(atoms, self.potential, self.md, ramp, times, seed, folder, progress)


class _Moves:
    """Metropolis walk over orderings in one cell: one ion to one empty site, then relaxed."""

    def __init__(self, search: GroundStateSearch, atoms: Atoms, energy: float, folder: Path) -> None:
        self._search, self._folder = search, folder
        self.atoms, self._energy = atoms, energy
        self.lowest, self._lowest_energy = atoms, energy
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
