"""Percolation on the torus of the cell: of occupancies, rates of hops and energies of states."""
