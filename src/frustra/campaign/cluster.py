"""The executor of a cluster: workers in batch jobs of Slurm or PBS, by Parsl.

The run itself is a light process on a login node, from which Parsl starts the batch jobs. It is assumed that
the nodes see the same files under the same paths: the run's folder, and the environment that frustra runs in.
Every job script puts that environment first, so that run and workers are of one version.

What ends what: the run's normal end, Ctrl-C and SIGTERM cancel the batch jobs. After SIGKILL the interchange,
the process between run and workers, is ended by the kernel; workers that hear nothing for 20 s end, and their
batch job with them; jobs that still wait in the queue are cancelled by a small process that outlives the run.
"""

import logging
import os
import pickle
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from parsl.concurrent import ParslPoolExecutor
from parsl.config import Config
from parsl.dataflow.dflow import DataFlowKernel
from parsl.executors import HighThroughputExecutor
from parsl.executors.errors import BadStateException
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.launchers import SimpleLauncher, SrunLauncher, WrappedLauncher
from parsl.providers import PBSProProvider, SlurmProvider

from frustra.campaign.executors import GPUS, ResourceSettings, WorkersError, devices_of, seconds_of
from frustra.errors import EngineError

RETRIES = 2
"""How often a job is begun again whose worker was lost: at the walltime, or for want of memory."""

BEAT, LOST = 5, 20
"""Seconds between signs of life of cluster workers, and after which the other side counts as gone."""

CLOSING = 60
"""Seconds that the end of a run may take; what then remains is left to the process that outlives it."""

_END = """trap 'trap "" TERM; kill 0' EXIT"""
"""Ends with a job script what its workers started; not every scheduler does."""

_CANCEL = {"slurm": "scancel", "pbs": "qdel"}
_ASKS_GPUS = {"slurm": re.compile(r"--(gres|gpus)\b"), "pbs": re.compile(r"ngpus")}


_CUT_OFF = WorkersError("the process between the run and its workers was killed", remedy="run it again")


@contextmanager
def cluster_pool(resources: ResourceSettings, root: Path) -> Iterator[Executor]:
    """Give an executor whose workers are in batch jobs; at the end these are cancelled."""
    folder = root / "parsl"
    folder.mkdir(parents=True, exist_ok=True)
    with _log_to(folder / "driver.log"), _outliving(_CANCEL[resources.executor]) as tell:
        manager = _manager(resources, tell)
        kernel = DataFlowKernel(_config(manager, folder))
        pool = _ClusterPool(kernel, resources.gpus)
        threading.Thread(target=pool.fail_after, args=(manager.interchange_proc,), daemon=True).start()
        try:
            yield pool
        finally:
            if manager.interchange_proc.poll() is None:  # else Parsl would wait for it for ever
                closing = threading.Thread(target=kernel.cleanup, daemon=True)
                closing.start()
                closing.join(CLOSING)


