from types import SimpleNamespace
from typing import Any

import pytest

from frustra.campaign.results import BranchResult, LowerState
from frustra.plots.states import plot_energy
from frustra.plots.style import figure_of, new_axes
from frustra.report.doubt import marked, marked_picture, marked_table
from frustra.report.picture import Picture
from frustra.report.tables import branch_rows, how_to_start, lower_rows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("300 K: none, 400 K: 3-D", "300 K*: none, 400 K: 3-D"),
        ("1300 K and 30 K and 300.5 K", "1300 K and 30 K and 300.5 K"),
        ("300 K (not equilibrated)", "300 K (not equilibrated)"),
        ("300 Kelvin", "300 Kelvin"),
        ("at 300 K", "at 300 K*"),
    ],
)
def test_doubtful_temperatures_are_marked_once(text: str, expected: str) -> None:
    assert marked(text, [300.0]) == expected
    assert marked(marked(text, [300.0]), [300.0]) == expected
    assert marked(text, []) == text


def test_tables_are_marked_in_heads_and_in_the_column_of_temperatures() -> None:
    table = (["T (K)", "n", "300 K (%)"], [["300", "300", "1"], ["400", "300", "2"]])
    heads, rows = marked_table(table, [300.0])
    assert heads == ["T (K)", "n", "300 K* (%)"]
    assert rows == [["300*", "300", "1"], ["400", "300", "2"]]


def picture(label: str, data: dict[str, Any]) -> Picture:
    ax = new_axes(1, 3, 2)[0]
    ax.plot([0, 1], [0, 1], label=label)
    ax.legend()
    return Picture("p", "P", "What it shows.", figure_of(ax), data)


def test_figures_say_in_labels_caption_and_data_what_is_not_equilibrated() -> None:
    found = marked_picture(picture("300 K", {"T_K": [300.0, 400.0], "x": [1, 2]}), [300.0])
    assert found.figure.axes[0].get_legend().get_texts()[0].get_text() == "300 K*"
    assert found.caption == "What it shows. Not equilibrated (*): 300 K."
    assert found.data["equilibrated"] == [False, True]
    for other in (picture("400 K", {"T_K": [400.0]}), picture("sites", {"class": ["oct"]})):
        assert marked_picture(other, [300.0]) is other


def branch(kelvin: float, cooling: float | None, differ: bool) -> BranchResult:
    return BranchResult(
        T_K=kelvin,
        heating_eV=0.01,
        heating_std_eV=0.003,
        cooling_eV=cooling,
        cooling_std_eV=0.004,
        differ=differ,
    )


def test_both_branches_are_in_one_table_and_one_figure() -> None:
    found = [
        branch(300.0, 0.03, differ=True),
        branch(400.0, 0.011, differ=False),
        branch(500.0, None, differ=False),
    ]
    _, rows = branch_rows(found)
    assert rows[0] == ["300", "10.0 ± 3.0", "30.0 ± 4.0", "20.0 ± 5.0: not in equilibrium"]
    assert rows[1][3] == "1.0 ± 5.0"
    assert rows[2][2:] == ["–", "–"]
    energy = SimpleNamespace(lowest_eV=0.0)
    ladder: list[Any] = [SimpleNamespace(T_K=b.T_K, equilibrated=True, relaxed_energy=energy) for b in found]
    ax = plot_energy(ladder, branches=found)
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == [
        "heated from the ground state",
        "cooled from disorder",
        "lowest here",
        "not equilibrated",
    ]
    hollow = {
        float(line.get_xdata()[0])  # type: ignore[index, arg-type]
        for line in ax.lines
        if len(line.get_xdata()) == 1 and line.get_markerfacecolor() == "white"  # type: ignore[arg-type]
    }
    assert hollow == {300.0}


def test_the_line_that_starts_from_the_lowest_state_is_told() -> None:
    state = LowerState(
        T_K=500, run=1, below_eV=0.12, energy_eV=-99.12, file="a.extxyz", start="runs/x/a.extxyz"
    )
    assert lower_rows([state])[1] == [["a.extxyz", "500", "1", "120", "-99.1200"]]
    assert 'starts = ["runs/x/a.extxyz"]' in how_to_start([state])
