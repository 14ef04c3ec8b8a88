import pytest
from scipy import constants

from frustra import units


def test_factors_follow_from_the_si_constants() -> None:
    e, angstrom, ps = constants.e, constants.angstrom, constants.pico
    assert pytest.approx(constants.k / e, rel=1e-9) == units.BOLTZMANN
    assert pytest.approx(angstrom**2 / ps / constants.centi**2, rel=1e-12) == units.CM2_PER_S
    siemens_per_metre = e**2 / (e * angstrom * ps)
    assert pytest.approx(siemens_per_metre / constants.milli * constants.centi, rel=1e-9) == units.MS_PER_CM
    assert pytest.approx(e / angstrom**3 / constants.bar, rel=1e-9) == units.BAR_PER_EV_A3
    assert pytest.approx(1 / constants.milli, rel=1e-12) == units.MEV
    assert pytest.approx(ps / constants.femto, rel=1e-12) == units.FS
