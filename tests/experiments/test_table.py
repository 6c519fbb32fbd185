"""Means over seeds, and the page that shows them, against values computed by hand."""

import polars as pl
import pytest

from handful.experiments.table import summarize, summary_page


def _summary(kind: str = "exact", optima: tuple[float | None, ...] = (89.0, 90.0, 91.0)):
    rows = [
        {
            "task": "t",
            "method": "em",
            "policies": 2,
            "seed": seed,
            "welfare_stderr": 9.0,
            "worst_user_return": 1.0,
            "optimum": optimum,
            "optimum_kind": None if optimum is None else kind,
            "percent_of_optimum": None if optimum is None else welfare / 0.8,
        }
        | dict.fromkeys(
            ("welfare", "soft_welfare", "reassigned_welfare", "stochastic_welfare"), welfare
        )
        for seed, (welfare, optimum) in enumerate(zip((80.0, 84.0, 88.0), optima, strict=True))
    ]
    return summarize(pl.DataFrame(rows))


def test_means_and_standard_errors_over_seeds():
    row = _summary().row(0, named=True)
    assert row["seeds"] == 3
    assert row["welfare"] == 84.0
    assert row["welfare_stderr"] == pytest.approx(4 / 3**0.5)  # the spread of seeds, not episodes
    assert row["welfare_min"] == 80.0
    assert row["optimum"] == 90.0  # seeds may have users of their own


@pytest.mark.parametrize(
    ("kind", "optima", "cells"),
    [
        ("exact", (89.0, 90.0, 91.0), "| 105.00 ± 2.89 | 80.00 | 90.00 |"),
        ("upper bound", (89.0, 90.0, 91.0), "| 105.00 ± 2.89 | 80.00 | ≤ 90.00 |"),
        ("exact", (None, None, None), "| – | 80.00 | – |"),
    ],
)
def test_a_page_tells_a_bound_from_an_optimum(kind, optima, cells):
    page = summary_page("study", _summary(kind, optima), "handful sweep study.yaml")
    assert page.startswith("# study\n\nMade by `handful sweep study.yaml`.")
    assert page.rstrip().endswith(cells)
