"""The record of how fast ions move at one temperature, and the settings it is derived with."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from frustra.arrays import Array
from frustra.settings import Settings
from frustra.stats import Estimate
from frustra.units import BOLTZMANN


class TransportSettings(Settings):
    """How diffusivity and conductivity are derived."""

    charge: float | None = Field(
        None, description="charge of the mobile ion (e); by default the usual one of the element"
    )
    jump_length: float = Field(3.0, gt=0, description="length of one jump (Å), to count jumps")
    detection: float = Field(
        13.0,
        gt=0,
        description="diffusive jumps below which D is reported as an upper bound; "
        "13 is where the error of He, Zhu, Epstein and Mo reaches 100 %",
    )
    method: Literal["gls", "he-zhu-mo", "pymatgen"] = Field(
        "gls",
        description="how D is taken from the MSD: our generalised least squares, "
        "or a published convention, to compare with published numbers",
    )
    fit_start: float | None = Field(
        None,
        gt=0,
        description="first lag of the fit (ps); by default where MSD = jump_length²/2, at most a tenth of "
        "the run, or later, at most a fifth, where the MSD still bends",
    )
    fit_end: float | None = Field(None, gt=0, description="last lag of the fit (ps); by default half the run")

    @field_validator("fit_start", "fit_end")
    @classmethod
    def _only_of_gls(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("method") != "gls":
            raise ValueError('it needs method = "gls": the published conventions have windows of their own')
        return value


@dataclass(frozen=True)
class Diffusion:
    """Diffusivity of one element at one temperature.

    Either `value` ± `std`, or, with `is_upper_bound`, a 95 % upper limit and `std` = NaN.
    """

    temperature: float
    """K; NaN where it is unknown."""
    specie: str
    value: float
    """Tracer diffusivity, Å²/ps."""
    std: float
    """Å²/ps; ±1.96 of it holds 95 %."""
    low: float
    """Lower end of the 95 % interval of D, Å²/ps; 0 of an upper bound."""
    high: float
    """Upper end, Å²/ps; `value` of an upper bound."""
    is_upper_bound: bool
    jumps: float
    """N_ion · max(MSD)/a², vibration included, as He, Zhu, Epstein and Mo count them."""
    diffusive_jumps: float
    """6 D N_ion t/a²: the same without the vibrational part (the intercept of the fit)."""
    window: tuple[float, float]
    """First and last lag of the fit, ps."""
    lag: Array
    """(lags,) ps."""
    msd: Array
    """(lags,) mean-square displacement, Å²."""
    msd_std: Array
    """(lags,) its standard error from the spread over ions, Å²; NaN for a single ion."""
    axes: tuple[Estimate, Estimate, Estimate]
    """D along three orthogonal axes, Å²/ps: z along c of the cell, y along c × a, x along y × z.

    Of orthorhombic, tetragonal and hexagonal cells in LAMMPS' orientation these are its x, y and z.
    """
    anisotropy: Estimate | None
    """D_c/D_ab = 2 D_z/(D_x + D_y); None, with a note, where it cannot be told."""
    charge_diffusivity: Estimate | None
    """D_charge = slope of ⟨|Σ Δr|²⟩/(6 N_ion), Å²/ps; None, with a note, where it cannot be told."""
    haven: Estimate | None
    """Haven ratio D/D_charge = σ_NE/σ_collective; None where D_charge is, or D is a bound."""
    ions: int
    volume: float
    """Å³."""
    drift: str
    """What the displacements are relative to."""
    method: str
    """How D was taken from the MSD; see `TransportSettings.method`."""
    notes: tuple[str, ...] = ()
    """Sentences: what was doubted or could not be told."""

    def conductivity(self, charge: float) -> tuple[float, float]:
        """Return σ = n z² e² D/(V k T) (Nernst–Einstein) and its standard error, e²/(eV Å ps)."""
        factor = self._conductivity_of_one(charge)
        return factor * self.value, factor * self.std

    def collective_conductivity(self, charge: float) -> Estimate | None:
        """Return σ = n z² e² D_charge/(V k T), e²/(eV Å ps); None where D_charge is."""
        if self.charge_diffusivity is None:
            return None
        return self.charge_diffusivity.scaled(self._conductivity_of_one(charge))

    def _conductivity_of_one(self, charge: float) -> float:
        """Return σ/D; NaN at an unknown temperature."""
        return self.ions * charge**2 / (self.volume * BOLTZMANN * self.temperature)