class _ClusterPool(Executor):
    """Parsl's executor, with futures that can be cancelled and the package's exceptions."""

    def __init__(self, kernel: DataFlowKernel, gpus: int) -> None:
        self._parsl, self._gpus, self._folder = ParslPoolExecutor(dfk=kernel), gpus, Path(kernel.run_dir)
        self._lock, self._cut_off = threading.Lock(), False
        self._open: set[Future[Any]] = set()
        self._number = count()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the call in a batch job; a call that is cancelled may go on if it was begun, unheeded."""
        future: Future[Any] = Future()
        with self._lock:
            if self._cut_off:
                raise _CUT_OFF
            self._open.add(future)
        cancelled = self._folder / f"cancelled-{next(self._number)}"
        future.add_done_callback(lambda f: cancelled.touch() if f.cancelled() else None)
        call = pickle.dumps((fn, args, kwargs))
        task = self._parsl.submit(_perform, call, self._gpus, str(cancelled))
        task.add_done_callback(partial(self._hand_over, future))
        return future

    def _hand_over(self, future: Future[Any], task: Future[Any]) -> None:
        error = task.exception()
        self._settle(future, error and _explained(error, self._folder), None if error else task.result())

    def _settle(self, future: Future[Any], error: BaseException | None, result: Any) -> None:
        with self._lock:
            first = future in self._open
            self._open.discard(future)
        if first and future.set_running_or_notify_cancel():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def fail_after(self, interchange: "subprocess.Popen[bytes]") -> None:
        """Fail what is not done when the process ends that passes jobs to the workers."""
        interchange.wait()
        with self._lock:
            self._cut_off, waiting = True, list(self._open)
        for future in waiting:
            self._settle(future, _CUT_OFF, None)


def _perform(call: bytes, gpus: int, cancelled: str) -> Any:
    """Do in a worker of a batch job what was submitted, unless it was cancelled: Parsl itself cannot."""
    if Path(cancelled).exists():
        return None
    _pin(gpus)
    fn, args, kwargs = pickle.loads(call)  # noqa: S301 - from this run's own driver
    return fn(*args, **kwargs)


@cache
def _pin(gpus: int) -> None:
    """Let this worker see one GPU, before anything is loaded that looks for GPUs."""
    if devices := devices_of(gpus):
        os.environ[GPUS] = devices[int(os.environ["PARSL_WORKER_RANK"]) % len(devices)]


def _explained(error: BaseException, folder: Path) -> BaseException:
    """Say in the user's words what happened to the workers; leave what a job raised as it is."""
    if isinstance(error, ManagerLost | WorkerLost):
        return EngineError(
            f"a job lost its worker {RETRIES + 1} times, at last on {error.hostname}",
            "batch jobs that outlast a job",
            f"raise resources.memory, walltime or margin; the logs are in {folder}; finished steps are kept",
        )
    if isinstance(error, BadStateException):
        return WorkersError(
            f"the batch jobs do not start: {_last_words(str(error.reason))}",
            remedy=f"job scripts and logs are in {folder}",
        )
    return error


def _last_words(report: str) -> str:
    """Return what the last of the failed batch jobs wrote, from Parsl's report of them all."""
    last = re.split(r"Error \d+:\n", report)[-1]
    words = re.split(r"stderr=|STDERR:", last)[-1].split()
    return " ".join(words)[-400:].rstrip(".") or "they end without a word"


def _cost(error: Exception, _task: object) -> float:
    """Return what an error takes from the retries: all, unless a worker was lost."""
    return 1 if isinstance(error, ManagerLost | WorkerLost) else RETRIES + 1


def _config(manager: Any, folder: Path) -> Any:
    return Config(
        executors=[manager],
        retries=RETRIES,
        retry_handler=_cost,
        run_dir=str(folder),
        initialize_logging=False,
    )


def _manager(resources: ResourceSettings, tell: Callable[[str], None]) -> Any:
    """Return Parsl's part that passes jobs to workers; the jobs that it starts are told."""
    provider = _provider(resources)
    submit = provider.submit

    def submit_and_tell(*args: Any, **kwargs: Any) -> str:
        job = str(submit(*args, **kwargs))
        tell(job)
        return job

    provider.submit = submit_and_tell
    addresses = _addresses(resources.address)
    manager = HighThroughputExecutor(
        label="frustra",
        provider=provider,
        address=min(addresses),  # without one, Parsl asks a web page for this machine's
        max_workers_per_node=resources.workers or resources.gpus or None,
        cores_per_worker=resources.cores_per_worker,
        prefetch_capacity=0,
        heartbeat_period=BEAT,
        heartbeat_threshold=LOST,
        drain_period=seconds_of(resources.walltime) - 60 * resources.margin,
        interchange_launch_cmd=_interchange(),
        block_error_handler=windowed_error_handler,  # three batch jobs in a row
    )
    if not resources.address:
        manager.address, manager.all_addresses = None, addresses
    return manager


def _interchange() -> list[str]:
    """Return the command of the process between run and workers; it ends with the run, and workers with it.

    A session of its own keeps Ctrl-C from it, which Parsl needs it to survive.
    """
    module = [sys.executable, "-m", "parsl.executors.high_throughput.interchange"]
    return ["setpriv", "--pdeathsig", "TERM", "setsid", *module] if shutil.which("setpriv") else module


