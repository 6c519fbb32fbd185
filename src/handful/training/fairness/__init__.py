"""The welfare of a run in training: what users count, what they may claim, and what floors hold."""
