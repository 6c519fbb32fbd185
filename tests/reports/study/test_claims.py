"""Verdicts by their rules, on numbers with known answers."""

import numpy as np
import pytest

from handful.reports.study.assignments import Served
from handful.reports.study.claims import CLAIMS, claims_table
from handful.reports.study.collection import read_collection
from handful.reports.study.figures import ROBOTS
from handful.reports.study.verdicts import (
    NO,
    NOT_RUN,
    PARTLY,
    UNDECIDED,
    YES,
    against,
    explained,
    fastest_together,
    is_alike,
    is_higher,
    largest_share,
    overall,
)
from tests.reports.study.results import run_row, user_rows, write_results


def cells(tmp_path, **welfare):
    """Cells by name: a method with these welfares by seed."""
    rows = [
        run_row("t", name, 5, seed, value)
        for name, values in welfare.items()
        for seed, value in enumerate(values)
    ]
    write_results(tmp_path / "t", rows)
    return {cell.label: cell for cell in read_collection(tmp_path).cells}


def test_two_standard_errors_decide(tmp_path):
    # Means 10 and 12 with errors 1: two errors of the difference are 2.83.
    found = cells(tmp_path, a=[9.0, 11.0], b=[11.0, 13.0], c=[14.0, 16.0], one=[30.0])
    assert is_higher(found["b"], found["a"]) == UNDECIDED
    assert is_higher(found["c"], found["a"]) == YES
    assert is_higher(found["a"], found["c"]) == NO
    assert is_higher(found["one"], found["a"]) == UNDECIDED  # a single seed decides nothing
    assert against(found["a"], 9.5) == YES
    assert against(found["a"], 11.9) == UNDECIDED
    assert against(found["a"], 12.1) == NO


def test_means_are_alike_where_no_difference_counts(tmp_path):
    found = cells(tmp_path, a=[9.0, 11.0], b=[11.0, 13.0], c=[14.0, 16.0], one=[10.0])
    assert is_alike(found["a"], found["b"]) == YES
    assert is_alike(found["a"], found["c"]) == NO
    assert is_alike(found["a"], found["one"]) == UNDECIDED


def test_at_the_ends_every_pair_of_methods_is_compared(tmp_path):
    """End-to-end and clustering are each within two errors of EM, and not of each other."""
    welfare = {"em": [86.0, 94.0], "end-to-end": [93.0, 93.2], "cluster": [86.8, 87.0]}
    rows = [
        run_row("resource-gathering", method, k, seed, value)
        for method, values in welfare.items()
        for seed, value in enumerate(values)
        for k in (1, 25)
    ]
    write_results(tmp_path / "t", rows)
    row = claims_table(read_collection(tmp_path)).rows[0]
    assert row[-1] == PARTLY


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], NOT_RUN),
        ([YES, YES], YES),
        ([NO], NO),
        ([YES, NO], PARTLY),
        ([YES, UNDECIDED], PARTLY),
        ([UNDECIDED, NO], UNDECIDED),
    ],
)
def test_one_verdict_of_several(verdicts, expected):
    assert overall(verdicts) == expected


def test_what_was_run_in_part_is_said():
    assert overall([YES], is_complete=False) == "reproduced, as far as it was run"


def served(targets, assignment):
    assignment = np.array(assignment)
    return Served("t", "em", assignment.max() + 1, 0, np.array(targets), assignment, 4.0)


def test_measures_of_groups_by_hand():
    # Groups 0, 1 and 3, 4: means 0.5 and 3.5, variance between 2.25, of all 2.5.
    groups = served([0.0, 1.0, 3.0, 4.0], [0, 0, 1, 1])
    assert explained(groups) == pytest.approx(0.9)
    assert largest_share(served([0.0, 1.0, 3.0, 4.0], [0, 1, 1, 1])) == 0.75
    # Of twenty users the fastest two are on two policies.
    assert fastest_together(served(np.arange(20.0), [0] * 19 + [1])) == 0.5


def test_every_claim_has_a_line_even_without_runs(tmp_path):
    write_results(tmp_path / "t", [run_row("t", "em", 5, 0, 1.0)])
    table = claims_table(read_collection(tmp_path))
    assert len(table.rows) == len(CLAIMS)
    assert {row[-1] for row in table.rows} == {NOT_RUN}


def outperforming_random(folder):
    """The row of that claim."""
    table = claims_table(read_collection(folder))
    return next(row for row in table.rows if "outperform the random assignment" in row[1])


def test_robots_against_random(tmp_path):
    rows = [
        run_row(task, method, 5, seed, welfare + seed)
        for task in ("half-cheetah", "hopper")
        for method, welfare in (("em", 30.0), ("random", 10.0))
        for seed in range(3)
    ]
    write_results(tmp_path / "t", rows)
    assert outperforming_random(tmp_path)[-1] == "reproduced, as far as it was run"


def robots(missing=()):
    """Runs of every robot at the paper's budget, two seeds each; em has one budget more."""
    welfare = {"em": 30.0, "end-to-end": 31.0, "random": 10.0}
    rows = [
        run_row(task, method, 5, seed, mean + 0.1 * seed)
        for task in ROBOTS
        for method, mean in welfare.items()
        for seed in range(2)
        if (task, method, seed) not in missing
    ]
    return [*rows, *(run_row(ROBOTS[0], "em", 10, seed, 50.0) for seed in range(2))]


def test_budgets_that_the_paper_has_not_leave_no_claim_half_run(tmp_path):
    write_results(tmp_path / "t", robots())
    assert outperforming_random(tmp_path)[-1] == YES


def test_a_single_seed_is_as_good_as_none(tmp_path):
    write_results(tmp_path / "t", robots({(ROBOTS[3], "random", 1)}))
    numbers, verdict = outperforming_random(tmp_path)[-2:]
    assert verdict == f"{YES}, as far as it was run"
    assert "Ant" not in numbers


@pytest.mark.parametrize(
    ("largest", "verdict"), [([60, 70], "reproduced"), ([60, 40], "partly"), ([30, 40], NO)]
)
def test_groups_are_judged_run_by_run(tmp_path, largest, verdict):
    rows = [run_row("half-cheetah", "cluster", 5, seed, 10.0) for seed in range(2)]
    users = []
    for row, count in zip(rows, largest, strict=True):
        others = [1 + i % 4 for i in range(100 - count)]
        users += user_rows(row["digest"], [0] * count + others, [0.04 * i for i in range(100)])
    write_results(tmp_path / "t", rows, users=users)
    verdicts = {row[1]: row[-1] for row in claims_table(read_collection(tmp_path)).rows}
    assert verdicts["Clustering lumps the majority into one group."] == verdict
