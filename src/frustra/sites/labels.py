"""Names that tell sites of one kind apart by the framework cations around them."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from frustra.arrays import IntArray
from frustra.sites.record import Links

SHARED = ((3, "face"), (2, "edge"), (1, "corner"))
"""What two polyhedra share that have so many vertices in common, or more."""


def labels_of(kind: NDArray[np.str_], held: NDArray[np.str_], contacts: Links) -> NDArray[np.str_]:
    """Return a name for the class of every site, such as `tet: 1 Y face`.

    The name says how many framework cations of each element have polyhedra that share a face and an edge with
    the site's own; corners count where an element shares neither. Which anions the vertices are is not in
    it, so that a class is the same in a crystal with disorder of its anions. A site that holds a cation is
    named by it, `oct of Y`.

    Parameters
    ----------
    kind, held
        (n,) one of `SITE_KINDS`; the framework cation in the site, or empty.
    contacts
        All pairs of sites that share a vertex at least.
    """
    counts = [Counter[tuple[str, str]]() for _ in kind]
    for site, element, what in _neighbours(held, contacts):
        counts[site][element, what] += 1
    return np.array([_name(*row) for row in zip(kind, held, counts, strict=True)])


def shared_with(held: NDArray[np.str_], links: Links, what: str) -> dict[str, IntArray]:
    """Return for each framework cation how many of its polyhedra share a face, or an edge, with each site.

    Parameters
    ----------
    what
        `face`, `edge` or `corner`.

    Returns
    -------
    dict
        Element → (n,) polyhedra.
    """
    found = {e: np.zeros(len(held), dtype=np.int64) for e in sorted(set(held.tolist()) - {""})}
    for site, element, how in _neighbours(held, links):
        if how == what:
            found[element][site] += 1
    return found


def _neighbours(held: NDArray[np.str_], contacts: Links) -> Iterator[tuple[int, str, str]]:
    """Give each site next to a cation's, the cation, and what the two polyhedra share."""
    words = np.select([contacts.shared >= n for n, _ in SHARED], [w for _, w in SHARED], "")
    for site, other in ((0, 1), (1, 0)):
        cation = held[contacts.pairs[:, other]]
        for row in np.flatnonzero(cation != ""):
            yield int(contacts.pairs[row, site]), str(cation[row]), str(words[row])


def _name(kind: str, held: str, count: Counter[tuple[str, str]]) -> str:
    if held:
        return f"{kind} of {held}"
    parts = []
    for element in sorted({e for e, _ in count}):
        close = [(count[element, w], w) for w in ("face", "edge") if count[element, w]]
        for number, word in close or [(count[element, "corner"], "corner")]:
            parts.append(f"{number} {element} {word}{'s' if number > 1 else ''}")
    return f"{kind}: {', '.join(parts)}" if parts else kind
