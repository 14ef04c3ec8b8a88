"""Hops as transitions between relaxed states: which hops, their energies, and what these tell."""
