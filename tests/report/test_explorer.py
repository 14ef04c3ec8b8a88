"""The explorer in a browser, as a user has it: what a click shows, and that nothing leaves the page."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from frustra.analysis.clusters import Cluster
from frustra.analysis.density import densities_of
from frustra.analysis.tabulate import tabulate
from frustra.errors import DataError
from frustra.io import read_structure
from frustra.report import explorer
from frustra.report.explorer import LIMIT, explorer_part, write_explorer
from frustra.sites import sites_of
from frustra.snapshots import Snapshots
from frustra.states import COLUMNS, StateTable, concatenate
from tests.helpers import LYC, snapshots, translations
from tests.report.browser import Opened, browsing, opened

CRYSTAL = read_structure(LYC)
SITES = sites_of(CRYSTAL, ["Cl"], "Li")
LI = np.flatnonzero(CRYSTAL.numbers == 3)


def run(temperature: float, frames: int, seed: int) -> Snapshots:
    """Return frames with energies in two bands; in the last, one Li is in a tetrahedron, high in energy."""
    rng = np.random.default_rng(seed)
    energies = rng.normal(-3, 0.004, (frames, len(CRYSTAL)))
    energies[:, LI[::2]] += 0.05
    energies[-1, LI[0]] += 0.3
    part = snapshots(CRYSTAL, frames, energies, temperature=temperature)
    empty = np.flatnonzero((SITES.kind == "tet") & SITES.open)
    away = np.linalg.norm(SITES.positions[empty][:, None] - CRYSTAL.positions[LI[1:]], axis=2).min(axis=1)
    part.positions[-1, LI[0]] = SITES.positions[empty[away.argmax()]]
    return part


@dataclass(frozen=True)
class Case:
    """A material with its page, and the part of the report that it is in."""

    states: StateTable
    runs: dict[tuple[float, int], Snapshots]
    file: Path
    part: str


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    runs = {(300.0, 0): run(300.0, 6, 1), (600.0, 0): run(600.0, 6, 2), (600.0, 1): run(600.0, 4, 3)}
    states = concatenate(tabulate(s, "Li", run=k[1], sites=SITES) for k, s in runs.items())
    file = tmp_path_factory.mktemp("report") / "explorer_m.html"
    evidence = SimpleNamespace(
        snapshots=[[runs[300.0, 0]], [runs[600.0, 0], runs[600.0, 1]]],
        densities=densities_of(states),
        sites=SITES,
    )
    analysis: Any = SimpleNamespace(states=states, evidence=evidence)
    part = explorer_part(file, analysis, "Li3YCl6 <m>", [600.0])
    return Case(states, runs, file, part)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as one:
        yield one


@pytest.fixture(scope="module")
def seen(case: Case, browser: Browser) -> Iterator[Opened]:
    with opened(browser, case.file, 900, 560) as there:
        there.page.evaluate("explorer.ready")
        there.page.add_style_tag(content="#view{height:240px}")  # drawn without a graphics card
        yield there


def click(page: Page, state: int) -> None:
    """Press and release the mouse where the state's dot is."""
    box = page.locator(f"circle[data-state='{state}']").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("i => explorer.visualizer.structure.pinned()[0].structure === i", arg=state)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def column(page: Page, name: str) -> list[Any]:
    return page.evaluate("name => explorer.data.energy.map((_, i) => value(name, i))", name)


def chosen(page: Page) -> tuple[str, int, int]:
    """Return what the page says is shown, the number in chemiscope's panel and the state it has loaded."""
    text = page.locator("#chosen").inner_text()
    panel = page.locator("#info input[type=number]").first.input_value()
    return text, int(panel), page.evaluate("explorer.visualizer.structure.pinned()[0].structure")


def colours(page: Page) -> tuple[int, int]:
    """Return how many pixels in the middle of the 3D view are in the colours of oct and of tet."""
    box = page.locator("#view").bounding_box()
    assert box is not None
    middle = {"x": box["x"] + box["width"] / 2 - 12, "y": box["y"] + box["height"] / 2 - 12}
    png = page.screenshot(clip={**middle, "width": 24, "height": 24})
    red, _, blue = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int).transpose(2, 0, 1)
    return int((blue - red > 40).sum()), int((red - blue > 40).sum())


