"""Figures of transitions show what the records hold: read back from the artists."""

from typing import Any

import numpy as np
import pytest

from frustra.analysis.transitions.survey import TransitionsAt, survey_transitions
from frustra.plots.style import style
from frustra.plots.transitions import MOST, plot_joint, plot_levels, plot_shares
from frustra.units import MEV
from tests.analysis.test_transitions import made, split, tabulated


def survey(count: int = 60) -> Any:
    table, _, _ = tabulated(count=count, rates=(0.3, 1.0))
    return survey_transitions(table, -3.0, 0.005, np.random.default_rng(0), 20)


def arrows(ax: Any) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return tails and heads of the arrows."""
    return [(t.xyann, t.xy) for t in ax.texts if getattr(t, "arrowprops", None)]


def test_arrows_lead_from_level_to_level() -> None:
    found = survey()
    (at,) = found.temperatures
    direct, by_tet = plot_levels([at])
    ways = at.ways.select(at.ways.pathway == "oct–tet–oct")
    settled = ~np.isnan(ways.middle).any(axis=1)
    assert len(arrows(by_tet)) == (2 * settled + ~settled).sum() > 4
    for (x, y), (there, z) in arrows(by_tet):
        assert there > x
        levels = {0: 0.0, 1: 0.1 * MEV, 2: 0.0}
        assert (y, z) == pytest.approx((levels[int(x)], levels[int(there)]))
    assert len(arrows(direct)) == (at.ways.pathway == "oct–oct").sum()
    assert "Oct–Tet–Oct" in by_tet.get_title("left")


def test_many_hops_are_thinned_out_evenly() -> None:
    energy = np.linspace(0, 0.2, 500)
    fields = dict.fromkeys(TransitionsAt.__dataclass_fields__, ())
    at: Any = TransitionsAt(**{**fields, "temperature": 600.0, "ways": made(np.zeros(500), energy)})  # type: ignore[arg-type]
    direct, by_tet = plot_levels([at])
    heads = sorted(head[1] for _, head in arrows(direct))
    assert len(heads) == MOST
    assert (heads[0], heads[-1]) == (0, 200)
    assert np.ptp(np.diff(heads)) < 1
    assert direct.get_title("left").endswith(f"{MOST} of 500 hops")
    assert by_tet.get_title("left").endswith("no hop")


def test_every_hop_is_a_point_on_one_scale() -> None:
    found = survey()
    (at,) = found.temperatures
    with style():
        panels = plot_joint(found.temperatures)
    for ax in panels:
        ways = at.ways.select(at.ways.pathway == ax.get_title("left"))
        points = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections])
        np.testing.assert_allclose(points, np.stack([ways.before, ways.after], axis=1) * MEV)
        assert ax.get_xlim() == ax.get_ylim() == panels[0].get_xlim()


def test_the_slope_drawn_is_the_share() -> None:
    rng = np.random.default_rng(1)
    total = rng.normal(0, 0.05, 30)
    found = survey_transitions(split(total, 0.4 * total, total), 0.0, 0.005, rng, 20)
    ax = plot_shares(found)
    x, y = ax.lines[0].get_data()
    assert np.asarray(y) / np.asarray(x) == pytest.approx(0.4)
    points = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections[:1]])
    np.testing.assert_allclose(points[:, 0], total * MEV)
    assert "slope 0.40 (0.40 to 0.40)" in ax.get_title()
