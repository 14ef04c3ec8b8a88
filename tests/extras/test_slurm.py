"""Jobs in a real Slurm: where they run, what they raise, what a run that was stopped or killed leaves."""

import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import psutil
import pytest

from frustra.campaign.executors import ResourceSettings, executor_of
from frustra.campaign.study import load_study
from frustra.errors import EngineError, StudyError
from tests.extras.slurm_fixture import Slurm, slurm, waited

__all__ = ["slurm"]

RESOURCES = ResourceSettings(executor="slurm", workers=2, walltime="00:30:00", margin=5)

QUEUE = 180
"""Seconds that a job may wait for others in the queue."""

RUN = """
import os, sys
from pathlib import Path
from frustra.campaign.executors import ResourceSettings, executor_of

root, work, options = Path(sys.argv[1]), sys.argv[2], tuple(sys.argv[3:])
resources = ResourceSettings(
    executor="slurm", workers=2, walltime="00:30:00", margin=5, scheduler_options=options
)
try:
    with executor_of(resources, root) as pool:
        for future in [pool.submit(os.system, work) for _ in range(3)]:
            future.result()
except KeyboardInterrupt:
    sys.exit(130)
"""

WORK = "import os, sys, time; open(f'{sys.argv[1]}/{os.getpid()}.begun', 'w'); time.sleep(3600)"


def start(root: Path, *options: str) -> psutil.Popen:
    """Start a run of three long jobs, each with a process of its own, on two workers."""
    work = shlex.join([sys.executable, "-c", WORK, str(root)])
    return psutil.Popen([sys.executable, "-c", RUN, str(root), work, *options], start_new_session=True)


def begun(root: Path) -> bool:
    return len(list(root.glob("*.begun"))) == 2


def test_jobs_run_in_slurm_with_one_thread_and_hand_back_what_they_raise(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRUSTRA_TEST", "a b $HOME")
    with executor_of(RESOURCES, tmp_path) as pool:
        assert [pool.submit(os.getenv, "SLURM_JOB_ID").result(QUEUE)] == slurm.jobs()
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result(60) == "1"
        assert pool.submit(os.getenv, "FRUSTRA_TEST").result(60) == "a b $HOME"
        assert pool.submit(os.getcwd).result(60) == str(Path.cwd())
        assert pool.submit(sorted, [3, 1, 2], reverse=True).result(60) == [3, 2, 1]
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result(60)
        error = pool.submit(load_study, tmp_path / "none.toml").exception(60)
    assert type(error) is StudyError
    assert error.found == f"no study file {tmp_path / 'none.toml'}"
    assert error.remedy == "write one with: frustra init"


def test_a_cancelled_job_is_not_begun(slurm: Slurm, tmp_path: Path) -> None:
    with executor_of(RESOURCES, tmp_path) as pool:
        long = [pool.submit(time.sleep, 10) for _ in range(2)]
        jobs = [pool.submit(os.mkdir, tmp_path / name) for name in ("first", "second", "third")]
        assert jobs[1].cancel()
        assert jobs[1].cancelled()
        assert [job.result(QUEUE) for job in (*long, jobs[0], jobs[2])] == [None] * 4
        assert len(slurm.jobs()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "parsl", "third"]


@pytest.mark.usefixtures("slurm")
def test_every_worker_sees_one_gpu_of_the_job(tmp_path: Path) -> None:
    resources = RESOURCES.model_copy(update={"gpus": 2})
    script = "import os, time; time.sleep(2); print(os.environ['CUDA_VISIBLE_DEVICES'])"
    with executor_of(resources, tmp_path) as pool:
        runs = [pool.submit(subprocess.check_output, [sys.executable, "-c", script]) for _ in range(2)]
        seen = [run.result(QUEUE).decode().strip() for run in runs]
    assert sorted(seen) == ["0", "1"]
    job = next((tmp_path / "parsl").glob("*/submit_scripts/*.stdout")).with_suffix("").read_text()
    assert "#SBATCH --gpus-per-node=2\n" in job


@pytest.mark.parametrize("alone", [True, False], ids=["the-run", "the-run-and-what-would-cancel"])
def test_a_killed_run_leaves_no_job_and_no_process(slurm: Slurm, tmp_path: Path, alone: bool) -> None:
    run = start(tmp_path)
    waited(lambda: begun(tmp_path), QUEUE)
    assert len(slurm.jobs()) == 1
    slurm.interchange()
    if not alone:
        (cancels,) = (p for p in run.children() if "scancel" in " ".join(p.cmdline()))
        cancels.kill()
    run.kill()
    run.wait()
    assert slurm.emptied() < 40


def test_a_killed_run_leaves_no_job_in_the_queue(slurm: Slurm, tmp_path: Path) -> None:
    run = start(tmp_path, "--begin=now+1hour")
    waited(lambda: bool(slurm.jobs()), 60)
    time.sleep(1)
    run.kill()
    run.wait()
    assert slurm.emptied() < 40


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_a_stopped_run_cancels_its_jobs(slurm: Slurm, tmp_path: Path, how: str) -> None:
    run = start(tmp_path)
    waited(lambda: begun(tmp_path), QUEUE)
    if how == "Ctrl-C":
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    else:
        run.terminate()
    assert run.wait(30) == 130
    assert slurm.emptied() < 40


@pytest.mark.usefixtures("slurm")
def test_a_job_that_kills_its_worker_is_tried_again_and_then_given_up(tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    kill = f"import os; open({str(tries)!r}, 'a').write('x'); os.kill(os.getppid(), 9)"
    with executor_of(RESOURCES, tmp_path) as pool:
        future = pool.submit(subprocess.run, [sys.executable, "-c", kill])
        with pytest.raises(EngineError, match="lost its worker 3 times"):
            future.result(QUEUE)
    assert tries.read_text() == "xxx"


@pytest.mark.usefixtures("slurm")
def test_jobs_that_slurm_refuses_end_in_a_sentence(tmp_path: Path) -> None:
    resources = RESOURCES.model_copy(update={"queue": "nowhere"})
    with executor_of(resources, tmp_path) as pool:
        error = pool.submit(os.getpid).exception(120)
    assert isinstance(error, EngineError)
    assert isinstance(error, BrokenExecutor)
    assert str(error).startswith("the batch jobs do not start: sbatch: error: invalid partition specified")
    assert str(error).endswith(f"job scripts and logs are in {tmp_path}/parsl/000.")


def test_a_killed_interchange_ends_the_run(slurm: Slurm, tmp_path: Path) -> None:
    with executor_of(RESOURCES, tmp_path) as pool:
        future = pool.submit(time.sleep, 600)
        waited(lambda: bool(slurm.jobs()), 60)
        slurm.interchange().kill()
        with pytest.raises(EngineError, match="was killed"):
            future.result(30)
        with pytest.raises(EngineError, match="was killed"):
            pool.submit(os.getpid)