def test_a_click_on_a_state_shows_its_ion(case: Case, seen: Opened) -> None:
    page = seen.page
    told = {n: column(page, n) for n in ("temperature", "run", "snapshot", "ion", "site")}
    tets = [i for i, site in enumerate(told["site"]) if site == "tet"]
    assert len(tets) == 3
    for state in [*tets, 0, 60, len(told["ion"]) - 1]:
        click(page, state)
        text, panel, loaded = chosen(page)
        assert page.evaluate("explorer.current") == state == loaded == panel
        t, r, s, ion, site = (told[n][state] for n in told)
        assert f"Li {ion}, snapshot {s} of run {r} at {t} K" in text
        of = case.states
        row = (of["temperature"] == t) & (of["run"] == r) & (of["snapshot"] == s) & (of["ion"] == ion)
        energy = 1000 * (of["energy"][row] - of["energy"].min()).item()
        assert float(re.findall(r"([\d.]+) meV", text)[0]) == pytest.approx(energy, abs=0.006)
        oct_like, tet_like = colours(page)
        assert (tet_like > 3 * oct_like) == (site == "tet") == (of["site"][row].item() == "tet")
    assert not seen.errors
    assert not seen.foreign


def test_what_is_shown_is_what_is_around_that_ion(case: Case, seen: Opened) -> None:
    told = {n: column(seen.page, n) for n in ("temperature", "run", "snapshot", "ion")}
    for state in (0, 17, len(told["ion"]) - 1):
        t, r, s, ion = (told[n][state] for n in told)
        part = case.runs[t, r]
        shown = seen.page.evaluate("i => explorer.structure(i)", state)
        places = np.array([shown["x"], shown["y"], shown["z"]]).T
        vectors = part.positions[s][:, None] + translations(part.cell, 18)[None] - part.positions[s, ion]
        inside = np.linalg.norm(vectors, axis=2) < explorer.REACH
        assert len(places) == inside.sum()
        gaps = np.linalg.norm(places[:, None] - vectors[inside][None], axis=2)
        assert gaps.min(axis=1).max() < 2 * explorer.GRAIN
        elements = np.array(CRYSTAL.get_chemical_symbols())[np.nonzero(inside)[0]]
        assert shown["elements"] == elements[gaps.argmin(axis=1)].tolist()
        sites = {
            int(i): k
            for i, k in zip(
                *(
                    case.states[n][
                        (case.states["temperature"] == t)
                        & (case.states["run"] == r)
                        & (case.states["snapshot"] == s)
                    ]
                    for n in ("ion", "site")
                ),
                strict=True,
            )
        }
        index = np.nonzero(inside)[0][gaps.argmin(axis=1)]
        drawn = shown["shapes"]["sites"]["parameters"]["atom"]
        for k, atom in enumerate(index.tolist()):
            if atom in sites:
                assert drawn[k]["color"] == explorer.SITE_COLOURS[sites[atom]]


def test_arrow_keys_and_the_slider_go_from_state_to_state(seen: Opened) -> None:
    page = seen.page
    click(page, 3)
    page.locator("#doas").focus()
    energy = page.evaluate("explorer.data.energy")
    page.keyboard.press("ArrowRight")
    after = page.evaluate("explorer.current")
    assert energy[after] >= energy[3]
    page.keyboard.press("ArrowUp")
    assert column(page, "temperature")[page.evaluate("explorer.current")] == 600.0
    panel = page.locator("#info input[type=number]").first
    panel.fill("5")
    panel.press("Enter")
    assert page.evaluate("explorer.current") == 5


def test_every_other_column_can_be_the_height(seen: Opened) -> None:
    page = seen.page
    names = page.evaluate("[...document.getElementById('axis').options].map(o => o.value)")
    assert {"", "off_centre", "nearest_ion", "displacement"} <= set(names)
    page.select_option("#axis", "off_centre")
    click(page, 20)
    assert page.evaluate("explorer.current") == 20
    page.select_option("#axis", "")
    assert not seen.errors


