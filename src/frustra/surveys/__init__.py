"""From anyone's trajectories to what `frustra sites`, `hops`, `rdf`, `density` and `percolation` tell."""
