"""Where a study should compute next, and its study file with those temperatures added."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frustra.analysis.arrhenius import Arrhenius, arrhenius_of
from frustra.analysis.refine import Effort, Refinement, effort_of, refine
from frustra.campaign.recall import doubt_about, doubtful_of, ladder_of, material_of, read_results
from frustra.campaign.results import Interval, Results
from frustra.campaign.study import COPY, Study, load_study
from frustra.campaign.summaries import finite, interval
from frustra.campaign.workflow import DONE
from frustra.engines.md import MDSettings
from frustra.errors import StudyError
from frustra.io import read_json, write_text

HOUR = 3600


class NextRun(BaseModel):
    """A temperature that should be added."""

    model_config = ConfigDict(frozen=True)

    T_K: float = Field(description="temperature")
    production_ps: float = Field(description="production of each run there")
    runs: int = Field(description="independent runs there, as at every temperature of the study")
    cost_ps: float = Field(description="MD time of all of them, mean cell and equilibration included")


class RefineResult(BaseModel):
    """What `frustra refine --json` prints."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")

    material: str = Field(description="name of the material")
    model: str = Field(description="what the Arrhenius plot asks for now")
    Tc_K: Interval | None = Field(description="temperature of the break now; null where none is claimed")
    width_K: float | None = Field(description="width of its 95 % interval now")
    expected_width_K: float | None = Field(description="what it is expected to be after these runs")
    next: list[NextRun] = Field(description="what to compute")
    cost_ps: float = Field(description="MD time of all of them, for this material")
    hours: float | None = Field(description="computing time of that by the MD done so far; null if unknown")
    reason: str = Field(description="why these, or why none")
    notes: list[str] = Field(description="what to know besides")


@dataclass(frozen=True)
class Plan:
    """What to compute next, from a run's results."""

    folder: Path
    results: Results
    told: RefineResult


def plan_of(folder: Path, name: str, cost: float | None, target: float) -> Plan:
    """Plan the next runs of a material of a run.

    Parameters
    ----------
    folder
        The run's.
    name
        Of the material; may be empty if there is only one.
    cost
        What the runs may cost, ps; None for the default of `analysis.refine`.
    target
        Width of the interval of Tc that is aimed at, K.

    Raises
    ------
    DataError
        No run or no such material.
    AnalysisError
        Too little was measured, or the cost is less than one run.
    """
    results = read_results(folder)
    name, material = material_of(results, name)
    study = Study.model_validate(results.study)
    found = arrhenius_of(ladder_of(material))
    effort = _effort(found, study)
    plan = refine(found, effort, cost, target)
    own = next(m for m in study.materials if name in (m, f"{m}-quenched"))
    speed = _seconds_per_ps(folder / "steps" / own, study.md)
    told = _told(name, found, plan, study, speed)
    notes = [*told.notes, *doubt_about(doubtful_of(material))]
    return Plan(folder, results, told.model_copy(update={"notes": notes}))


def _effort(found: Arrhenius, study: Study) -> Effort:
    md, runs = study.md, study.md.replicas
    lengths = [runs * md.at(t).production for t in found.ladder.temperatures]
    return effort_of(found.ladder, np.array(lengths), runs * md.production, _overhead(study))


def _overhead(study: Study) -> float:
    """Return the MD time of a temperature besides production, ps."""
    md, start = study.md, study.start
    heat = 0.0 if start.order == "ordered" else start.hold + start.cool
    return (md.npt_time if md.cell == "npt" else 0.0) + md.replicas * (md.equilibration + heat)


def _told(name: str, found: Arrhenius, plan: Refinement, study: Study, speed: float | None) -> RefineResult:
    runs = study.md.replicas
    return RefineResult(
        material=name,
        model=found.model,
        Tc_K=interval(found.transition),
        width_K=finite(plan.interval),
        expected_width_K=finite(plan.expected) if plan.proposals else None,
        next=[
            NextRun(T_K=p.temperature, production_ps=p.length / runs, runs=runs, cost_ps=p.cost)
            for p in plan.proposals
        ],
        cost_ps=plan.cost,
        hours=None if speed is None else plan.cost * speed / HOUR,
        reason=plan.reason,
        notes=_notes(found, plan, study),
    )


