"""The suite: problems that nobody tuned for, and what methods make of them (docs/suite.md)."""
