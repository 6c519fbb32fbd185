"""``handful report`` of a study: what is wrong with its files is one sentence."""

import json
from pathlib import Path

import pytest

from handful.results.tables import manifest_path
from handful.sweep.study_file import read_study
from tests.frontier.frontiers import a_frontier, write_frontier
from tests.report.folders import write_grid_run
from tests.report.study.results import run_row, small_manifest, write_results

STUDY = """
tasks: [resource-gathering]
methods: [em, random]
policies: [2]
seeds: [0, 1]
steps: 512
settings: {batch_size: 256, num_envs: 8, num_epochs: 2}
parameters: {resource-gathering: {height: 2, width: 2}}
out: runs
results: results
"""


@pytest.fixture
def parquet(tmp_path):
    """The table of a study that lies beside it as ``results.YAML``."""
    (tmp_path / "results.YAML").write_text(STUDY)
    return write_results(tmp_path / "results", [run_row("resource-gathering", "em", 2, 0, 1.0)])


def test_the_ending_of_a_studys_file_may_be_in_capitals(call, parquet):
    assert call("report", "results.YAML") == (0, "results/results.html\n", "")
    assert parquet.with_suffix(".html").is_file()


def test_a_run_that_failed_in_a_sweep_and_was_resumed_by_hand_is_finished(call, parquet):
    failed, resumed, *_ = read_study(Path("results.YAML")).runs()
    write_grid_run(resumed.folder, num_policies=2)
    runs = [
        {
            "digest": request.digest,
            "task": request.task,
            "method": request.label,
            "policies": 2,
            "seed": request.config.seed,
            "state": "failed",
            "error": f"{request.label} broke",
            "versions": None,
        }
        for request in (failed, resumed)
    ]
    manifest_path(parquet).write_text(json.dumps(small_manifest([], runs=runs)))
    assert call("report", "results.YAML")[0] == 0
    page = parquet.with_suffix(".html").read_text()
    assert f"{failed.label} broke" in page
    assert f"{resumed.label} broke" not in page


@pytest.mark.parametrize("path", ["results.YAML", "results"])
def test_a_damaged_table(call, parquet, path):
    parquet.write_bytes(b"PAR1 torn")
    code, output, errors = call("report", path)
    assert (code, output) == (2, "")
    assert errors.startswith("handful: 'results/results.parquet' is not a Parquet file that can be")
    assert len(errors.splitlines()) == 1
    assert not parquet.with_suffix(".html").exists()


@pytest.mark.parametrize("path", ["results.YAML", "results"])
def test_a_manifest_that_lacks_its_parts(call, parquet, path):
    manifest_path(parquet).write_text(json.dumps({"format": 1}))
    assert call("report", path) == (
        2,
        "",
        "handful: 'results/results.json' does not say which runs were asked for, as format 1 does: "
        "move it away.\n",
    )


def test_a_folder_of_several_budgets_has_a_page_that_says_how_many_are_needed(call, tmp_path):
    write_frontier(tmp_path / "out", a_frontier({2: 30.0}))
    assert call("report", "out") == (0, "out/report.html\n", "")
    assert "how many policies for 12 users?" in (tmp_path / "out/report.html").read_text()
    assert (tmp_path / "out/k-02/report.html").is_file()
    (tmp_path / "out/frontier.json").write_text("{}")
    code, output, errors = call("report", "out")
    assert (code, output) == (2, "")
    assert errors.startswith("handful: 'out/frontier.json' is damaged")
