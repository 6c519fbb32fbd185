"""The figures, each a function that takes data and an axis; `handful.report.figures` lays out."""
