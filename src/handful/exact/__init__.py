"""Exact optima with their proofs. Needs NumPy and SciPy only."""
