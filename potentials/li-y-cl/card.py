"""Write the card and the model's page from the measurements."""

import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]

TEACHER = {
    "name": "moment tensor potential of Li3YCl6, trained on DFT with the optB88 functional",
    "citation": "J. Qi et al., Bridging the gap between simulated and experimental ionic "
    "conductivities in lithium superionic conductors, Materials Today Physics 21, 100463 (2021)",
    "doi": "10.1016/j.mtphys.2021.100463",
    "source": "github.com/materialsvirtuallab/maml, mvl_models/pes/Li3YCl6, PBE.optB88.mtp",
    "licence": "BSD-3-Clause",
}
NOT_FOR = [
    "other elements, Br included, and other compositions than Li3YCl6",
    "surfaces, interfaces, grain boundaries, and charged or off-stoichiometric defects",
    "melts, and temperatures above those tested",
    "other polymorphs (Pnma, C2/m): only the trigonal cell was in the training frames",
    "cells strained by more than about 3 % in length, and close collisions",
    "absolute numbers: errors of the teacher against DFT and experiment come on top",
]
GAUGE = (
    "Per-atom energies sum to the total energy, but how a model splits the total is a gauge "
    "choice: compare them only within one species and one model."
)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def md_table(found: Record) -> str:
    """Return the table of errors per temperature."""
    rows = []
    for kelvin, row in found["own_md"].items():
        elements = row["force_rmse_by_element"]
        rows.append(
            [
                kelvin,
                str(row["frames"]),
                f"{row['energy_rmse_mev_per_atom']:.2f}",
                f"{row['energy_scatter_mev_per_atom']:.2f}",
                f"{row['force_rmse_mev_per_ang']:.1f}",
                f"{row['force_rms_teacher_mev_per_ang']:.0f}",
                f"{row['force_slope']:.3f}",
                *(f"{x:.1f}" for x in elements.values()),
            ]
        )
    head = ["T (K)", "frames", "E RMSE (meV/atom)", "of it scatter", "F RMSE (meV/Å)"]
    elements = next(iter(found["own_md"].values()))["force_rmse_by_element"]
    return table([*head, "rms force", "slope", *elements], rows)


def lattice_table(found: Record) -> str:
    """Return the table of lattice parameters."""
    rows = [[who, f"{a:.3f}", f"{c:.3f}"] for who, (a, c) in found["lattice"].items()]
    return table(["ordered cell, 0 K", "a (Å)", "c (Å)"], rows)


def orderings_table(found: Record) -> str:
    """Return the table of relaxed energies of Li orderings."""
    rows = [
        [name, *(f"{row[key]:.1f}" for key in row)] for name, row in found["orderings"]["orderings"].items()
    ]
    return table(["ordering", "student", "teacher, single point", "teacher, relaxed"], rows)


def share_table(found: Record) -> str:
    """Return how far the per-Li energies follow the total energy."""
    rows = [
        [who, *(f"{row[key]:.2f}" for key in list(row)[:2]), f"{row['standard_deviation_mev']:.0f}"]
        for who, row in found["orderings"]["li_energy_share"].items()
    ]
    head = ["mean per-Li energy against total energy per Li", "slope", "correlation"]
    return table([*head, "spread of single Li (meV)"], rows)


def stability_text(found: Record) -> str:
    """Return what the long runs showed."""
    cold = found["stability"]["300"]
    left, moved = cold["li_that_left_their_site"], cold["largest_li_displacement_ang"]
    start = (
        f"- 300 K, {cold['ps']:.0f} ps from the lowest known Li ordering: of {len(moved)} frames "
        f"relaxed on the way, at most {max(left)} Li were more than 1.1 Å from their relaxed start "
        f"(largest displacement {max(moved):.2f} Å)."
    )
    lines = [start]
    for kelvin, row in found["stability"].items():
        if kelvin != "300":
            low, high = row["potential_energy_ev_per_atom_range"]
            lines.append(
                f"- {kelvin} K, {row['ps']:.0f} ps: {row['atoms_lost']} atoms lost, potential "
                f"energy {low:.3f} to {high:.3f} eV/atom, shortest distance "
                f"{row['shortest_distance_ang']:.2f} Å."
            )
    return "\n".join(lines)


