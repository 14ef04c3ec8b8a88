from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from frustra.analysis.equilibrium import (
    BELOW_GROUND,
    RelaxedEnergy,
    branches_of,
    combined,
    differs,
    doubts,
    empty_ground_sites,
    relaxed_energy,
)
from frustra.errors import AnalysisError
from frustra.io import read_structure
from frustra.snapshots import Snapshots
from frustra.structures import indices_of, strained
from tests.helpers import LYC, snapshots

ATOMS = read_structure(LYC)
IONS = 9
LADDER = (300.0, 400.0, 500.0, 600.0, 700.0, 800.0)


def run(per_ion: np.ndarray, temperature: float = 300.0, **changes: object) -> Snapshots:
    """Return snapshots of a run with these energies per ion above a ground state at −100 eV."""
    totals = -100.0 + IONS * np.asarray(per_ion)
    atomic = np.repeat(totals[:, None] / len(ATOMS), len(ATOMS), axis=1)
    return snapshots(ATOMS, len(totals), atomic, temperature=temperature, **changes)


def energy(per_ion: np.ndarray, temperature: float = 300.0, lower_state: float = 0.0) -> RelaxedEnergy:
    return relaxed_energy(run(per_ion, temperature), -100.0, IONS, lower_state=lower_state)


def noise(rng: np.random.Generator, mean: float, spread: float = 0.001, frames: int = 40) -> np.ndarray:
    return mean + spread * rng.normal(size=frames)


def steady(rng: np.random.Generator, mean: float) -> np.ndarray:
    """Return noise that is the same backwards, so that its halves have exactly the same mean."""
    half = noise(rng, mean, frames=20)
    return np.concatenate([half, half[::-1]])


def test_the_mean_is_per_ion_above_the_ground_state_and_over_converged_snapshots_only() -> None:
    per_ion = np.array([0.010, 0.500, 0.014, -0.002, 0.020])
    converged = np.array([True, False, True, True, True])
    found = relaxed_energy(run(per_ion, converged=converged), -100.0, IONS, strain=0.003)
    kept = per_ion[converged]
    assert found.mean == pytest.approx(kept.mean())
    assert found.lowest == pytest.approx(-0.002)
    assert found.std == pytest.approx(stats.sem(kept))  # four snapshots are four blocks
    assert found.halves == pytest.approx((kept[:2].mean(), kept[2:].mean()))
    assert (found.temperature, found.strain, found.lower_state) == (300.0, 0.003, 0.0)


def test_the_error_of_the_mean_is_that_of_eight_blocks() -> None:
    per_ion = noise(np.random.default_rng(0), 0.01)
    blocks = per_ion.reshape(8, 5).mean(axis=1)
    assert energy(per_ion).std == pytest.approx(stats.sem(blocks))


def test_a_run_without_converged_snapshots_has_no_energy_and_raises_no_doubt() -> None:
    empty = relaxed_energy(run(np.ones(4), converged=np.zeros(4, bool)), -100.0, IONS)
    assert np.isnan([empty.mean, empty.std, empty.lowest, *empty.halves]).all()
    rng = np.random.default_rng(0)
    others = [energy(noise(rng, 0.01), 400.0), energy(noise(rng, 0.02), 500.0)]
    assert doubts([empty, *others]) == [[], [], []]


def test_one_converged_snapshot_has_no_error_and_raises_no_doubt() -> None:
    single = energy(np.array([0.05]))
    assert np.isnan(single.std)
    assert doubts([single, energy(noise(np.random.default_rng(0), 0.01), 400.0)]) == [[], []]


def test_energies_that_rise_with_temperature_raise_no_doubt() -> None:
    rng = np.random.default_rng(1)
    assert doubts([energy(steady(rng, 0.01 * k), t) for k, t in enumerate(LADDER)]) == 6 * [[]]


