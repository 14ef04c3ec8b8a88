"""Which site every mobile ion is in, frame by frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frustra.arrays import Array, BoolArray, IntArray
from frustra.errors import DataError


@dataclass(frozen=True)
class Visits:
    """The sites of all mobile ions in the frames of one run."""

    site: NDArray[np.int32]
    """(frames, ions) row of the site in `Sites`; −1 where the ion is in none."""
    image: NDArray[np.int16]
    """(frames, ions, 3) cell vectors from the site's home copy to the one that the unwrapped ion is in."""
    ions: IntArray
    """(ions,) indices of the atoms."""
    timestep: float
    """Time between frames, ps."""
    temperature: float
    """K; NaN where nobody knows it."""
    torn: IntArray
    """(frames,) ions whose place was ambiguous in a frame: the anions around them had turned a polyhedron
    inside out, and they were given to the one that they are deepest in."""

    def __post_init__(self) -> None:
        frames, ions = self.site.shape
        shapes = (self.image.shape, self.ions.shape, self.torn.shape)
        if shapes != ((frames, ions, 3), (ions,), (frames,)):
            raise DataError(
                f"visits {self.site.shape} with images {shapes[0]}, ions {shapes[1]} and torn {shapes[2]}",
                "one for each frame and ion",
            )

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.site)

    @property
    def duration(self) -> float:
        """Time from the first to the last frame, ps."""
        return (len(self) - 1) * self.timestep

    @property
    def nowhere(self) -> float:
        """Fraction of ions and frames in no site."""
        return float((self.site < 0).mean()) if self.site.size else 0.0

    def held(self, sites: int) -> BoolArray:
        """Return which of so many sites hold an ion, (frames, sites)."""
        found = np.zeros((len(self), sites + 1), bool)
        np.put_along_axis(found, self.site.astype(np.int64), True, axis=1)  # −1 is the spare column
        return found[:, :-1]

    def occupancy(self, sites: int) -> Array:
        """Return the mean number of ions in each of so many sites, (sites,)."""
        inside = self.site[self.site >= 0]
        return np.bincount(inside, minlength=sites) / max(len(self), 1)
