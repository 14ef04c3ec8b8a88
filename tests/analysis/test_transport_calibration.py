"""Of 200 walks with a known D, 92–98 % hold it in their 95 % interval; `pytest -s` prints the table."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from frustra.analysis.transport import Diffusion, diffusion_of
from tests.helpers import trajectory

RUNS = 200
HELD = (0.92 * RUNS, 0.98 * RUNS)
JUMP = 3.0


@dataclass(frozen=True)
class Walk:
    """Ions that hop on a cubic lattice of 3 Å and vibrate."""

    ions: int
    frames: int
    jumps: float
    """Expected, of all ions together, before any returns."""
    vibration: float = 0.1
    memory: float = 0.0
    """Correlation of the vibration between frames (Ornstein–Uhlenbeck)."""
    returns: float = 0.0
    """Probability that a jump is undone, 1 + a geometric number of frames (mean 2.5) later."""
    together: int = 1
    """Ions that always jump together."""
    alike: bool = True
    """Whether those go the same way."""
    mobile: float = 1.0
    """Probability that an ion jumps at all."""
    along: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    """Share of the jumps along each axis."""
    replicas: int = 1

    @property
    def truth(self) -> float:
        """D = a² Γ (1 − p)/6 with Γ jumps per ion and frame, of which the share p is undone."""
        return JUMP**2 * self.jumps * (1 - self.returns) / (6 * self.ions * (self.frames - 1))

    def positions(self, rng: np.random.Generator) -> np.ndarray:
        size = (self.frames - 1, self.ions // self.together)
        rate = self.jumps / self.ions / size[0] / self.mobile
        jumping = (rng.random(size) < rate) & (rng.random(size[1]) < self.mobile)
        jumping = np.repeat(jumping, self.together, axis=1)
        ways = (*size, 1 if self.alike else self.together)
        axis, sign = rng.choice(3, ways, p=self.along), rng.choice([-JUMP, JUMP], ways)
        axis, sign = (np.repeat(v, self.ions // size[1] // ways[2], axis=2) for v in (axis, sign))
        steps = np.zeros((*jumping.shape, 3))
        np.put_along_axis(
            steps,
            axis.reshape(jumping.shape)[..., None],
            (sign.reshape(jumping.shape) * jumping)[..., None],
            2,
        )
        time, ion = np.nonzero(jumping & (rng.random(jumping.shape) < self.returns))
        back = time + rng.geometric(0.4, len(time))
        time, ion, back = (v[back < size[0]] for v in (time, ion, back))
        np.add.at(steps, (back, ion), -steps[time, ion].copy())
        walk = np.concatenate([np.zeros((1, self.ions, 3)), np.cumsum(steps, axis=0)])
        noise = rng.normal(size=walk.shape)
        for t in range(1, self.frames) if self.memory else ():
            noise[t] = self.memory * noise[t - 1] + np.sqrt(1 - self.memory**2) * noise[t]
        return walk + self.vibration * noise

    @cache  # noqa: B019 - a few walks, read by several tests
    def found(self) -> list[Diffusion]:
        rng = np.random.default_rng([self.ions, self.frames, int(self.jumps), self.together])
        runs = range(self.replicas)
        return [diffusion_of([trajectory(self.positions(rng)) for _ in runs], "Li") for _ in range(RUNS)]


CASES = {
    "short, 20 ions": Walk(20, 200, 30),
    "short, 72 ions": Walk(72, 150, 30),
    "100 jumps": Walk(40, 150, 100),
    "long": Walk(20, 600, 3000),
    "vibration as in a crystal": Walk(20, 300, 150, vibration=0.3, memory=0.8),
    "three jumps of ten undone": Walk(20, 300, 450, returns=0.3),
    "four ions jump together": Walk(40, 400, 1200, together=4),
    "four ions jump at a time": Walk(40, 400, 1200, together=4, alike=False),
    "five ions": Walk(5, 300, 150),
    "one ion": Walk(1, 500, 200),
    "half of the ions immobile": Walk(40, 200, 200, mobile=0.5),
    "mostly along c": Walk(20, 300, 400, along=(0.1, 0.1, 0.8)),
    "three runs": Walk(8, 150, 40, replicas=3),
}


def report(name: str, held: dict[str, float], found: list[Diffusion], truth: float) -> None:
    measured = np.array([(d.value, d.std) for d in found if not d.is_upper_bound]) / truth
    print(  # noqa: T201 - for `pytest -s`
        f"\n{name:28s} bounds {1 - len(measured) / len(found):5.1%}  D/truth {measured[:, 0].mean():.3f}"
        f"  scatter {measured[:, 0].std():.3f}  error {np.sqrt((measured[:, 1] ** 2).mean()):.3f}  "
        + "  ".join(f"{k} {v / RUNS:.1%}" for k, v in held.items()),
        end="",
    )


@pytest.mark.parametrize("name", CASES)
def test_the_error_and_the_interval_hold_the_true_diffusivity_in_95_of_100_runs(name: str) -> None:
    walk = CASES[name]
    found, truth = walk.found(), walk.truth
    held = {
        "±1.96 std": sum(
            d.value > truth if d.is_upper_bound else abs(d.value - truth) < 1.96 * d.std for d in found
        ),
        "interval": sum(d.low < truth < d.high for d in found),
    }
    report(name, held, found, truth)
    assert HELD[0] <= held["±1.96 std"] <= HELD[1]
    assert HELD[0] <= held["interval"] <= HELD[1]


@pytest.mark.parametrize(
    ("name", "truth"), [("four ions jump together", 1 / 4), ("long", 1.0), ("one ion", 1.0)]
)
def test_collective_diffusivity_and_haven_ratio_are_those_of_the_closed_form(name: str, truth: float) -> None:
    # ions that go together in groups of g carry g times the charge per jump: D_charge = g D, H = 1/g
    walk = CASES[name]
    found = walk.found()
    told = [d for d in found if d.charge_diffusivity is not None and d.haven is not None]
    charge = sum(d.charge_diffusivity.low < walk.truth / truth < d.charge_diffusivity.high for d in told)
    haven = sum(d.haven.low < truth < d.haven.high for d in told)
    values = np.array([d.charge_diffusivity.value for d in told]) * truth / walk.truth
    print(f"\n{name:28s} charge {charge / len(told):.1%}  Haven {haven / len(told):.1%}", end="")  # noqa: T201
    assert len(told) > 0.9 * RUNS
    assert values.mean() == pytest.approx(1, abs=4 * values.std(ddof=1) / np.sqrt(len(told)))
    assert charge >= HELD[0] / RUNS * len(told)
    assert haven >= HELD[0] / RUNS * len(told)  # the errors of both are added as if they were independent


@pytest.mark.parametrize(("name", "truth"), [("mostly along c", 8.0), ("long", 1.0)])
def test_anisotropy_and_axes_are_those_of_the_walk(name: str, truth: float) -> None:
    walk = CASES[name]
    found = [d for d in walk.found() if d.anisotropy is not None]
    held = sum(d.anisotropy.low < truth < d.anisotropy.high for d in found)
    axes = [
        sum(d.axes[k].low < 3 * share * walk.truth < d.axes[k].high for d in walk.found())
        for k, share in enumerate(walk.along)
    ]
    each = " ".join(f"{n / RUNS:.1%}" for n in axes)
    print(f"\n{name:28s} D_c/D_ab {held / len(found):.1%}  axes {each}", end="")  # noqa: T201
    assert len(found) > 0.9 * RUNS
    assert HELD[0] / RUNS <= held / len(found) <= HELD[1] / RUNS
    assert min(axes) >= HELD[0]


def test_concerted_jumps_widen_the_error_as_they_widen_the_scatter() -> None:
    walk = CASES["four ions jump together"]
    found = np.array([(d.value, d.std) for d in walk.found()])
    alone = Walk(walk.ions, walk.frames, walk.jumps)
    rng = np.random.default_rng(1)
    errors = [diffusion_of(trajectory(alone.positions(rng)), "Li").std for _ in range(20)]
    assert found[:, 0].std() == pytest.approx(np.sqrt((found[:, 1] ** 2).mean()), rel=0.25)
    assert np.median(found[:, 1]) > 1.5 * np.median(errors)
