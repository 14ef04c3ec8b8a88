"""Analysis reads data: NumPy and SciPy between frozen records."""
