"""The density of the mobile ion on a grid, relative to the framework and averaged over its symmetry."""
