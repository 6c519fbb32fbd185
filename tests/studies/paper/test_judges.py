"""Verdicts by their rules, on numbers with known answers."""

import numpy as np
import pytest

from handful.domains.speeds.pictures import Served
from handful.report.study.reading import read_collection
from studies.paper.judges import (
    NO,
    NOT_RUN,
    UNDECIDED,
    YES,
    against,
    explained,
    fastest_together,
    is_alike,
    is_higher,
    largest_share,
    overall,
    slow_outside,
)
from tests.report.study.results import run_row, write_results


def cells(tmp_path, optima=None, **welfare):
    """Cells by name: a method with these welfares by seed; the seeds' optima, if not alike."""
    rows = [
        run_row("t", name, 5, seed, value, **({"optimum": optima[seed]} if optima else {}))
        for name, values in welfare.items()
        for seed, value in enumerate(values)
    ]
    write_results(tmp_path / "t", rows)
    return {cell.label: cell for cell in read_collection(tmp_path).cells}


def test_students_intervals_decide(tmp_path):
    # Two seeds each with errors 1: Welch's interval of a difference reaches 4.303 * 1.414 = 6.08.
    found = cells(tmp_path, a=[9.0, 11.0], b=[15.0, 17.0], c=[15.2, 17.2], one=[30.0])
    assert is_higher(found["b"], found["a"]) == UNDECIDED
    assert is_higher(found["c"], found["a"]) == YES
    assert is_higher(found["a"], found["c"]) == NO
    assert is_higher(found["one"], found["a"]) == UNDECIDED  # a single seed decides nothing


def test_a_mean_against_a_number(tmp_path):
    # A mean of 10 with an error of 1 and one degree of freedom: 12.706 either way.
    found = cells(tmp_path, a=[9.0, 11.0], one=[30.0])
    thresholds = (-2.8, -2.6, 22.6, 22.8)
    expected = [YES, UNDECIDED, UNDECIDED, NO]
    assert [against(found["a"], value) for value in thresholds] == expected
    assert against(found["one"], 0.0) == UNDECIDED


def test_seeds_with_users_of_their_own_are_compared_seed_by_seed(tmp_path):
    """Means of 20 with wide errors, and each seed two or so higher than the other method's."""
    welfare = {"a": [10.0, 20.0, 30.0], "b": [12.0, 22.1, 31.9]}
    found = cells(tmp_path / "drawn", optima=[20.0, 30.0, 40.0], **welfare)
    assert is_higher(found["b"], found["a"]) == YES
    found = cells(tmp_path / "alike", **welfare)
    assert is_higher(found["b"], found["a"]) == UNDECIDED


def test_seeds_with_other_users_in_each_are_not_pairs(tmp_path):
    found = [
        cells(tmp_path / name, optima=optima, **{name: [10.0, 20.0]})[name]
        for name, optima in (("a", [20.0, 30.0]), ("b", [20.0, 31.0]))
    ]
    assert found[0].changes_from(found[1], "welfare") == [0.0]


def test_means_are_alike_within_a_margin(tmp_path):
    found = cells(tmp_path, a=[10.0, 10.2], b=[10.1, 10.3], c=[5.0, 15.0], one=[10.0])
    assert is_alike(found["a"], found["b"], 1.0) == YES
    assert is_alike(found["a"], found["b"], 0.05) == UNDECIDED
    assert is_alike(found["a"], found["c"], 1.0) == UNDECIDED  # noise is no likeness
    assert is_alike(found["a"], found["one"], 1.0) == UNDECIDED
    apart = cells(tmp_path / "apart", a=[10.0, 10.2], b=[20.1, 20.3])
    assert is_alike(apart["a"], apart["b"], 1.0) == NO


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], NOT_RUN),
        ([YES, YES], YES),
        ([NO], NO),
        ([YES, NO], "partly (1 of 2)"),
        ([YES, UNDECIDED, YES], "partly (2 of 3)"),
        ([UNDECIDED, NO], UNDECIDED),
    ],
)
def test_one_verdict_of_several(verdicts, expected):
    assert overall(verdicts) == expected


def test_how_much_was_run_is_said():
    assert overall([YES], asked=1) == YES
    assert overall([YES, YES], asked=32) == "reproduced, as far as it was run (2 of 32)"
    assert overall([YES], 2, "as far as we know") == "reproduced, as far as we know (1 of 2)"
    assert overall([], 2, nothing="not kept") == "not kept"


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
    # Outside the group of three are users who want 0 and 4; the median is 2.
    assert slow_outside(served([0.0, 1.0, 2.0, 3.0, 4.0], [0, 1, 1, 1, 2])) == 0.5
    assert slow_outside(served([0.0, 1.0], [0, 0])) is None
