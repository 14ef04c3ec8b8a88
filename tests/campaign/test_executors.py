import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from frustra.campaign import executors
from frustra.campaign.executors import GPUS, ResourceSettings, executor_of
from frustra.errors import EngineError, StructureError

CLUSTERS = ["slurm", "pbs"]

RUN = """
import os, sys, time
from pathlib import Path
from frustra.campaign.executors import ResourceSettings, executor_of

try:
    with executor_of(ResourceSettings(workers=1), Path(sys.argv[1])) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
except KeyboardInterrupt:
    sys.exit(130)
"""
"""A run whose only worker tells its process and sleeps."""


def meet(folder: Path, count: int) -> dict[str, str]:
    """Wait for the other workers, so that everyone has one job; return the surroundings."""
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return dict(os.environ)


def surroundings(folder: Path, **settings: int) -> list[dict[str, str]]:
    resources = ResourceSettings(**settings)
    with executor_of(resources, folder) as pool:
        jobs = [pool.submit(meet, folder, resources.at_once) for _ in range(resources.at_once)]
        return [job.result(60) for job in jobs]


def refuses() -> None:
    raise StructureError("3 Li on one site", "one", "take an ordered cell")


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def comes_true(true: Callable[[], bool], within: float = 20) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return False


def start(folder: Path) -> tuple["subprocess.Popen[str]", int]:
    process = subprocess.Popen([sys.executable, "-c", RUN, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as told:
        return process, int(told.readline())


def test_workers_have_one_thread_whatever_the_run_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.delenv(GPUS, raising=False)
    (seen,) = surroundings(tmp_path, workers=1)
    wanted = ResourceSettings().environment
    assert {name: seen.get(name) for name in wanted} == wanted
    assert set(wanted.values()) == {"1"}
    assert GPUS not in seen
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(
    ("visible", "settings", "expected"),
    [
        (None, {"gpus": 2}, ["0", "1"]),
        (None, {"gpus": 2, "workers": 3}, ["0", "0", "1"]),
        ("5, 3,1", {"gpus": 2, "workers": 2}, ["3", "5"]),
        ("GPU-8f1c", {"gpus": 1, "workers": 2}, ["GPU-8f1c", "GPU-8f1c"]),
    ],
)
def test_every_worker_sees_one_gpu_in_turn(
    visible: str | None,
    settings: dict[str, int],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if visible is None:
        monkeypatch.delenv(GPUS, raising=False)
    else:
        monkeypatch.setenv(GPUS, visible)
    assert sorted(seen[GPUS] for seen in surroundings(tmp_path, **settings)) == expected
    assert os.environ.get(GPUS) == visible


@pytest.mark.parametrize("visible", ["", "0"])
def test_fewer_visible_gpus_than_asked_for_are_refused(
    visible: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GPUS, visible)
    with (
        pytest.raises(EngineError, match=f"{GPUS}={visible} .*2 GPUs"),
        executor_of(ResourceSettings(gpus=2), tmp_path),
    ):
        pass


def test_an_error_of_a_worker_arrives_unchanged(tmp_path: Path) -> None:
    with executor_of(ResourceSettings(workers=1), tmp_path) as pool:
        error = pool.submit(refuses).exception(60)
    assert type(error) is StructureError
    assert str(error) == "3 Li on one site; expected one; take an ordered cell."
    assert (error.found, error.expected, error.remedy) == (
        "3 Li on one site",
        "one",
        "take an ordered cell",
    )


def test_a_killed_worker_is_told_in_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineError, match="a worker process was killed"),
        executor_of(ResourceSettings(workers=1), tmp_path) as pool,
    ):
        pool.submit(os._exit, 9).result(60)


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    process, worker = start(tmp_path)
    assert alive(worker)
    process.kill()
    process.wait()
    assert comes_true(lambda: not alive(worker))


def test_a_schedulers_stop_is_a_users_stop(tmp_path: Path) -> None:
    process, worker = start(tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130
    assert not alive(worker)


def test_what_sigterm_did_before_it_does_after(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with executor_of(ResourceSettings(workers=1), tmp_path):
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("kind", CLUSTERS)
def test_what_a_cluster_needs_is_told(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources = ResourceSettings.model_validate({"executor": kind, "workers": 4})

    def sentence(root: Path) -> str:
        with pytest.raises(EngineError) as refused, executor_of(resources, root):
            pass
        return str(refused.value)

    monkeypatch.setattr(executors, "find_spec", lambda _: None)
    assert sentence(tmp_path).endswith('pip install "frustra[hpc]".')
    monkeypatch.setattr(executors, "find_spec", lambda _: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sentence(tmp_path).startswith({"slurm": "no sbatch on", "pbs": "no qsub on"}[kind])
    monkeypatch.setattr(executors.shutil, "which", lambda _: "there")
    assert "my runs" in sentence(tmp_path / "my runs")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"blocks": 2}, "it needs executor"),
        ({"queue": "long"}, "it needs executor"),
        ({"worker_init": ["module load cuda"]}, "it needs executor"),
        ({"executor": "lsf"}, "'local', 'slurm' or 'pbs'"),
        ({"executor": "slurm", "walltime": "90"}, "HH:MM:SS"),
        ({"executor": "slurm", "walltime": "00:00:30"}, "at least one minute"),
        ({"executor": "slurm", "walltime": "01:00:00"}, "shorter than the walltime of 01:00:00"),
        ({"executor": "slurm", "scheduler_options": ["#SBATCH --exclusive"]}, "on the command line"),
        ({"executor": "pbs"}, "how many cores"),
        ({"executor": "pbs", "workers": 8, "nodes": 2}, "several nodes"),
        ({"workers": -1}, "greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ResourceSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "at_once"),
    [
        ({"workers": 3}, 3),
        ({"gpus": 4}, 4),
        ({"gpus": 4, "workers": 8}, 8),
        ({"blocks": 1, "nodes": 1, "workers": 2}, 2),
        ({"executor": "slurm", "workers": 16, "nodes": 2, "blocks": 3}, 96),
        ({"executor": "pbs", "gpus": 4}, 4),
        ({"executor": "pbs", "workers": 8, "nodes": 2, "launch": "mpiexec -n 2 --ppn 1"}, 16),
    ],
)
def test_how_many_jobs_run_at_once(settings: dict[str, Any], at_once: int) -> None:
    assert ResourceSettings.model_validate(settings).at_once == at_once


def test_by_default_there_is_one_worker_per_core_that_may_be_used() -> None:
    assert 1 <= ResourceSettings().at_once <= (os.cpu_count() or 1)
