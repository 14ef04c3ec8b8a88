"""What `frustra models --json` prints. Keys carry their units."""

from collections.abc import Sequence

from pydantic import Field

from frustra.analysis.agreement import Agreement
from frustra.analysis.model_error import ModelComparison
from frustra.analysis.spread import ModelNumber, Spread
from frustra.surveys.values import Record, Value, known, value_of


class SpreadResult(Record):
    """One number, as several models tell it."""

    value: float | None = Field(description="what the reference says")
    std: float | None = Field(description="its statistical standard error; null where nobody knows it")
    models: list[float | None] = Field(description="what each model says, the reference first")
    spread: float | None = Field(description="standard deviation of the models, over n − 1")
    low: float | None = Field(description="lowest of the models")
    high: float | None = Field(description="highest of the models")
    unsure: bool = Field(description="whether |value| < 2 × spread: it does not survive a change of model")


class NumberResult(Record):
    """A metric at one temperature."""

    name: str = Field(description="which metric, of which class or pair of classes")
    unit: str = Field(description="eV, nat or empty")
    at: SpreadResult = Field(description="the metric")
    change: SpreadResult | None = Field(description="less that at the coldest temperature; null there")


class AgreementResult(Record):
    """How alike two models are at one temperature."""

    first: str = Field(description="a model")
    second: str = Field(description="another")
    points: int = Field(description="states, or frames, compared")
    pearson: Value | None = Field(description="correlation of the energies; null where all are alike")
    spearman: Value | None = Field(description="correlation of their ranks")
    within: Value | None = Field(
        description="correlation of what is left when the mean of each class is taken off; null if nothing is"
    )
    slope: Value | None = Field(description="of the second against the first")
    rms_eV: Value | None = Field(description="root mean square of their difference after alignment")


class StatesDensity(Record):
    """The density of states of one class, as all models tell it."""

    name: str = Field(description="the class")
    models_per_eV: list[list[float]] = Field(
        description="of each model, the reference first, states per mobile ion and eV in every bin"
    )


class ModelsAtResult(Record):
    """One temperature."""

    T_K: float = Field(description="temperature")
    numbers: list[NumberResult] = Field(description="every metric, with the spread of the models")
    states: list[AgreementResult] = Field(description="per-atom energies, state by state, of every pair")
    totals: list[AgreementResult] = Field(
        description="relaxed total energies per mobile ion, which no model shares out, of frames all of "
        "whose ions stayed"
    )
    bands_eV: list[list[float]] = Field(description="centres of the bands that each model shows")
    edges_eV: list[float] = Field(description="of the bins, above the zero")
    density: list[StatesDensity] = Field(description="by class")


class SurvivorsResult(Record):
    """What became of the snapshots under one model at one temperature."""

    model: str = Field(description="the model")
    T_K: float = Field(description="temperature")
    frames: int = Field(description="snapshots")
    converged: int = Field(description="those that reached the force tolerance")
    force_calls: int = Field(description="of all of them")
    median_move_A: float = Field(description="median displacement of the mobile ions from the run's minima")
    same: float = Field(description="part of the states that are the same: the ion stayed in its site")
    whole: float = Field(description="part of the snapshots all of whose ions did")


class ModelsResult(Record):
    """Everything that `frustra models` finds."""

    material: str = Field(description="which material of the run")
    specie: str = Field(description="mobile element")
    models: list[str] = Field(description="the run's own potential, the reference, then the others")
    members: list[str] = Field(description="those that count for the spread: of a committee its members")
    relaxed: bool = Field(description="whether every model relaxed the snapshots, or only evaluated them")
    by: str = Field(description="column of the state table that tells the classes apart")
    folder: str = Field(description="where the relaxed frames are")
    shifts_eV: list[float] = Field(description="taken off every model's energies to align them")
    zero_eV: float = Field(description="the reference's per-atom energy that is the zero")
    survivors: list[SurvivorsResult] = Field(description="for each model and temperature")
    temperatures: list[ModelsAtResult] = Field(description="by ascending temperature")
    notes: list[str] = Field(description="what is doubtful")


def temperatures_result(found: ModelComparison) -> list[ModelsAtResult]:
    """Return what the models say at every temperature."""
    rows = []
    for k, density in enumerate(found.densities):
        t = density.temperature
        rows.append(
            ModelsAtResult(
                T_K=t,
                numbers=[number_result(n) for n in found.numbers if n.temperature == t],
                states=[_agreement(a, found.names) for a in found.states if a.temperature == t],
                totals=[_agreement(a, found.names) for a in found.totals if a.temperature == t],
                bands_eV=[found.bands[name][k] for name in found.names],
                edges_eV=density.edges.tolist(),
                density=[
                    StatesDensity(name=name, models_per_eV=values.tolist())
                    for name, values in density.parts.items()
                    if values.any()
                ],
            )
        )
    return rows


def number_result(number: ModelNumber) -> NumberResult:
    """Return a metric with the spread of the models."""
    return NumberResult(
        name=number.name,
        unit=number.unit,
        at=_spread(number.at),
        change=None if number.change is None else _spread(number.change),
    )


def _spread(s: Spread) -> SpreadResult:
    low, high = s.range
    return SpreadResult(
        value=known(s.value),
        std=known(s.error),
        models=[known(float(v)) for v in s.values],
        spread=known(s.spread),
        low=known(low),
        high=known(high),
        unsure=s.unsure,
    )


def _agreement(a: Agreement, names: Sequence[str]) -> AgreementResult:
    return AgreementResult(
        first=names[a.first],
        second=names[a.second],
        points=a.points,
        pearson=value_of(a.pearson),
        spearman=value_of(a.spearman),
        within=value_of(a.within),
        slope=value_of(a.slope),
        rms_eV=value_of(a.rms),
    )
