"""How long the DOAS and all its metrics take from a state table: seconds of processor time on one core.

    python benchmarks/doas_tables.py [--states 1000000 10000000] [--folder FOLDER] [--json FILE]

The table is a Parquet file of six temperatures, snapshots of 1000 ions, and three kinds of site. `reading` is
the file to columns, `levels` columns to levels (classes, snapshots, temperatures, blocks), `counting` levels
to counts in narrow bins with 200 resamplings, `metrics` counts to everything that `frustra doas` tells:
means, quantiles, entropies, bands and overlaps, all with errors, and the sublattice energies. Starting Python
is not counted. Each size is done in a process of its own; the best of `--repeat` is told.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from frustra.analysis.contrasts import contrasts_from, temperature_contrasts_from
from frustra.analysis.density import DensitySettings, densities_from, tallies_of
from frustra.surveys.doas import sublattice_of
from frustra.surveys.doas_levels import DoasChoice, read_levels, table_of

KELVIN = (300.0, 400.0, 500.0, 600.0, 700.0, 800.0)
IONS = 1000
PARTS = ("reading", "levels", "counting", "metrics", "all", "wall", "peak_MB")


def make(path: Path, states: int) -> None:
    """Write a table of about so many states."""
    rng = np.random.default_rng(0)
    frames = max(1, states // len(KELVIN) // IONS)
    rows = frames * IONS
    with pq.ParquetWriter(path, _part(rng, 300.0, 1).schema, compression="zstd") as writer:
        for kelvin in KELVIN:
            writer.write_table(_part(rng, kelvin, rows // IONS))


def _part(rng: np.random.Generator, kelvin: float, frames: int) -> pa.Table:
    rows = frames * IONS
    site = rng.choice(3, rows, p=[0.9, 0.09, 0.01])
    energy = -4 + 0.1 * site + rng.normal(0, kelvin / 2e4, rows)
    texts = pa.DictionaryArray.from_arrays(pa.array(site, pa.int32()), pa.array(["oct", "tet", "other"]))
    same = np.zeros(rows, dtype=np.int32)
    return pa.table({
        "material": pa.DictionaryArray.from_arrays(same, pa.array(["m"])).cast(pa.string()),
        "temperature": np.full(rows, kelvin),
        "run": np.zeros(rows, dtype=np.int64),
        "snapshot": np.repeat(np.arange(frames), IONS),
        "time": np.repeat(np.arange(frames) * 0.5, IONS),
        "ion": np.tile(np.arange(IONS), frames),
        "element": pa.DictionaryArray.from_arrays(same, pa.array(["Li"])).cast(pa.string()),
        "energy": energy,
        "site": texts.cast(pa.string()),
        "place": rng.integers(0, 2 * IONS, rows),
        "converged": np.ones(rows, dtype=bool),
    })  # fmt: skip


def measured(path: Path) -> dict[str, float]:
    """Return the seconds of each part, and the peak of memory."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    choice, settings = DoasChoice(), DensitySettings()
    begun = time.perf_counter()
    at = [time.process_time()]
    columns, by = read_levels(path, choice)
    at.append(time.process_time())
    table = table_of(columns, "m", "Li", by, choice)
    at.append(time.process_time())
    tallies = list(tallies_of(table, settings))
    at.append(time.process_time())
    densities_from(table, tallies)
    contrasts_from(table.names, tallies)
    temperature_contrasts_from(tallies)
    sublattice_of(table, settings)
    at.append(time.process_time())
    wall = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return dict(zip(PARTS, [*np.diff(at), at[-1] - at[0], wall, peak], strict=True))


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measured(Path(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, nargs="+", default=[10**6, 10**7])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where tables are kept for another time")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print("| states | " + " | ".join(PARTS) + " |\n|" + " --- |" * (1 + len(PARTS)))
    found = {}
    with TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        for states in asked.states:
            path = folder / f"states-{states}.parquet"
            if not path.exists():
                make(path, states)
            command = [sys.executable, __file__, "one", str(path)]
            told = [
                json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603 - ourselves
                for _ in range(asked.repeat)
            ]
            found[states] = min(told, key=lambda one: one["all"])
            print(f"| {states} | " + " | ".join(f"{found[states][part]:.3g}" for part in PARTS) + " |")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
