import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.campaign.workflow import DONE, JobProgress, RunLock, Step, clear_parts, read_progress
from frustra.errors import DataError
from frustra.io import read_json

INPUTS: dict[str, Any] = {"temperature": 300.0, "md": {"timestep": 2.0, "cell": "npt"}, "previous": ["abc"]}


def writes(text: str) -> Any:
    def work(folder: Path) -> None:
        (folder / "outcome.txt").write_text(text, encoding="utf-8")

    return work


def fails(folder: Path) -> None:
    (folder / "half.txt").write_text("half", encoding="utf-8")
    raise RuntimeError("no luck")


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def test_a_step_is_done_once(tmp_path: Path) -> None:
    calls: list[Path] = []
    step = Step(tmp_path, "md", INPUTS)
    assert not step.is_done
    folders = [step.perform(calls.append) for _ in range(3)]
    folders.append(Step(tmp_path, "md", dict(reversed(INPUTS.items()))).perform(calls.append))
    assert len(calls) == 1
    assert set(folders) == {step.folder}
    assert step.is_done


def test_a_step_leaves_its_outcome_its_inputs_and_its_duration(tmp_path: Path) -> None:
    folder = Step(tmp_path / "deep/er", "md", INPUTS).perform(writes("yes"))
    assert names(folder) == sorted([DONE, "inputs.json", "outcome.txt"])
    assert read_json(folder / "inputs.json") == INPUTS
    assert read_json(folder / DONE)["step"] == "md"
    assert read_json(folder / DONE)["seconds"] >= 0
    assert names(tmp_path / "deep/er") == [folder.name]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failing_work_leaves_no_folder_under_the_final_name(
    tmp_path: Path, error: type[BaseException]
) -> None:
    step = Step(tmp_path, "md", INPUTS)

    def work(_: Path) -> None:
        raise error

    with pytest.raises(error):
        step.perform(work)
    assert not step.folder.exists()
    assert not step.is_done
    step.perform(writes("second try"))
    assert (step.folder / "outcome.txt").read_text(encoding="utf-8") == "second try"


def test_a_second_try_finds_nothing_of_the_first(tmp_path: Path) -> None:
    step = Step(tmp_path, "md", INPUTS)
    with pytest.raises(RuntimeError, match="no luck"):
        step.perform(fails)
    assert "half.txt" not in names(step.perform(writes("yes")))


def test_a_folder_without_the_mark_of_a_finished_step_is_made_anew(tmp_path: Path) -> None:
    step = Step(tmp_path, "md", INPUTS)
    step.folder.mkdir(parents=True)
    (step.folder / "outcome.txt").write_text("half", encoding="utf-8")
    assert not step.is_done
    step.perform(writes("whole"))
    assert (step.folder / "outcome.txt").read_text(encoding="utf-8") == "whole"


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("cell", INPUTS),
        ("md", {**INPUTS, "temperature": 300.1}),
        ("md", {**INPUTS, "md": {"timestep": 2.0, "cell": "fixed"}}),
        ("md", {**INPUTS, "previous": ["abd"]}),
        ("md", {**INPUTS, "more": None}),
    ],
)
def test_changed_inputs_make_a_new_folder_and_keep_the_old(
    tmp_path: Path, name: str, inputs: dict[str, Any]
) -> None:
    old = Step(tmp_path, "md", INPUTS).perform(writes("old"))
    new = Step(tmp_path, name, inputs).perform(writes("new"))
    assert new != old
    assert (old / "outcome.txt").read_text(encoding="utf-8") == "old"


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(allow_nan=False)), max_size=5)
)
def test_the_key_depends_on_content_not_on_order(inputs: dict[str, Any]) -> None:
    forth = Step(Path(), "a", inputs)
    back = Step(Path("elsewhere"), "a", dict(reversed(inputs.items())))
    assert forth.key == back.key
    assert forth.key != Step(Path(), "a", {**inputs, "\0": 1}).key
    assert forth.folder.name == f"a-{forth.key}"


def test_what_killed_runs_left_half_done_is_removed_and_nothing_else(tmp_path: Path) -> None:
    done = Step(tmp_path / "300K", "md", INPUTS).perform(writes("yes"))
    with pytest.raises(RuntimeError, match="no luck"):
        Step(tmp_path / "300K", "cell", INPUTS).perform(fails)
    half = done.with_name(f"{done.name}.part-1")
    (half / "inside").mkdir(parents=True)
    clear_parts(tmp_path)
    assert names(tmp_path / "300K") == [done.name]
    clear_parts(tmp_path / "nothing here")


def test_a_folder_is_refused_while_its_process_lives_and_taken_over_when_it_is_dead(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        lock.write_text(str(process.pid), encoding="utf-8")
        with pytest.raises(DataError, match=f"in use by process {process.pid}"), RunLock(tmp_path):
            pass
        assert lock.read_text(encoding="utf-8") == str(process.pid)  # still the other's
        process.communicate(b"\n")
    with RunLock(tmp_path):
        assert lock.read_text(encoding="utf-8") == str(os.getpid())
    assert not lock.exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not a number",
        "-1",
        *(s for s in ("0", 20 * "9")),
    ],
)
def test_a_lock_that_names_no_process_is_taken_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock").write_text(content, encoding="utf-8")
    with RunLock(tmp_path):
        assert (tmp_path / "lock").read_text(encoding="utf-8") == str(os.getpid())


def test_the_lock_is_given_back_whatever_happens(tmp_path: Path) -> None:
    root = tmp_path / "new/run"

    def interrupted() -> None:
        with RunLock(root):
            assert (root / "lock").is_file()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (root / "lock").exists()


def test_progress_is_what_the_job_told_last(tmp_path: Path) -> None:
    assert read_progress(tmp_path, "m 300 K") is None
    job = JobProgress(tmp_path, "m 300 K")
    job.stage("production", base=100)
    assert read_progress(tmp_path, "m 300 K") == ("production", 100)
    JobProgress(tmp_path, "m 400 K").stage("relaxing", base=7)
    job.stage("relaxing snapshots", base=200)
    assert read_progress(tmp_path, "m 300 K") == ("relaxing snapshots", 200)
    assert read_progress(tmp_path, "m 400 K") == ("relaxing", 7)
    job.end()
    assert read_progress(tmp_path, "m 300 K") is None


def test_progress_within_a_stage_counts_from_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("frustra.campaign.workflow.time.monotonic", lambda: now[0])
    tell = JobProgress(tmp_path, "a").stage("production", base=100)
    now[0] += 0.01
    tell(5)
    assert read_progress(tmp_path, "a") == ("production", 100)  # not more than twice a second
    now[0] += 1.0
    tell(8)
    assert read_progress(tmp_path, "a") == ("production", 108)
