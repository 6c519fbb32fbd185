"""The paper's claims held against results made by hand."""

import pytest

from handful.report.study.reading import read_collection
from studies.paper.claims import CLAIMS, claims_table
from studies.paper.experiments import GRID_TASK, MIDDLE, ROBOT_BUDGETS, ROBOTS
from studies.paper.judges import BY_CONSTRUCTION, NO, NOT_RUN, UNDECIDED, YES
from tests.report.study.results import curve_rows, run_row, user_rows, write_results

NUMBERS, VERDICT, ENDED = 3, 4, 5
"""Columns of the table."""


def claim(folder, words):
    """The row of the claim that has these words."""
    (row,) = [row for row in claims_table(read_collection(folder)).rows if words in row[1]]
    return row


def test_every_claim_has_a_line_even_without_runs(tmp_path):
    write_results(tmp_path / "t", [run_row("t", "em", 5, 0, 1.0)])
    table = claims_table(read_collection(tmp_path))
    assert len(table.rows) == len(CLAIMS)
    assert {row[VERDICT] for row in table.rows} == {NOT_RUN}


def grid(welfare, budgets):
    """Runs of methods in Resource Gathering, the same by seed at every budget."""
    return [
        run_row(GRID_TASK, method, k, seed, value, optimum_kind="exact", optimum=93.56)
        for method, values in welfare.items()
        for seed, value in enumerate(values)
        for k in budgets
    ]


def test_with_one_policy_every_pair_of_methods_is_compared(tmp_path):
    welfare = {"em": [74.0, 74.1], "end-to-end": [74.0, 74.1], "cluster": [80.0, 80.1]}
    write_results(tmp_path / "t", grid(welfare, [1, 25]))
    assert claim(tmp_path, "With k = 1 ")[VERDICT] == "partly (1 of 3)"
    assert claim(tmp_path, "With k = n ")[VERDICT] == BY_CONSTRUCTION
    assert claim(tmp_path, "The optimum for k = 25")[VERDICT] == YES


def test_thresholds_and_likeness_in_resource_gathering(tmp_path):
    welfare = {"em": [91.0, 91.1], "end-to-end": [90.9, 91.0], "cluster": [70.0, 70.1]}
    write_results(tmp_path / "t", grid(welfare, [1, *MIDDLE]))
    assert claim(tmp_path, "Both exceed 90")[VERDICT] == YES
    assert claim(tmp_path, "perform similarly")[VERDICT] == YES
    assert claim(tmp_path, "Clustering stays")[VERDICT] == YES
    assert claim(tmp_path, "are better than clustering")[VERDICT] == YES
    assert claim(tmp_path, "visits every tile")[VERDICT] == NO  # the worst user has 10 less


def test_welfare_that_rises_with_the_budget(tmp_path):
    rows = [row for k in (1, 2, 3, 5, 10, 25) for row in grid({"em": [50 + k, 50.1 + k]}, [k])]
    rows += [run_row(ROBOTS[0], "em", k, seed, 10.0) for k in (1, 2) for seed in range(2)]
    write_results(tmp_path / "t", rows)
    row = claim(tmp_path, "The algorithms scale")
    assert row[VERDICT] == "partly (5 of 6), as far as it was run (6 of 16)"  # 5 higher, 1 alike
    assert "Resource gathering, em: 51.05 (1), 52.05 (2), 53.05 (3)" in row[NUMBERS]


def test_claims_are_held_against_the_end_of_training_too(tmp_path):
    """End-to-end hands out policies that it had earlier, and has lost them at the end."""
    rows = grid({"em": [91.0, 91.1], "end-to-end": [91.0, 91.1]}, [10])
    curves = [
        point
        for row in rows
        for point in curve_rows(row["digest"], row["welfare"] - 9 * (row["method"] != "em"))
    ]
    write_results(tmp_path / "t", rows, curves=curves)
    row = claim(tmp_path, "Both exceed 90")
    assert (row[VERDICT], row[ENDED]) == (YES, "partly (1 of 2)")
    assert claim(tmp_path, "visits every tile")[ENDED] == "–"


def test_curves_that_were_not_kept_are_no_runs_that_are_missing(tmp_path):
    rows = grid({"em": [91.0, 91.1], "end-to-end": [91.0, 91.1]}, [10])
    write_results(tmp_path / "none" / "t", rows)
    row = claim(tmp_path / "none", "Both exceed 90")
    assert (row[VERDICT], row[ENDED]) == (YES, "no curves were kept")
    curves = [one for row in rows[:2] for one in curve_rows(row["digest"], 91.0)]
    write_results(tmp_path / "some" / "t", rows, curves=curves)
    ended = claim(tmp_path / "some", "Both exceed 90")[ENDED]
    assert ended.endswith(", as far as curves were kept (1 of 2)")


def test_a_budget_that_is_missing_is_not_bridged(tmp_path):
    rows = [row for k in (1, 3, 5) for row in grid({"em": [50 + k, 50.1 + k]}, [k])]
    write_results(tmp_path / "t", rows)
    assert claim(tmp_path, "The algorithms scale")[VERDICT].endswith("run (1 of 16)")


