from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from frustra.analysis.arrhenius import arrhenius_of
from frustra.analysis.refine import Effort, effort_of, refine
from frustra.errors import AnalysisError, DataError
from frustra.ladder import Ladder, Point
from tests.analysis.worlds import EVENT, OVERHEAD, Search, World, refined, uniform

TARGET = 10.0
JUMP, KINK = World(523, jump=10, change=0.1), World(523, change=0.3)
SEEDS = range(6)


def ladder(world: World, temperatures: list[float], length: float, seed: int = 0) -> Ladder:
    rng = np.random.default_rng(seed)
    return Ladder("diffusivity", tuple(world.measured(t, length, rng) for t in temperatures))


def effort(points: Ladder, length: float, overhead: float = OVERHEAD) -> Effort:
    return effort_of(points, np.full(len(points.points), length), length, overhead)


def reached(searches: list[Search]) -> float:
    """Return the MD time in which at least half of the searches reach the target."""
    costs = [s.cost if s.width <= TARGET else np.inf for s in searches]
    return float(np.sort(costs)[(len(costs) - 1) // 2])


@cache
def searches(world: World, length: float) -> list[Search]:
    return [refined(world, length, seed, TARGET) for seed in SEEDS]


@pytest.mark.parametrize(
    ("world", "length", "lengths"),
    [(JUMP, 30.0, (30, 50, 100)), (KINK, 400.0, (1600, 2400, 3200))],
    ids=["jump", "kink"],
)
def test_ten_kelvin_take_at_most_half_the_md_time_of_the_best_uniform_ladder(
    world: World, length: float, lengths: tuple[float, ...]
) -> None:
    """The uniform ladder is the best, in hindsight, of many spacings and of all lengths that give a D."""
    best = min(
        reached([uniform(world, count, t, seed) for seed in SEEDS])
        for count in (26, 41, 51, 61)
        for t in lengths
    )
    assert reached(searches(world, length)) <= best / 2


@pytest.mark.parametrize(("world", "length"), [(JUMP, 30.0), (KINK, 400.0)], ids=["jump", "kink"])
def test_the_refined_interval_holds_the_true_temperature(world: World, length: float) -> None:
    found = searches(world, length)
    assert all(s.width <= TARGET for s in found)
    assert sum(s.covers(world.tc) for s in found) >= len(found) - 1  # of 95 %


def test_a_jump_is_looked_for_between_the_temperatures_that_enclose_it() -> None:
    points = ladder(JUMP, [400, 450, 500, 600, 700, 800], 2000)
    found = arrhenius_of(points)
    assert found.transition is not None
    assert (found.transition.low, found.transition.high) == (500, 600)
    one = refine(found, effort(points, 400), budget=400 + OVERHEAD)
    assert len(one.proposals) == 1
    assert one.proposals[0].temperature == pytest.approx(550, abs=15)  # as bisection would
    assert one.expected == pytest.approx(50, abs=12)
    three = refine(found, effort(points, 400), budget=3 * (400 + OVERHEAD))
    between = [p.temperature for p in three.proposals]
    assert all(500 < t < 600 for t in between)
    assert np.ptp(between) > 30  # they divide it


def test_a_kink_is_narrowed_from_both_sides() -> None:
    points = ladder(KINK, np.linspace(400, 800, 9).tolist(), 3000)
    found = arrhenius_of(points)
    assert found.transition is not None
    proposed = [p.temperature for p in refine(found, effort(points, 3000), budget=20_000).proposals]
    assert min(proposed) < found.transition.value < max(proposed)


def test_the_expected_interval_is_that_after_simulated_measurements() -> None:
    """The naive twin: draw a truth, measure it, analyse everything anew; the mean width must agree."""
    points = ladder(KINK, np.linspace(400, 800, 9).tolist(), 2000)
    found = arrhenius_of(points)
    plan = refine(found, effort(points, 2000), budget=2000 + OVERHEAD)
    (proposal,) = plan.proposals
    rng = np.random.default_rng(5)
    prediction = found.value_at(proposal.temperature)
    assert prediction is not None
    widths = []
    for _ in range(40):
        truth = rng.normal(prediction.value, prediction.std)
        events = rng.poisson(truth * proposal.length / EVENT)
        new = Point(
            proposal.temperature,
            events * EVENT / proposal.length,
            np.sqrt(events) * EVENT / proposal.length,
        )
        after = arrhenius_of([*points.points, new], "diffusivity").breaks.candidate
        widths.append(after.high - after.low)
    assert plan.expected == pytest.approx(np.mean(widths), rel=0.15)
    assert plan.expected < plan.interval


def test_what_is_proposed_costs_no_more_than_allowed() -> None:
    points = ladder(KINK, np.linspace(400, 800, 9).tolist(), 1000)
    found = arrhenius_of(points)
    for budget in (1015.0, 2500.0, 9000.0):
        plan = refine(found, effort(points, 1000), budget=budget)
        assert 0 < plan.cost <= budget
        assert plan.cost == sum(p.length + OVERHEAD for p in plan.proposals)


def test_dear_equilibration_makes_fewer_and_longer_runs() -> None:
    points = ladder(KINK, np.linspace(400, 800, 9).tolist(), 1000)
    found = arrhenius_of(points)
    cheap, dear = (refine(found, effort(points, 1000, o), budget=9000) for o in (0.0, 2000.0))
    assert len(dear.proposals) < len(cheap.proposals)
    assert max(p.length for p in dear.proposals) >= max(p.length for p in cheap.proposals)


def test_a_doubtful_break_is_put_to_the_test() -> None:
    points = ladder(KINK, [400, 500, 600, 700, 800], 100, seed=3)
    found = arrhenius_of(points)
    assert found.model == "undecided"
    plan = refine(found, effort(points, 100))
    assert plan.proposals
    assert "whether there is a break" in plan.reason


def test_a_line_leaves_nothing_to_refine() -> None:
    points = ladder(World(399), np.linspace(400, 800, 9).tolist(), 500)
    found = arrhenius_of(points)
    assert found.model == "line"
    assert found.breaks.log10_bayes < -0.5
    plan = refine(found, effort(points, 500))
    assert not plan.proposals
    assert "no break within 400–800 K" in plan.reason


def test_without_a_break_none_is_found_and_the_search_ends() -> None:
    """Looking again and again must not make a break out of noise."""
    found = [refined(World(399), 100.0, seed) for seed in range(10)]
    assert all(s.transition is None for s in found)
    assert np.median([s.cost for s in found]) < 2 * 5 * (100 + OVERHEAD)  # of the first five temperatures


def test_an_interval_that_is_narrow_enough_is_left_alone() -> None:
    points = ladder(JUMP, [400, 450, 500, 520, 525, 550, 600, 800], 400)
    plan = refine(arrhenius_of(points), effort(points, 400))
    assert not plan.proposals
    assert plan.interval == 5


def test_the_noise_of_runs_is_learnt_from_the_ladder() -> None:
    points = ladder(World(399), np.linspace(400, 800, 40).tolist(), 500)
    assert effort(points, 500).noise == pytest.approx(EVENT, rel=0.01)  # an event counts as one


def test_less_than_one_run_is_refused() -> None:
    points = ladder(JUMP, [400, 450, 500, 600, 700, 800], 400)
    with pytest.raises(AnalysisError, match="at least 415 ps"):
        refine(arrhenius_of(points), effort(points, 400), budget=100)


def test_without_errors_nothing_can_be_weighed() -> None:
    points = ladder(JUMP, [600, 700, 800], 400)
    bare = Ladder("diffusivity", tuple(replace(p, std=np.nan) for p in points.points))
    with pytest.raises(DataError, match="standard error"):
        effort(bare, 400)
