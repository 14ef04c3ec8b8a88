from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from frustra.analysis.decorrelation import Decorrelation
from frustra.analysis.equilibrium import RelaxedEnergy
from frustra.analysis.sampling import FrameSample
from frustra.campaign.equilibrium import (
    branches,
    equilibrium_warnings,
    lower_states,
    sampling_result,
    sampling_warnings,
)
from frustra.campaign.frames import Sampling, chosen_frames, of_all, read_sampling, write_sampling
from frustra.io import read_structure, write_structure
from tests.helpers import LYC, trajectory

COLD = RelaxedEnergy(
    temperature=300.0,
    mean=0.010,
    std=0.0005,
    lowest=0.005,
    halves=(0.010, 0.010),
    halves_std=0.001,
    blocks=8,
    strain=0.0,
)

KNOWN = Sampling(40, 30, 30.0, tau=2.0, tau_std=0.1, is_lower_bound=False, frozen=False)
SHORT = Sampling(40, 16, 7.5, tau=5.0, tau_std=np.nan, is_lower_bound=True, frozen=False)
FROZEN = Sampling(40, 16, 1.0, tau=50.0, tau_std=np.nan, is_lower_bound=True, frozen=True)


def ladder(*means: float) -> list[RelaxedEnergy]:
    """Return runs with these mean energies at 300, 400, … K."""
    return [replace(COLD, temperature=300.0 + 100 * i, mean=mean) for i, mean in enumerate(means)]


def job(root: Path, sampling: Sampling = KNOWN, lower: float = 0.0, replica: int = 0) -> Any:
    """Return a finished run at 300 K whose lowest snapshot lies so far below the ground state."""
    settings = SimpleNamespace(sampling=SimpleNamespace(entropy_error=0.05))
    return SimpleNamespace(
        temperature=300.0,
        replica=replica,
        ions=10,
        ground_energy=-100.0,
        context=SimpleNamespace(root=root / "runs/x", base=root, study=settings),
        reference=lambda: (-99.9, lower),
        sampling=lambda: sampling,
        lower_state_file=root / "step/lowest.extxyz",
    )


def density(std: float, groups: int, states: int = 300) -> Any:
    total = np.array([0.0, 3.0, 5.0, 2.0])  # three bins hold states
    return SimpleNamespace(total=total, groups=groups, states=states, entropy=SimpleNamespace(std=std))


def row(kelvin: float, root: Path, sampling: Sampling, **of_density: Any) -> Any:
    found = sampling_result([job(root, sampling)], density(**of_density))
    return SimpleNamespace(T_K=kelvin, sampling=found)


def test_heating_and_cooling_stand_side_by_side_whichever_is_asked() -> None:
    ordered, quenched = ladder(0.010, 0.020, 0.030), ladder(0.018, 0.0203, 0.0305)
    found = branches("ordered", ordered, quenched)
    assert found == branches("quenched", quenched, ordered)
    assert [(b.T_K, b.heating_eV, b.cooling_eV, b.differ) for b in found] == [
        (300.0, 0.010, 0.018, True),
        (400.0, 0.020, 0.0203, False),
        (500.0, 0.030, 0.0305, False),
    ]
    assert branches("ordered", ordered, []) == []


def test_lower_states_are_named_by_temperature_and_energy_and_told_as_starts(tmp_path: Path) -> None:
    runs = [[job(tmp_path, lower=-0.02), job(tmp_path, lower=-0.05, replica=1)], [job(tmp_path)]]
    found = [state for state, _ in lower_states("lyc", runs)]
    assert [s.file for s in found] == [
        "lyc_lower_300K_-100.0500eV.extxyz",
        "lyc_lower_300K_-100.0200eV.extxyz",
    ]
    assert [(s.run, s.below_eV) for s in found] == [(2, 0.05), (1, 0.02)]
    assert found[0].start == f"runs/x/{found[0].file}"  # from the folder of the study file
    (told,) = equilibrium_warnings("lyc", SimpleNamespace(lower_states=found))  # type: ignore[arg-type]
    assert "found at 300 K lies 50 meV per cell below" in told
    assert f'starts = ["runs/x/{found[0].file}"]' in told
    assert "1 more" in told
    assert not list(equilibrium_warnings("lyc", SimpleNamespace(lower_states=[])))  # type: ignore[arg-type]