def test_a_mean_energy_above_that_of_a_higher_temperature_is_doubted() -> None:
    # as seen: 17.1 → 10.2 meV per Li in a metastable start
    rng = np.random.default_rng(2)
    ladder = [
        energy(steady(rng, m), t) for m, t in zip((0.0171, 0.0150, 0.0102, 0.0200), LADDER[:4], strict=True)
    ]
    found = doubts(ladder)
    assert [len(reasons) for reasons in found] == [1, 1, 0, 0]
    for one, (reason,) in zip(ladder, found[:2], strict=False):
        assert reason.startswith(f"mean relaxed energy {1e3 * one.mean:.1f} meV per ion, above ")
        assert reason.endswith(f"{1e3 * ladder[2].mean:.1f} at 500 K")


def test_a_falling_energy_without_any_scatter_is_doubted() -> None:
    # frozen in a metastable order: every snapshot relaxes to the same state
    frozen = [energy(np.full(40, e), t) for e, t in ((0.010, 300.0), (0.005, 400.0))]
    assert [bool(reasons) for reasons in doubts(frozen)] == [True, False]


def test_differences_far_below_what_a_relaxation_leaves_raise_no_doubt() -> None:
    # forces of 0.005 eV/Å at a stiffness of 1 eV/Å² leave about 1e-5 eV per atom
    rng = np.random.default_rng(9)
    ladder = [energy(e + 1e-7 * steady(rng, 0.0) / 0.001, t) for e, t in ((3e-6, 300.0), (1e-6, 400.0))]
    assert doubts(ladder) == [[], []]


def test_energies_that_are_equal_within_their_errors_raise_no_doubt() -> None:
    rng = np.random.default_rng(3)
    cold, hot = steady(rng, 0.01), steady(rng, 0.01)
    cold += hot.mean() - cold.mean()
    error = np.hypot(energy(cold).std, energy(hot).std)
    for shift, expected in ((2.5 * error, []), (3.5 * error, [True])):
        found = doubts([energy(cold + shift, 300.0), energy(hot, 400.0)])
        assert [bool(reason) for reason in found[0]] == expected
        assert found[1] == []


def test_at_most_one_flat_ladder_in_twenty_is_doubted() -> None:
    rng, runs = np.random.default_rng(4), 200
    doubted = sum(any(doubts([energy(noise(rng, 0.01), t) for t in LADDER])) for _ in range(runs))
    assert doubted <= stats.binom.ppf(0.999, runs, 0.05)


def test_a_lower_state_is_doubted_at_its_temperature_and_below_where_it_was_not_reached() -> None:
    rng = np.random.default_rng(5)
    ladder = [
        energy(steady(rng, -0.020), 300.0),  # has left the ground state for something lower
        energy(steady(rng, 0.005), 400.0),
        energy(np.append(steady(rng, 0.010), [-0.010] * 2), 500.0, lower_state=-0.090),
        energy(steady(rng, 0.030), 600.0),
    ]
    found = doubts(ladder)
    assert [len(reasons) for reasons in found] == [0, 1, 1, 0]
    for reasons in found[1:3]:
        assert "a snapshot at 500 K relaxed 90 meV per cell below the ground state" in reasons[0]


def test_a_state_that_is_hardly_lower_is_not_doubted() -> None:
    rng = np.random.default_rng(6)
    for lower_state, expected in ((-0.9 * BELOW_GROUND, []), (-1.1 * BELOW_GROUND, [True])):
        one = energy(np.append(steady(rng, 0.01), -0.001), lower_state=lower_state)
        assert [bool(r) for r in doubts([one])[0]] == expected


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    "shape",
    [
        "step",
        *(s for s in ("line", "decay")),
    ],
)
def test_a_run_whose_halves_differ_is_doubted(shape: str, sign: int) -> None:
    # 20 meV per ion of change against 1 meV of scatter
    time = np.linspace(0, 1, 40)
    course = {"step": time > 0.5, "line": time, "decay": np.exp(-4 * time)}[shape]
    rng = np.random.default_rng(7)
    (reasons,) = doubts([energy(noise(rng, 0.03 + sign * 0.02 * course))])
    assert len(reasons) == 1
    assert reasons[0].startswith("mean relaxed energy moved from")


