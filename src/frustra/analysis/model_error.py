"""How much of a density of atomistic states survives a change of the model that gives the energies.

Several models tell the energies of the same relaxed states. A model may add a constant to every ion of an
element and take it from another (e_i → e_i + c_s with Σ N_s c_s = 0): nothing measurable changes, so that
each model is first shifted by one constant for the mobile element. What still differs is the models' error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from frustra.analysis.agreement import Agreement, Pair
from frustra.analysis.contrasts import Contrast, contrasts_of
from frustra.analysis.decorrelation import independent_snapshots
from frustra.analysis.density import Density, DensitySettings, densities_of
from frustra.analysis.levels import LevelTable, blocked, levels_of
from frustra.analysis.spread import ModelNumber, ladder_of
from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import AnalysisError, DataError
from frustra.states import StateTable
from frustra.stats import Estimate

TOTAL = "total energy per ion"
"""Name of the relaxed total energy per mobile ion, above that of the ground state in the same cell."""

RESAMPLED = 200
"""Resamplings of frames for the errors of what is told of total energies."""

WITHIN = 0.01
"""Part of the states that a class must have at a temperature for its width to be told."""


@dataclass(frozen=True)
class ModelStates:
    """What one model says of the states of a table."""

    name: str
    energy: Array
    """(rows,) per-atom energy of every row of the table, eV."""
    same: BoolArray
    """(rows,) whether the state is the same one under this model: its frame converged, and the ion stayed."""
    total: Array
    """(frames,) relaxed total energy per mobile ion above that of the ground state in the same cell, eV, in
    the order of temperature, run and snapshot; NaN of one that did not converge."""
    member: bool = True
    """Whether it counts for the spread: the mean of a committee does not beside its members."""


@dataclass(frozen=True)
class ModelDensity:
    """The members' DOAS at one temperature, on common bins."""

    temperature: float
    """K."""
    edges: Array
    """(bins + 1,) eV above the reference's zero."""
    parts: dict[str, Array]
    """Class → (models, bins) states per mobile ion and eV."""
    members: BoolArray
    """(models,) which of them count for the spread."""


@dataclass(frozen=True)
class Survivors:
    """How many states are the same ones under a model."""

    model: int
    temperature: float
    """K."""
    states: int
    """Of the table."""
    same: int
    """That are the same under this model."""
    frames: int
    whole: int
    """Frames all of whose states are the same."""


@dataclass(frozen=True)
class ModelComparison:
    """Everything that several models say of the same states."""

    names: tuple[str, ...]
    """The reference first."""
    shifts: Array
    """(models,) what was taken off the energies of the mobile element to align them, eV."""
    zero: float
    """The reference's energy that is the zero, eV."""
    densities: tuple[ModelDensity, ...]
    numbers: tuple[ModelNumber, ...]
    states: tuple[Agreement, ...]
    """Of per-atom energies, for every pair of models and temperature."""
    totals: tuple[Agreement, ...]
    """Of relaxed total energies, free of the gauge; frames in which every ion stayed."""
    survivors: tuple[Survivors, ...]
    bands: dict[str, list[list[float]]]
    """Model → for each temperature the centres of its bands, eV above the zero."""

    @property
    def temperatures(self) -> list[float]:
        """K."""
        return [d.temperature for d in self.densities]


