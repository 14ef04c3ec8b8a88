from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from frustra.analysis.equilibrium import RelaxedEnergy
from frustra.campaign.analyse import hysteresis

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


def ladder(*means: float) -> Any:
    """Return the analysis of runs with these mean energies at 300, 400, … K."""
    energies = [replace(COLD, temperature=300.0 + 100 * i, mean=mean) for i, mean in enumerate(means)]
    return SimpleNamespace(evidence=SimpleNamespace(energies=energies))


def test_runs_from_order_and_from_disorder_that_disagree_are_told() -> None:
    ordered, quenched = ladder(0.010, 0.020, 0.030), ladder(0.018, 0.0203, 0.0305)
    (warning,) = hysteresis("lyc", ordered, quenched)
    assert warning.startswith("lyc, 300 K: hysteresis: ")
    assert "10.0 ± 0.5 meV per ion from the ordered start and 18.0 ± 0.5 from the quenched one" in warning
    assert hysteresis("lyc", ordered, ordered) == []