def _addresses(name: str) -> set[str]:
    """Return the addresses of this machine that workers try: that of the name, or of every interface."""
    if name:
        try:
            return {socket.gethostbyname(name)}
        except OSError:
            raise EngineError(f"resources.address = {name!r}", "a name or address of this machine") from None
    interfaces = psutil.net_if_addrs().values()
    found = {str(a.address) for every in interfaces for a in every if a.family == socket.AF_INET}
    return found or {"127.0.0.1"}


def _provider(resources: ResourceSettings) -> Any:
    """Return what writes and submits the job scripts."""
    workers = resources.workers or resources.gpus
    launcher: Any = SimpleLauncher()
    if resources.launch:
        launcher = WrappedLauncher(resources.launch)
    elif resources.nodes > 1:
        launcher = SrunLauncher(overrides="--ntasks-per-node=1 --cpus-per-task=$SLURM_CPUS_ON_NODE")
    mark = "#SBATCH" if resources.executor == "slurm" else "#PBS"
    shared: dict[str, Any] = {
        "account": resources.account or None,
        "nodes_per_block": resources.nodes,
        "init_blocks": 0,
        "min_blocks": 0,
        "max_blocks": resources.blocks,
        "walltime": resources.walltime,
        "scheduler_options": "".join(f"{mark} {line}\n" for line in resources.scheduler_options),
        "worker_init": "\n".join([_END, *resources.worker_init, *_preparation(resources)]),
        "launcher": launcher,
        "cmd_timeout": 60,
    }
    asked = any(_ASKS_GPUS[resources.executor].search(line) for line in resources.scheduler_options)
    gpus = 0 if asked else resources.gpus
    if resources.executor == "slurm":
        return SlurmProvider(
            partition=resources.queue or None,
            exclusive=not workers,
            cores_per_node=workers * resources.cores_per_worker or None,
            mem_per_node=resources.memory or None,
            gpus_per_node=gpus or None,
            **shared,
        )
    amounts = (f"mem={resources.memory}gb" if resources.memory else "", f"ngpus={gpus}" if gpus else "")
    return PBSProProvider(
        queue=resources.queue or None,
        cpus_per_node=workers * resources.cores_per_worker,
        select_options=":".join(amount for amount in amounts if amount),
        **shared,
    )


def _preparation(resources: ResourceSettings) -> list[str]:
    """Return the shell commands that make a worker's surroundings those of the run."""
    passed = {k: v for k, v in os.environ.items() if k.startswith("FRUSTRA_") or k == "PYTHONPATH"}
    wanted = {**passed, **resources.environment}
    return [
        f"cd {shlex.quote(str(Path.cwd()))}",
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(wanted.items())),
        f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
    ]


@contextmanager
def _outliving(cancel: str) -> Iterator[Callable[[str], None]]:
    """Start a process that cancels the batch jobs it was told of once this one is gone, even by SIGKILL.

    It matters for jobs that wait in the queue: a running one ends by itself when its run no longer answers.
    """
    script = f'while read -r id; do ids="$ids $id"; done; [ -z "$ids" ] || {cancel} $ids'
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 - a script of our own
        ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
    )
    pipe = process.stdin
    assert pipe is not None  # noqa: S101 - asked for

    def tell(job: str) -> None:
        pipe.write(f"{job}\n".encode())
        pipe.flush()

    try:
        yield tell
    finally:
        pipe.close()
        try:
            process.wait(CLOSING)
        except subprocess.TimeoutExpired:
            logging.getLogger("parsl").warning("%s does not answer", cancel)


@contextmanager
def _log_to(file: Path) -> Iterator[None]:
    """Write what Parsl reports into a file, and nothing to the terminal."""
    logger = logging.getLogger("parsl")
    before = logger.level, logger.propagate
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.setLevel(before[0])
        logger.propagate = before[1]
