"""The lowest ordering of the mobile ions that a short search finds.

An MD run that starts from a metastable order stays in it at low temperature and measures the wrong
crystal. Every walker therefore relaxes its start, holds it hot, cools it slowly, relaxes it again, and then
moves single ions to empty sites, keeping moves by the Metropolis rule while its temperature falls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict, Field

from frustra.arrays import Array
from frustra.engines.lammps import Progress
from frustra.engines.md import MDSettings, cool
from frustra.engines.potential import LammpsPotential
from frustra.engines.relax import RelaxSettings, relax_crystal, relax_frames
from frustra.geometry import minimum_image
from frustra.sites import coordination_of, sites_of
from frustra.structures import indices_of
from frustra.units import BOLTZMANN

TRIAL_FORCE_CALLS = 50
"""Force calls that one trial move usually takes; only the estimate of the time uses it."""

_BATCH = 8  # trial moves relaxed in one call of LAMMPS
_CATION_RADIUS = 1.0  # Å: a site this near a framework cation is that cation's
_SAME = 1e-3  # eV: relaxed energies closer than this are the same state
_COMMON = 0.1  # site kinds holding this fraction of the ions are tried


class PrepareSettings(BaseModel):
    """How the lowest ordering of the mobile ions is searched for before any production."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    walkers: int = Field(
        2,
        ge=1,
        description="independent searches; each takes its own start where several are given",
    )
    hold_temperature: float = Field(
        550.0, gt=0, description="temperature at which the mobile ions are shuffled by MD (K)"
    )
    hold: float = Field(15.0, ge=0, description="time at that temperature (ps)")
    cool_temperature: float = Field(200.0, gt=0, description="temperature at the end of cooling (K)")
    cool: float = Field(25.0, ge=0, description="time of cooling (ps); longer finds lower orderings")
    moves: int = Field(160, ge=0, description="trial moves of single ions to empty sites, each relaxed")
    move_temperature: float = Field(
        450.0,
        gt=0,
        description="temperature of the Metropolis rule at the first move (K); it falls linearly to zero",
    )


@dataclass(frozen=True)
class Walk:
    """What one walker found."""

    atoms: Atoms
    """The lowest ordering, positions and cell relaxed."""
    energy: float
    """Its energy, eV."""
    history: tuple[tuple[str, float], ...]
    """(stage, energy in eV) of the start, after cooling and after the trial moves."""


def search(
    start: Atoms,
    specie: str,
    anions: Sequence[str],
    potential: LammpsPotential,
    how: tuple[PrepareSettings, MDSettings],
    seed: int,
    folder: Path,
    progress: Progress | None = None,
) -> Walk:
    """Walk from one start to the lowest ordering found; the start itself if nothing is lower.

    Parameters
    ----------
    start
        A supercell with every mobile ion in place.
    specie, anions
        The mobile element and the elements whose polyhedra are its sites.
    how
        The search, and the time step and thermostat of its MD.
    progress
        Called with the number of force calls done, roughly.
    """
    settings, md = how
    tell = progress or (lambda _: None)
    lowest, energy = relax_crystal(start, potential, folder=folder / "start")
    history = [("start", energy)]
    hot = md.steps(settings.hold) + md.steps(settings.cool)
    if settings.hold + settings.cool > 0:
        ramp = (settings.hold_temperature, settings.cool_temperature)
        last = cool(lowest, potential, md, ramp, (settings.hold, settings.cool), seed, folder / "cool", tell)
        cooled, cooled_energy = relax_crystal(last, potential, folder=folder / "cooled")
        history.append(("cooled", cooled_energy))
        if cooled_energy < energy:
            lowest, energy = cooled, cooled_energy
    if settings.moves:
        moves = _Moves(lowest, energy, specie, anions, potential, folder / "moves")
        moved = moves.run(
            settings, np.random.default_rng(seed), lambda done: tell(hot + done * TRIAL_FORCE_CALLS)
        )
        moved, moved_energy = relax_crystal(moved, potential, folder=folder / "moved")
        history.append(("moved", moved_energy))
        if moved_energy < energy:
            lowest, energy = moved, moved_energy
    return Walk(lowest, energy, tuple(history))


class _Moves:
    """Metropolis walk over orderings: one ion to one empty site, relaxed in the fixed cell."""

    def __init__(
        self,
        atoms: Atoms,
        energy: float,
        specie: str,
        anions: Sequence[str],
        potential: LammpsPotential,
        folder: Path,
    ) -> None:
        self._atoms, self._energy = atoms, energy
        self._best, self._best_energy = atoms, energy
        self._mobile = indices_of(atoms, specie)
        self._sites = open_sites(atoms, specie, anions)
        self._potential, self._folder = potential, folder
        self._relax = RelaxSettings(fmax=0.01)

    def run(self, settings: PrepareSettings, rng: np.random.Generator, progress: Progress) -> Atoms:
        """Make the trial moves in batches; return the lowest ordering met."""
        for done in range(0, settings.moves, _BATCH):
            progress(done)
            kt = BOLTZMANN * settings.move_temperature * (1 - done / settings.moves)
            count = min(_BATCH, settings.moves - done)
            trials = [t for t in (self._trial(rng) for _ in range(count)) if t is not None]
            if not trials:
                break
            self._step(trials, kt, rng)
        return self._best

    def _trial(self, rng: np.random.Generator) -> Atoms | None:
        """Return the current ordering with one ion moved to an empty site; None if none is empty."""
        offsets = minimum_image(
            self._sites[None] - self._atoms.positions[self._mobile][:, None], self._atoms.cell.array
        )
        taken = np.linalg.norm(offsets, axis=2).argmin(axis=1)
        empty = np.setdiff1d(np.arange(len(self._sites)), taken)
        if len(empty) == 0:
            return None
        trial: Atoms = self._atoms.copy()
        ion = int(rng.integers(len(self._mobile)))
        trial.positions[self._mobile[ion]] += offsets[ion, rng.choice(empty)]
        return trial

    def _step(self, trials: list[Atoms], kt: float, rng: np.random.Generator) -> None:
        """Relax the trials and take the first that the Metropolis rule accepts."""
        relaxed = relax_frames(trials, self._potential, self._relax, self._folder)
        for number, energy in enumerate(relaxed.energies):
            rise = float(energy) - self._energy
            if abs(rise) > _SAME and rng.random() < np.exp(-max(rise, 0.0) / kt):
                self._atoms, self._energy = relaxed.atoms(number), float(energy)
                if self._energy < self._best_energy:
                    self._best, self._best_energy = self._atoms, self._energy
                return


def open_sites(atoms: Atoms, specie: str, anions: Sequence[str]) -> Array:
    """Return the sites that a mobile ion may take: of the kinds it occupies now, not a cation's (n, 3), Å."""
    cell = atoms.cell.array
    sites = sites_of(atoms, anions)
    mobile = indices_of(atoms, specie)
    around = coordination_of(atoms.positions[mobile], atoms.positions[indices_of(atoms, *anions)], cell)
    kinds, counts = np.unique(around.kind, return_counts=True)
    wanted = np.isin(sites.kind, kinds[counts >= _COMMON * len(mobile)])
    others = np.setdiff1d(np.arange(len(atoms)), indices_of(atoms, specie, *anions))
    if len(others):
        gaps = minimum_image(atoms.positions[others][None] - sites.positions[:, None], cell)
        wanted &= np.linalg.norm(gaps, axis=2).min(axis=1) > _CATION_RADIUS
    return sites.positions[wanted]