def compare_models(
    states: StateTable,
    models: Sequence[ModelStates],
    settings: DensitySettings | None = None,
    by: str = "site",
    rng: np.random.Generator | None = None,
) -> ModelComparison:
    """Compare what several models say of the same relaxed states.

    Only states are compared that are the same ones under all models. Every model is shifted by one constant,
    e^m − ⟨e^m⟩ + ⟨e^0⟩ with the means over these states at all temperatures and 0 for the reference. That
    takes off the constant per element which a model may choose freely; that Σ N_s c_s = 0 holds for it
    cannot be checked by anything measurable. All have the same bins from one zero, that of the reference.

    Parameters
    ----------
    states
        Of the reference's relaxed frames: one material, one mobile element.
    models
        The reference first; two or more that count for the spread.
    settings
        Bins, zero and resamplings. The same resamplings of snapshots are drawn for every model.
    by
        Column of the table that tells the classes apart.
    rng
        For the bootstrap; seeded with 0 if not given.

    Raises
    ------
    AnalysisError
        Fewer than two models, or no state that is the same one under all of them.
    DataError
        Energies that do not belong to the table.
    """
    settings = settings or DensitySettings()
    seed = int((rng or np.random.default_rng(0)).integers(2**31))
    _check(states, models)
    same = np.logical_and.reduce([m.same for m in models]) & states["converged"]
    if not same.any():
        raise AnalysisError(
            "no state that is the same one under all models",
            "frames that stay near their minima",
            "compare models of the same material, or evaluate without relaxing (--no-relax)",
        )
    common = states.select(same)
    energies = np.stack([m.energy[same] for m in models])
    shifts = energies.mean(axis=1) - energies[0].mean()
    aligned = energies - shifts[:, None]
    memory = independent_snapshots(states)  # not of those that are left, with gaps between them
    table = blocked(replace(levels_of(common, by), notes=()), memory)
    tables, zero = _level_tables(table, common, aligned, settings)
    bins = settings.model_copy(update={"zero": "none"})
    densities = [densities_of(t, bins, np.random.default_rng(seed)) for t in tables]
    contrasts = [contrasts_of(t, by, bins, np.random.default_rng(seed)) for t in tables]
    members = np.array([m.member for m in models])
    totals = _totals(states, models, same, {one.temperature: one.block for one in table.levels}, seed)
    return ModelComparison(
        names=tuple(m.name for m in models),
        shifts=shifts,
        zero=zero,
        densities=_on_common_bins(densities, members),
        numbers=(*_numbers(densities, contrasts, members), *totals.numbers),
        states=tuple(_states_alike(tables, seed, settings.bootstrap)),
        totals=tuple(totals.alike),
        survivors=tuple(_survivors(states, models)),
        bands={
            m.name: [[b.centre.value for b in d.bands] for d in of]
            for m, of in zip(models, densities, strict=True)
        },
    )


def _check(states: StateTable, models: Sequence[ModelStates]) -> None:
    if sum(m.member for m in models) < 2:
        raise AnalysisError(
            f"{len(models)} model to be compared", "two or more", "name others, or a committee"
        )
    frames = int(_frames(states).max()) + 1 if len(states) else 0
    for m in models:
        if not len(m.energy) == len(m.same) == len(states) or len(m.total) != frames:
            raise DataError(
                f"{len(m.energy)} energies of {m.name} in {len(m.total)} frames",
                f"{len(states)} in {frames}, those of the reference",
            )


