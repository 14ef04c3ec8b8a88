"""The markers of the super-ionic transition that a material's finished runs hold."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frustra.analysis.density import Density
from frustra.analysis.equilibrium import FLOOR, RelaxedEnergy
from frustra.analysis.markers import Marker, Reading, derivative, marker_of, widened
from frustra.analysis.occupancy import BLOCKS, occupancy_entropy, occupied_sites
from frustra.analysis.rdf.pairs import PairDistribution, pair_distribution
from frustra.analysis.rdf.peak import first_minimum, peak_width
from frustra.analysis.transport import Diffusion
from frustra.arrays import Array
from frustra.campaign.run_job import RunJob
from frustra.errors import AnalysisError
from frustra.geometry import lattice_type
from frustra.io import open_trajectory
from frustra.sites import Sites
from frustra.snapshots import Snapshots
from frustra.units import BOLTZMANN, MEV

CELL_ERROR = 1e-4
"""Relative error of a cell's edge below which none is believed."""


@dataclass(frozen=True)
class Evidence:
    """What the analysis of one material knows, temperature by temperature."""

    specie: str
    anions: Sequence[str]
    sites: Sites
    """That all runs have in common."""
    runs: Sequence[Sequence[RunJob]]
    snapshots: Sequence[Sequence[Snapshots]]
    empty_sites: Sequence[Sequence[Array]]
    """For each run, the fraction of ground-state sites left empty, frame by frame."""
    energies: Sequence[RelaxedEnergy]
    densities: Sequence[Density]
    densities_by: Mapping[str, Sequence[Density]]
    """The same, resolved by other columns of the state table: the class of the site, mixed anions."""
    diffusion: Sequence[Diffusion]
    doubtful: Sequence[float]
    """Temperatures that are not equilibrated, K."""

    @property
    def temperatures(self) -> list[float]:
        """K, ascending."""
        return [e.temperature for e in self.energies]

    @property
    def ions(self) -> int:
        """Mobile ions in the cell."""
        return self.runs[0][0].ions

    def marked(self, readings: Iterable[Reading]) -> list[Reading]:
        """Return the readings with those marked that are not equilibrated."""
        return [r._replace(doubtful=r.temperature in self.doubtful) for r in readings]


def markers_of(evidence: Evidence) -> list[Marker]:
    """Return every marker that the runs hold, in the order in which a figure stacks them."""
    e = evidence
    return [
        *_energies(e),
        marker_of("off_ground", "ions off ground-state sites", "", e.marked(_off_ground(e))),
        marker_of("occupancy_entropy", "occupancy entropy", "nat/ion", e.marked(_occupations(e))),
        marker_of("doas_entropy", "DOAS entropy", "nat", e.marked(_doas(e.densities))),
        *_peaks(e),
        marker_of("anisotropy", "ln(D_c/D_ab)", "", e.marked(_anisotropy(e.diffusion))),
        *_cells(e),
    ]


def _energies(evidence: Evidence) -> list[Marker]:
    readings = evidence.marked(
        Reading(e.temperature, MEV * e.mean, MEV * widened(e.std, e.blocks, FLOOR)) for e in evidence.energies
    )
    unit = MEV * BOLTZMANN
    capacity = [r._replace(value=r.value / unit, std=r.std / unit) for r in derivative(readings)]
    return [
        marker_of("relaxed_energy", "relaxed energy", "meV/ion", readings),
        marker_of("heat_capacity", "configurational heat capacity", "k_B/ion", capacity),
    ]


def _off_ground(evidence: Evidence) -> Iterator[Reading]:
    """Give the fraction of empty ground-state sites, with the error of block means."""
    for temperature, runs, parts in zip(
        evidence.temperatures, evidence.empty_sites, evidence.snapshots, strict=True
    ):
        kept = [e[s.converged] for e, s in zip(runs, parts, strict=True)]
        blocks = [b.mean() for e in kept if len(e) for b in np.array_split(e, min(BLOCKS, len(e)))]
        if len(blocks) > 1:
            error = float(np.std(blocks, ddof=1)) / np.sqrt(len(blocks))
            least = 1 / (evidence.ions * sum(map(len, kept)))  # one ion in one snapshot
            value = float(np.concatenate(kept).mean())
            yield Reading(temperature, value, widened(error, len(blocks), least))


