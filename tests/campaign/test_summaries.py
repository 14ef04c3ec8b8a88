import json

import numpy as np
import pytest

from frustra.analysis.arrhenius import arrhenius_of
from frustra.analysis.markers import Reading, agreement, marker_of
from frustra.analysis.transport import Diffusion, diffusion_of
from frustra.campaign.results import AgreementResult, ArrheniusResult, MaterialResult, TransportResult
from frustra.campaign.summaries import (
    agreement_result,
    arrhenius_result,
    marker_result,
    no_arrhenius,
    transport_result,
)
from frustra.ladder import Ladder, Point
from frustra.report import verdict_of
from frustra.units import BOLTZMANN
from tests.helpers import random_walk, trajectory

LADDER = np.arange(350.0, 801, 50)
KEYS = (
    "model", "reason", "quantity", "Tc_K", "Ea_low_eV", "Ea_high_eV", "prefactor_low", "prefactor_high",
    "sigma_300K_mS_cm", "delta_bic", "log10_bayes", "temperatures_K", "upper_bounds_K", "errors", "notes",
)  # fmt: skip


def kink(error: float | None = 0.05, bounds: int = 0) -> Ladder:
    """Return exact σ of 2 S/cm at 700 K: 0.25 eV above 500 K, 0.6 eV below."""
    sigma = 2e3 / 1.602176634e4  # internal unit
    log = -0.25 / BOLTZMANN * (1 / LADDER - 1 / 700)
    log -= np.where(LADDER < 500, 0.35 / BOLTZMANN * (1 / LADDER - 1 / 500), 0)
    values = sigma * np.exp(log) * 700 / LADDER
    return Ladder(
        "conductivity",
        tuple(
            Point(t, v, np.nan if error is None or i < bounds else error * v, i < bounds)
            for i, (t, v) in enumerate(zip(LADDER, values, strict=True))
        ),
    )


def test_an_arrhenius_result_has_the_promised_keys_in_display_units() -> None:
    found = arrhenius_result(arrhenius_of(kink()))
    told = json.loads(found.model_dump_json())
    assert tuple(told) == KEYS
    assert found.model == "kink"
    for key in ("Tc_K", "Ea_low_eV", "Ea_high_eV", "prefactor_low", "prefactor_high", "sigma_300K_mS_cm"):
        assert set(told[key]) == {"value", "std", "low", "high"}
        assert told[key]["low"] < told[key]["value"] < told[key]["high"]
    assert found.Tc_K is not None
    assert found.Tc_K.value == pytest.approx(500, abs=15)
    assert told["Ea_high_eV"]["value"] == pytest.approx(0.25, abs=0.02)
    assert told["Ea_low_eV"]["value"] == pytest.approx(0.60, abs=0.03)
    expected = 700 * 2e3 * np.exp(0.25 / BOLTZMANN / 700)  # K mS/cm
    assert told["prefactor_high"]["value"] == pytest.approx(expected, rel=0.5)
    at_500 = 2e3 * 700 * np.exp(-0.25 / BOLTZMANN * (1 / 500 - 1 / 700))
    room = at_500 * np.exp(-0.6 / BOLTZMANN * (1 / 300 - 1 / 500)) / 300
    assert told["sigma_300K_mS_cm"]["value"] == pytest.approx(room, rel=0.3)
    assert ArrheniusResult.model_validate(told) == found


def test_bounds_and_unknown_errors_are_told() -> None:
    found = arrhenius_result(arrhenius_of(kink(bounds=2)))
    assert found.upper_bounds_K == [350, 400]
    assert found.temperatures_K == LADDER[2:].tolist()
    assert found.errors == "measured"
    unknown = arrhenius_result(arrhenius_of(kink(error=None)))
    assert unknown.errors == "inferred"
    assert unknown.notes


def test_a_diffusivity_gives_no_conductivity() -> None:
    points = tuple(Point(p.temperature, p.value, p.std) for p in kink().points)
    found = arrhenius_result(arrhenius_of(Ladder("diffusivity", points)))
    assert found.quantity == "diffusivity"
    assert found.sigma_300K_mS_cm is None
    assert found.prefactor_high is not None


def test_a_refusal_is_undecided_with_its_reason_and_the_same_keys() -> None:
    found = no_arrhenius("2 temperature(s); expected at least 3", kink().points[:2])
    assert found.model == "undecided"
    assert found.reason == "cannot tell: 2 temperature(s); expected at least 3"
    assert found.temperatures_K == [350, 400]
    assert tuple(json.loads(found.model_dump_json())) == KEYS


