"""Studies put together: cells, labels, which run counts."""

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.report.study.budgets import welfare_figure
from handful.report.study.reading import STUDIES_FILE, read_collection
from tests.report.study.results import (
    GRID,
    curve_rows,
    run_row,
    small_manifest,
    small_study,
    user_rows,
    walk_rows,
    write_results,
)


def test_seeds_of_a_method_and_budget_are_one_cell(tmp_path):
    write_results(tmp_path / "a", [run_row("t", "em", 5, seed, 10.0 + seed) for seed in (2, 0, 1)])
    (cell,) = read_collection(tmp_path).cells
    assert cell.seeds == (0, 1, 2)
    np.testing.assert_array_equal(cell.welfare, [10, 11, 12])
    assert cell.mean == 11
    assert cell.stderr == pytest.approx(1 / 3**0.5)
    np.testing.assert_allclose(cell.percent, [25, 27.5, 30])


def test_another_number_of_users_or_steps_is_another_cell(tmp_path):
    rows = [
        run_row("t", "em", 5, 0, 10.0),
        run_row("t", "em", 5, 0, 12.0, users=1000, digest="n"),
        run_row("t", "em", 5, 0, 14.0, steps=9000, digest="s"),
    ]
    write_results(tmp_path / "a", rows)
    collection = read_collection(tmp_path)
    assert len(collection.cells) == 3
    assert collection.one("t", "em", 5).mean == 14  # the most transitions


def test_budgets_are_compared_for_the_usual_number_of_users(tmp_path):
    rows = [
        run_row("t", "em", 5, 0, 10.0, digest="a"),
        run_row("t", "em", 5, 1, 11.0, digest="b"),
        run_row("t", "em", 5, 0, 12.0, users=1000, steps=9000, digest="c"),
        run_row("t", "em", 50, 0, 13.0, users=1000, digest="d"),
    ]
    write_results(tmp_path / "t", rows)
    collection = read_collection(tmp_path)
    assert collection.usual_users("t") == 100
    assert collection.one("t", "em", 5).digests == ("a", "b")
    assert collection.one("t", "em", 50) is None
    assert collection.usual_users("none") is None
    figure = welfare_figure(collection, ["t"], "welfare", "Welfare")
    assert figure.missing == [
        f"t: runs with {k} policies for 1,000 users, where most have 100." for k in (5, 50)
    ]


def test_the_list_of_studies_says_which_and_how_they_are_called(tmp_path):
    for name, welfare in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        write_results(tmp_path / name, [run_row("t", "em", 5, 0, welfare, digest=name)])
    (tmp_path / STUDIES_FILE).write_text('b: "fast"\na: ""\nnot-there: ""\n')
    collection = read_collection(tmp_path)
    assert {cell.label: cell.mean for cell in collection.cells} == {"em": 1.0, "em, fast": 2.0}


def test_a_method_of_a_study_can_be_called_otherwise_alone(tmp_path):
    rows = [run_row("t", "em", 5, 0, 1.0), run_row("t", "auto", 5, 0, 2.0)]
    write_results(tmp_path / "a", rows)
    (tmp_path / STUDIES_FILE).write_text("a: {auto: fast}\n")
    assert read_collection(tmp_path).labels() == ["em", "auto, fast"]


def test_seeds_with_users_of_their_own_are_told_by_their_optima(tmp_path):
    rows = [
        run_row(
            "t", method, 5, seed, 10.0 + seed, optimum=30.0 + seed * draws, digest=f"{method}{seed}"
        )
        for method, draws in (("em", 1), ("random", 0))
        for seed in range(3)
    ]
    write_results(tmp_path / "t", rows)
    drawn, same = read_collection(tmp_path).cells
    assert (drawn.draws_users, same.draws_users) == (True, False)
    part = drawn.of_seeds({0, 2, 7})
    assert part.seeds == (0, 2)
    assert part.digests == ("em0", "em2")
    assert (part.mean, part.optimum) == (11, 31)
    np.testing.assert_allclose(part.percent, [25, 30])


def test_percent_is_left_out_unless_every_run_has_it(tmp_path):
    unknown = {"optimum": None, "optimum_kind": None, "percent_of_optimum": None}
    rows = [run_row("t", "em", 5, 0, 1.0), run_row("t", "em", 5, 1, 2.0, **unknown)]
    write_results(tmp_path / "t", rows)
    (cell,) = read_collection(tmp_path).cells
    assert len(cell.percent) == 0
    assert cell.optimum is None
    assert not cell.draws_users
    assert cell.of_seeds([1]).mean == 2


def test_what_was_not_kept_is_said(tmp_path):
    rows = [run_row("t", name, 5, seed, 1.0) for name in ("em", "random") for seed in range(4)]
    write_results(tmp_path / "t", rows, users=user_rows(rows[0]["digest"], [0, 1]))
    collection = read_collection(tmp_path)
    assert collection.sentences_of_lacking("t", "users", 5) == [
        "t, em: seeds 1 to 3, whose users were not kept.",
        "t, random: seeds 0 to 3, whose users were not kept.",
    ]
    assert collection.sentences_of_lacking("t", "curves", 5) == ["t: no curves were kept."]


