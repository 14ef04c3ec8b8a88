"""The command line. Errors the user can mend end in one sentence and exit code 2."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frustra.errors import DataError, FrustraError

if TYPE_CHECKING:
    from frustra.campaign.materials import Material
    from frustra.campaign.results import Results
    from frustra.campaign.study import Study

app = typer.Typer(
    name="frustra",
    help="The density of atomistic states of fast ion conductors, from a crystal and a potential.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

STOPPED = 130
"""Exit code of a run that the user stopped."""


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what the user can mend into one sentence and exit code 2."""
    try:
        yield
    except FrustraError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT}:
            raise
        place = f" ({error.filename})" if error.filename else ""
        _fail(f"{os.strerror(error.errno)}{place}; finished steps are kept; mend it and run again")
    except KeyboardInterrupt:
        typer.echo("\nStopped. Finished steps are kept: the same command goes on from here.", err=True)
        raise typer.Exit(STOPPED) from None


def _fail(sentence: str) -> None:
    typer.echo(f"frustra: {' '.join(sentence.split())}", err=True)
    raise typer.Exit(2)


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

    with _plain_errors():
        if path.exists():
            raise DataError(f"{path} exists", "a path that is free", "choose another or remove it")
        write_text(path, commented_study())
        typer.echo(f"Wrote {path}. Set `structure`, then: frustra run {path}")


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file (TOML); `frustra init` writes one.")],
    workers: Annotated[int, typer.Option(min=0, help="Processes, one thread each; 0: one per core.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print tasks, force calls and time; compute nothing.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/NAME.")] = None,
) -> None:
    """Run a study: ground state, MD, conductivity, relaxed snapshots, DOAS, report."""
    with _plain_errors():
        from frustra.campaign.materials import materials_of  # noqa: PLC0415
        from frustra.campaign.study import load_study  # noqa: PLC0415

        settings = load_study(study)
        root = (out or Path("runs") / settings.name).resolve()
        _refuse_foreign(root)
        materials = materials_of(settings, root, study.parent)
        count = workers or os.cpu_count() or 1
        if dry_run:
            _print_estimate(settings, materials, count)
        else:
            _run(settings, study, materials, count)


def _refuse_foreign(root: Path) -> None:
    """Refuse a folder that holds something else than a run: its files might be written over."""
    if root.exists() and not (root / "steps").is_dir() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(
            f"{root} holds something else than a run", "a new or empty folder", "choose another --out"
        )


def _print_estimate(settings: "Study", materials: "list[Material]", workers: int) -> None:
    from frustra.campaign.estimate import estimate  # noqa: PLC0415
    from frustra.terminal import print_estimate  # noqa: PLC0415

    print_estimate(settings.name, estimate(materials, workers), materials)


def _run(settings: "Study", file: Path, materials: "list[Material]", workers: int) -> None:
    from frustra.campaign.pipeline import run_study, write_results  # noqa: PLC0415
    from frustra.campaign.workflow import RunLock  # noqa: PLC0415
    from frustra.io import write_text  # noqa: PLC0415
    from frustra.report import write_report  # noqa: PLC0415
    from frustra.terminal import Display, print_summary, worker_pool  # noqa: PLC0415

    root = materials[0].context.root
    (root / "steps").mkdir(parents=True, exist_ok=True)  # marks the folder as a run's
    with RunLock(root):
        write_text(root / "study.toml", file.read_text(encoding="utf-8"))
        with worker_pool(workers) as pool, Display(settings.name, materials) as display:
            analyses = run_study(materials, pool, display.watch)
        results: Results = write_results(materials, analyses)
        page = write_report(root, results, analyses)
    print_summary(results, page)


if __name__ == "__main__":
    main()
