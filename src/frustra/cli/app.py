"""The command line. Errors the user can mend end in one sentence and exit code 2."""

import os
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frustra.cli.density import density
from frustra.cli.doas import doas
from frustra.cli.errors import plain_errors, stdout_to_stderr
from frustra.cli.hops import hops
from frustra.cli.models import models
from frustra.cli.percolation import percolation
from frustra.cli.rdf import rdf
from frustra.cli.relax import relax
from frustra.cli.sites import sites
from frustra.cli.transport import arrhenius, transport
from frustra.errors import DataError, StudyError

if TYPE_CHECKING:
    from frustra.campaign.executors import ResourceSettings
    from frustra.campaign.materials import Material
    from frustra.campaign.pipeline import Failure
    from frustra.campaign.study import Study
    from frustra.testing import PotentialReport

app = typer.Typer(
    name="frustra",
    help="The density of atomistic states of fast ion conductors, from a crystal and a potential.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line; what the packages of models warn their developers of is not for its user."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"  # of worker processes
    app()


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from importlib import metadata  # noqa: PLC0415

        typer.echo(f"frustra {metadata.version('frustra')}")
        raise typer.Exit


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write the study file.")] = Path("study.toml"),
) -> None:
    """Write a study file with every setting, its meaning and its default."""
    from frustra.campaign.study import commented_study  # noqa: PLC0415
    from frustra.io import write_text  # noqa: PLC0415

    with plain_errors():
        if path.exists():
            raise DataError(f"{path} exists", "a path that is free", "choose another or remove it")
        write_text(path, commented_study())
        typer.echo(f"Wrote {path}. Set `structure`, then: frustra run {path}")


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file (TOML); `frustra init` writes one.")],
    workers: Annotated[
        int, typer.Option(min=0, help="Processes, one thread each; 0: as in the study file.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print tasks, force calls and time; compute nothing.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/NAME.")] = None,
) -> None:
    """Run a study: ground state, MD, conductivity, relaxed snapshots, DOAS, report."""
    with plain_errors():
        failed = _run_file(study, out, workers, dry_run=dry_run)
    if failed:
        raise typer.Exit(1)


def _run_file(study: Path, out: Path | None, workers: int, *, dry_run: bool = False) -> "list[Failure]":
    from frustra.campaign.materials import materials_of  # noqa: PLC0415
    from frustra.campaign.study import base_of, load_study  # noqa: PLC0415

    settings = load_study(study)
    root = (out or Path("runs") / settings.name).resolve()
    _refuse_foreign(root)
    materials = materials_of(settings, root, base_of(study))
    resources = settings.resources
    if workers:
        resources = resources.model_copy(update={"workers": workers})
    if dry_run:
        _print_estimate(settings, materials, resources.at_once)
        return []
    return _run(settings, study, materials, resources)


