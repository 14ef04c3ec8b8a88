from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from frustra.campaign.materials import materials_of
from frustra.campaign.pipeline import run_study
from frustra.campaign.study import load_study
from tests.campaign.program import study


class Elsewhere(Executor):
    """Workers whose files never appear here."""

    def __init__(self) -> None:
        self.jobs: list[str] = []

    def submit(self, fn: Callable[..., Any], /, *_: Any, **__: Any) -> Future[Any]:
        self.jobs.append(fn.__self__.name)  # type: ignore[attr-defined]
        future: Future[Any] = Future()
        future.set_result(None)
        return future


def test_workers_that_do_not_share_the_files_end_the_run_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frustra.campaign.pipeline.APPEARS", 0.3)
    file = study(tmp_path, "a", "b")
    materials = materials_of(load_study(file), tmp_path / "out", tmp_path)
    elsewhere = Elsewhere()
    outcome = run_study(materials, elsewhere, lambda *_: None)
    assert elsewhere.jobs == ["a walker 1", "b walker 1"]
    assert not outcome.analyses
    assert [f.material for f in outcome.failures] == ["a", "b"]
    assert "a file system that workers and this process share" in outcome.failures[0].reason
