"""Radial distribution functions: pairs counted, curves with errors, first peaks, classes of atoms."""
