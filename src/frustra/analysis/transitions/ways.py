"""Transitions as ways between levels: the halves of a way oct–tet–oct are also taken together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from frustra.analysis.transitions.choice import OCT_TET_OCT
from frustra.arrays import Array, BoolArray, IntArray
from frustra.stats import Estimate
from frustra.transitions import Transitions


@dataclass(frozen=True)
class Ways:
    """Transitions that can be used, and ways of two of them from oct to another oct site.

    The halves of such a way are here too, in classes of their own.
    """

    pathway: NDArray[np.str_]
    """(n,) kinds of the sites from origin to target, such as oct–oct or oct–tet–oct."""
    direction: NDArray[np.str_]
    """(n,) of the hop; empty of two hops."""
    before: Array
    """(n,) relaxed per-atom energy of the ion in the origin, eV above the zero."""
    middle: Array
    """(n, 2) in the tet site between two hops: after the first and before the second, eV; NaN of others."""
    after: Array
    """(n,) in the target, eV."""
    weight: Array
    """(n,) hops, or ways, that each stands for."""
    group: IntArray
    """(n,) one number for all hops of an ion in its run, which are not independent."""

    def __len__(self) -> int:
        """Return the number of transitions and ways."""
        return len(self.before)

    def select(self, rows: IntArray | BoolArray) -> "Ways":
        """Return some of them."""
        return Ways(
            self.pathway[rows], self.direction[rows], self.before[rows], self.middle[rows], self.after[rows],
            self.weight[rows], self.group[rows],
        )  # fmt: skip

    @property
    def change(self) -> Array:
        """(n,) Δe, eV."""
        return self.after - self.before


def ways_of(transitions: Transitions, zero: float = 0.0) -> Ways:
    """Return the transitions of one temperature that can be used, and the ways oct–tet–oct that they make up.

    Parameters
    ----------
    transitions
        Of one material and temperature.
    zero
        Zero of energy, that of the DOAS, eV.
    """
    group = groups_of(transitions)
    single = np.flatnonzero(transitions["ok"])
    one, other = _pairs(transitions)
    energy = {side: transitions[f"energy_{side}"] - zero for side in ("before", "after")}
    unknown = np.full((len(single), 2), np.nan)
    return Ways(
        pathway=np.concatenate([transitions["pathway"][single], np.full(len(one), OCT_TET_OCT)]),
        direction=np.concatenate([transitions["direction"][single], np.full(len(one), "")]),
        before=energy["before"][np.concatenate([single, one])],
        middle=np.concatenate([unknown, np.stack([energy["after"][one], energy["before"][other]], axis=1)]),
        after=energy["after"][np.concatenate([single, other])],
        weight=transitions["weight"][np.concatenate([single, one])],
        group=group[np.concatenate([single, one])],
    )


def groups_of(transitions: Transitions) -> IntArray:
    """Return one number for all hops of an ion in its run, (n,): what errors take as one."""
    keys = np.stack([transitions["temperature"], transitions["run"], transitions["ion"]])
    return np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _pairs(transitions: Transitions) -> tuple[IntArray, IntArray]:
    """Return the halves of ways from an oct site to another one (or another copy), where both can be used."""
    chained = np.flatnonzero(transitions["chain"] >= 0)
    order = chained[
        np.lexsort([transitions[c][chained] for c in ("arrived", "chain", "run")])
    ]  # the halves follow upon each other
    one, other = order[::2], order[1::2]
    shifts = np.stack([transitions[f"shift_{axis}"] for axis in "abc"], axis=1)
    away = transitions["origin"][one] != transitions["target"][other]
    away |= (shifts[one] + shifts[other]).any(axis=1)
    usable = away & transitions["ok"][one] & transitions["ok"][other]
    return one[usable].astype(np.int64), other[usable].astype(np.int64)


def grouped(
    statistic: Callable[[Array], Array], group: IntArray, rng: np.random.Generator, samples: int
) -> tuple[Estimate, ...]:
    """Return values with errors by bootstrap over groups.

    The standard errors are widened by √(g/(g − 1)) of g groups, and the 95 % intervals are Student's of
    g − 1 degrees of freedom, as the groups are few. Of a single group the errors are not known.

    Parameters
    ----------
    statistic
        Takes how often each row counts, (n,); returns (k,) values, NaN where a draw tells nothing.
    group
        (n,) group of each row.
    """
    members, row = np.unique(group, return_inverse=True)
    count = len(members)
    values = np.asarray(statistic(np.ones(len(group))), dtype=float)
    if count < 2:
        return tuple(Estimate(float(v), np.nan, np.nan, np.nan) for v in values)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=samples)
    drawn = np.stack([statistic(d[row].astype(float)) for d in draws])
    wide = np.nanstd(drawn, axis=0, ddof=1) * np.sqrt(count / (count - 1))
    reach = float(stdtrit(count - 1, 0.975)) * wide
    return tuple(
        Estimate(float(v), float(s), float(v - r), float(v + r))
        for v, s, r in zip(values, wide, reach, strict=True)
    )
