"""A study in a real Slurm: its driver is killed in the middle, and the resumed run equals a local one."""

from pathlib import Path

from tests.campaign.program import assert_same, complete, finished, frustra, running, study
from tests.extras.slurm_fixture import Slurm, slurm

__all__ = ["slurm"]

RESOURCES = """
[resources]
executor = "slurm"
workers = 2
walltime = "00:30:00"
margin = 5
"""


def test_a_study_in_slurm_survives_its_driver_and_equals_a_local_run(slurm: Slurm, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    complete(study(here, "a", "b"), here / "out")
    file, out = study(there, "a", "b"), there / "out"
    file.write_text(file.read_text(encoding="utf-8") + RESOURCES, encoding="utf-8")
    with running(file, out) as run:
        run.wait_for_file("*/*/md-*.part/md/piece-000001.npz")
        assert len(slurm.jobs()) == 1
        kept = finished(out)
        assert kept
        run.kill()
        slurm.emptied()
    assert not (out / "results.json").exists()
    shown = frustra("status", out).stdout
    assert "nothing works on it now" in shown
    assert " left" in shown
    complete(file, out)
    assert finished(out).items() >= kept.items()
    assert_same(out, here / "out")
    slurm.emptied()
