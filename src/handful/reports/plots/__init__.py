"""The figures, each a function that takes data and an axis; `handful.reports.figures` lays out."""
