"""g(r) of one temperature with errors, from blocks in time of all of its runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frustra.analysis.markers import widened
from frustra.analysis.rdf.pairs import PairDistribution, ratio
from frustra.arrays import Array
from frustra.errors import AnalysisError

BLOCKS = 8
"""Blocks of a run from which errors come."""

SEEN = 8
"""Pairs that a shell must hold for its blocks to tell whether they are independent."""

LONGEST_MEMORY = 0.8
"""Correlation of successive blocks beyond which the errors are no longer widened: nobody knows them."""


@dataclass(frozen=True)
class Blocks:
    """Pairs of the runs of one temperature, summed over blocks in time."""

    counts: Array
    """(blocks, bins) pairs."""
    expected: Array
    """(blocks, bins) pairs in an ideal gas."""
    atoms: Array
    """(blocks,) atoms that are looked from, summed over frames."""
    lengths: tuple[int, ...]
    """Blocks of each run."""
    duration: float
    """Of a block of the first run, ps."""

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.counts)

    @property
    def values(self) -> Array:
        """(bins,) g(r)."""
        return ratio(self.counts.sum(axis=0), self.expected.sum(axis=0))

    @property
    def residuals(self) -> Array:
        """(blocks, bins) (C_b − g E_b)/Σ E_b: what each block adds to the error of g."""
        left = self.counts - np.nan_to_num(self.values) * self.expected
        return ratio(left, np.broadcast_to(self.expected.sum(axis=0), left.shape))

    @property
    def coordination(self) -> Array:
        """(bins,) mean number of neighbours up to the outer edge of each shell."""
        inside = self.counts.cumsum(axis=1).sum(axis=0)
        return ratio(inside, np.full(inside.shape, self.atoms.sum()))

    @property
    def coordination_residuals(self) -> Array:
        """(blocks, bins) what each block adds to the error of the coordination."""
        left = self.counts.cumsum(axis=1) - np.nan_to_num(self.coordination) * self.atoms[:, None]
        return ratio(left, np.full(left.shape, self.atoms.sum()))

    @property
    def inefficiency(self) -> float:
        """By what the variance of g exceeds that of independent blocks, at least 1; a mean over shells."""
        return self._inefficiency(self.residuals)

    @property
    def coordination_inefficiency(self) -> float:
        """The same of the coordination, at least that of g: what is slow may change all shells at once."""
        return max(self.inefficiency, self._inefficiency(self.coordination_residuals))

    def _inefficiency(self, residuals: Array) -> float:
        seen = residuals[:, self.counts.sum(axis=0) >= SEEN]
        total = (seen**2).sum(axis=0)
        if not (total > 0).any():
            return 1.0
        seen, total = seen[:, total > 0], total[total > 0]
        runs = np.split(seen, np.cumsum(self.lengths)[:-1])
        return max(1.0, _between(runs, total), _within(runs))


def blocks_of(runs: Sequence[PairDistribution]) -> Blocks:
    """Return the runs of one pair and temperature, cut into up to 8 blocks each."""
    cut = [np.linspace(0, len(r), min(BLOCKS, len(r)) + 1).astype(int)[:-1] for r in runs]
    both = list(zip(runs, cut, strict=True))
    return Blocks(
        np.concatenate([np.add.reduceat(r.counts, c, axis=0) for r, c in both]),
        np.concatenate([np.add.reduceat(r.expected, c, axis=0) for r, c in both]),
        np.concatenate([np.add.reduceat(r.atoms, c) for r, c in both]),
        tuple(len(c) for c in cut),
        len(runs[0]) * runs[0].timestep / len(cut[0]),
    )


def _between(runs: Sequence[Array], total: Array) -> float:
    """Return how much more runs scatter, as a variance, than independent blocks of theirs would."""
    if len(runs) < 2:
        return 1.0
    n, blocks = len(runs), sum(map(len, runs))
    scatter = np.sum([r.sum(axis=0) ** 2 for r in runs], axis=0) * n / (n - 1)
    return float(np.mean(scatter / total) * (blocks - 1) / blocks)


def _within(runs: Sequence[Array]) -> float:
    """Return (1 + m)/(1 − m) for the correlation m of successive blocks, about each run's own mean."""
    own = [r - r.mean(axis=0) for r in runs if len(r) > 3]
    if not own:
        return 1.0
    products = np.sum([(r[1:] * r[:-1]).sum(axis=0) for r in own], axis=0)
    squares = np.sum([(r**2).sum(axis=0) for r in own], axis=0)
    bias = len(own) / sum(map(len, own))  # of n independent values about their mean it is −1/n
    memory = float(np.mean(products[squares > 0] / squares[squares > 0])) + bias
    memory = min(max(memory, 0.0), LONGEST_MEMORY)
    return (1 + memory) / (1 - memory)


