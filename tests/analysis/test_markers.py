import numpy as np
import pytest
from scipy.stats import norm

from frustra.analysis.arrhenius import arrhenius_of
from frustra.analysis.markers import Marker, Reading, agreement, derivative, marker_of, widened
from frustra.ladder import Ladder, Point
from frustra.units import BOLTZMANN

T = np.linspace(300, 700, 9)
SHAPES = {
    "flat": 0 * T,
    "line": (T - 300) / 400,
    "parabola": ((T - 300) / 400) ** 2,
    "root": np.sqrt(T / 700),
    "activated": np.exp(-0.15 / BOLTZMANN * (1 / T - 1 / 700)),
    "Schottky": 1 / (1 + np.exp(0.12 / BOLTZMANN / T) / 18),
}


def marker(values: np.ndarray, error: float, seed: int, ladder: np.ndarray = T, name: str = "m") -> Marker:
    noise = error * np.random.default_rng(seed).normal(size=len(ladder))
    return marker_of(name, name, "", [Reading(*r, error) for r in zip(ladder, values + noise, strict=True)])


@pytest.mark.parametrize("error", [0.02, 0.05, 0.15])
def test_smooth_curves_have_no_onset(error: float) -> None:
    found = [marker(values, error, seed) for values in SHAPES.values() for seed in range(25)]
    assert np.mean([m.onset is not None for m in found]) <= 0.05


@pytest.mark.parametrize(("height", "slope"), [(0.0, 1 / 250), (0.6, 0.0)], ids=["kink", "jump"])
def test_a_break_is_found_where_it_is(height: float, slope: float) -> None:
    values = 0.2 * (T - 300) / 400 + (T > 455) * (height + slope * (T - 455))
    onsets = [marker(values, 0.02, seed).onset for seed in range(25)]
    known = [e for e in onsets if e is not None]
    assert len(known) >= 22
    assert np.mean([e.low <= 455 <= e.high for e in known]) >= 0.9


def test_a_gradual_change_is_told_as_such() -> None:
    found = marker(SHAPES["parabola"], 0.01, 0)
    assert found.model == "undecided"
    assert "gradual" in found.reason
    assert found.onset is None


def test_too_few_temperatures_cannot_tell() -> None:
    found = marker(SHAPES["line"][:3], 0.02, 0, T[:3])
    assert (found.model, found.breaks, found.onset) == ("undecided", None, None)
    assert found.reason == "cannot tell: 3 temperatures with an error; a break needs 5 or more"
    nothing = marker_of("m", "m", "", [], "cannot tell: no peak")
    assert nothing.reason == "cannot tell: no peak"
    assert len(nothing.temperatures) == 0


def test_readings_without_an_error_are_left_out() -> None:
    rows = [Reading(t, 1.0, s) for t, s in zip(T, [0.1] * 6 + [np.nan, 0.0, np.inf], strict=True)]
    found = marker_of(
        "m", "m", "", [*rows, Reading(250.0, np.nan, 0.1), Reading(800.0, 2.0, 0.1, doubtful=True)]
    )
    assert found.temperatures.tolist() == [*T[:6], 800.0]
    assert found.doubtful.tolist() == [False] * 6 + [True]


def test_noise_that_may_hide_a_jump_is_not_called_a_line() -> None:
    assert marker(SHAPES["line"], 0.02, 1).model == "line"
    assert marker(SHAPES["line"], 0.3, 1).model == "undecided"


def test_the_onset_does_not_depend_on_the_unit() -> None:
    values = np.maximum(0, T - 455) / 250
    one, other = (marker(factor * values, factor * 0.02, 3) for factor in (1.0, 1e3))
    assert one.model == other.model == "kink"
    assert one.onset is not None
    assert other.onset is not None
    assert one.onset.value == pytest.approx(other.onset.value, abs=0.1)
    assert one.breaks is not None
    assert other.breaks is not None
    assert one.breaks.delta_bic == pytest.approx(other.breaks.delta_bic, rel=1e-3)


