"""The joint density p(e_i, e_f) of the relaxed energies before and after hops of one class."""

from dataclasses import dataclass

import numpy as np

from frustra.analysis.transitions.ways import Ways, grouped
from frustra.arrays import Array
from frustra.errors import AnalysisError
from frustra.stats import Estimate


@dataclass(frozen=True)
class Joint:
    """Relaxed energies of the hopping ion before and after, of one class of hops at one temperature."""

    temperature: float
    """K."""
    pathway: str
    """Kinds of the sites from origin to target."""
    hops: int
    """Hops, or ways, with both energies."""
    ions: int
    """Different ions (of different runs) among them."""
    stands_for: float
    """Lasting hops of the runs that these are drawn from."""
    edges: Array
    """(b + 1,) eV above the zero: multiples of the DOAS' bin width, the same for all classes."""
    density: Array
    """(b, b) p(e_i, e_f), 1/eV²: rows before, columns after; the integral is one."""
    before: Estimate
    """Mean of e_i, eV."""
    after: Estimate
    """Mean of e_f, eV."""
    change: Estimate
    """Mean of Δe = e_f − e_i, eV."""
    spread: Estimate
    """Standard deviation of Δe, eV."""

    @property
    def centres(self) -> Array:
        """(b,) eV."""
        return (self.edges[1:] + self.edges[:-1]) / 2


def common_edges(energies: Array, width: float) -> Array:
    """Return multiples of a bin width that hold every energy, (b + 1,)."""
    if not len(energies):
        return np.array([0.0, width])
    first, last = np.floor(energies.min() / width), np.floor(energies.max() / width) + 1
    return np.arange(first, last + 1) * width


def joint_density(
    temperature: float,
    ways: Ways,
    edges: Array,
    rng: np.random.Generator,
    samples: int = 200,
) -> Joint:
    """Return p(e_i, e_f) of hops of one class, with means and errors by bootstrap over ions.

    p = Σ w [e_i in bin][e_f in bin] / (Σ w · width²), with the weights of the hops.

    Parameters
    ----------
    temperature
        K.
    ways
        Of one pathway.
    edges
        (b + 1,) equal bins that hold every energy, eV.
    rng, samples
        Of the bootstrap.

    Raises
    ------
    AnalysisError
        No hop, more than one pathway, or an energy outside the bins.
    """
    names = np.unique(ways.pathway)
    if len(names) != 1:
        raise AnalysisError(f"hops of {len(names)} pathways", "at least one hop, and of one pathway")
    both = np.concatenate([ways.before, ways.after])
    if both.min() < edges[0] or both.max() > edges[-1]:
        raise AnalysisError("an energy outside the bins", f"from {edges[0]:g} to {edges[-1]:g} eV")
    width = (edges[-1] - edges[0]) / (len(edges) - 1)
    counts, _, _ = np.histogram2d(ways.before, ways.after, bins=[edges, edges], weights=ways.weight)

    def moments(drawn: Array) -> Array:
        weight = drawn * ways.weight / (drawn @ ways.weight)
        change = weight @ ways.change
        variance = np.maximum(weight @ ways.change**2 - change**2, 0.0)
        return np.array([weight @ ways.before, weight @ ways.after, change, np.sqrt(variance)])

    before, after, change, spread = grouped(moments, ways.group, rng, samples)
    return Joint(
        temperature=temperature,
        pathway=str(names[0]),
        hops=len(ways),
        ions=len(np.unique(ways.group)),
        stands_for=float(ways.weight.sum()),
        edges=edges,
        density=counts / (ways.weight.sum() * width**2),
        before=before,
        after=after,
        change=change,
        spread=spread,
    )
