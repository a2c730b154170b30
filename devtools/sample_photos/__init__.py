"""A rendered catalogue of sample photos."""
