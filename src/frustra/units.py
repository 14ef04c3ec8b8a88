"""Units: Å, eV, K, ps, amu and e inside; the field's display units only at the edges.

Factors are exact or CODATA 2018; multiply an internal value by a factor to get the display unit.
"""

from typing import Final

BOLTZMANN: Final = 8.617333262e-5
"""Boltzmann constant in eV/K."""

CM2_PER_S: Final = 1e-4
"""Diffusivity: 1 Å²/ps in cm²/s."""

MS_PER_CM: Final = 1.602176634e4
"""Conductivity: 1 e²/(eV Å ps) in mS/cm (1602.18 S/m)."""

MEV: Final = 1e3
"""Energy: 1 eV in meV."""

FS: Final = 1e3
"""Time: 1 ps in fs."""

BAR_PER_EV_A3: Final = 1.602176634e6
"""Pressure: 1 eV/Å³ in bar."""
