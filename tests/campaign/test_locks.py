import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from frustra.campaign.locks import holder, is_held, locked
from frustra.campaign.workflow import Step
from frustra.errors import DataError
from tests.campaign.program import comes_true

HOLDS = """
import sys
from pathlib import Path
from frustra.campaign.locks import locked
with locked(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    input()
"""


@contextmanager
def another(lock: Path) -> Iterator["subprocess.Popen[str]"]:
    """Give another process that holds the lock until it is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    lock = tmp_path / "run/lock"
    with another(lock) as first:
        assert is_held(lock)
        named = f"the run is in use by process {first.pid} on {socket.gethostname()}"
        with pytest.raises(DataError, match=named), locked(lock, "the run"):
            pass
        assert holder(lock).startswith(f"process {first.pid} on ")
        first.communicate("\n")
        assert not is_held(lock)
        with locked(lock, "the run"):
            assert json.loads(lock.read_text(encoding="utf-8"))["process"] == os.getpid()


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with another(lock) as first:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        with locked(lock, "the run"):
            assert is_held(lock)
    assert not is_held(lock)


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with another(lock) as first:
        assert first.stdin is not None
        first.stdin.write("\n")
        first.stdin.flush()
        with locked(lock, "the run", wait=30):
            assert comes_true(lambda: first.poll() == 0, within=10)


def test_it_is_given_back_whatever_happens(tmp_path: Path) -> None:
    def interrupted() -> None:
        with locked(tmp_path / "new/lock", "the run"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not is_held(tmp_path / "new/lock")
    assert not is_held(tmp_path / "missing")


@pytest.mark.parametrize(
    "content", ["", "not JSON", "3", '{"process": "x"}', '{"process": 1, "host": "elsewhere"}']
)
def test_what_the_file_says_does_not_matter_if_nobody_holds_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock").write_text(content, encoding="utf-8")
    assert holder(tmp_path / "lock") == "another process"
    with locked(tmp_path / "lock", "the run"):
        assert holder(tmp_path / "lock").startswith(f"process {os.getpid()} on ")


def test_where_the_file_system_has_no_locks_a_living_holder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("frustra.campaign.locks.fcntl.flock", missing)
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        told = {"process": process.pid, "host": socket.gethostname(), "since": "now"}
        lock.write_text(json.dumps(told), encoding="utf-8")
        assert is_held(lock)
        with pytest.raises(DataError, match=f"process {process.pid}"), locked(lock, "the run"):
            pass
        process.communicate(b"\n")
    with locked(lock, "the run"):
        assert json.loads(lock.read_text(encoding="utf-8"))["process"] == os.getpid()
    lock.write_text(json.dumps({**told, "host": "elsewhere"}), encoding="utf-8")
    assert is_held(lock)  # nothing can be known of another host's process


def test_a_step_that_another_process_has_just_done_is_not_done_again(tmp_path: Path) -> None:
    step = Step(tmp_path, "md", {})
    script = (
        "import sys, time; from pathlib import Path; from frustra.campaign.workflow import Step\n"
        "def work(folder): print('begun', flush=True); time.sleep(1); (folder / 'by').write_text('other')\n"
        "Step(Path(sys.argv[1]), 'md', {}).perform(work)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        step.perform(lambda folder: (folder / "by").write_text("me", encoding="utf-8"))
    assert (step.folder / "by").read_text(encoding="utf-8") == "other"
    assert sorted(p.name for p in step.folder.iterdir()) == ["by", "done.json", "inputs.json"]
