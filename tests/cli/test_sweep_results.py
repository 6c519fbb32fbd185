"""What a sweep leaves, from tables made by hand; the rest is in tests/experiments/test_sweep."""

import pytest

from handful.cli.sweep import SweepResults
from handful.report.study.budgets import welfare_figure
from handful.report.study.figure import stored_identifier
from handful.report.study.reading import read_collection
from handful.results.tables import (
    MANIFEST_FORMAT,
    MANIFEST_KEYS,
    MANIFEST_RUN_KEYS,
    read_beside,
    read_manifest,
    read_runs,
)
from handful.sweep.study import Study
from tests.report.study.results import curve_rows, run_row, write_results
from tests.sweep.helpers import request_of


@pytest.mark.parametrize("task", ["gymnasium:gy:mine/My-v0", "t"])
def test_figures_of_tasks_have_names_of_files(tmp_path, task):
    folder = tmp_path / "a"
    write_results(folder, [run_row(task, "em", 2, 0, 10.0)])
    study = Study("a", (task, "u"), ("em",), (2,), (0,), 512, tmp_path / "runs", folder)
    requests = [request_of(tmp_path, task=task), request_of(tmp_path, task="u")]
    written = SweepResults(study, requests, "handful sweep a.yaml").write_figures()
    name = task.replace(":", "-").replace("/", "-")
    assert written == [folder / f"a-{name}.svg", folder / f"a-{name}.png"]
    assert all(path.is_file() for path in written)


def test_a_sweeps_figure_is_that_of_its_report(tmp_path):
    """So methods stand in it for the same users, under the bound of these."""
    folder = tmp_path / "a"
    rows = [
        run_row("t", method, 5, seed, 10.0 + seed, optimum=30.0 + seed)
        for method, seeds in (("em", 2), ("auto", 4))
        for seed in range(seeds)
    ]
    write_results(folder, rows)
    study = Study("a", ("t",), ("em", "auto"), (5,), (0, 1, 2, 3), 512, tmp_path / "runs", folder)
    results = SweepResults(study, [request_of(tmp_path, task="t")], "handful sweep a.yaml")
    svg, png = results.write_figures()
    figure = welfare_figure(read_collection(tmp_path), ["t"], "a", "Welfare: T")
    assert stored_identifier(svg) == stored_identifier(png) == figure.identifier


def test_no_table_no_figure(tmp_path):
    study = Study("a", ("t",), ("em",), (5,), (0,), 512, tmp_path / "runs", tmp_path)
    assert SweepResults(study, [request_of(tmp_path, task="t")], "x").write_figures() == []


def test_results_of_methods_that_left_the_library_stay(tmp_path):
    folder = tmp_path / "a"
    more = dict.fromkeys(("welfare_stderr", "soft_welfare", "reassigned_welfare"), 1.0)
    more["stochastic_welfare"] = 1.0
    rows = [run_row("t", name, 5, 0, 20.0, **more) for name in ("planned-em", "soft-em")]
    gone, other = (row["digest"] for row in rows)
    known = [{name: row.get(name) for name in MANIFEST_RUN_KEYS} for row in rows]
    manifest = {name: kind() for name, kind in MANIFEST_KEYS.items()}
    parquet = write_results(
        folder,
        rows,
        curves=[*curve_rows(gone, 20.0), *curve_rows(other, 10.0)],
        manifest=manifest | {"format": MANIFEST_FORMAT, "runs": known},
    )
    study = Study("a", ("t",), ("em",), (5,), (0,), 512, tmp_path / "runs", folder)
    request = request_of(tmp_path, task="t")
    for _ in range(2):
        SweepResults(study, [request], "handful sweep a.yaml").write()
        assert read_runs(parquet)["digest"].to_list() == [gone]
        assert set(read_beside(parquet, "curves")["digest"]) == {gone}
        assert [run["digest"] for run in read_manifest(parquet)["runs"]] == [request.digest, gone]
