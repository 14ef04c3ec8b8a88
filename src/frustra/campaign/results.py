"""`results.json`: what a run found, in a schema with a version. Keys carry their units.

The records of one trajectory and of one Arrhenius plot are also what the command line prints as JSON.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from frustra.campaign.pathway_results import PathwaysResult
from frustra.campaign.transition_results import TransitionsResult
from frustra.surveys.doas_results import DoasResult

SCHEMA_VERSION = 5


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", allow_inf_nan=True)


class Interval(_Record):
    """A value with its 95 % interval, which need not be symmetric."""

    value: float = Field(description="estimate")
    std: float | None = Field(description="standard error; null where nobody knows it")
    low: float = Field(description="lower end of the 95 % interval")
    high: float = Field(description="upper end of the 95 % interval")


class Quantity(_Record):
    """A value with its error; with `is_upper_bound` a 95 % limit."""

    value: float = Field(description="estimate, or the 95 % limit")
    std: float | None = Field(description="standard error; null for a limit")
    low: float = Field(description="lower end of the 95 % interval; 0 for a limit")
    high: float = Field(description="upper end of the 95 % interval; `value` for a limit")
    unit: str = Field(description="unit of all four")
    is_upper_bound: bool = Field(False, description="whether the value is a limit")


class Transport(_Record):
    """How the diffusivity was derived, and what else follows from the same displacements."""

    D_axes_cm2_s: tuple[Interval, Interval, Interval] | None = Field(
        description="tracer diffusivity along x, y and z; z is along c of the cell, y along c × a; limits "
        "where D is one; null if not known"
    )
    anisotropy: Interval | None = Field(
        description="D_c/D_ab = 2 D_z/(D_x + D_y); null, with a note, where it cannot be told"
    )
    sigma_collective_mS_cm: Interval | None = Field(
        description="conductivity from the displacement of the total charge; null, with a note, where it "
        "cannot be told"
    )
    haven: Interval | None = Field(
        description="Haven ratio H = D_tracer/D_charge = σ_NE/σ_collective; null where one is not known"
    )
    N_jump: float = Field(description="N_ion · max(MSD)/a², vibration included")
    diffusive_jumps: float = Field(description="the same from the slope alone")
    window_ps: tuple[float, float] = Field(description="first and last lag of the fit")
    drift: str = Field(description="what displacements are relative to")
    method: str = Field(description="how D was taken from the mean-square displacement")
    ions: int = Field(description="mobile ions, of all runs together")
    frames: int = Field(description="frames of a run")
    timestep_fs: float = Field(description="time between frames")
    duration_ps: float = Field(description="length of production")
    discarded_ps: float | None = Field(None, description="equilibration before production; null if not told")
    notes: list[str] = Field(description="what was doubted or could not be told")


class TransportResult(Transport):
    """What `frustra transport --json` prints of one trajectory, or of independent runs together."""

    specie: str = Field(description="mobile element")
    charge: float | None = Field(description="of the mobile ion (e); null if not known")
    T_K: float | None = Field(description="temperature; null if not known, and then no conductivity")
    D: Quantity = Field(description="tracer diffusivity, cm²/s")
    sigma_NE: Quantity | None = Field(
        description="Nernst–Einstein conductivity, mS/cm; null, with a note, where charge or T is not known"
    )


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


class SamplingResult(_Record):
    """How the frames to relax were chosen, and how many a stated error of the DOAS' entropy takes."""

    asked: int = Field(description="snapshots asked for, in all runs together")
    taken: int = Field(description="snapshots relaxed, evenly spaced over their runs")
    independent: float | None = Field(
        description="independent arrangements of the ions that they stand for; at most so many where "
        "`tau_is_lower_bound`; null, with a note, where nobody knows"
    )
    tau_ps: float | None = Field(
        description="integrated correlation time of the occupations of all sites; two of them lie between "
        "independent arrangements; null, with a note, where nobody knows"
    )
    tau_std_ps: float | None = Field(description="its standard error; null for a bound")
    tau_is_lower_bound: bool = Field(description="whether a run is too short, and τ at least this")
    frozen: bool = Field(description="whether no ion changed its site in any run: one arrangement")
    entropy_error_nat: float = Field(description="error of the entropy that is wanted: `entropy_error`")
    entropy_bias_nat: float | None = Field(
        description="by how much the entropy is too low, about (K − 1)/2N: K occupied bins, N independent "
        "energies; null where it cannot be told"
    )
    needed: int | None = Field(
        description="independent snapshots for that error, bias included; null where it cannot be told"
    )
    needed_ps: float | None = Field(
        description="time of MD that holds so many, 2 τ for each; at least this where `tau_is_lower_bound`"
    )
    enough: bool | None = Field(description="whether there are as many; null where it cannot be told")
    note: str = Field("", description="why nobody knows τ, and the frames are merely evenly spaced")