def test_a_lower_state_is_read_as_a_start(tmp_path: Path) -> None:
    ((state, _),) = lower_states("lyc", [[job(tmp_path, lower=-0.02)]])
    crystal = read_structure(LYC)
    write_structure(tmp_path / state.start, crystal)
    assert read_structure(tmp_path / state.start).positions == pytest.approx(crystal.positions)


def test_how_many_snapshots_are_needed_is_told_with_the_time_they_take(tmp_path: Path) -> None:
    found = sampling_result([job(tmp_path), job(tmp_path)], density(std=0.1, groups=60, states=600))
    assert (found.asked, found.taken, found.independent) == (80, 60, 60.0)
    assert (found.tau_ps, found.tau_std_ps) == (2.0, pytest.approx(0.1 / np.sqrt(2)))
    assert found.needed == 241  # (0.1/0.05)² · 60, and a little for the bias
    assert found.needed_ps == pytest.approx(2 * 2.0 * 241)
    assert found.enough is False
    assert found.entropy_bias_nat == pytest.approx(2 / 1200)
    assert sampling_result([job(tmp_path)], density(std=0.02, groups=30)).enough is True
    assert sampling_result([job(tmp_path)], None).needed is None


def test_what_is_wrong_with_the_sampling_is_told_in_one_sentence_for_each_kind(tmp_path: Path) -> None:
    rows = [
        row(300.0, tmp_path, FROZEN, std=0.0, groups=16),
        row(400.0, tmp_path, SHORT, std=0.1, groups=16),
        row(500.0, tmp_path, KNOWN, std=0.1, groups=30),
        row(600.0, tmp_path, KNOWN, std=0.01, groups=30),
    ]
    frozen, short, few = sampling_warnings("lyc", rows)
    assert frozen.startswith("lyc, 300 K: no ion changed its site")
    assert "400 K (τ > 5 ps)" in short
    assert "at 400 K at most 8 of 65 (more than 6.5e+02 ps of MD)" in few
    assert "at 500 K 30 of 121 (4.8e+02 ps of MD)" in few
    assert "600" not in few
    assert rows[0].sampling.enough is False
    assert rows[0].sampling.needed is None


def test_a_choice_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = Decorrelation(400, 400, 0.1, np.ones(3), 20.0, 2.0, False, False)
    sample = FrameSample(np.arange(10), 40, 10.0, found)
    write_sampling(tmp_path / "s.json", sample, "")
    assert read_sampling(tmp_path / "s.json") == Sampling(40, 10, 10.0, 1.0, 0.1, False, False)
    write_sampling(tmp_path / "s.json", FrameSample(np.arange(10), 10, np.nan, None), "no sites")
    unknown = read_sampling(tmp_path / "s.json")
    assert np.isnan([unknown.tau, unknown.tau_std, unknown.independent]).all()
    assert unknown.note == of_all([KNOWN, unknown]).note == "no sites"
    assert not unknown.frozen


def test_without_sites_frames_are_evenly_spaced_and_it_is_said_why() -> None:
    ground = read_structure(LYC)
    run = trajectory(np.zeros((20, 2, 3)))
    sample, note = chosen_frames(run, ground, "Cl", ("Cl",), 5, 2)
    assert len(sample) == 5
    assert "Cl is itself among the anions" in note
    sample, note = chosen_frames(run, ground, "Li", ("Cl",), 5, 2)  # a run of another crystal
    assert len(sample) == 5
    assert note