def test_variants_are_compared_at_the_budget_that_the_claim_names(tmp_path):
    """At another one the method as it is does better, and at none of that length."""
    names = ("em", "em (e-step-every-5)", "em (e-step-every-20)")
    rows = [
        run_row(ROBOTS[0], name, k, seed, welfare + 0.1 * seed, steps=1_000_000)
        for k, order in ((5, 1), (10, -1))
        for name, welfare in zip(names, (10.0, 10.0 + 5 * order, 10.0 + 9 * order), strict=True)
        for seed in range(3)
    ]
    # As training ended, each has lost what it was ahead.
    curves = [one for row in rows for one in curve_rows(row["digest"], 3.0 + 0.1 * row["seed"])]
    write_results(tmp_path / "t", rows, curves=curves)
    row = claim(tmp_path, "E-step as often as possible")
    assert row[NUMBERS].startswith("as it is 10.10 ± 0.06; e-step-every-5 15.10")
    assert (row[VERDICT], row[ENDED]) == (NO, UNDECIDED)


def robots(budgets, missing=()):
    """Runs of every robot, two seeds each."""
    welfare = {"em": 30.0, "end-to-end": 31.0, "random": 10.0}
    return [
        run_row(task, method, k, seed, mean + 0.1 * seed)
        for task in ROBOTS
        for method, mean in welfare.items()
        for seed in range(2)
        for k in budgets
        if (task, method, seed) not in missing
    ]


def test_claims_on_robots_are_of_all_the_papers_budgets(tmp_path):
    write_results(tmp_path / "all", robots(ROBOT_BUDGETS))
    assert claim(tmp_path / "all", "outperform the random")[VERDICT] == YES
    write_results(tmp_path / "one" / "t", robots([5]))
    verdict = claim(tmp_path / "one", "outperform the random")[VERDICT]
    assert verdict == f"{YES}, as far as it was run (8 of 32)"


def test_a_single_seed_is_as_good_as_none(tmp_path):
    write_results(tmp_path / "t", robots([5], {(ROBOTS[3], "random", 1)}))
    row = claim(tmp_path, "outperform the random")
    assert row[VERDICT] == f"{YES}, as far as it was run (6 of 32)"
    assert "Ant" not in row[NUMBERS]


def with_groups(folder, groups, task=ROBOTS[0]):
    """Runs with k = 5 by method, whose users 0 to 99 want ever more and are served so."""
    rows, users = [], []
    for method, seeds in groups.items():
        for seed, assignment in enumerate(seeds):
            row = run_row(task, method, 5, seed, 10.0)
            rows.append(row)
            users += user_rows(row["digest"], assignment, [0.04 * i for i in range(100)])
    write_results(folder, rows, users=users)


def lumped(largest):
    """One group of the fastest, and the others dealt out to four more."""
    return [1 + i % 4 for i in range(100 - largest)] + [0] * largest


@pytest.mark.parametrize(
    ("largest", "verdict"),
    [([60, 70], "reproduced"), ([60, 40], "partly (1 of 2)"), ([30, 40], NO)],
)
def test_groups_are_judged_run_by_run(tmp_path, largest, verdict):
    with_groups(tmp_path / "t", {"cluster": [lumped(size) for size in largest]})
    assert claim(tmp_path, "Clustering lumps")[VERDICT] == verdict
    assert claim(tmp_path, "What clustering does set apart")[VERDICT] == YES


def test_groups_are_held_against_those_of_chance(tmp_path):
    sorted_out, mixed = [i // 20 for i in range(100)], [i % 5 for i in range(100)]
    found = {"em": [sorted_out] * 2, "end-to-end": [mixed] * 2, "random": [mixed, lumped(20)]}
    with_groups(tmp_path / "t", found)
    row = claim(tmp_path, "tend to group")
    assert row[VERDICT] == UNDECIDED  # of two runs of `random`, one sorts users out by chance
    found["random"] = [mixed] * 2
    with_groups(tmp_path / "other" / "t", found)
    assert claim(tmp_path / "other", "tend to group")[VERDICT] == "partly (1 of 2)"


def test_the_other_robots_groups_are_held_against_clustering(tmp_path):
    sorted_out, mixed = [i // 20 for i in range(100)], [i % 5 for i in range(100)]
    groups = {"em": [sorted_out] * 2, "cluster": [mixed] * 2}
    with_groups(tmp_path / "t", groups, "walker2d")
    row = claim(tmp_path, "On the other robots")
    assert row[VERDICT] == f"{YES}, as far as it was run (1 of 6)"


def test_the_e_step_is_held_against_its_variants(tmp_path):
    rows = [
        run_row(ROBOTS[0], method, 5, seed, value + 0.1 * seed, steps=1_000_000)
        for method, value in (("em", 30.0), ("em (e-step-every-5)", 20.0))
        for seed in range(2)
    ]
    write_results(tmp_path / "t", rows)
    row = claim(tmp_path, "perform an E-step")
    assert row[VERDICT] == f"{YES}, as far as it was run (1 of 2)"
    assert row[NUMBERS].startswith("as it is 30.05 ± 0.05; e-step-every-5 20.05")


def test_groups_of_one_method_of_two_are_said_to_be_half(tmp_path):
    with_groups(tmp_path / "t", {"em": [[i // 20 for i in range(100)]] * 2})
    verdict = claim(tmp_path, "relatively balanced")[VERDICT]
    assert verdict == f"{YES}, as far as it was run (2 of 4)"
