"""Studies: many runs from one file, and the table they give."""