def _notes(found: Arrhenius, plan: Refinement, study: Study) -> list[str]:
    notes, ladder = list(found.notes), found.ladder.temperatures
    if len(study.materials) > 1:
        others = len(study.materials) - 1
        notes.append(
            f"the ladder is that of all materials: {others} more will be computed there, at a like cost"
        )
    if study.start.order == "both":
        notes.append("the runs from the other kind of start cost as much again")
    outside = [f"{p.temperature:g} K" for p in plan.proposals if not ladder[0] < p.temperature < ladder[-1]]
    if outside:
        notes.append(f"{', '.join(outside)} lies beyond the ladder: check that the crystal is solid there")
    return notes


def _seconds_per_ps(steps: Path, md: MDSettings) -> float | None:
    """Return the computing time of the MD that was done, s/ps; None if there is none."""
    seconds = done = 0.0
    for told in steps.glob(f"*K/md-*/{DONE}"):
        if not told.parent.suffix:  # neither unfinished nor damaged
            seconds += float(read_json(told)["seconds"])
            own = md.at(float(told.parent.parent.name.removesuffix("K")))
            done += own.equilibration + own.production
    return seconds / done if done else None


def extend_study(plan: Plan) -> Path:
    """Add the temperatures of a plan to the study file in the run's folder; return the file.

    The file as it was stays beside it, as `study-1.toml` and so on.

    Raises
    ------
    StudyError
        The file is not that of the results, or is written in a way that cannot be added to.
    """
    path = plan.folder / COPY
    study = load_study(path)
    if study.model_dump(mode="json") != plan.results.study:
        raise StudyError(
            f"{path} is not the study that results.json is of", "both of one run", "run the study first"
        )
    text = path.read_text(encoding="utf-8")
    wanted = _extended(study.md, plan.told.next)
    try:
        new = _rewritten(text, wanted)
        done = Study.model_validate(tomllib.loads(new)).md == wanted and _others(new) == _others(text)
    except (ValidationError, tomllib.TOMLDecodeError, StopIteration):
        done = False
    if not done:
        added = ", ".join(f"{run.T_K:g}" for run in plan.told.next)
        raise StudyError(
            f"{path} is written in a way that temperatures cannot be added to",
            "`temperatures = [...]` in [md]",
            f"add {added} by hand, then: frustra run",
        )
    number = next(n for n in range(1, 10_000) if not _kept(path, n).exists())
    write_text(_kept(path, number), text)
    write_text(path, new)
    return path


def _kept(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _others(text: str) -> dict[str, object]:
    """Return everything in a study file but its ladder."""
    told = tomllib.loads(text)
    ladder = {"temperatures", "production_at"}
    return {**told, "md": {k: v for k, v in told["md"].items() if k not in ladder}}


def _extended(md: MDSettings, runs: list[NextRun]) -> MDSettings:
    own = {run.T_K: run.production_ps for run in runs if run.production_ps != md.production}
    ladder = tuple(sorted({*md.temperatures, *(run.T_K for run in runs)}))
    return md.model_copy(update={"temperatures": ladder, "production_at": {**md.production_at, **own}})


def _rewritten(text: str, md: MDSettings) -> str:
    """Write a ladder into the text of a study, which keeps its comments and its layout."""
    array = next(re.finditer(r"^([ \t]*(?:md\.)?)temperatures[ \t]*=[ \t]*\[([^\]]*)\]", text, re.MULTILINE))
    body = array[2]
    for t in md.temperatures:
        body = _with(body, t)
    text = text[: array.start(2)] + body + text[array.end(2) :]
    if not md.production_at:
        return text
    table = ", ".join(f'"{t:g}" = {time:g}' for t, time in sorted(md.production_at.items()))
    line = f"{array[1]}production_at = {{ {table} }}"
    before = re.search(r"^[ \t]*(?:md\.)?production_at[ \t]*=[ \t]*\{[^}]*\}", text, re.MULTILINE)
    if before:
        return text[: before.start()] + line + text[before.end() :]
    end = text.find("\n", array.start(2) + len(body))
    return f"{text}\n{line}\n" if end < 0 else f"{text[:end]}\n{line}{text[end:]}"


def _with(body: str, temperature: float) -> str:
    """Insert a temperature into the inside of an array, in its place; comments are passed over."""
    last = None
    for found in re.finditer(r"#[^\n]*|[0-9][0-9_.eE+]*", body):
        if found[0].startswith("#"):
            continue
        last = found
        if float(found[0]) == temperature:
            return body
        if float(found[0]) > temperature:
            return f"{body[: found.start()]}{temperature:g}, {body[found.start() :]}"
    end = last.end() if last else 0
    return f"{body[:end]}{', ' if last else ''}{temperature:g}{body[end:]}"