def page(card: Record) -> str:
    """Return the model's page."""
    found = card["errors"]
    order = found["orderings"]
    held = found["held_out_trajectories"]
    gauge = found["gauge"]
    spread = {s: (gauge["spread_before_mev"][s], gauge["spread_after_mev"][s]) for s in card["species"]}
    used = ", ".join(f"{n} ({name})" for name, n in card["frames"]["numbers"].items())
    warnings = "\n".join(f"- {x}" for x in card["not_for"])
    return f"""# {card["name"]}: the embedded potential for Li3YCl6

A {card["kind"].upper()} potential (LAMMPS `pair_style pod`, species {" ".join(card["species"])}),
fitted to a published {TEACHER["name"]} ([doi {TEACHER["doi"]}](https://doi.org/{TEACHER["doi"]}),
{TEACHER["licence"]}). Training frames: {used}. Written by `potentials/li-y-cl/fit.py` on
{found["date"]}; every number below is against the teacher, not against DFT or experiment.

**Not for:**

{warnings}

## Errors on the student's own MD

Frames of fresh constant-volume runs of 240 atoms (upwards and downwards in temperature), none of
them used in the fit. Slope: of the student's forces against the teacher's.

{md_table(found)}

On trajectories of the teacher's frames held out of a trial fit ({held["frames"]} frames):
{held["energy_rmse_mev_per_atom"]:.2f} meV/atom and {held["force_rmse_mev_per_ang"]:.1f} meV/Å.

## Relaxed energies of Li orderings

meV per Li, relative to the first; snapshots of those runs, relaxed in one 240-atom cell.

{orderings_table(found)}

Spread {order["spread_teacher_relaxed"]:.2f}, student minus teacher {order["scatter_relaxed"]:.2f}
(standard deviations), slope {order["slope_relaxed"]:.3f}, rank correlation
{order["rank_correlation_relaxed"]:.3f}.

## Per-atom energies

{GAUGE} Here the pair energies were moved between unlike species after the fit, which
changes no total (by at most {gauge["largest_energy_change_ev"]:.0e} eV on {gauge["frames"]} frames),
so that the energies of the framework vary least: their spread went from
{spread["Y"][0]:.0f} to {spread["Y"][1]:.0f} meV for Y and from {spread["Cl"][0]:.0f} to
{spread["Cl"][1]:.0f} meV for Cl (all frames, thermal motion included). Over the relaxed states
above:

{share_table(found)}

## Lattice, stability, speed

{lattice_table(found)}

{stability_text(found)}
- Per-atom energies sum to the total within {found["energy_sum"]["largest_difference_ev"]:.0e} eV.
- {found["speed"]["steps_per_s"]:.0f} steps per second for {found["speed"]["atoms"]} atoms:
  {card["speed_atom_steps_per_s"]:.0f} atom-steps/s on {card["machine"]}.
"""


def write_card(out: Path, made_from: Record) -> None:
    """Write ``card.json`` and ``README.md`` beside the potential's files."""
    found = made_from["errors"]
    card: Record = {
        "name": "li-y-cl",
        "species": ["Li", "Y", "Cl"],
        "kind": "pod",
        "files": ["parameters.pod", "coefficients.pod"],
        "teacher": TEACHER,
        "frames": {
            "numbers": made_from["frames"],
            "origin": "given: 60-atom cells, 300-1100 K, strained by up to 3 %; rounds: the "
            "student's own MD of 240 atoms at 300-800 K, its relaxed frames (repeated as the fit "
            "settings say), strained 60-atom cells and frames near the lowest known ordering; all "
            "labelled by the teacher",
        },
        "fit": made_from["fit"],
        "errors": found,
        "lattice": found["lattice"],
        "speed_atom_steps_per_s": round(found["speed"]["atoms"] * found["speed"]["steps_per_s"]),
        "machine": "one core",
        "date": found["date"],
        "not_for": NOT_FOR,
        "gauge": GAUGE,
    }
    (out / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    (out / "README.md").write_text(page(card))