def test_in_the_report_it_is_one_click_away(case: Case, browser: Browser) -> None:
    report = case.file.with_name("report.html")
    assert "Li3YCl6 <m>" not in case.part
    report.write_text(f"<!doctype html><meta charset=utf-8><title>r</title><body>{case.part}")
    with opened(browser, report, 900, 560) as there:
        there.page.locator("iframe.explorer").scroll_into_view_if_needed()
        frame = there.page.wait_for_selector("iframe.explorer").content_frame()
        assert frame is not None
        frame.wait_for_function("window.explorer !== undefined")
        frame.evaluate("explorer.ready")
        dot = frame.locator("circle[data-state='7']")
        dot.scroll_into_view_if_needed()
        box = dot.bounding_box()
        assert box is not None
        there.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert frame.evaluate("explorer.current") == 7
        assert there.errors == []
        assert there.foreign == []


def test_a_page_that_complains_or_asks_for_more_is_found_out(tmp_path: Path, browser: Browser) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<title>p</title><img src='http://example.org/a.png'><script>console.error('one');"
        "new WebSocket('ws://example.org/'); setTimeout(() => { throw Error('two') })</script>"
    )
    with opened(browser, page) as there:
        there.page.wait_for_timeout(300)
        assert {"http://example.org/a.png", "ws://example.org/"} <= set(there.foreign)
        assert any("one" in e for e in there.errors)
        assert any("two" in e for e in there.errors)


def test_rare_states_are_there_and_the_largest_page_is_below_its_limit(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10⁵ states around which everything is as full as it may be, as in a cell of 3840 atoms."""
    rng, count = np.random.default_rng(0), 100_000
    some = rng.integers(0, len(case.states), count)
    whole = {c.name: case.states[c.name][some] for c in COLUMNS}
    whole["energy"] = rng.normal(-3, 0.1, count)
    whole["site"] = np.where(np.arange(count) < 5, "other", whole["site"])
    for c in COLUMNS:
        if c.dtype == "f8" and c.name not in {"energy", "temperature"}:
            whole[c.name] = rng.uniform(10, 20, count)
    states = StateTable(whole)
    most = explorer.ATOMS

    def full(*arguments: Any) -> Iterator[Cluster]:
        atoms, vacancies = np.zeros(most, int), np.zeros(most, int)
        for _ in arguments[3]:
            yield Cluster(atoms, rng.uniform(-9, 9, (most, 3)), 6, vacancies, rng.uniform(-9, 9, (most, 3)))

    monkeypatch.setattr(explorer, "clusters_of", full)
    file = tmp_path / "large.html"
    sample = write_explorer(file, states, densities_of(states), case.runs, SITES)
    assert 0.9 * explorer.STATES < len(sample.rows) <= explorer.STATES
    assert set(range(5)) <= set(sample.rows.tolist())
    assert file.stat().st_size < LIMIT


def test_nothing_of_chemiscope_is_imported(case: Case) -> None:
    program = (
        "import sys, frustra.report; "
        "bad = {'chemiscope', 'ipywidgets', 'IPython'} & set(sys.modules); assert not bad, bad; "
        "from frustra.report import explorer; explorer._viewer(); explorer._licences(); "
        "bad = {'chemiscope', 'ipywidgets', 'IPython'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    text = case.file.read_text(encoding="utf-8")
    assert "Redistributions of source code must retain" in text
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:)?//", text)


def test_states_without_their_snapshots_are_refused(case: Case, tmp_path: Path) -> None:
    densities = densities_of(case.states)
    some = {k: v for k, v in case.runs.items() if k != (600.0, 1)}
    with pytest.raises(DataError, match="states of run 1 at 600 K without its snapshots"):
        write_explorer(tmp_path / "e.html", case.states, densities, some, SITES)
    short = {k: v.select(slice(0, 2)) for k, v in case.runs.items()}
    with pytest.raises(DataError, match="numbers below 2 and"):
        write_explorer(tmp_path / "e.html", case.states, densities, short, SITES)
    evidence = SimpleNamespace(snapshots=[[short[300.0, 0]]], densities=densities, sites=SITES)
    analysis: Any = SimpleNamespace(states=case.states, evidence=evidence)
    part = explorer_part(tmp_path / "e.html", analysis, "m", [])
    assert "There is no explorer" in part
    assert not (tmp_path / "e.html").exists()
