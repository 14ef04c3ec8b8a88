"""Where jobs run: worker processes of this machine, or batch jobs of a cluster; one interface for both.

`executor_of` gives a `concurrent.futures.Executor`. A job is submitted as `executor.submit(job.run)`; an
exception of a worker comes back unchanged. However the run ends, no process and no batch job is left behind.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from frustra.engines.lammps import RANKS_VARIABLE, THREADS_VARIABLE
from frustra.errors import EngineError
from frustra.settings import Settings

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "DP_INTRA_OP_PARALLELISM_THREADS",
    "DP_INTER_OP_PARALLELISM_THREADS",
)
"""What a worker inherits, because it is read when NumPy, PyTorch or TensorFlow is loaded."""

GPUS = "CUDA_VISIBLE_DEVICES"
"""What shows a process its GPUs; a list that the user or a scheduler set is respected."""

_SUBMIT = {"slurm": "sbatch", "pbs": "qsub"}


class WorkersError(EngineError, BrokenExecutor):
    """Workers that are gone or cannot begin: no job can run, this one or any other."""


class ResourceSettings(Settings):
    """Where the jobs run; no result depends on it."""

    executor: Literal["local", "slurm", "pbs"] = Field(
        "local",
        description='"local": processes of this machine; "slurm", "pbs": batch jobs, begun from a login node '
        "(pip install 'frustra[hpc]'; the nodes must see the same files)",
    )
    gpus: int = Field(0, ge=0, description="GPUs (of each node); every worker sees one of them, in turn")
    workers: int = Field(
        0,
        ge=0,
        validate_default=True,
        description="processes (on each node), one thread each; 0: one per GPU, or without GPUs one per "
        "core, for which slurm is asked for whole nodes",
    )
    mpi_ranks: int = Field(
        1, ge=1, description="MPI processes of each LAMMPS run; more pay only for thousands of atoms"
    )
    threads: int = Field(1, ge=1, description="OpenMP threads of each process")
    blocks: int = Field(
        1, ge=1, description="batch jobs at a time at most; others follow while there is work"
    )
    nodes: int = Field(1, ge=1, description="nodes of each batch job")
    walltime: str = Field("24:00:00", description="time limit of each batch job, HH:MM:SS")
    margin: int = Field(
        60,
        ge=0,
        validate_default=True,
        description="minutes before the walltime from which on a batch job begins nothing new; about the "
        "time that one temperature takes",
    )
    queue: str = Field("", description="partition (slurm) or queue (pbs); by default the cluster's own")
    account: str = Field("", description="account that is charged")
    memory: int = Field(0, ge=0, description="memory of each node to ask for (GB); 0: what the cluster gives")
    scheduler_options: tuple[str, ...] = Field(
        (), description='further options of sbatch or qsub, such as "--constraint=a100"'
    )
    worker_init: tuple[str, ...] = Field(
        (), description='shell commands before the workers start, such as "module load cuda"'
    )
    launch: str = Field(
        "",
        validate_default=True,
        description="command that starts one process on each node of a batch job; by default srun with slurm",
    )
    address: str = Field(
        "", description="this machine's name or IP address as the nodes reach it; by default all are tried"
    )

    @field_validator("blocks", "nodes", "queue", "account", "memory", "scheduler_options", "worker_init")
    @classmethod
    def _only_on_clusters(cls, value: Any, info: ValidationInfo) -> Any:
        default = cls.model_fields[info.field_name or ""].default
        if value != default and info.data.get("executor") == "local":
            raise ValueError('it needs executor = "slurm" or "pbs"')
        return value

    @field_validator("workers")
    @classmethod
    def _known_to_pbs(cls, value: int, info: ValidationInfo) -> int:
        if value == 0 and info.data.get("executor") == "pbs" and not info.data.get("gpus"):
            raise ValueError("pbs must be told how many cores a node has: give that many workers")
        return value

    @field_validator("walltime")
    @classmethod
    def _hours(cls, value: str) -> str:
        if not re.fullmatch(r"\d+:[0-5]\d:[0-5]\d", value) or seconds_of(value) < 60:
            raise ValueError("write it as HH:MM:SS, at least one minute")
        return value

    @field_validator("margin")
    @classmethod
    def _within_walltime(cls, value: int, info: ValidationInfo) -> int:
        walltime = info.data.get("walltime", "24:00:00")
        if value * 60 >= seconds_of(walltime):
            raise ValueError(f"the margin must be shorter than the walltime of {walltime}")
        return value

    @field_validator("scheduler_options")
    @classmethod
    def _options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not line.startswith("-") or "\n" in line for line in value):
            raise ValueError('write options as on the command line, each beginning with "-"')
        return value

    @field_validator("launch")
    @classmethod
    def _launches(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("executor") == "pbs" and info.data.get("nodes", 1) > 1:
            raise ValueError("pbs with several nodes needs it; or raise blocks and leave nodes at 1")
        return value

    @property
    def per_node(self) -> int:
        """Worker processes on one node; where only the node knows its cores, those of this machine."""
        return self.workers or self.gpus or max(1, _cores() // self.cores_per_worker)

    @property
    def cores_per_worker(self) -> int:
        """Cores that one worker and its LAMMPS keep busy."""
        return self.mpi_ranks * self.threads

    @property
    def environment(self) -> dict[str, str]:
        """What a worker inherits: how many threads and LAMMPS processes it may have."""
        lammps = {RANKS_VARIABLE: str(self.mpi_ranks), THREADS_VARIABLE: str(self.threads)}
        return {**dict.fromkeys(THREAD_VARIABLES, str(self.threads)), **lammps}

    @property
    def at_once(self) -> int:
        """Jobs that run at the same time at most."""
        return self.per_node * self.nodes * self.blocks


def seconds_of(walltime: str) -> int:
    """Return the seconds of HH:MM:SS."""
    hours, minutes, seconds = (int(part) for part in walltime.split(":"))
    return 3600 * hours + 60 * minutes + seconds


def _cores() -> int:
    """Return how many cores this process may use: fewer than the machine has, inside a batch job."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def executor_of(resources: ResourceSettings, root: Path) -> Iterator[Executor]:
    """Give an executor for the time of a `with` block; SIGTERM raises KeyboardInterrupt meanwhile.

    Parameters
    ----------
    resources
        Where the jobs run.
    root
        The run's folder; on a cluster, job scripts and logs go to `parsl` in it.

    Raises
    ------
    EngineError
        Parsl, the scheduler's commands or GPUs are missing; a worker was killed; batch jobs fail to start.
    """
    if resources.executor == "local":
        kind = _local_pool(resources)
    else:
        _check_cluster(resources, root.resolve())
        from frustra.campaign.cluster import cluster_pool  # noqa: PLC0415 - it needs Parsl

        kind = cluster_pool(resources, root.resolve())
    with _stoppable(), kind as pool:
        yield pool


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let a scheduler's stop (SIGTERM) be a user's stop (Ctrl-C)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def devices_of(gpus: int) -> tuple[str, ...]:
    """Return the first GPUs of those that are visible.

    Raises
    ------
    EngineError
        `CUDA_VISIBLE_DEVICES` shows fewer.
    """
    shown = os.environ.get(GPUS)
    if shown is None or not gpus:
        return tuple(str(number) for number in range(gpus))
    devices = tuple(name.strip() for name in shown.split(",") if name.strip())
    if len(devices) < gpus:
        raise EngineError(
            f"{GPUS}={shown} on {socket.gethostname()}", f"{gpus} GPUs", "lower resources.gpus or unset it"
        )
    return devices[:gpus]