def test_at_most_one_steady_run_in_twenty_is_doubted() -> None:
    rng, runs = np.random.default_rng(8), 400
    doubted = sum(any(doubts([energy(noise(rng, 0.01))])) for _ in range(runs))
    assert doubted <= stats.binom.ppf(0.999, runs, 0.05)


def test_empty_sites_are_counted_whoever_left_them_and_wherever_the_crystal_drifted() -> None:
    rng = np.random.default_rng(11)
    lithium = indices_of(ATOMS, "Li")
    frames = np.repeat(ATOMS.positions[None], 4, axis=0)
    frames[1][lithium] = frames[1][rng.permutation(lithium)]  # diffusion alone: every site is held
    frames[2][lithium[:2]] += [0.0, 0.0, 1.51]  # two ions half way to the next octahedron along c
    frames[3][lithium[:3]] += ATOMS.cell.array[0]  # other images of the same sites
    frames += rng.uniform(-20, 20, (4, 1, 3))
    moved = snapshots(ATOMS, 4, positions=frames)
    assert empty_ground_sites(moved, ATOMS, "Li").tolist() == pytest.approx([0, 0, 2 / 9, 0])
    larger = strained(ATOMS, 1.02 * ATOMS.cell.array)
    hot = snapshots(larger, 4, positions=np.repeat(larger.positions[None], 4, axis=0))
    assert empty_ground_sites(hot, ATOMS, "Li").tolist() == [0, 0, 0, 0]


def test_a_run_that_empties_ground_sites_all_along_is_doubted_and_a_steady_one_is_not() -> None:
    rng = np.random.default_rng(12)
    calm = run(steady(rng, 0.01))
    empty = rng.normal(0.2, 0.02, 40)
    for trend, doubted in ((0.0, False), (0.2, True)):
        found = relaxed_energy(calm, -100.0, IONS, off_ground=empty + trend * np.linspace(0, 1, 40))
        (reasons,) = doubts([found])
        assert bool(reasons) == doubted
    assert "empty ground-state sites" in reasons[0]


def test_runs_at_one_temperature_are_combined_as_independent_means() -> None:
    rng = np.random.default_rng(13)
    runs = [energy(noise(rng, mean), lower_state=-low) for mean, low in ((0.010, 0.0), (0.012, 0.02))]
    both = combined(runs)
    assert combined(runs[:1]) is runs[0]
    assert both.mean == pytest.approx((runs[0].mean + runs[1].mean) / 2)
    assert both.std == pytest.approx(np.hypot(runs[0].std, runs[1].std) / 2)
    assert both.halves == pytest.approx(np.mean([r.halves for r in runs], axis=0))
    assert both.halves_std == pytest.approx(np.hypot(runs[0].halves_std, runs[1].halves_std) / 2)
    assert both.lowest == min(r.lowest for r in runs)
    assert both.lower_state == -0.02
    assert both.blocks == sum(r.blocks for r in runs)


def test_the_error_of_combined_runs_is_that_of_a_normal_sample() -> None:
    # the mean of m runs of n frames of spread s has the error s/√(mn), whichever way it is estimated
    rng = np.random.default_rng(14)
    for count in (2, 4):
        trials = [combined([energy(noise(rng, 0.01)) for _ in range(count)]) for _ in range(200)]
        truth = 0.001 / np.sqrt(40 * count)
        assert np.std([t.mean for t in trials]) == pytest.approx(truth, rel=0.2)
        assert truth <= 1.1 * np.mean([t.std for t in trials]) <= 1.7 * truth