def _frames(states: StateTable) -> IntArray:
    """Return the number of the frame of each row, in the order of temperature, run and snapshot."""
    named = np.stack([states["temperature"], states["run"], states["snapshot"]])
    found: IntArray = np.unique(named, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found


def _level_tables(
    table: LevelTable, common: StateTable, aligned: Array, settings: DensitySettings
) -> tuple[list[LevelTable], float]:
    """Return the levels of every model above the common zero, and that zero."""
    lowest = aligned[0].min()
    zero = {"min": lowest, "quantile": np.quantile(aligned[0], 0.01), "none": 0.0}[settings.zero]
    rows = [np.flatnonzero(common["temperature"] == t) for t in table.temperatures]

    def told(energy: Array) -> LevelTable:
        above = [energy[r] - zero for r in rows]
        levels = [replace(one, energy=e) for one, e in zip(table.levels, above, strict=True)]
        return replace(table, levels=tuple(levels))

    return [told(e) for e in aligned], float(zero)


def _on_common_bins(densities: Sequence[Sequence[Density]], members: BoolArray) -> tuple[ModelDensity, ...]:
    """Return the densities of all models at each temperature, on the bins that hold all of them."""
    width = densities[0][0].width
    first = [[round(d.edges[0] / width) for d in of] for of in densities]
    start = min(min(f) for f in first)
    stop = max(
        f + len(d.centres)
        for fs, of in zip(first, densities, strict=True)
        for f, d in zip(fs, of, strict=True)
    )
    found = []
    for k, reference in enumerate(densities[0]):
        parts = {name: np.zeros((len(densities), stop - start)) for name in reference.parts}
        for m, of in enumerate(densities):
            at = first[m][k] - start
            for name, values in of[k].parts.items():
                parts[name][m, at : at + len(values)] = values
        edges = np.arange(start, stop + 1) * width
        found.append(ModelDensity(reference.temperature, edges, parts, members))
    return tuple(found)


def _numbers(
    densities: Sequence[Sequence[Density]], contrasts: Sequence[Sequence[Contrast]], members: BoolArray
) -> list[ModelNumber]:
    """Return every metric of every temperature as all models tell it."""
    found: dict[tuple[str, str], dict[float, list[Estimate]]] = {}
    for number, (of, between) in enumerate(zip(densities, contrasts, strict=True)):
        for name, unit, temperature, value in (*_of_densities(of), *_of_contrasts(between)):
            rows = found.setdefault((name, unit), {}).setdefault(temperature, [_UNKNOWN] * len(densities))
            rows[number] = value
    return [n for (name, unit), rows in found.items() for n in ladder_of(name, unit, rows, members)]


_UNKNOWN = Estimate(np.nan, np.nan, np.nan, np.nan)


def _of_densities(densities: Sequence[Density]) -> list[tuple[str, str, float, Estimate]]:
    told = []
    for d in densities:
        told += [
            ("mean", "eV", d.temperature, d.mean),
            ("entropy", "nat", d.temperature, d.entropy),
            ("IQR", "eV", d.temperature, d.iqr),
            ("within kT of the median", "", d.temperature, d.near_median),
            ("bands", "", d.temperature, Estimate(len(d.bands), np.nan, np.nan, np.nan)),
        ]
        shares = [(n, s) for n, s in d.shares.items() if s.weight.value >= WITHIN]
        told += [(f"width of {n}", "eV", d.temperature, s.deviation) for n, s in shares]
    return told


def _of_contrasts(contrasts: Sequence[Contrast]) -> list[tuple[str, str, float, Estimate]]:
    """Return gaps of each pair of classes, always the same class first: their order may change."""
    told = []
    for c in contrasts:
        first, second = sorted((c.first, c.second))
        t, pair = c.temperatures[0], f"{first} → {second}"
        gap = c.gap if first == c.first else _turned(c.gap)
        told += [
            (f"gap {pair}", "eV", t, gap),
            (f"overlap {pair}", "", t, c.overlap),
            (f"tail gap {pair}", "eV", t, c.tail_gap),
        ]
    return told


def _turned(e: Estimate) -> Estimate:
    return Estimate(-e.value, e.std, -e.high, -e.low)


def _states_alike(tables: Sequence[LevelTable], seed: int, samples: int) -> list[Agreement]:
    """Compare the per-atom energies of every pair of models at every temperature."""
    found = []
    for first, second in combinations(range(len(tables)), 2):
        for one, other in zip(tables[first].levels, tables[second].levels, strict=True):
            group, _ = one.groups()
            pair = Pair(one.energy, other.energy, one.number, group)
            found.append(pair.agreement(one.temperature, (first, second), seed, samples))
    return found


@dataclass(frozen=True)
class _Totals:
    """What the models say of the frames' total energies."""

    numbers: list[ModelNumber]
    alike: list[Agreement]


def _totals(
    states: StateTable, models: Sequence[ModelStates], same: BoolArray, blocks: dict[float, int], seed: int
) -> _Totals:
    """Compare total energies: their means, and frame by frame where every ion stayed under every model.

    So many neighbouring frames as `blocks` tells at each temperature count as one in the errors.
    """
    frame = _frames(states)
    left = np.bincount(frame, ~same, minlength=len(models[0].total)) > 0
    totals = np.stack([m.total for m in models])
    known = np.asarray(np.isfinite(totals).all(axis=0))
    temperature = np.zeros(len(known))
    temperature[frame] = states["temperature"]
    members = np.array([m.member for m in models])
    rows: dict[float, list[Estimate]] = {}
    alike = []
    for t in np.unique(temperature[known]):
        of_all = totals[:, known & (temperature == t)]
        block = np.arange(of_all.shape[1]) // blocks[float(t)]
        rows[float(t)] = [_mean(values, block) for values in of_all]
        whole = totals[:, known & ~left & (temperature == t)]
        if not whole.size:
            continue
        group = np.arange(whole.shape[1]) // blocks[float(t)]
        for first, second in combinations(range(len(models)), 2):
            pair = Pair(whole[first], whole[second], np.zeros_like(group), group)
            alike.append(pair.agreement(float(t), (first, second), seed, RESAMPLED))
    return _Totals(ladder_of(TOTAL, "eV", rows, members), alike)


def _mean(values: Array, group: IntArray) -> Estimate:
    """Return the mean of the frames with the error from the means of groups of them."""
    means = np.bincount(group, values) / np.bincount(group)
    error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else np.nan
    return Estimate.normal(float(values.mean()), error)


def _survivors(states: StateTable, models: Sequence[ModelStates]) -> list[Survivors]:
    """Count the states that are the same under each model but the reference."""
    found = []
    for number, model in enumerate(models[1:], 1):
        for temperature in states.temperatures:
            rows = states["temperature"] == temperature
            same, (_, frame) = model.same[rows], np.unique(_frames(states)[rows], return_inverse=True)
            frames = int(frame.max()) + 1
            whole = frames - int(np.count_nonzero(np.bincount(frame, ~same, minlength=frames)))
            found.append(Survivors(number, temperature, len(same), int(same.sum()), frames, whole))
    return found
