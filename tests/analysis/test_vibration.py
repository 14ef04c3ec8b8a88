import numpy as np
import pytest

from frustra.analysis.hops import HopSettings, hops_of
from frustra.analysis.vibration import vibration_of
from frustra.errors import AnalysisError
from frustra.units import BOLTZMANN
from tests.analysis.walkers import chain, visits
from tests.helpers import trajectory

IONS = np.arange(8)
THERMAL = np.sqrt(BOLTZMANN * 600 / 6.94 * 9648.5332)
"""Root mean square velocity of Li along one axis at 600 K, Å/ps."""


def oscillators(rng, frequencies, frames, timestep, temperature=600.0, ions=8):
    """Return Li that vibrates harmonically, each mode with its thermal energy, about places far apart."""
    time = timestep * np.arange(frames)[:, None, None]
    modes = len(frequencies)
    positions = np.tile(5.0 * np.arange(ions)[:, None], (frames, 1, 3))
    for nu in frequencies:
        amplitude = THERMAL * np.sqrt(2 / modes) / (2 * np.pi * nu)
        positions = positions + amplitude * np.cos(2 * np.pi * (nu * time + rng.random((1, ions, 3))))
    return trajectory(positions, timestep=timestep, temperature=temperature)


def at_rest(run, place=None):
    frames = len(run)
    place = np.zeros((frames, 8)) if place is None else place
    return hops_of(visits(place, timestep=run.timestep), chain(6), HopSettings())


@pytest.mark.parametrize("frequency", [2.0, 5.3, 10.7, 14.2])
@pytest.mark.parametrize("timestep", [0.01, 0.025])
def test_an_oscillators_frequency_is_found(frequency, timestep):
    run = oscillators(np.random.default_rng(1), [frequency], 2000, timestep)
    found = vibration_of([run], [at_rest(run)], IONS)
    assert found.frequency.value == pytest.approx(frequency, rel=0.01)
    assert found.frequencies[found.spectrum.argmax()] == pytest.approx(frequency, abs=1.0)
    assert found.spectrum.sum() * found.frequencies[1] == pytest.approx(1)
    assert found.thermal == pytest.approx(1, rel=0.05)


def test_modes_of_equal_energy_count_equally():
    run = oscillators(np.random.default_rng(2), [4.0, 6.0, 12.0], 4000, 0.02)
    assert vibration_of([run], [at_rest(run)], IONS).frequency.value == pytest.approx(22 / 3, rel=0.02)


def test_drift_does_not_count():
    run = oscillators(np.random.default_rng(1), [8.0], 2000, 0.02)
    run.positions[:] += 0.5 * run.timestep * np.arange(2000)[:, None, None]
    assert vibration_of([run], [at_rest(run)], IONS).frequency.value == pytest.approx(8, rel=0.01)


def test_pieces_in_which_an_ion_hops_are_left_out():
    run = oscillators(np.random.default_rng(1), [8.0], 2000, 0.02)
    place = np.zeros((2000, 8))
    for ion in range(8):
        at = 100 + 200 * ion
        place[at:, ion] = 1
        run.positions[at:, ion] += 3.0  # a jump in the path would fill the whole spectrum
    found = vibration_of([run], [at_rest(run, place)], IONS)
    assert found.frequency.value == pytest.approx(8, rel=0.01)
    assert 39 * 8 - 16 <= found.pieces <= 39 * 8 - 8


def walks(rng, frames, timestep, frequency=8.0, damping=2.0):
    """Return damped oscillators in a heat bath, whose spectrum is broad."""
    omega, noise = 2 * np.pi * frequency, THERMAL * np.sqrt(2 * damping * timestep / 4)
    x, v, path = np.zeros((8, 3)), THERMAL * rng.normal(size=(8, 3)), np.zeros((frames, 8, 3))
    for frame in range(frames):
        for _ in range(4):
            v += (
                -(omega**2) * x * timestep / 4 - damping * v * timestep / 4 + noise * rng.normal(size=x.shape)
            )
            x += v * timestep / 4
        path[frame] = x
    return trajectory(path, timestep=timestep)


def test_the_error_is_that_of_repeated_runs():
    found = []
    for seed in range(30):
        run = walks(np.random.default_rng(seed), 600, 0.02)
        found.append(vibration_of([run], [at_rest(run)], IONS).frequency)
    values = np.array([f.value for f in found])
    inside = [f.low <= values.mean() <= f.high for f in found]
    assert np.sqrt(np.mean([f.std**2 for f in found])) == pytest.approx(values.std(ddof=1), rel=0.4)
    assert np.mean(inside) > 0.85


def test_two_runs_count_as_one():
    rng = np.random.default_rng(0)
    runs = [oscillators(rng, [8.0], 500, 0.02), oscillators(rng, [8.0], 500, 0.02)]
    one = vibration_of(runs[:1], [at_rest(runs[0])], IONS)
    both = vibration_of(runs, [at_rest(r) for r in runs], IONS)
    assert both.pieces == 2 * one.pieces
    assert both.frequency.value == pytest.approx(8, rel=0.01)


def test_what_is_too_fast_to_be_seen_is_refused():
    rng = np.random.default_rng(0)
    coarse = oscillators(rng, [8.0], 500, 0.1)
    with pytest.raises(AnalysisError, match=r"frames 100 fs apart, which show no vibration above 5 THz"):
        vibration_of([coarse], [at_rest(coarse)], IONS)
    aliased = oscillators(rng, [38.0], 2000, 0.025)  # seen as 2 THz
    with pytest.raises(AnalysisError, match=r"% of the thermal energy.* too fast"):
        vibration_of([aliased], [at_rest(aliased)], IONS)


def test_a_wrong_time_between_frames_is_noticed():
    run = oscillators(np.random.default_rng(0), [8.0], 2000, 0.01)
    wrong = trajectory(run.positions[:, :8], timestep=0.007)
    with pytest.raises(AnalysisError, match=r"204 % of the thermal energy.* check temperature and time"):
        vibration_of([wrong], [at_rest(wrong)], IONS)
    unknown = oscillators(np.random.default_rng(0), [8.0], 2000, 0.01, temperature=np.nan)
    found = vibration_of([unknown], [at_rest(unknown)], IONS)
    assert np.isnan(found.thermal)
    assert found.frequency.value == pytest.approx(8, rel=0.01)


def test_runs_that_do_not_go_together_are_refused():
    rng = np.random.default_rng(0)
    runs = [oscillators(rng, [8.0], 500, dt) for dt in (0.01, 0.02)]
    with pytest.raises(AnalysisError, match="the same time between frames"):
        vibration_of(runs, [at_rest(r) for r in runs], IONS)
    short = oscillators(rng, [8.0], 30, 0.02)
    with pytest.raises(AnalysisError, match="in which an ion stays"):
        vibration_of([short], [at_rest(short)], IONS)