def test_a_derivative_is_exact_for_a_line_and_lies_between() -> None:
    found = derivative([Reading(t, 3 * t - 2, 0.5) for t in (500.0, 300.0, 350.0)])
    assert [r.temperature for r in found] == [325, 425]
    assert [r.value for r in found] == pytest.approx([3, 3])
    assert [r.std for r in found] == pytest.approx([0.5 * np.sqrt(2) / 50, 0.5 * np.sqrt(2) / 150])


def test_steps_of_a_derivative_are_doubtful_if_an_end_is() -> None:
    rows = [Reading(t, t, 0.1, doubtful=t == 300) for t in (300.0, 350.0, 400.0)]
    assert [r.doubtful for r in derivative(rows)] == [True, False]


def test_a_line_has_no_onset_in_its_derivative() -> None:
    rng = np.random.default_rng(5)
    ladder = np.linspace(300, 800, 21)
    claims = [
        marker_of("c", "c", "", derivative([Reading(t, 0.1 * t + rng.normal(), 1.0) for t in ladder])).onset
        for _ in range(60)
    ]
    assert np.mean([c is not None for c in claims]) <= 0.05


@pytest.mark.parametrize("blocks", [2, 4, 8])
def test_errors_of_few_blocks_hold_95_percent(blocks: int) -> None:
    draws = np.random.default_rng(blocks).normal(size=(20000, blocks))
    errors = [widened(s, blocks) for s in draws.std(axis=1, ddof=1) / np.sqrt(blocks)]
    assert np.mean(abs(draws.mean(axis=1)) < norm.ppf(0.975) * np.array(errors)) == pytest.approx(
        0.95, abs=0.01
    )


def test_an_error_is_no_smaller_than_one_event() -> None:
    assert widened(0.0, 8, 0.01) == 0.01
    assert np.isnan(widened(0.1, 1, 0.01))


def conductivity(tc: float) -> Ladder:
    """Return a ladder whose activation energy falls from 0.6 to 0.25 eV at Tc."""
    log = -0.25 / BOLTZMANN * (1 / T - 1 / 700) - np.where(tc > T, 0.35 / BOLTZMANN * (1 / T - 1 / tc), 0)
    values = np.exp(log) / T
    return Ladder("conductivity", tuple(Point(t, v, 0.05 * v) for t, v in zip(T, values, strict=True)))


def kink(tc: float, name: str = "m") -> Marker:
    return marker(np.maximum(0, T - tc) / 250, 0.01, 2, name=name)


def test_markers_that_break_together_agree() -> None:
    found = agreement([kink(455, "energy"), kink(460, "entropy")], arrhenius_of(conductivity(455)))
    assert found.verdict == "agree"
    assert set(found.onsets) == {"conductivity", "energy", "entropy"}
    assert found.common is not None
    assert all(e.low <= found.common[0] <= found.common[1] <= e.high for e in found.onsets.values())
    assert found.sentence.startswith("The markers agree on a transition (4")


def test_markers_that_break_apart_do_not_agree() -> None:
    found = agreement([kink(400, "energy"), kink(600, "entropy")], None)
    assert (found.verdict, found.common) == ("disagree", None)


def test_every_other_verdict_has_its_case() -> None:
    line, short = (
        marker(SHAPES["line"], 0.01, 0, name="flat"),
        marker(SHAPES["line"][:3], 0.01, 0, T[:3], "short"),
    )
    assert agreement([kink(455), line], None).verdict == "partly"
    assert agreement([kink(455), short], None).verdict == "one"
    assert agreement([line, short], None).verdict == "none"
    assert agreement([short], None).verdict == "cannot tell"
    told = agreement([kink(455), line, short], None).sentence
    assert "no break: flat" in told
    assert "cannot tell: short" in told
    assert "; onset: m 4" in told
