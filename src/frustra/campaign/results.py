"""`results.json`: what a run found, in a schema with a version. Keys carry their units."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 2


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", allow_inf_nan=True)


class Quantity(_Record):
    """A value with its standard error; with `is_upper_bound` a 95 % limit without one."""

    value: float = Field(description="estimate, or the 95 % limit")
    std: float | None = Field(description="standard error; null for a limit")
    unit: str = Field(description="unit of both")
    is_upper_bound: bool = Field(False, description="whether the value is a limit")


class Transport(_Record):
    """How the diffusivity was derived."""

    jumps: float = Field(description="N_ion · max(MSD)/a²")
    diffusive_jumps: float = Field(description="the same from the slope alone")
    window_ps: tuple[float, float] = Field(description="lags of the fit")
    drift: str = Field(description="what displacements are relative to")
    duration_ps: float = Field(description="length of production")
    discarded_ps: float = Field(description="equilibration before production")


class States(_Record):
    """Metrics of the density of atomistic states, with bootstrap errors."""

    n: int = Field(description="snapshots relaxed")
    mean_eV: float | None = Field(description="mean above the zero of energy")
    iqr_eV: float | None = Field(description="interquartile range")
    entropy_nat: float | None = Field(description="Shannon entropy over the bins")
    effective_levels: float | None = Field(description="exp(entropy)")
    mean_std_eV: float | None = Field(description="standard error of the mean")
    iqr_std_eV: float | None = Field(description="standard error of the interquartile range")
    entropy_std_nat: float | None = Field(description="standard error of the entropy")


class SnapshotCount(_Record):
    """How the snapshots relaxed."""

    n: int = Field(description="snapshots relaxed")
    converged: int = Field(description="those that reached the force tolerance")
    fmax_eV_A: float = Field(description="largest residual force of all")
    max_displacement_A: float = Field(description="largest displacement of an atom by the relaxation")
    moved_far_fraction: float = Field(
        description="mobile ions that the relaxation moved by more than 1.1 Å, out of their basin perhaps"
    )
    median_ion_displacement_A: float = Field(
        description="median displacement of the mobile ions by the relaxation"
    )
    force_calls: float = Field(description="mean per snapshot")


class RelaxedEnergies(_Record):
    """Relaxed total energy above the ground state in the same cell, per mobile ion (free of gauge)."""

    mean_eV: float | None = Field(description="mean over converged snapshots")
    std_eV: float | None = Field(description="standard error by block averages")
    lowest_eV: float | None = Field(description="lowest snapshot")
    strain_eV: float = Field(description="ground state in this cell above its own cell")
    lower_state_file: str | None = Field(
        None, description="that state, cell relaxed, in the run's folder; add it to `starts`"
    )
    lower_state_eV: float = Field(description="per cell; below zero: a state under the ground state")


class Cell(_Record):
    """Cell of the supercell at this temperature."""

    lengths_A: tuple[float, float, float] = Field(description="edges of the supercell")
    lengths_std_A: tuple[float, float, float] = Field(description="their standard errors")
    angles_deg: tuple[float, float, float] = Field(description="angles of the supercell")
    volume_A3: float = Field(description="volume of the supercell")


class TemperatureResult(_Record):
    """Everything at one temperature."""

    T_K: float = Field(description="temperature")
    runs: int = Field(description="independent MD runs")
    equilibrated: bool = Field(description="whether no check speaks against it")
    doubts: list[str] = Field(description="why it is not equilibrated")
    cell: Cell = Field(description="cell used at this temperature")
    diffusivity: Quantity = Field(description="tracer diffusivity")
    conductivity: Quantity = Field(description="Nernst–Einstein conductivity")
    transport: Transport
    site_fractions: dict[str, float] = Field(
        description="fraction of ions on each kind of site, converged snapshots"
    )
    site_fractions_std: dict[str, float | None] = Field(
        description="standard errors by bootstrap over snapshots"
    )
    off_ground_fraction: float | None = Field(
        description="ground-state sites that no mobile ion holds, mean over snapshots"
    )
    states: States
    relaxed_energy: RelaxedEnergies
    snapshots: SnapshotCount


class ArrheniusResult(_Record):
    """One Arrhenius line, or why there is none."""

    model: str = Field(description="'line', or 'none' with a reason")
    reason: str = Field("", description="why there is no line")
    Ea_eV: Quantity | None = Field(None, description="activation energy of σT")
    sigma_300K_mS_cm: float | None = Field(None, description="conductivity extrapolated to 300 K")
    sigma_300K_low: float | None = Field(None, description="lower end of the 68 % interval")
    sigma_300K_high: float | None = Field(None, description="upper end of the 68 % interval")
    chi2: float | None = Field(None, description="Σ ((ln σT − line)/error)²")
    temperatures_used_K: list[float] = Field([], description="temperatures of the fit")
    temperatures_left_out_K: list[float] = Field([], description="only an upper bound there")


class GroundState(_Record):
    """The ordering that every temperature started from."""

    energy_eV: float = Field(description="total energy of the supercell")
    file: str = Field(description="structure file in the folder of the run")
    walks: list[dict[str, Any]] = Field(description="start and energies of each search, eV per cell")


class MaterialResult(_Record):
    """One material."""

    formula: str = Field(description="reduced formula")
    start: str = Field(description="'ordered' (from the ground state) or 'quenched' (from disorder)")
    atoms: int = Field(description="atoms in the supercell")
    specie: str = Field(description="mobile element")
    ions: int = Field(description="mobile ions in the supercell")
    charge: float = Field(description="charge of the mobile ion (e)")
    anions: list[str] = Field(description="elements whose polyhedra are the sites")
    energy_zero_eV: float = Field(description="per-atom energy that is the zero of the DOAS")
    ground_state: GroundState
    temperatures: list[TemperatureResult]
    arrhenius: ArrheniusResult


class Results(_Record):
    """The whole file."""

    schema_version: int = Field(SCHEMA_VERSION, description="version of this schema")
    frustra_version: str = Field(description="version that wrote the file")
    created: str = Field(description="when, ISO 8601")
    study: dict[str, Any] = Field(description="the study with every default filled in")
    potential: dict[str, Any] = Field(
        description="model, species, cutoff, fingerprint, and what it is not for"
    )
    versions: dict[str, str] = Field(description="versions of the packages used")
    warnings: list[str] = Field(description="everything to know before quoting a number")
    failures: dict[str, str] = Field({}, description="materials that failed: job and reason")
    materials: dict[str, MaterialResult]
