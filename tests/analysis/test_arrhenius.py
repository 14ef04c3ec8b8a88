from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants

from frustra.analysis.arrhenius import Arrhenius, arrhenius_line, arrhenius_of
from frustra.errors import AnalysisError, DataError
from frustra.ladder import Ladder, Point
from frustra.units import BOLTZMANN, CM2_PER_S, MS_PER_CM
from tests.analysis.ladders import truth
from tests.helpers import seeds


def exact(
    temperatures: np.ndarray, energy: float, prefactor: float, relative: float = 0.05
) -> tuple[Point, ...]:
    """Return conductivities on σT = A exp(−Ea/kT), as physicists' constants give them."""
    kt = constants.k * temperatures / constants.e
    sigma = prefactor * np.exp(-energy / kt) / temperatures
    return tuple(
        Point(float(t), float(s), relative * float(s)) for t, s in zip(temperatures, sigma, strict=True)
    )


LADDER = np.array([400.0, 450, 500, 550, 600, 700, 800])


@given(st.floats(0.05, 0.8), st.floats(1.0, 1e8), st.floats(0.01, 0.3))
def test_an_exact_arrhenius_law_is_recovered(energy: float, prefactor: float, relative: float) -> None:
    found = arrhenius_of(exact(LADDER, energy, prefactor, relative))
    assert found.transition is None
    for branch in ("low", "high"):
        value, frequency = found.energy(branch), found.prefactor(branch)  # type: ignore[arg-type]
        assert value is not None
        assert frequency is not None
        if found.model == "line":
            assert value.value == pytest.approx(energy, abs=1e-4)
            assert frequency.value == pytest.approx(prefactor, rel=0.01)
    room = found.value_at(300.0)
    if found.model == "line" and room is not None:
        expected = prefactor * np.exp(-energy * constants.e / (constants.k * 300)) / 300
        assert room.value == pytest.approx(expected, rel=0.01)
        assert room.low < expected < room.high


@given(seeds)
def test_conductivity_and_diffusivity_have_the_same_energy_and_transition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logs = truth(LADDER, 520, 0.3, 1.0) + 0.1 * rng.normal(size=7)
    diffusivities = Ladder(
        "diffusivity", tuple(Point(t, np.exp(y), 0.1 * np.exp(y)) for t, y in zip(LADDER, logs, strict=True))
    )
    by_d, by_sigma = (arrhenius_of(x) for x in (diffusivities, diffusivities.as_conductivity(0.02, 1.0)))
    assert by_d.model == by_sigma.model
    assert by_d.breaks.delta_bic == pytest.approx(by_sigma.breaks.delta_bic, abs=1e-3)
    for branch in ("low", "high"):
        one, other = by_d.energy(branch), by_sigma.energy(branch)  # type: ignore[arg-type]
        assert (one is None) == (other is None)
        assert one is None or one.value == pytest.approx(other.value, abs=1e-4)  # type: ignore[union-attr]
    d, sigma = by_d.value_at(300.0), by_sigma.value_at(300.0)
    if d is not None and sigma is not None:
        assert sigma.value == pytest.approx(0.02 * d.value / (BOLTZMANN * 300), rel=1e-3)


def test_the_room_temperature_value_is_that_of_the_branch_below_the_transition() -> None:
    logs = truth(LADDER, 520, 0.4, 2.0)
    points = [Point(t, np.exp(y) / t, 0.05 * np.exp(y) / t) for t, y in zip(LADDER, logs, strict=True)]
    found = arrhenius_of(points)
    assert found.model == "jump"
    low, high, room = found.energy("low"), found.energy("high"), found.value_at(300.0)
    assert low is not None
    assert high is not None
    assert room is not None
    assert low.value == pytest.approx(0.7, abs=0.03)
    assert high.value == pytest.approx(0.3, abs=0.03)
    expected = np.exp(truth(np.array([300.0]), 520, 0.4, 2.0)[0]) / 300
    assert room.value == pytest.approx(expected, rel=0.2)
    assert room.low < expected < room.high


def garnet(data: Path) -> Ladder:
    """Return the published diffusivities of a garnet."""
    table = np.genfromtxt(data / "arrhenius_aimd/D_T.csv", delimiter=",", names=True)
    points = [Point(t, d / CM2_PER_S, e / CM2_PER_S) for t, d, e in table]
    return Ladder("diffusivity", tuple(points))


def garnet_conductivity(data: Path) -> Ladder:
    crystal = read(data / "arrhenius_aimd/POSCAR", format="vasp")
    density = (crystal.symbols == "Li").sum() / crystal.get_volume()
    return garnet(data).as_conductivity(float(density), 1.0)


