"""Faults tried for real: processes killed, files torn, a disk filled, potentials changed.

However a run was broken, the next one must do what is missing, nothing else, and end with the numbers of a
run that nothing happened to.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from frustra.campaign.locks import is_held
from frustra.engines.pairstyle import EMBEDDED
from frustra.io import read_json
from tests.campaign.program import (
    MATERIALS,
    Run,
    assert_same,
    comes_true,
    complete,
    copy_of,
    finished,
    frustra,
    redone,
    running,
    send,
    sentences,
    study,
)


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the tiny study once, undisturbed; give the run's folder."""
    folder = tmp_path_factory.mktemp("unbroken")
    complete(study(folder, *MATERIALS), folder / "out")
    return folder / "out"


def test_a_driver_killed_twice_leaves_nobody_behind_and_the_next_run_goes_on(
    unbroken: Path, tmp_path: Path
) -> None:
    file, out = study(tmp_path, "a"), tmp_path / "out"
    kept: dict[str, str] = {}
    for sign in ("a/walk-*.part/moves-4.extxyz", "a/*/md-*.part/md/piece-000002.npz"):
        with running(file, out) as run:
            run.wait_for_file(sign)
            assert run.processes("frustra")
            run.kill()
            assert comes_true(nobody_of(run), within=8), run.processes()
        now = finished(out)
        assert now.items() >= kept.items()
        kept = now
        assert not (out / "results.json").exists()
    assert {Path(s).name.split("-")[0] for s in kept} >= {"walk", "cell"}
    pieces = {p: p.read_bytes() for p in (out / "steps").glob("a/*/md-*.part/md/piece-*.npz")}
    assert pieces
    with running(file, out) as run:
        run.wait_for(lambda: is_held(out / "lock"))
        second = frustra("run", file, "--out", out)
        code, _ = run.end()
    assert second.returncode == 2
    (sentence,) = sentences(second.stderr)
    assert f"in use by process {run.driver.pid} on {socket.gethostname()}" in sentence
    assert code == 0
    assert finished(out).items() >= kept.items()
    assert_same(out, unbroken, "a")
    left = [p.name for p in (out / "steps").rglob("*") if p.name.startswith(".") and p.name != ".progress"]
    assert not left
    assert not list((out / "steps").rglob("*.part"))


def test_a_killed_worker_ends_the_run_in_a_sentence_and_the_next_completes_it(
    unbroken: Path, tmp_path: Path
) -> None:
    file, out = study(tmp_path, "a"), copy_of(unbroken, tmp_path / "out", "md", "snapshots")
    kept = finished(out)
    with running(file, out) as run:
        run.wait_for_file("a/*/md-*.part/md/piece-000001.npz")
        os.kill(run.workers()[0], signal.SIGKILL)
        code, told = run.end()
        assert comes_true(nobody_of(run), within=8)
    assert code == 1
    (sentence,) = sentences(told)
    assert "a worker process was killed" in sentence
    assert finished(out).items() >= kept.items()
    complete(file, out)
    assert finished(out).items() >= kept.items()
    assert_same(out, unbroken, "a")


def test_a_killed_lammps_costs_its_material_and_no_other(unbroken: Path, tmp_path: Path) -> None:
    file, out = study(tmp_path, *MATERIALS), copy_of(unbroken, tmp_path / "out", "md", "snapshots")
    with running(file, out) as run:
        failed = (out / "steps/b").rglob
        run.wait_for(
            lambda: [send(p, signal.SIGKILL) for p in run.lammps("b")] and any(failed("*.failed.json"))
        )
        code, told = run.end()
    assert code == 1
    (sentence,) = sentences(told)
    assert sentence.startswith("frustra: b failed at b ")
    assert "LAMMPS failed with exit code -9" in sentence
    assert_same(out, unbroken, "a")
    assert "LAMMPS failed" in read_json(out / "results.json")["failures"]["b"]
    shown = frustra("status", out)
    assert shown.returncode == 0
    assert any(line.split()[:1] == ["b"] and " failed " in line for line in shown.stdout.splitlines())
    kept = finished(out)
    complete(file, out)
    assert finished(out).items() >= kept.items()
    assert_same(out, unbroken)
    assert " failed " not in frustra("status", out).stdout.replace("0 failed", "")


def nobody_of(run: Run) -> Callable[[], bool]:
    """Return what tells whether all processes of a run are gone."""
    return lambda: not run.processes()


def halve(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_torn_files_are_noticed_and_exactly_their_steps_are_done_anew(unbroken: Path, tmp_path: Path) -> None:
    file, out = study(tmp_path, "a"), tmp_path / "out"
    shutil.copytree(unbroken, out)
    before = finished(out)

    def one(pattern: str) -> Path:
        (found,) = (out / "steps").glob(pattern)
        return found

    harm: dict[str, Callable[[Path], None]] = {
        "a/400K/md-*/trajectory.h5": halve,
        "a/700K/snapshots-*/snapshots.h5": alter,
        "a/walk-*/lowest.extxyz": halve,
        "a/400K/cell-*/cell.json": halve,
        "a/700K/cell-*/done.json": halve,
        "a/400K/snapshots-*/reference.json": Path.unlink,
    }
    torn = {str(one(p).parent.relative_to(out)) for p in harm}
    for pattern, do in harm.items():
        do(one(pattern))
    touched = one("a/700K/md-*/trajectory.h5")
    os.utime(touched)  # the same content: still whole
    halve(out / "states.parquet")
    halve(out / "results.json")
    complete(file, out)
    assert redone(before, finished(out)) == torn
    assert {p.name.split(".damaged")[0] for p in (out / "steps").rglob("*.damaged-*")} == {
        Path(t).name for t in torn
    }
    assert_same(out, unbroken, "a")


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Path, tuple[str, ...], Callable[[], object]]]:
    """Give a folder that is nearly full, a command in front of the program, and what makes space.

    Who may mount gets a small disk. Others get a limit on the size of files, which ends in much the same.
    """
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        yield disk, ("prlimit", "--fsize=30000"), lambda: None
        return
    try:
        yield disk, (), (disk / "ballast").unlink
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(disk: Path, left: int) -> None:
    """Write a file that leaves only some bytes free."""
    with (disk / "ballast").open("wb") as file:
        free = shutil.disk_usage(disk).free
        file.write(bytes(max(0, min(free, 2**25) - left)))


