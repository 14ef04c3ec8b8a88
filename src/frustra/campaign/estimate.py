"""What a run would cost: tasks, force calls and time."""

from collections.abc import Sequence
from dataclasses import dataclass

from frustra.campaign.materials import Material
from frustra.engines.md import measured_speed


@dataclass(frozen=True)
class Estimate:
    """What a run would cost."""

    jobs: tuple[tuple[str, int, int], ...]
    """(name, atoms, force calls) of each job."""
    speeds: dict[str, float]
    """Measured here, material → atom-steps/s of one worker."""
    workers: int
    seconds: float
    """Wall time, if nothing is done yet and every worker is busy."""


def estimate(materials: Sequence[Material], workers: int) -> Estimate:
    """Return tasks, force calls and an estimate of the time from a short measurement of the speed."""
    jobs: list[tuple[str, int, int]] = []
    speeds: dict[str, float] = {}
    seconds = 0.0
    for m in materials:
        speed = measured_speed(m.starts[0], m.context.potential)
        planned = [(job.name, len(m.starts[0]), job.force_calls) for job in m.planned()]
        speeds[m.context.material] = speed
        seconds += sum(atoms * calls for _, atoms, calls in planned) / speed / workers
        jobs += planned
    return Estimate(tuple(jobs), speeds, workers, seconds)