@pytest.fixture(scope="module")
def walk() -> Diffusion:
    positions, _ = random_walk(np.random.default_rng(0), 20, 600, 900)
    return diffusion_of(trajectory(positions, timestep=0.05), "Li")


def test_transport_is_told_in_display_units(walk: Diffusion) -> None:
    found = transport_result(walk, 1.0)
    assert found.T_K == 600
    assert found.D.value == pytest.approx(walk.value * 1e-4)
    assert found.D.unit == "cm²/s"
    assert found.D.low < found.D.value < found.D.high
    assert found.sigma_NE is not None
    # n e² D/(kT) in SI: 20 ions in (20 Å)³
    siemens = 20 / 8e-27 * 1.602176634e-19**2 * walk.value * 1e-8 / (1.380649e-23 * 600)
    assert found.sigma_NE.value == pytest.approx(10 * siemens, rel=1e-6)  # mS/cm
    assert found.timestep_fs == pytest.approx(50)
    assert (found.frames, found.ions) == (600, 20)
    assert found.duration_ps == pytest.approx(30)
    assert found.discarded_ps is None
    axes = found.D_axes_cm2_s
    assert axes is not None
    assert np.mean([a.value for a in axes]) == pytest.approx(found.D.value, rel=0.05)
    if found.haven is not None and found.sigma_collective_mS_cm is not None:
        ratio = found.sigma_NE.value / found.sigma_collective_mS_cm.value
        assert found.haven.value == pytest.approx(ratio, rel=1e-6)
    assert TransportResult.model_validate_json(found.model_dump_json()) == found


def test_without_temperature_or_charge_there_is_no_conductivity_and_it_says_so() -> None:
    positions, _ = random_walk(np.random.default_rng(0), 20, 400, 600)
    unknown = diffusion_of(trajectory(positions, temperature=np.nan), "Li")
    for d, charge, what in (
        (unknown, 1.0, "temperature"),
        (unknown, None, "temperature and the charge of Li"),
    ):
        found = transport_result(d, charge)
        assert found.T_K is None
        assert found.sigma_NE is None
        assert found.sigma_collective_mS_cm is None
        assert f"No conductivity: the {what} is not known." in found.notes
        assert "NaN" not in found.model_dump_json()


def test_an_upper_bound_has_no_error() -> None:
    positions, _ = random_walk(np.random.default_rng(0), 20, 400, 0)
    found = transport_result(diffusion_of(trajectory(positions), "Li"), 1.0)
    assert found.D.is_upper_bound
    assert (found.D.std, found.D.low, found.D.high) == (None, 0.0, found.D.value)
    assert (found.haven, found.anisotropy, found.sigma_collective_mS_cm) == (None, None, None)
    assert found.notes


def material(fit: ArrheniusResult, agreed: AgreementResult) -> MaterialResult:
    return MaterialResult.model_construct(arrhenius=fit, agreement=agreed)


def test_the_verdict_tells_the_break_the_branches_and_who_agrees() -> None:
    readings = [Reading(t, max(0.0, t - 500) / 100, 0.02) for t in LADDER]
    marker = marker_of("energy", "relaxed energy", "meV/ion", readings)
    fit = arrhenius_of(kink())
    agreed = agreement_result(agreement([marker], fit), [350.0])
    told = verdict_of(material(arrhenius_result(fit), agreed))
    text = " ".join(told)
    for part in ("kink at ", "Ea below 0.6", "Ea above 0.2", "σ(300 K)", "The markers agree", "350 K"):
        assert part in text
    record = marker_result(marker)
    assert record.temperatures_K == LADDER.tolist()
    assert record.model == "kink"
    assert record.Tc_K is not None
    assert record.Tc_K.low <= 500 <= record.Tc_K.high


def test_the_verdict_of_a_line_has_one_energy() -> None:
    straight = [Point(t, np.exp(-0.3 / BOLTZMANN / t) / t * 1e4, 0.0) for t in LADDER]
    points = tuple(Point(p.temperature, p.value, 0.05 * p.value) for p in straight)
    fit = arrhenius_of(Ladder("conductivity", points))
    text = " ".join(verdict_of(material(arrhenius_result(fit), agreement_result(agreement([], fit), []))))
    assert "Arrhenius plot: line" in text
    assert text.count("Ea ") == 1
