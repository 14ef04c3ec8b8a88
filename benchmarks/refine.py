"""What `frustra refine` saves: MD time until the 95 % interval of Tc is 10 K wide, against uniform ladders.

    python benchmarks/refine.py [--seeds 20]

Uniform ladders from 400 to 800 K are tried at every spacing and length below; of those, the cheapest is taken
with which half (nine tenths) of the seeds reach 10 K. Refinement begins with five temperatures; its length
is tried the same way. A search that ends without a transition or wider than 10 K never reaches it.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.analysis.worlds import OVERHEAD, Search, World, refined, uniform

TARGET = 10.0
COUNTS = (26, 41, 46, 51)
CASES = {
    "jump ×10, 0.1 eV": (0.1, 10.0, (30, 50, 100, 200), (30, 50, 100)),
    "jump ×3, 0.1 eV": (0.1, 3.0, (50, 100, 200, 400), (50, 100, 200)),
    "kink 0.3 eV": (0.3, 1.0, (800, 1600, 2400, 3200, 4800), (200, 400, 1000)),
}
"""Change of Ea, jump; lengths of the uniform ladders, and of the refined ones, ps."""
TEMPERATURES = (483.0, 523.0, 607.0)


def reached(found: list[Search], share: float) -> float:
    """Return the MD time in which a share of the searches reaches the target; infinite if fewer do."""
    costs = sorted(s.cost if s.width <= TARGET else np.inf for s in found)
    return costs[int(np.ceil(share * len(costs))) - 1]


def row(name: str, tc: float, seeds: int) -> str:
    """Return a row of the table: the best of each kind, in hindsight."""
    change, jump, lengths, ours = CASES[name]
    world = World(tc, jump, change)
    ladders = {(n, t): [uniform(world, n, t, s) for s in range(seeds)] for n, t in product(COUNTS, lengths)}
    refinements = {t: [refined(world, t, s, TARGET) for s in range(seeds)] for t in ours}
    cells = []
    for share in (0.5, 0.9):
        count, length = min(ladders, key=lambda key: reached(ladders[key], share))
        own = min(refinements, key=lambda key: reached(refinements[key], share))
        best, mine = reached(ladders[count, length], share), reached(refinements[own], share)
        cells += [f"{best / 1000:.1f} ({count} × {length} ps)", f"{mine / 1000:.1f} ({own} ps)"]
        cells += [f"{mine / best:.2f}"]
    every = [s for found in refinements.values() for s in found if s.transition is not None]
    covered = np.mean([s.covers(tc) for s in every])
    lost = np.mean([s.width > TARGET for found in refinements.values() for s in found])
    cells += [f"{100 * covered:.0f}", f"{100 * lost:.0f}"]
    return f"| {name} | {tc:.0f} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    print(f"{seeds} seeds; {OVERHEAD:g} ps of each run are no production\n")
    print(
        "| break | Tc (K) | uniform, half (ns) | refined, half (ns) | ratio | uniform, 90 % (ns) "
        "| refined, 90 % (ns) | ratio | covered (%) | not reached (%) |"
    )
    print("|" + " --- |" * 10)
    for name, tc in product(CASES, TEMPERATURES):
        print(row(name, tc, seeds), flush=True)


if __name__ == "__main__":
    main()
