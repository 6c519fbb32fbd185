"""The reproduction of the paper: its claims, its figures, and the tables of docs/study.md."""