class RelaxedEnergies(_Record):
    """Relaxed total energy above the ground state in the same cell, per mobile ion (free of gauge)."""

    mean_eV: float | None = Field(description="mean over converged snapshots")
    std_eV: float | None = Field(description="standard error by block averages")
    lowest_eV: float | None = Field(description="lowest snapshot")
    strain_eV: float = Field(description="ground state in this cell above its own cell")
    lower_state_file: str | None = Field(
        None, description="the lowest such state, cell relaxed, in the run's folder; see `lower_states`"
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
    sampling: SamplingResult


class ArrheniusResult(_Record):
    """ln(σT), or ln D, against 1/(kT): one line, a kink or a jump; also what `frustra arrhenius` prints."""

    model: Literal["line", "kink", "jump", "undecided"] = Field(description="what the data ask for")
    reason: str = Field(description="a sentence: what was found, or what is needed to know")
    quantity: Literal["conductivity", "diffusivity"] = Field(description="what was fitted")
    Tc_K: Interval | None = Field(None, description="temperature of the break; null where none is claimed")
    Ea_low_eV: Interval | None = Field(
        None, description="activation energy below the break; null with fewer than two values there"
    )
    Ea_high_eV: Interval | None = Field(
        None, description="activation energy above the break; of a line the same"
    )
    prefactor_low: Interval | None = Field(
        None, description="A of σT = A exp(−Ea/kT), K mS/cm, or of D = A exp(−Ea/kT), cm²/s; below the break"
    )
    prefactor_high: Interval | None = Field(None, description="the same above the break")
    sigma_300K_mS_cm: Interval | None = Field(
        None,
        description="conductivity at 300 K along the branch it lies on; null if that branch was not "
        "measured, or for a diffusivity without the density of ions",
    )
    delta_bic: float | None = Field(
        None, description="BIC of the line less that of the better break; from 6 on a break is claimed"
    )
    log10_bayes: float | None = Field(
        None, description="log10 of the evidence of the better break over that of the line"
    )
    temperatures_K: list[float] = Field([], description="temperatures with a measured value")
    upper_bounds_K: list[float] = Field([], description="temperatures with an upper bound")
    errors: Literal["measured", "inferred"] = Field(
        "measured",
        description="whether the values came with errors, or one relative error of all was inferred",
    )
    notes: list[str] = Field([], description="what to know before quoting a number")


class MarkerResult(_Record):
    """A quantity against temperature that may tell of the super-ionic transition, with its own onset."""

    label: str = Field(description="what it is")
    unit: str = Field(description="unit of the values; empty for a pure number")
    temperatures_K: list[float] = Field(description="temperatures; of a derivative, the middles of the steps")
    values: list[float] = Field(description="values there")
    std: list[float] = Field(description="their standard errors; ±1.96 of it holds 95 %")
    not_equilibrated_K: list[float] = Field([], description="temperatures that are not equilibrated")
    model: Literal["line", "kink", "jump", "undecided"] = Field(description="what the values ask for")
    reason: str = Field(description="a sentence: what was found, or why nothing can be told")
    Tc_K: Interval | None = Field(None, description="temperature of the onset; null where none is claimed")
    delta_bic: float | None = Field(
        None, description="BIC of the line less that of the better break; null with too few temperatures"
    )
    log10_bayes: float | None = Field(
        None, description="log10 of the evidence of the better break over that of the line; null as above"
    )


class AgreementResult(_Record):
    """Whether the Arrhenius plot and the markers tell of one transition."""

    verdict: Literal["agree", "disagree", "partly", "one", "none", "cannot tell"] = Field(
        description="`agree`: all onsets overlap and no marker is without; `partly`: some are without; "
        "`disagree`: onsets that do not overlap; `one`: a single onset; `none`: no onset"
    )
    sentence: str = Field(description="the verdict with every onset")
    common_K: tuple[float, float] | None = Field(
        None, description="where the intervals of all onsets overlap; null if they do not, or are not two"
    )
    not_equilibrated_K: list[float] = Field(
        [], description="temperatures among them that are not equilibrated"
    )


class GroundState(_Record):
    """The ordering that every temperature started from."""

    energy_eV: float = Field(description="total energy of the supercell")
    file: str = Field(description="structure file in the folder of the run")
    walks: list[dict[str, Any]] = Field(description="start and energies of each search, eV per cell")


class LowerState(_Record):
    """A relaxed state below the ground state in use: a better start."""

    T_K: float = Field(description="temperature of the run that it was found in")
    run: int = Field(description="number of that run at its temperature, from 1")
    below_eV: float = Field(description="how far it lies below the ground state in use, per cell")
    energy_eV: float = Field(description="its total energy, cell relaxed")
    file: str = Field(description="structure file in the folder of the run")
    start: str = Field(description="the same file, as `starts` of the material takes it")


class BranchResult(_Record):
    """Mean relaxed energies at one temperature on heating and on cooling, per mobile ion."""

    T_K: float = Field(description="temperature")
    heating_eV: float | None = Field(description="mean of the runs that start from the ground state")
    heating_std_eV: float | None = Field(description="its standard error")
    cooling_eV: float | None = Field(description="mean of the runs that start from ions disordered by heat")
    cooling_std_eV: float | None = Field(description="its standard error")
    differ: bool = Field(description="whether they differ significantly: then one is not in equilibrium")


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
    lower_states: list[LowerState] = Field(
        [], description="states found below the ground state in use, the lowest first"
    )
    temperatures: list[TemperatureResult]
    branches: list[BranchResult] = Field(
        [], description='heating and cooling side by side, where `start.order` is "both"'
    )
    arrhenius: ArrheniusResult
    markers: dict[str, MarkerResult] = Field(
        description="other markers of the super-ionic transition, by name"
    )
    agreement: AgreementResult
    pathways: PathwaysResult
    doas: DoasResult | None = Field(
        None,
        description="every metric of the DOAS, as `frustra doas` tells them",
    )
    transitions: TransitionsResult


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
