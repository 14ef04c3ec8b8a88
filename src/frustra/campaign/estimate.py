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

    @property
    def seconds(self) -> float:
        """Wall time, if nothing is done yet and every worker is busy."""
        return sum(a * f / self.speeds[n.split(" ", 1)[0]] for n, a, f in self.jobs) / self.workers


def estimate(materials: Sequence[Material], workers: int) -> Estimate:
    """Return tasks, force calls and an estimate of the time from a short measurement of the speed."""
    speeds = {m.context.material: measured_speed(m.starts[0], m.context.potential) for m in materials}
    jobs = [(job.name, len(m.starts[0]), job.force_calls) for m in materials for job in m.planned()]
    return Estimate(tuple(jobs), speeds, workers)
