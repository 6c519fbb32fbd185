"""Means over seeds, and the page that shows them, against values computed by hand."""

import polars as pl
import pytest

from handful.sweep.table import build_table, summarize, summary_page
from tests.sweep.helpers import request_of


def _rows(
    kind: str = "exact", optima: tuple[float | None, ...] = (89.0, 90.0, 91.0), steps: int = 2000
):
    return [
        {
            "task": "t",
            "method": "em",
            "policies": 2,
            "users": 1000,
            "steps": steps,
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


def _summary(*args, **kwargs):
    return summarize(pl.DataFrame(_rows(*args, **kwargs)))


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
        ("exact", (89.0, None, 91.0), "| – | 80.00 | – |"),
        ("upper bound", (89.0, None, 91.0), "| – | 80.00 | – |"),
    ],
)
def test_a_page_tells_a_bound_from_an_optimum(kind, optima, cells):
    page = summary_page("study", _summary(kind, optima), "handful sweep study.yaml")
    assert page.startswith("# study\n\nMade by `handful sweep study.yaml`.")
    assert page.rstrip().endswith(cells)
    assert "| t | em | 2 | 1,000 | 3 | 84.00 ± 2.31 |" in page


def test_what_is_not_known_of_every_seed_is_no_mean_over_all():
    row = _summary(optima=(89.0, None, 91.0)).row(0, named=True)
    assert row["seeds"] == 3
    assert row["welfare"] == 84.0
    names = ("percent_of_optimum", "percent_of_optimum_stderr", "optimum", "optimum_kind")
    assert [row[name] for name in names] == [None] * 4


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        (("exact", "exact", "exact"), "exact"),
        (("exact", "upper bound", "exact"), "upper bound"),
        (("upper bound", "exact", "zero"), "upper bound"),  # not what the alphabet has last
    ],
)
def test_an_optimum_is_a_bound_if_one_seeds_is(kinds, kind):
    rows = [{**row, "optimum_kind": one} for row, one in zip(_rows(), kinds, strict=True)]
    assert summarize(pl.DataFrame(rows))["optimum_kind"].to_list() == [kind]


def test_runs_of_other_users_or_steps_are_no_seeds_of_the_same_row():
    longer = [{**row, "seed": 3 + row["seed"], "steps": 8000} for row in _rows()[:2]]
    fewer = [{**row, "users": 4} for row in _rows()[:1]]
    summary = summarize(pl.DataFrame([*_rows(), *longer, *fewer]))
    names = ("users", "steps", "seeds", "welfare")
    assert summary.select(names).rows() == [
        (4, 2000, 1, 80.0),
        (1000, 2000, 3, 84.0),
        (1000, 8000, 2, 82.0),
    ]
    page = summary_page("study", summary, "handful sweep study.yaml")
    assert "| task | method | k | n | steps | seeds |" in page
    assert "| t | em | 2 | 1,000 | 8,000 | 2 | 82.00 ± 2.00 |" in page


def test_stored_rows_stand_for_runs_that_are_gone_or_damaged(tmp_path):
    gone, damaged, never = (request_of(tmp_path, seed) for seed in range(3))
    assert build_table([gone, damaged, never], {}) is None
    damaged.folder.mkdir()
    (damaged.folder / "evaluation.json").write_text("{}")
    assert build_table([gone, damaged, never], {}) is None
    stored = {request.digest: {"method": "before"} for request in (gone, damaged)}
    assert build_table([gone, damaged, never], stored)["method"].to_list() == ["em", "em"]