def test_a_run_in_two_studies_counts_once(tmp_path):
    write_results(tmp_path / "a", [run_row("t", "em", 5, 0, 1.0)])
    write_results(tmp_path / "b", [run_row("t", "em", 5, 0, 1.0)])
    (cell,) = read_collection(tmp_path).cells
    assert cell.seeds == (0,)


def test_what_is_kept_of_a_run_in_two_studies_is_there_once(tmp_path):
    row = run_row("t", "em", 5, 0, 1.0)
    kept = {
        "users": user_rows(row["digest"], [0, 1]),
        "curves": curve_rows(row["digest"], 1.0),
        "walks": walk_rows(row["digest"], 0),
    }
    for name in ("b", "c"):
        write_results(tmp_path / name, [row], **kept)
    write_results(tmp_path / "a", [row])  # the first, of which nothing was kept
    collection = read_collection(tmp_path)
    found = {"users": collection.users, "curves": collection.curves, **collection.kept}
    assert {name: len(table) for name, table in found.items()} == {
        name: len(rows) for name, rows in kept.items()
    }


def test_every_run_has_the_map_that_it_was_on(tmp_path):
    """Also where studies, or groups of one, differ in the map of a task."""
    rows = [run_row("resource-gathering", "em", 5, seed, 1.0) for seed in range(3)]
    manifest = small_manifest(rows[:2])
    own = {**GRID, "blocked": [[0, 0]]}
    manifest["runs"][1]["environment"] = own
    other = {**GRID, "height": 3}
    elsewhere = small_manifest(rows[2:], environments={"resource-gathering": other})
    write_results(tmp_path / "a", rows[:2], manifest=manifest)
    write_results(tmp_path / "b", rows[2:], manifest=elsewhere)
    found = read_collection(tmp_path).environments
    assert [found[row["digest"]] for row in rows] == [GRID, own, other]


def test_studies_of_one_name_are_told_by_their_folders(tmp_path):
    for folder in ("a", "b"):
        parquet = write_results(tmp_path / folder, [run_row("t", "em", 5, 0, 1.0, digest=folder)])
        parquet.rename(parquet.with_name("same.parquet"))
    assert read_collection(tmp_path).labels() == ["em, a/same", "em, b/same"]


def test_tables_in_the_folder_itself_are_read_too(tmp_path):
    parquet = write_results(tmp_path / "results", [run_row("t", "em", 5, 0, 1.0)])
    assert read_collection(parquet.parent).tasks == ["t"]


def test_a_list_of_other_studies(tmp_path):
    write_results(tmp_path / "a", [run_row("t", "em", 5, 0, 1.0)])
    (tmp_path / STUDIES_FILE).write_text('b: ""\n')
    with pytest.raises(HandfulError, match=r"lists none of the studies beside it: they are a\."):
        read_collection(tmp_path)


def test_what_is_beside_the_table_is_found_by_digest(tmp_path):
    small_study(tmp_path)
    collection = read_collection(tmp_path)
    cell = collection.one("half-cheetah", "em", 5)
    assert [len(users) for users in collection.users_of(cell)] == [100, 100, 100]
    transitions, seconds, welfare = next(collection.curves_of(cell))
    assert (transitions[-1], welfare[-1]) == (1980, pytest.approx(35.0))
    assert seconds[-1] == pytest.approx(9.9)
    walks = collection.kept["walks"].filter(digest="resource-gathering-em-2-0")
    ends = walks.group_by("policy", maintain_order=True).last()
    assert ends.select("row", "column").rows() == [(1, 0), (1, 0)]


def test_methods_stand_in_the_order_of_legends(tmp_path):
    names = ("zebra", "auto", "random", "em", "planned-em")
    write_results(tmp_path / "a", [run_row("t", name, 5, 0, 1.0) for name in names])
    expected = ["em", "random", "planned-em", "auto", "zebra"]
    assert read_collection(tmp_path).labels() == expected


@pytest.mark.parametrize("text", ["- a", "a: 3", "a: {em: 3}", "a: ["])
def test_a_damaged_list_of_studies(tmp_path, text):
    write_results(tmp_path / "a", [run_row("t", "em", 5, 0, 1.0)])
    (tmp_path / STUDIES_FILE).write_text(text)
    with pytest.raises(HandfulError, match=r"studies\.yaml"):
        read_collection(tmp_path)


def test_no_results(tmp_path):
    with pytest.raises(HandfulError, match="no table of runs"):
        read_collection(tmp_path)


def test_a_table_without_a_column(tmp_path):
    row = run_row("t", "em", 5, 0, 1.0)
    del row["steps"]
    write_results(tmp_path / "a", [row])
    with pytest.raises(HandfulError, match="no column 'steps'"):
        read_collection(tmp_path)
