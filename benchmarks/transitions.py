"""How often a transition is claimed that is not there, seen that is there, and covered by the interval of Tc.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/transitions.py [--ladders 200]

Synthetic ladders of 300–900 K with Ea = 0.3 eV above a Tc that is drawn anew between 420 and 680 K. Prints
the tables of benchmarks/README.md.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.analysis.ladders import ENERGY, NOISES, Noise, measured, truth

from frustra.analysis.arrhenius import SCALE
from frustra.analysis.breaks import Breaks, breaks_of

ERRORS = (0.03, 0.1, 0.2, 0.4)
BREAKS = {
    "kink 0.1 eV": (0.1, 0.0),
    "kink 0.2 eV": (0.2, 0.0),
    "kink 0.3 eV": (0.3, 0.0),
    "jump ×2": (0.0, np.log(2)),
    "jump ×3": (0.0, np.log(3)),
    "jump ×10": (0.0, np.log(10)),
    "jump ×10, 0.2 eV": (0.2, np.log(10)),
}


def ladders(
    count: int, temperatures: np.ndarray, relative: float, energy: float, height: float, noise: Noise
) -> list[tuple[Breaks, float]]:
    """Return what is found in synthetic ladders, each with its Tc."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(count):
        tc = rng.uniform(420, 680)
        found.append((breaks_of(measured(rng, temperatures, relative, tc, energy, height, noise), SCALE), tc))
    return found


def false_claims(count: int) -> None:
    """Print how often a break is claimed where there is none."""
    print("| temperatures | noise |" + "".join(f" {100 * r:g} % |" for r in ERRORS))
    print("|---|---|" + "---|" * len(ERRORS))
    for n in (6, 9, 14):
        for noise in (*NOISES, "errors too small"):
            cells = []
            for r in ERRORS:
                found = ladders(count, np.linspace(300, 900, n), r, 0.0, 0.0, noise)
                claims = np.mean([b.transition is not None for b, _ in found])
                lines = np.mean([b.model == "line" for b, _ in found])
                cells.append(f" {100 * claims:.1f} ({100 * lines:.0f}) |")
            print(f"| {n} | {noise} |{''.join(cells)}", flush=True)


def power(count: int) -> None:
    """Print how often a break is claimed, and how often Tc, Ea below it and σ(300 K) are covered."""
    print("| break | error | claimed % | Tc covered % | width (K) | Ea covered % | σ300 covered % |")
    print("|---|---|---|---|---|---|---|")
    temperatures = np.linspace(300, 900, 9)
    for name, (energy, height) in BREAKS.items():
        for r in ERRORS:
            found = ladders(count, temperatures, r, energy, height, "log-normal")
            claimed = [(b, tc) for b, tc in found if b.transition is not None]
            held = [b.transition.low <= tc <= b.transition.high for b, tc in claimed]
            width = [b.transition.high - b.transition.low for b, _ in claimed]
            slopes = [s.low <= ENERGY + energy <= s.high for b, _ in claimed if (s := b.slope("low"))]
            room = [
                (e := b.at(300.0)).low <= truth(np.array([300.0]), tc, energy, height)[0] <= e.high
                for b, tc in claimed
            ]
            numbers = [
                100 * len(claimed) / count,
                *(_percent(v) for v in (held,)),
                np.median(width or [np.nan]),
            ]
            numbers += [_percent(slopes), _percent(room)]
            cells = " | ".join(f"{v:.0f}" for v in numbers)
            print(f"| {name} | {100 * r:g} % | {cells} |", flush=True)


def _percent(held: list[bool]) -> float:
    return 100 * float(np.mean(held)) if held else float("nan")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ladders", type=int, default=200)
    count = parser.parse_args().ladders
    false_claims(count)
    print()
    power(count)


if __name__ == "__main__":
    main()