# Processes of this machine


@contextmanager
def _local_pool(resources: ResourceSettings) -> Iterator[Executor]:
    """Give a pool of processes that end with this one, however it ends."""
    context = get_context("spawn")
    begun: Synchronized[int] = context.Value("i", 0)
    pool = ProcessPoolExecutor(
        resources.per_node,
        mp_context=context,
        initializer=_begin_worker,
        initargs=(begun, devices_of(resources.gpus)),
    )
    with _environment(resources.environment):  # workers are started, and inherit it, when jobs are submitted
        try:
            yield pool
        except KeyboardInterrupt:
            for worker in active_children():  # else they would finish their jobs first
                worker.terminate()
            raise
        except BrokenProcessPool:
            raise WorkersError(
                "a worker process was killed",
                remedy="check the memory; finished steps are kept, run the same command again",
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin_worker(begun: "Synchronized[int]", devices: tuple[str, ...]) -> None:
    """Prepare a new worker: its GPU, its end."""
    with begun.get_lock():
        rank = begun.value
        begun.value += 1
    if devices:
        os.environ[GPUS] = devices[rank % len(devices)]
    _end_with_parent()


def _end_with_parent() -> None:
    """End silently with the parent: at once when the user interrupts, or when the parent is gone."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _check_cluster(resources: ResourceSettings, root: Path) -> None:
    name, command = resources.executor, _SUBMIT[resources.executor]
    if find_spec("parsl") is None:
        raise EngineError(
            f'executor = "{name}" needs Parsl, which is not installed', remedy='pip install "frustra[hpc]"'
        )
    if shutil.which(command) is None:
        raise EngineError(f"no {command} on this machine", "a login node of the cluster", "run it there")
    if shlex.quote(str(root)) != str(root):  # Parsl writes it into shell commands as it is
        raise EngineError(
            f"the run's folder is {root}", "no spaces or signs of the shell in it", "choose another --out"
        )
