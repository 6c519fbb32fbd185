"""Welfare against the budget: what was measured, and the folder that holds it."""
