"""Figures, tables, claims and the page of studies, made from their results folders only."""
