"""The files of a run: written, read back, compared, and released as a bundle."""