@dataclass(frozen=True)
class Radial:
    """g(r) of one temperature, from all of its runs."""

    first: str
    """Name of the atoms that are looked from."""
    second: str
    """Name of the atoms that are looked at."""
    temperature: float
    """K."""
    r: Array
    """(points,) Å."""
    values: Array
    """(points,) g; NaN where nobody was there to be a pair."""
    std: Array
    """(points,) standard error, such that ±1.96 of it holds 95 %; NaN where no pair was seen, or from fewer
    than two blocks."""
    reach: Array
    """(bins,) Å: the outer edges of the bins."""
    coordination: Array
    """(bins,) mean number of neighbours up to `reach`: 4π ρ_B ∫ g r² dr."""
    coordination_std: Array
    """(bins,) its standard error, as above."""
    blocks: Blocks
    """What the errors come from."""
    frames: int
    """Frames that were looked at, of all runs."""


def radial(runs: Sequence[PairDistribution], method: str = "counts") -> Radial:
    """Return g(r) with errors from the runs of one temperature.

    The error is that of a ratio from blocks in time, 8 for each run: with C_b pairs and E_b expected in block
    b, σ² = n/(n−1) Σ_b (C_b − g E_b)²/(Σ E_b)². It is widened for few blocks (Student's t), and for blocks
    that are not independent: σ² by (1 + m)/(1 − m), m the correlation of successive blocks, or by what the
    runs scatter more than their blocks tell, whichever is more.

    Parameters
    ----------
    runs
        Of one pair and temperature, on the same bins.
    method
        `counts`, the physical one; or `pymatgen`, see `smeared`.

    Raises
    ------
    AnalysisError
        A method of another name.
    """
    one, blocks = runs[0], blocks_of(runs)
    r, values, residuals = one.centres, blocks.values, blocks.residuals
    if method == "pymatgen":
        matrix = smeared(one)
        r, values, residuals = one.edges, matrix @ values, residuals @ matrix.T
    elif method != "counts":
        raise AnalysisError(f"the method {method!r}", "counts or pymatgen")
    near = _error(blocks.coordination_residuals, blocks.coordination_inefficiency)
    return Radial(
        one.first, one.second, one.temperature, r, values, _error(residuals, blocks.inefficiency),
        one.edges[1:], blocks.coordination, near, blocks, sum(map(len, runs)),
    )  # fmt: skip


def _error(residuals: Array, inefficiency: float) -> Array:
    """Return the standard errors of ratios from residuals, (blocks, …); NaN where nothing was seen."""
    n = len(residuals)
    if n < 2:
        return np.full(residuals.shape[1], np.nan)
    error = np.sqrt(inefficiency * n / (n - 1) * (residuals**2).sum(axis=0)) * widened(1.0, n)
    return np.where(error > 0, error, np.nan)


def smeared(run: PairDistribution, sigma: float = 0.1) -> Array:
    """Return the matrix, (bins + 1, bins), from g in shells to that of pymatgen-analysis-diffusion.

    Its `RadialDistributionFunction` counts the atom itself in the density, N_B/V, gives every shell a
    Gaussian of width σ at its lower edge times its thickness, and takes their sum at all edges. So a peak is
    broader than it is and half a shell nearer, and g(r) of one kind is (N − 1)/N of ours.

    Parameters
    ----------
    run
        On equal bins from zero, such as np.linspace(0, 10, 101).
    sigma
        Å.

    Raises
    ------
    AnalysisError
        Other bins.
    """
    edges, thickness = run.edges, run.edges[1] - run.edges[0]
    if edges[0] != 0 or not np.allclose(np.diff(edges), thickness):
        raise AnalysisError("shells of unequal thickness, or not from 0 on", "equal ones for this convention")
    gaussians = np.exp(-((edges[:, None] - edges[:-1]) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)
    return np.asarray((1 - run.own) * thickness * gaussians, dtype=float)