def test_a_full_disk_is_told_in_a_sentence_and_with_space_the_run_completes(
    unbroken: Path, tmp_path: Path
) -> None:
    file = study(tmp_path, "a")
    with small_disk(tmp_path) as (disk, before, make_space):
        out = copy_of(unbroken, disk / "out", "md", "snapshots")
        kept = finished(out)
        if not before:
            fill(disk, left=100_000)
        full = frustra("run", file, "--out", out, "--workers", 2, before=before)
        assert full.returncode in {1, 2}
        told = sentences(full.stderr)
        signs = ("space", "too large", f"exit code -{int(signal.SIGXFSZ)}")
        assert all(any(sign in sentence for sign in signs) for sentence in told)
        assert len(told) == 1
        assert finished(out).items() >= kept.items()
        make_space()
        complete(file, out)
        assert finished(out).items() >= kept.items()
        assert_same(out, unbroken, "a")


def potential_of(folder: Path) -> Path:
    """Copy the shipped potential; return the file with its coefficients."""
    shutil.copytree(EMBEDDED / "li-y-cl", folder)
    return folder / "coefficients.pod"


def change(coefficients: Path) -> None:
    """Change one coefficient by a thousandth."""
    lines = coefficients.read_text(encoding="utf-8").splitlines()
    row = next(i for i, line in enumerate(lines) if i > 5 and abs(float(line.split()[-1])) > 0.1)
    lines[row] = f"{float(lines[row]) * 1.001:.12f}"
    coefficients.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_changed_potential_is_refused_during_a_run_and_redoes_everything_after_it(tmp_path: Path) -> None:
    coefficients = potential_of(tmp_path / "pot")
    file, out = study(tmp_path, "a", temperatures="[400]", moves="0"), tmp_path / "out"
    with file.open("a", encoding="utf-8") as study_file:
        study_file.write('[potential]\nmodel = "pod:pot"\n')
    complete(file, out)
    first, results = finished(out), read_json(out / "results.json")
    change(coefficients)
    with running(file, out) as run:
        run.wait_for_file("a/400K/md-*.part/md/piece-000001.npz")
        kept = finished(out)
        second = coefficients.read_bytes()
        change(coefficients)
        code, told = run.end()
    assert code == 1
    (sentence,) = sentences(told)
    assert "pod:pot has changed since this run began" in sentence
    assert not list((out / "steps").glob("a/400K/md-*.part/md"))  # nothing of two potentials
    assert finished(out) == kept
    assert "has changed" in frustra("status", out).stdout
    coefficients.write_bytes(second)
    complete(file, out)
    both = finished(out)
    assert both.items() >= kept.items() >= first.items()
    assert len(both) == 2 * len(first)  # everything once with each potential
    now = read_json(out / "results.json")
    assert now["potential"]["fingerprint"] != results["potential"]["fingerprint"]
    states = [r["materials"]["a"]["ground_state"]["energy_eV"] for r in (results, now)]
    assert states[0] != states[1]


def test_what_a_study_gains_is_added_and_the_rest_stays(unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(unbroken, out)

    def rerun(**replaced: str) -> set[str]:
        before = finished(out)
        file = study(tmp_path, "a", **replaced)
        complete(file, out)
        after = finished(out)
        assert after.items() >= before.items()
        new = (Path(s).relative_to("steps/a") for s in redone(before, after))
        return {f"{s.parent}/{s.name.rsplit('-', 1)[0]}" for s in new}

    assert rerun(snapshots="4", temperatures="[400, 550, 700]") == {
        "400K/snapshots-ordered-1",
        "550K/cell",
        "550K/md-ordered-1",
        "550K/snapshots-ordered-1",
        "550K/transitions-ordered-1",
        "700K/snapshots-ordered-1",
    }
    file = study(tmp_path, "a")
    head, tail = file.read_text(encoding="utf-8").split("[md]")
    start = '[start]\norder = "both"\nhold = 0.1\ncool = 0.2\n\n[md]\nreplicas = 2'
    file.write_text(head + start + tail, encoding="utf-8")
    before = finished(out)
    complete(file, out)
    new = {Path(s).name.rsplit("-", 1)[0] for s in redone(before, finished(out))}
    runs = ("ordered-2", "quenched-1", "quenched-2")
    shared = {f"transitions-{r}" for r in ("ordered-1", *runs)}  # the runs of a temperature share its hops
    assert new == shared | {f"{kind}-{r}" for kind in ("md", "snapshots") for r in runs}
    results = read_json(out / "results.json")
    assert list(results["materials"]) == ["a", "a-quenched"]
    for material in results["materials"].values():
        assert [row["runs"] for row in material["temperatures"]] == [2, 2]
        assert [row["snapshots"]["n"] for row in material["temperatures"]] == [6, 6]
    # back to what it was: nothing is done, and the numbers are those of the beginning
    before = finished(out)
    complete(study(tmp_path, "a"), out)
    assert redone(before, finished(out)) == set()
    assert_same(out, unbroken, "a")