def test_the_published_convention_gives_the_published_numbers_of_the_garnet(data: Path) -> None:
    # He, Zhu, Epstein and Mo's program aimd: Ea 0.25813 ± 0.01683 eV, σ(300 K) 1.0804 [0.545, 2.141] mS/cm.
    # The interval leaves out the covariance of slope and intercept (`predict_diffusivity` there).
    fit = arrhenius_line(garnet_conductivity(data))
    assert fit.energy.value == pytest.approx(0.25813, abs=5e-5)
    assert fit.energy.std == pytest.approx(0.01683, abs=5e-5)
    room = fit.value_at(300.0).scaled(MS_PER_CM)
    assert room.value == pytest.approx(1.0804, rel=1e-3)
    assert [room.low, room.high] == pytest.approx([0.545, 2.141], abs=1e-3)


def test_the_garnet_has_no_transition_and_its_energy_is_the_published_one(data: Path) -> None:
    found = arrhenius_of(garnet_conductivity(data))
    assert found.model == "line"
    assert "no transition within 600–1500 K" in found.breaks.reason
    energy, room = found.energy("low"), found.value_at(300.0)
    assert energy is not None
    assert room is not None
    assert energy.value == pytest.approx(0.25813, abs=0.1 * 0.01683)
    assert energy.std == pytest.approx(0.01683, rel=0.05)
    # least squares with the covariance of slope and intercept gives 68 % within [0.687, 1.699]
    room = room.scaled(MS_PER_CM)
    assert room.value == pytest.approx(1.0804, rel=0.05)
    assert np.log(room.high / room.low) == pytest.approx(1.96 * np.log(1.699 / 0.687), rel=0.05)


def test_the_garnet_without_its_errors_has_no_transition_either(data: Path) -> None:
    ladder = garnet(data)
    without = Ladder("diffusivity", tuple(replace(p, std=np.nan) for p in ladder.points))
    found = arrhenius_of(without)
    assert found.transition is None
    assert any("errors of the values are not known" in note for note in found.notes)


def test_notes_tell_of_a_branch_that_was_not_measured_and_of_a_break_of_the_wrong_kind() -> None:
    logs = truth(LADDER, 520, -0.25, 0.0)
    odd = arrhenius_of(
        [Point(t, np.exp(y) / t, 0.03 * np.exp(y) / t) for t, y in zip(LADDER, logs, strict=True)]
    )
    assert odd.transition is not None
    assert any("larger above the break" in note for note in odd.notes)
    bounds = [
        replace(p, value=p.value / 100, std=np.nan, is_upper_bound=True) for p in exact(LADDER, 0.3, 1e5)[:3]
    ]
    lost = arrhenius_of([*bounds, *exact(LADDER, 0.3, 1e5)[3:]])
    assert lost.transition is not None
    assert lost.energy("low") is None
    assert lost.value_at(300.0) is None
    assert lost.value_at(700.0) is not None
    assert any("fewer than two values were measured below Tc" in note for note in lost.notes)


def refusal(points: tuple[Point, ...] | list[Point]) -> str:
    with pytest.raises((DataError, AnalysisError)) as caught:
        arrhenius_of(points)
    return str(caught.value)


def test_what_cannot_be_a_ladder_is_refused_in_a_sentence() -> None:
    good = list(exact(LADDER, 0.3, 1e5))
    assert "2 temperature(s); expected at least 3" in refusal(good[:2])
    assert "400 K more than once" in refusal([*good, good[0]])
    assert "-16021.8 mS/cm at 400 K; expected a positive" in refusal(
        [replace(good[0], value=-1.0), *good[1:]]
    )
    assert "nan mS/cm at 400 K" in refusal([replace(good[0], value=np.nan), *good[1:]])
    assert "error of 0 mS/cm at 400 K" in refusal([replace(good[0], std=0.0), *good[1:]])
    assert "no error at 400 K but at others" in refusal([replace(good[0], std=np.nan), *good[1:]])
    assert "temperature of -5 K" in refusal([replace(good[0], temperature=-5.0), *good[1:]])
    bounds = [replace(p, std=np.nan, is_upper_bound=True) for p in good[1:]]
    assert "1 of 7 temperatures have a measured conductivity" in refusal([good[0], *bounds])


def test_the_order_of_the_points_does_not_matter() -> None:
    points = exact(LADDER, 0.3, 1e5)

    def numbers(found: Arrhenius) -> tuple[str, float]:
        return found.model, found.breaks.delta_bic

    assert numbers(arrhenius_of(points)) == numbers(arrhenius_of(points[::-1]))


def test_a_line_needs_errors_and_two_points() -> None:
    points = exact(LADDER, 0.3, 1e5)
    with pytest.raises(DataError, match="without errors"):
        arrhenius_line(Ladder("conductivity", tuple(replace(p, std=np.nan) for p in points)))
    bounds = [replace(p, is_upper_bound=True) for p in points[1:]]
    with pytest.raises(AnalysisError, match="1 measured temperature"):
        arrhenius_line(Ladder("conductivity", (points[0], *bounds)))