def _occupations(evidence: Evidence) -> Iterator[Reading]:
    for temperature, parts in zip(evidence.temperatures, evidence.snapshots, strict=True):
        kept = [s.select(s.converged) for s in parts]
        frames = sum(map(len, kept))
        if not frames:
            continue
        held = [occupied_sites(s, evidence.sites, evidence.specie) for s in kept if len(s)]
        value, error, blocks = occupancy_entropy(held, evidence.ions)
        least = 2 * np.log(frames + 1) / (frames + 1) / evidence.ions  # one ion elsewhere in one snapshot
        yield Reading(temperature, value, widened(error, blocks, least))


def _doas(densities: Sequence[Density]) -> Iterator[Reading]:
    for d in densities:
        least = np.log(d.states) / d.states  # one state in another bin
        if not d.entropy.std > least:  # all snapshots alike: the next one may have its states anywhere
            share = 1 / ((d.snapshots or d.groups) + 1)
            least = share * (1 - np.log(share))
        yield Reading(d.temperature, d.entropy.value, widened(d.entropy.std, d.groups, least))


def _anisotropy(diffusion: Sequence[Diffusion]) -> Iterator[Reading]:
    for d in diffusion:
        ratio = d.anisotropy
        if ratio is not None and ratio.low > 0:
            error = (np.log(ratio.high) - np.log(ratio.low)) / (2 * 1.96)
            yield Reading(d.temperature, float(np.log(ratio.value)), float(error))


def _peaks(evidence: Evidence) -> Iterator[Marker]:
    """Give the width of the first peak around the mobile ion: of its own kind, and of the anions."""
    specie = evidence.specie
    for name, second in ((specie, [specie]), ("anion", list(evidence.anions))):
        others = "–".join((specie, name if name == specie else "/".join(second)))
        label, readings, reason = f"squared width of the first {others} peak", [], ""
        try:
            found = [_pairs(runs, specie, second) for runs in evidence.runs]
            end = first_minimum([d for runs in found for d in runs])
            for temperature, runs in zip(evidence.temperatures, found, strict=True):
                value, error, blocks = peak_width(runs, end)
                readings.append(Reading(temperature, value, widened(error, blocks)))
        except AnalysisError as refusal:
            reason = f"cannot tell: {refusal}"
        yield marker_of(f"rdf_width_{specie}_{name}", label, "Å²", evidence.marked(readings), reason)


def _pairs(runs: Sequence[RunJob], first: str, second: Sequence[str]) -> list[PairDistribution]:
    found = []
    for run in runs:
        with open_trajectory(run.trajectory_file) as trajectory:
            found.append(pair_distribution(trajectory, first, second))
    return found


def _cells(evidence: Evidence) -> Iterator[Marker]:
    """Give the ratio a/c of the mean cells, where they were free to change and a is not c by symmetry."""
    jobs = [replicas[0].cell_job for replicas in evidence.runs]
    if jobs[0].context.study.md.cell != "npt":
        return
    readings = []
    for job in jobs:
        cell, std = (np.array(v) for v in job.cell())
        if lattice_type(cell) == "isotropic":
            return
        lengths = np.linalg.norm(cell, axis=1)
        errors = np.maximum(np.abs((cell * std).sum(axis=1)) / lengths**2, CELL_ERROR)  # relative
        ratio = lengths[0] / lengths[2]
        readings.append(Reading(job.temperature, float(ratio), float(ratio * np.hypot(*errors[[0, 2]]))))
    yield marker_of("cell_ratio", "a/c of the supercell", "", evidence.marked(readings))
