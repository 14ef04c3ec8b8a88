"""Real packages and real models. A skipped test is a failure here: `make test-extras` brings all it needs."""

from collections.abc import Generator, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from tests.extras.models import train_deepmd

HERE = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure here: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the packages warn: their deprecations are not ours to mend."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def crystal(data: Path) -> Atoms:
    """Return 30 atoms of Li3YCl6, strained and rattled, so that neither forces nor stress vanish."""
    atoms = read(data / "LYC_ordered_exp.cif")
    shape = np.array([[1.01, 0.005, 0.0], [0.005, 0.985, 0.008], [0.0, 0.008, 1.01]])
    atoms.set_cell(atoms.cell.array @ shape, scale_atoms=True)
    atoms.rattle(0.06, seed=2)
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)


@pytest.fixture(scope="session")
def worker() -> Iterator[Executor]:
    """Return another process, as a run has them."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="session")
def workshop() -> Iterator[Executor]:
    """Return the process that makes models.

    torch_geometric, which SevenNet imports, replaces functions of torch by some that TorchScript cannot
    compile; models are compiled where it is not imported.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="session")
def deep_potential(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Return a frozen Deep Potential."""
    return train_deepmd(tmp_path_factory.mktemp("deepmd"), data)