def test_runs_that_disagree_more_than_their_own_errors_have_the_error_of_their_spread() -> None:
    rng = np.random.default_rng(15)
    means = (0.010, 0.020, 0.030)
    stuck = combined([energy(noise(rng, mean)) for mean in means])  # each in another basin
    assert stuck.std == pytest.approx(stats.sem(means), rel=0.05)


def test_a_run_without_converged_snapshots_leaves_the_combination_without_an_error() -> None:
    empty = relaxed_energy(run(np.ones(4), converged=np.zeros(4, bool)), -100.0, IONS)
    both = combined([energy(noise(np.random.default_rng(16), 0.01)), empty])
    assert np.isnan(both.std)
    assert doubts([both]) == [[]]


def test_energies_from_two_kinds_of_start_differ_only_beyond_their_errors() -> None:
    rng = np.random.default_rng(17)
    one = energy(steady(rng, 0.010))
    far, near = (replace(one, mean=one.mean + shift) for shift in (20 * one.std, 0.5 * one.std))
    assert differs(one, far, 2)
    assert differs(far, one, 2)
    assert not differs(one, near, 2)
    trials = [differs(energy(noise(rng, 0.01)), energy(noise(rng, 0.01)), 1) for _ in range(400)]
    assert sum(trials) <= stats.binom.ppf(0.999, 400, 0.05)


def test_heating_and_cooling_that_do_not_meet_are_doubted_at_that_temperature_on_both_branches() -> None:
    rng = np.random.default_rng(18)
    heating = [energy(steady(rng, 0.01 * k), t) for k, t in enumerate(LADDER, 1)]
    cooling = [replace(e, mean=e.mean + (0.008 if e.temperature < 350 else 0.0)) for e in heating]
    for one, other in ((heating, cooling), (cooling, heating)):
        (reason,), *rest = doubts(one, other)
        assert not any(rest)
        assert reason.startswith(f"hysteresis: mean relaxed energy {1e3 * one[0].mean:.1f} ± ")
        assert f"{1e3 * other[0].mean:.1f} ± " in reason
    assert doubts(heating, heating) == doubts(heating) == 6 * [[]]
    pairs = branches_of(heating, cooling)
    assert [b.differ for b in pairs] == [True] + 5 * [False]
    assert [(b.heating, b.cooling) for b in pairs] == list(zip(heating, cooling, strict=True))


def test_branches_of_other_temperatures_are_refused() -> None:
    ladder = [energy(noise(np.random.default_rng(19), 0.01), t) for t in (300.0, 400.0)]
    with pytest.raises(AnalysisError, match="different temperatures"):
        branches_of(ladder, ladder[:1])


def test_a_lower_state_that_the_other_branch_found_is_a_doubt_of_this_one() -> None:
    rng = np.random.default_rng(20)
    heating = [energy(steady(rng, 0.01), 300.0), energy(steady(rng, 0.02), 400.0)]
    cooled = replace(heating[1], lowest=-0.02, lower_state=-20 * BELOW_GROUND)
    found = doubts(heating, [heating[0], cooled])
    assert [len(reasons) for reasons in found] == [1, 1]
    assert "a snapshot at 400 K relaxed 100 meV per cell below" in found[0][0]


def test_an_error_rests_on_no_more_blocks_than_there_are_independent_snapshots() -> None:
    rng = np.random.default_rng(21)
    # four arrangements, each seen ten times in a row
    trials = [np.repeat(0.01 + 0.001 * rng.normal(size=4), 10) for _ in range(300)]
    naive = [relaxed_energy(run(t), -100.0, IONS).std for t in trials]
    told = [relaxed_energy(run(t), -100.0, IONS, independent=4.0) for t in trials]
    truth = 0.001 / 2
    assert np.sqrt(np.mean(np.square([e.std for e in told]))) == pytest.approx(truth, rel=0.1)
    assert np.sqrt(np.mean(np.square(naive))) < 0.8 * truth
    assert {e.blocks for e in told} == {4}
    assert relaxed_energy(run(trials[0]), -100.0, IONS, independent=1.0).blocks == 2
