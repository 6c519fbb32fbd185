"""Whether an environment keeps the promises that training relies on, and what to mend."""
