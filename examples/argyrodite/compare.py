"""How frustrated Li is in Li6PS5I with and without S/I disorder: tables of what states.py wrote.

`python compare.py OUT [FIGURE]` prints them, and draws the Li states.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import frustra as fr
from frustra.analysis.contrasts import contrasts_of
from frustra.analysis.density import densities_of
from frustra.analysis.groups import groups_of
from frustra.analysis.levels import Levels, LevelTable, levels_of
from frustra.analysis.sampling import relaxed_frames
from frustra.states import StateTable
from frustra.stats import COVER, Estimate
from frustra.units import MEV

NAMES = {"0p": "0 %", "50p": "50 %"}
SITES = {"tet: 2 P corners": "T5", "tet: 1 P edge": "T2", "tet: 3 P corners": "T4"}
BLOCK = 2
"""Neighbouring snapshots that count as one, 10 to 20 ps apart: Li of the ordered crystal stays in place."""


def told(value: Estimate, factor: float = MEV, digits: int = 1) -> str:
    """Return a value with its 95 % error, in meV."""
    return f"{factor * value.value:.{digits}f} ± {COVER * factor * value.std:.{digits}f}"


def together(tables: Sequence[StateTable], specie: str, parts: Sequence[str] | None = None) -> LevelTable:
    """Return the states of both crystals as classes of one table, on common bins.

    The classes are the crystals; or, where `parts` names the class of every row, what it says.
    """
    frames = [t.frames for t in tables]
    first = np.cumsum([0, *(f.max() + 1 for f in frames)])
    crystal = np.repeat(list(NAMES.values()), [len(t) for t in tables])
    names, number = np.unique(crystal if parts is None else np.array(parts), return_inverse=True)
    levels = Levels(
        temperature=500.0,
        energy=np.concatenate([t["energy"] for t in tables]),
        number=number,
        frame=np.concatenate([f + begin for f, begin in zip(frames, first[:-1], strict=True)]),
        block=BLOCK,
    )
    return LevelTable(specie, (levels,), "class", tuple(names.tolist()))


def crystals(out: Path, specie: str) -> list[StateTable]:
    """Return the state tables of a species in both crystals."""
    return [fr.read_states(out / f"{disorder}_{specie}.parquet") for disorder in NAMES]


def free_sulphur(out: Path) -> list[StateTable]:
    """Return the states of the S that is in no PS4."""
    found = []
    for disorder, table in zip(NAMES, crystals(out, "S"), strict=True):
        groups = groups_of(relaxed_frames(fr.read_snapshots(out / f"{disorder}.h5")), "PS4")
        found.append(table.select(~np.isin(table["ion"], groups.members)))
    return found


def print_frames(out: Path) -> None:
    """Print what the potential says of the frames that DFT relaxed, and of those that it relaxed itself."""
    for disorder, name in NAMES.items():
        s, units = fr.read_snapshots(out / f"{disorder}.h5"), 32
        energy = MEV * s.energies / units
        error = COVER * energy.std(ddof=1) / np.sqrt(len(s) / BLOCK)
        print(
            f"{name}: {len(s)} frames, {energy.mean():.1f} ± {error:.1f} meV per Li6PS5I, largest force "
            f"{s.fmax.mean():.2f} eV/Å on average"
        )
        path = out / f"{disorder}_relaxed.h5"
        if path.is_file():
            again = fr.read_snapshots(path)
            chosen = np.linspace(0, len(s) - 1, len(again)).round().astype(int)
            lithium, kept = s.numbers == 3, again.converged
            fall = (MEV * (again.energies - s.energies[chosen]) / units)[kept]
            change = (again.atomic_energies - s.atomic_energies[chosen])[kept][:, lithium]
            print(
                f"{name}: {kept.sum()} of {len(again)} frames relaxed further by the potential: "
                f"{fall.mean():.1f} meV per Li6PS5I, atoms moved by up to "
                f"{again.max_displacement[kept].max():.2f} Å, Li on average by "
                f"{again.displacements[kept][:, lithium].mean():.3f} Å; levels of Li by "
                f"{MEV * change.mean():.1f} ± {MEV * change.std():.1f} (deviation) meV"
            )


def print_species(out: Path) -> None:
    """Print how wide the states of each species are in both crystals, and how alike."""
    species = {k: crystals(out, k) for k in ("Li", "PS4", "P", "S", "I")} | {"free S": free_sulphur(out)}
    for specie, tables in species.items():
        table = together(tables, specie)
        (density,), (contrast,) = densities_of(table), contrasts_of(table)
        for name, share in density.shares.items():
            print(
                f"{specie:>6} {name:>5}: deviation {told(share.deviation)} meV, IQR {told(share.iqr)} meV, "
                f"entropy {told(share.entropy, 1, 2)} nat"
            )
        print(
            f"{specie:>6} {contrast.second} above {contrast.first} by {told(contrast.gap)} meV, "
            f"OVL {told(contrast.overlap, 1, 2)} (alike {contrast.alike:.2f})"
        )


def print_lithium(out: Path, by: str) -> None:
    """Print the Li states of both crystals, resolved by a column of the state table."""
    tables = crystals(out, "Li")
    parts: list[str] = []
    for name, table in zip(NAMES.values(), tables, strict=True):
        parts += [f"{name} {SITES.get(kind, kind)}" for kind in table[by]]
        (density,) = densities_of(levels_of(table, by).with_blocks([BLOCK]))
        weights = [f"{told(s.weight, 100)} % {SITES.get(k, k)}" for k, s in density.shares.items()]
        print(f"{name}: {', '.join(weights)}")
    both = together(tables, "Li", parts)
    (density,) = densities_of(both)
    for kind, share in density.shares.items():
        print(f"{kind:>9}: mean {told(share.mean)} meV, IQR {told(share.iqr)} meV")
    for c in contrasts_of(both):
        if c.first.split()[0] == c.second.split()[0]:
            print(
                f"{c.second} above {c.first} by {told(c.gap)} meV: OVL {told(c.overlap, 1, 2)} "
                f"(alike {c.alike:.2f})"
            )


def draw(out: Path, path: Path) -> None:
    """Draw the Li states of both crystals by the anions around the ion."""
    from matplotlib.figure import Figure

    tables = crystals(out, "Li")
    (density,) = densities_of(together(tables, "Li"))
    kinds = ("S4", "I1S3", "I2S2")
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    for ax, name, table in zip(figure.subplots(2, 1, sharex=True), NAMES.values(), tables, strict=True):
        parts = [MEV * (table["energy"][table["anions"] == k] - density.zero) for k in kinds]
        ax.hist(parts, MEV * density.edges, stacked=True, density=True, label=kinds,
                color=("#3a9a6b", "#3b6ea8", "#c8702e"))  # fmt: skip
        ax.set_ylabel("per Li and meV")
        ax.set_title(f"{name} S/I disorder", fontsize=9, loc="left")
    figure.axes[0].legend(title="around Li", frameon=False, fontsize=8, title_fontsize=8)
    figure.axes[1].set_xlabel("Li energy above the lowest state (meV)")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print everything, and draw the figure if its name is given."""
    out = Path(sys.argv[1])
    print_frames(out)
    print_species(out)
    for by in ("label", "anions"):
        print_lithium(out, by)
    for path in sys.argv[2:]:
        draw(out, Path(path))


if __name__ == "__main__":
    main()
