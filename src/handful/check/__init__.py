"""Checks whether an environment does what training relies on, with advice on what to mend."""
