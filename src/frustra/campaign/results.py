"""`results.json`: what a run found, in a schema with a version. Keys carry their units."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", allow_inf_nan=True)


class Quantity(_Record):
    """A value with its standard error; with `is_upper_bound` a 95 % limit without one."""

    value: float
    std: float | None
    unit: str
    is_upper_bound: bool = False


class Transport(_Record):
    """How the diffusivity was derived."""

    jumps: float = Field(description="N_ion · max(MSD)/a²")
    diffusive_jumps: float = Field(description="the same from the slope alone")
    window_ps: tuple[float, float] = Field(description="lags of the fit")
    drift: str = Field(description="what displacements are relative to")
    duration_ps: float
    discarded_ps: float = Field(description="equilibration before production")


class States(_Record):
    """Metrics of the density of atomistic states, with bootstrap errors."""

    n: int = Field(description="ion energies counted")
    mean_eV: float | None
    iqr_eV: float | None
    entropy_nat: float | None
    effective_levels: float | None = Field(description="exp(entropy)")
    mean_std_eV: float | None
    iqr_std_eV: float | None
    entropy_std_nat: float | None


class SnapshotCount(_Record):
    """How the snapshots relaxed."""

    n: int
    converged: int
    fmax_eV_A: float = Field(description="largest residual force of all")
    max_displacement_A: float = Field(description="largest displacement of an atom by the relaxation")
    median_ion_displacement_A: float
    force_calls: float = Field(description="mean per snapshot")


class RelaxedEnergies(_Record):
    """Relaxed total energy above the ground state in the same cell, per mobile ion (free of gauge)."""

    mean_eV: float | None
    std_eV: float | None
    lowest_eV: float | None
    strain_eV: float = Field(description="ground state in this cell above its own cell")
    lower_state_eV: float = Field(description="per cell; below zero: a state under the ground state")


class Cell(_Record):
    """Cell of the supercell at this temperature."""

    lengths_A: tuple[float, float, float]
    lengths_std_A: tuple[float, float, float]
    angles_deg: tuple[float, float, float]
    volume_A3: float


class TemperatureResult(_Record):
    """Everything at one temperature."""

    T_K: float
    equilibrated: bool
    doubts: list[str] = Field(description="why it is not equilibrated")
    cell: Cell
    diffusivity: Quantity
    conductivity: Quantity
    transport: Transport
    site_fractions: dict[str, float]
    site_fractions_std: dict[str, float | None]
    states: States
    relaxed_energy: RelaxedEnergies
    snapshots: SnapshotCount


class ArrheniusResult(_Record):
    """One Arrhenius line, or why there is none."""

    model: str = Field(description="'line', or 'none' with a reason")
    reason: str = ""
    Ea_eV: Quantity | None = None
    sigma_300K_mS_cm: float | None = None
    sigma_300K_low: float | None = Field(None, description="lower end of the 68 % interval")
    sigma_300K_high: float | None = None
    chi2: float | None = None
    temperatures_used_K: list[float] = []
    temperatures_left_out_K: list[float] = Field([], description="only an upper bound there")


class GroundState(_Record):
    """The ordering that every temperature started from."""

    energy_eV: float
    file: str
    walks: list[dict[str, Any]] = Field(description="start and energies of each search, eV per cell")


class MaterialResult(_Record):
    """One material."""

    formula: str
    atoms: int
    specie: str
    ions: int
    charge: float
    anions: list[str]
    energy_zero_eV: float = Field(description="per-atom energy that is the zero of the DOAS")
    ground_state: GroundState
    temperatures: list[TemperatureResult]
    arrhenius: ArrheniusResult


class Results(_Record):
    """The whole file."""

    schema_version: int = SCHEMA_VERSION
    frustra_version: str
    created: str
    study: dict[str, Any]
    potential: dict[str, Any]
    versions: dict[str, str]
    warnings: list[str]
    materials: dict[str, MaterialResult]
