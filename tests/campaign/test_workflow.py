import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frustra.campaign.workflow import (
    DONE,
    LOCK,
    JobProgress,
    Step,
    clear_parts,
    empty,
    is_whole,
    read_progress,
)
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
    assert read_json(folder / "inputs.json") == {"version": 1, **INPUTS}
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


def test_a_second_try_finds_what_the_first_left_but_no_half_written_files(tmp_path: Path) -> None:
    step, seen = Step(tmp_path, "md", INPUTS), []

    def first(folder: Path) -> None:
        (folder / "md").mkdir()
        for name in ("md/piece", "md/.piece-x7", ".trajectory-q1.h5"):
            (folder / name).write_text("1", encoding="utf-8")
        raise RuntimeError("no luck")

    def second(folder: Path) -> None:
        seen.extend(sorted(p.name for p in folder.rglob("*") if p.is_file()))

    with pytest.raises(RuntimeError, match="no luck"):
        step.perform(first)
    assert "no luck" in read_json(step.failure)["error"]
    step.perform(second)
    assert seen == ["inputs.json", LOCK, "piece"]
    assert not step.failure.exists()
    assert step.is_done


def test_a_full_disk_is_told_in_one_sentence_whoever_notices_it(tmp_path: Path) -> None:
    def work(_: Path) -> None:
        raise RuntimeError(f"flush failed, errno = 28, error message = '{os.strerror(errno.ENOSPC)}'")

    step = Step(tmp_path, "md", INPUTS)
    with pytest.raises(DataError, match=r"no space left in .*finished steps are kept"):
        step.perform(work)
    assert "no space left" in read_json(step.failure)["error"]


def test_a_folder_without_the_mark_of_a_finished_step_is_made_anew(tmp_path: Path) -> None:
    step = Step(tmp_path, "md", INPUTS)
    step.folder.mkdir(parents=True)
    (step.folder / "outcome.txt").write_text("half", encoding="utf-8")
    assert not step.is_done
    step.perform(writes("whole"))
    assert (step.folder / "outcome.txt").read_text(encoding="utf-8") == "whole"


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def alter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def garble(path: Path) -> None:
    path.write_text("[1, 2]", encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        ("outcome.txt", halve),
        ("outcome.txt", alter),
        ("outcome.txt", Path.unlink),
        ("deep/outcome.txt", halve),
        ("inputs.json", halve),
        (DONE, halve),
        (DONE, garble),
        (DONE, Path.unlink),
    ],
)
def test_a_damaged_step_is_put_aside_and_done_anew(
    tmp_path: Path, file: str, harm: Callable[[Path], None]
) -> None:
    def work(folder: Path) -> None:
        (folder / "deep").mkdir()
        for name in ("outcome.txt", "deep/outcome.txt"):
            (folder / name).write_text("0123456789", encoding="utf-8")

    step = Step(tmp_path, "md", INPUTS)
    harm(step.perform(work) / file)
    assert not step.is_done
    calls: list[Path] = []
    step.perform(lambda folder: (calls.append(folder), work(folder))[1])
    assert len(calls) == 1
    assert step.is_done
    (aside,) = [n for n in names(tmp_path) if n != step.folder.name]
    assert aside.startswith(f"{step.folder.name}.damaged-")


def test_a_touched_or_copied_step_stays_done(tmp_path: Path) -> None:
    step = Step(tmp_path, "md", INPUTS)
    folder = step.perform(writes("yes"))
    os.utime(folder / "outcome.txt", (0, 0))
    assert step.is_done
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    assert is_whole(tmp_path / "copy")


def test_another_version_of_the_code_is_another_step(tmp_path: Path) -> None:
    first, second = (Step(tmp_path, "md", INPUTS, version) for version in (1, 2))
    assert first.key != second.key
    assert first.key == Step(tmp_path / "elsewhere", "md", INPUTS).key
    first.perform(writes("old"))
    assert not second.is_done


def test_what_a_part_holds_can_be_emptied_under_its_lock(tmp_path: Path) -> None:
    (tmp_path / "md").mkdir()
    for name in (LOCK, "md/piece", "inputs.json"):
        (tmp_path / name).touch()
    empty(tmp_path)
    assert names(tmp_path) == [LOCK]


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
    half = Step(tmp_path / "300K", "cell", INPUTS)
    with pytest.raises(RuntimeError, match="no luck"):
        half.perform(fails)
    (half.part / "inside").mkdir()
    clear_parts(tmp_path)
    assert names(tmp_path / "300K") == sorted([done.name, half.failure.name])
    clear_parts(tmp_path / "nothing here")


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
