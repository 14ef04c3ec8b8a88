"""Batched relaxation and MD by torch-sim; needs Python 3.12 and the extras torchsim and sevennet.

Not part of `make test` nor of `make test-extras`, which run on Python 3.11 too. In an environment of its own:

    pip install -e ".[torchsim,sevennet]" pytest && pytest tests/python312
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch_sim  # noqa: F401

from frustra.engines.batched import run_md_batched
from frustra.engines.calculator import CalculatorPotential
from frustra.engines.relax import RelaxSettings, relax_frames
from frustra.engines.zoo import load_potential
from frustra.errors import EngineError, PotentialError
from frustra.io import read_structure

pytestmark = pytest.mark.filterwarnings("ignore")

CRYSTAL = Path(__file__).parents[2] / "examples/li3ycl6/Li3YCl6.cif"


@pytest.fixture(scope="module")
def sevennet() -> CalculatorPotential:
    potential = load_potential("sevennet:7net-0")
    assert isinstance(potential, CalculatorPotential)
    return potential


@pytest.fixture(scope="module")
def crystal() -> Atoms:
    return read_structure(CRYSTAL)


def test_a_batch_relaxes_as_frames_do_one_by_one(sevennet: CalculatorPotential, crystal: Atoms) -> None:
    rng = np.random.default_rng(0)
    frames = [crystal.copy() for _ in range(3)]
    for frame, size in zip(frames, (0.02, 0.05, 0.08), strict=True):
        frame.positions += rng.normal(0, size, frame.positions.shape)
    one_by_one = relax_frames(frames, sevennet, RelaxSettings(fmax=0.01))
    for batch in (2, 3):
        together = relax_frames(frames, sevennet, RelaxSettings(fmax=0.01, batch=batch))
        assert together.converged.all()
        assert together.fmax.max() <= 0.0101
        np.testing.assert_allclose(together.energies, one_by_one.energies, atol=2e-3)
        np.testing.assert_allclose(together.atomic_energies, one_by_one.atomic_energies, atol=5e-3)
        assert together.force_calls.max() < 2 * one_by_one.force_calls.max()


def test_a_frame_that_does_not_converge_is_reported(sevennet: CalculatorPotential, crystal: Atoms) -> None:
    hot = crystal.copy()
    hot.positions += np.random.default_rng(1).normal(0, 0.15, hot.positions.shape)
    relaxed = relax_frames([crystal, hot], sevennet, RelaxSettings(fmax=0.005, max_steps=10, batch=2))
    assert not relaxed.converged[1]
    assert relaxed.reason[1] == "10 steps"


def test_each_system_has_its_own_temperature(sevennet: CalculatorPotential, crystal: Atoms) -> None:
    cold, hot = run_md_batched([crystal, crystal], sevennet, [50.0, 1200.0], 200, 20, 0.002, 0.05, seed=1)
    assert [len(cold), len(hot)] == [10, 10]
    assert (cold.temperature, hot.temperature) == (50.0, 1200.0)
    assert cold.timestep == pytest.approx(0.04)

    def spread(run: object) -> float:
        moved = run.positions[5:] - crystal.positions  # type: ignore[attr-defined]
        return float(np.sqrt((moved**2).mean()))

    assert spread(hot) > 2 * spread(cold)


def test_refusals(sevennet: CalculatorPotential, crystal: Atoms) -> None:
    with pytest.raises(EngineError, match="1 temperatures for 2 starts"):
        run_md_batched([crystal, crystal], sevennet, [300.0], 10, 5, 0.002, 0.1, seed=1)
    from ase.calculators.lj import LennardJones  # noqa: PLC0415, TID251

    plain = CalculatorPotential("ase:lj", LennardJones, "x")
    with pytest.raises(PotentialError, match="no batched model"):
        relax_frames([crystal], plain, RelaxSettings(batch=2))