@app.command()
def refine(
    folder: Annotated[Path, typer.Argument(help="The folder of a finished run, such as runs/NAME.")],
    material: Annotated[str, typer.Option(help="Which material, if there are several.")] = "",
    cost: Annotated[
        float | None,
        typer.Option(help="What the proposed MD may cost, ps; by default three runs or a quarter of all."),
    ] = None,
    target: Annotated[float, typer.Option(help="Width of the 95 % interval of Tc to aim at, K.")] = 10.0,
    run: Annotated[
        bool, typer.Option("--run", help="Add the temperatures to the study in the folder, and run it.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes for --run, as of `frustra run`.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Propose the temperatures and lengths that narrow the transition temperature most for their cost."""
    failed: list[Failure] = []
    with plain_errors():
        from frustra.campaign.refine import extend_study, plan_of  # noqa: PLC0415
        from frustra.terminal.refine import print_plan  # noqa: PLC0415

        plan = plan_of(folder, material, cost, target)
        if as_json:
            typer.echo(plan.told.model_dump_json(indent=2))
        else:
            print_plan(plan.told)
        if run and plan.told.next:
            with stdout_to_stderr() if as_json else nullcontext():
                failed = _run_file(extend_study(plan), folder, workers)
    if failed:
        raise typer.Exit(1)


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(help="The run's folder, such as runs/NAME.")],
) -> None:
    """Show how far a run is: what is done, running, failed and left."""
    with plain_errors():
        from frustra.campaign.ledger import status_of  # noqa: PLC0415
        from frustra.terminal.run import print_status  # noqa: PLC0415

        print_status(status_of(folder))


def _refuse_foreign(root: Path) -> None:
    """Refuse a folder that holds something else than a run: its files might be written over."""
    if root.exists() and not (root / "steps").is_dir() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(
            f"{root} holds something else than a run", "a new or empty folder", "choose another --out"
        )


def _print_estimate(settings: "Study", materials: "list[Material]", workers: int) -> None:
    from frustra.campaign.estimate import estimate  # noqa: PLC0415
    from frustra.terminal.run import print_estimate  # noqa: PLC0415

    print_estimate(settings.name, estimate(materials, workers), materials)


def _run(
    settings: "Study", file: Path, materials: "list[Material]", resources: "ResourceSettings"
) -> "list[Failure]":
    from frustra.campaign.executors import executor_of  # noqa: PLC0415
    from frustra.campaign.ledger import LOCK  # noqa: PLC0415
    from frustra.campaign.locks import locked  # noqa: PLC0415
    from frustra.campaign.pipeline import run_study, write_results  # noqa: PLC0415
    from frustra.campaign.study import write_copy  # noqa: PLC0415
    from frustra.report import write_report  # noqa: PLC0415
    from frustra.terminal.run import Display, print_failures, print_summary  # noqa: PLC0415

    root = materials[0].context.root
    (root / "steps").mkdir(parents=True, exist_ok=True)  # marks the folder as a run's
    with locked(root / LOCK, str(root), wait=1.0):
        write_copy(file, root)
        with executor_of(resources, root) as pool, Display(settings.name, materials) as display:
            outcome = run_study(materials, pool, display.watch)
        if outcome.analyses:
            results = write_results(materials, outcome)
            page = write_report(root, results, list(outcome.analyses.values()))
    if outcome.analyses:
        print_summary(results, page)
    if outcome.failures:
        print_failures(outcome.failures, root)
    return outcome.failures


@app.command()
def check_potential(
    model: Annotated[str, typer.Argument(help="The model, as pod:li-y-cl; --list names all families.")] = "",
    structure: Annotated[
        Path | None, typer.Argument(help="A crystal; by default one is built of elements the model knows.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    families: Annotated[bool, typer.Option("--list", help="Print what each family of models takes.")] = False,
) -> None:
    """Check that a potential keeps its promises; exit code 1 if it is not fit for MD."""
    with plain_errors():
        from frustra.terminal.check import list_families, print_check  # noqa: PLC0415

        if families:
            typer.echo(list_families(as_json=as_json))
            return
        with stdout_to_stderr() if as_json else nullcontext():
            report = _checked(model, structure)
        if as_json:
            typer.echo(report.model_dump_json(indent=2))
        else:
            print_check(report)
        raise typer.Exit(0 if report.md.fit else 1)


def _checked(model: str, structure: Path | None) -> "PotentialReport":
    from frustra.engines.zoo import load_potential  # noqa: PLC0415
    from frustra.io import read_structure  # noqa: PLC0415
    from frustra.testing import check_potential as check  # noqa: PLC0415

    if not model:
        raise StudyError("no model", "FAMILY:ARGUMENT, as pod:li-y-cl", "--list names all families")
    if structure is not None and not structure.is_file():
        raise DataError(f"no structure file {structure}", remedy="check the path")
    atoms = None if structure is None else read_structure(structure)
    return check(load_potential(model), atoms)


for command in (transport, arrhenius, sites, hops, percolation, rdf, density, doas, relax, models):
    app.command()(command)
