"""A small sweep on real processes: skipping, resuming, failing, tabulating."""

import dataclasses
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

from handful.cli.main import main
from handful.errors import HandfulError
from handful.methods.em import ExpectationMaximization
from handful.results.tables import read_manifest
from handful.run_folder import RunFolder
from handful.sweep.study_file import read_study

STUDY = {
    "tasks": ["resource-gathering"],
    "methods": ["em", "random"],
    "policies": [2],
    "seeds": [0, 1],
    "steps": 512,
    "settings": {"batch_size": 256, "num_envs": 8, "num_epochs": 2},
    "parameters": {"resource-gathering": {"height": 2, "width": 2}},
    "out": "runs",
    "results": "results",
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished sweep: its folder."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(["sweep", "tiny.yaml", "--workers", "2", "--json"])
    return folder


@pytest.fixture
def copied(swept, tmp_path, monkeypatch):
    """A copy of the finished sweep that a test may spoil; the current folder."""
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep(capsys, *arguments):
    """Its exit code, output and errors."""
    try:
        main(["sweep", *arguments])
        code = 0
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


def test_every_run_is_an_ordinary_run_folder(swept):
    folders = sorted((swept / "runs").glob("resource-*"))
    assert len(folders) == 4
    assert all(RunFolder(folder).is_finished for folder in folders)


def test_there_is_one_table_a_page_and_a_figure(swept):
    table = pl.read_parquet(swept / "results" / "tiny.parquet")
    assert len(table) == 4
    assert table["welfare"].is_between(0, 100).all()
    page = (swept / "results" / "tiny.md").read_text()
    assert "handful sweep tiny.yaml" in page
    assert "| em | 2 | 4 | 2 |" in page
    assert (swept / "results" / "tiny.svg").is_file()


def test_again_it_trains_nothing_and_gives_the_same_table(swept, monkeypatch, capsys):
    monkeypatch.chdir(swept)
    before = {p: p.stat().st_mtime_ns for p in (swept / "runs").glob("*/checkpoint.safetensors")}
    table = (swept / "results" / "tiny.md").read_text()
    main(["sweep", "tiny.yaml"])
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert (swept / "results" / "tiny.md").read_text() == table


def test_a_folder_with_other_settings_is_refused(swept, monkeypatch, capsys):
    monkeypatch.chdir(swept)
    (swept / "other.yaml").write_text(yaml.safe_dump({**STUDY, "steps": 1024}))
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "other.yaml"])
    assert stop.value.code == 2
    assert "other settings" in capsys.readouterr().err


def test_a_folder_with_other_settings_is_refused_also_where_it_is_not_to_be_run(copied, capsys):
    """The table would have its results for those of the run that is asked for."""
    for folder in (copied / "runs").glob("*-seed0"):
        shutil.rmtree(folder)
    (copied / "other.yaml").write_text(yaml.safe_dump({**STUDY, "steps": 1024}))
    code, _, errors = sweep(capsys, "other.yaml", "--seeds", "0")
    assert code == 2
    assert "seed1' holds a run with other settings" in errors


def test_a_folder_of_an_earlier_revision_of_its_method_is_refused(swept, monkeypatch, capsys):
    monkeypatch.chdir(swept)
    changed = dataclasses.replace(ExpectationMaximization.info, revision=1)
    monkeypatch.setattr(ExpectationMaximization, "info", changed)
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "tiny.yaml"])
    assert stop.value.code == 2
    assert "another revision of its method" in capsys.readouterr().err


def test_one_failure_stops_none_of_the_others(swept, monkeypatch, capsys):
    monkeypatch.chdir(swept)
    study = {**STUDY, "seeds": [0, 5], "methods": ["em"]}
    (swept / "more.yaml").write_text(yaml.safe_dump(study))
    # A run that was begun and whose checkpoint is torn.
    broken = swept / "runs" / "resource-gathering-em-k2-seed5"
    stored = json.loads((swept / "runs" / "resource-gathering-em-k2-seed0/config.json").read_text())
    stored["settings"]["seed"] = 5
    broken.mkdir()
    (broken / "config.json").write_text(json.dumps(stored))
    (broken / "checkpoint.safetensors").write_bytes(b"torn")
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "more.yaml"])
    assert stop.value.code == 1
    assert "resource-gathering-em-k2-seed5" in capsys.readouterr().err
    assert len(pl.read_parquet(swept / "results" / "more.parquet")) == 1


def states(parquet):
    return [(run["state"], run["error"]) for run in read_manifest(parquet)["runs"]]


def test_results_that_are_nowhere_else_are_not_thrown_away(copied, capsys):
    parquet = copied / "results" / "tiny.parquet"
    before = {path: path.read_bytes() for path in parquet.parent.iterdir()}
    (copied / "tiny.yaml").write_text(yaml.safe_dump({**STUDY, "seeds": [0]}))
    (copied / "runs").rename(copied / "gone")
    code, _, errors = sweep(capsys, "tiny.yaml")
    assert code == 2
    assert errors.startswith("handful: The table 'results/tiny.parquet' holds 2 runs that the")
    assert {path: path.read_bytes() for path in parquet.parent.iterdir()} == before
    assert not (copied / "runs").exists()
    # Folders that are there can be read again.
    (copied / "gone").rename(copied / "runs")
    assert sweep(capsys, "tiny.yaml")[0] == 0
    assert len(pl.read_parquet(parquet)) == 2
    (copied / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    assert sweep(capsys, "tiny.yaml")[0] == 0
    names = ("tiny.parquet", "tiny-users.parquet", "tiny-curves.parquet", "tiny-walks.parquet")
    assert {name: (parquet.parent / name).read_bytes() for name in names} == {
        path.name: content for path, content in before.items() if path.name in names
    }


@pytest.mark.parametrize("content", ["", "{}", "[]"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_damaged_evaluation_is_one_failed_run(copied, capsys, content, is_known):
    parquet = copied / "results" / "tiny.parquet"
    if not is_known:
        shutil.rmtree(parquet.parent)
    damaged = Path("runs/resource-gathering-em-k2-seed0")
    (damaged / "evaluation.json").write_text(content)
    code, output, errors = sweep(capsys, "tiny.yaml", "--json")
    assert code == 1
    assert errors.startswith(f"handful: {damaged}: ")
    told = {run["run"]: run["error"] for run in json.loads(output)["runs"]}
    assert [run for run, error in told.items() if error] == [str(damaged)]
    assert len(pl.read_parquet(parquet)) == (4 if is_known else 3)
    assert states(parquet) == [
        ("finished" if is_known else "failed", told[str(damaged)]),
        *[("finished", None)] * 3,
    ]


def test_a_study_of_which_every_run_fails_ends_as_one_with_a_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    study = {**STUDY, "methods": ["em"], "seeds": [0]}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(study))
    run = Path("runs/resource-gathering-em-k2-seed0")
    run.mkdir(parents=True)
    code, output, errors = sweep(capsys, "bad.yaml", "--json")
    sentence = f"'{run}' is not a run folder: it has no config.json."
    assert code == 1
    assert errors == f"handful: {run}: {sentence}\n"
    assert json.loads(output) == {
        "runs": [{"run": str(run), "error": sentence}],
        "summary": [],
        "files": ["results/bad.json"],
    }
    assert states(tmp_path / "results" / "bad.parquet") == [("failed", sentence)]


def test_a_results_folder_that_is_a_file_is_said_before_anything_is_trained(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    (tmp_path / "results").touch()
    assert sweep(capsys, "tiny.yaml") == (
        2,
        "",
        "handful: The folder 'results' cannot be written to (it is a file): choose another one, "
        "or see who may write there.\n",
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["tiny.json", "tiny.parquet", "tiny-curves.parquet"])
def test_damaged_results_are_said_before_anything_is_trained(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / name).write_text("{}")
    code, _, errors = sweep(capsys, "tiny.yaml")
    assert code == 2
    assert errors.startswith(f"handful: 'results/{name}' ")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("option", ["tasks", "methods", "policies", "seeds", "variants"])
def test_no_part_is_not_all_of_it(copied, capsys, option):
    assert sweep(capsys, "tiny.yaml", f"--{option}") == (
        2,
        "",
        f"handful: --{option} names none: give at least one, or leave it out.\n",
    )


def test_a_part_of_a_study_at_a_time(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "part.yaml", "--seeds", "7"])
    assert stop.value.code == 2
    assert "'part.yaml' has no 7 among its seeds; it has 0, 1." in capsys.readouterr().err
    main(["sweep", "part.yaml", "--seeds", "1", "--methods", "em", "--tasks", STUDY["tasks"][0]])
    assert [path.name for path in (tmp_path / "runs").glob("resource-*")] == [
        "resource-gathering-em-k2-seed1"
    ]


def test_a_study_may_name_a_method_of_a_module_beside_it(tmp_path, monkeypatch, capsys):
    """The processes that execute its runs import it as well."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("dealing.py").write_text(
        "from handful.methods import RandomAssignment\n\n"
        "class Dealer(RandomAssignment):\n    pass\n"
    )
    asked = {**STUDY, "methods": ["dealing:Dealer", "random"], "seeds": [0]}
    Path("own.yaml").write_text(yaml.safe_dump(asked))
    code, _, errors = sweep(capsys, "own.yaml", "--workers", "1")
    assert (code, "failed" in errors) == (0, False)
    table = pl.read_parquet("results/own.parquet")
    ours, random = (table.filter(pl.col("method") == name) for name in asked["methods"])
    assert ours["welfare"].to_list() == random["welfare"].to_list()


def test_a_study_may_name_a_network_of_a_module_beside_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("handful.learner.builders._BUILDERS", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("knitting.py").write_text(
        "import equinox as eqx\n\n"
        "def knit(key, observation_size, num_outputs):\n"
        "    return eqx.nn.MLP(observation_size, num_outputs, 8, 1, key=key)\n"
    )
    settings = {**STUDY["settings"], "actor_network": "knitting:knit"}
    asked = {**STUDY, "methods": ["random"], "seeds": [0], "settings": settings}
    Path("own.yaml").write_text(yaml.safe_dump(asked))
    with pytest.raises(HandfulError, match=r"a network of its own, 'knitting:knit'.*--trust"):
        read_study(Path("own.yaml")).runs(trust=False)
    code, _, errors = sweep(capsys, "own.yaml", "--workers", "1")
    assert (code, "failed" in errors) == (0, False)
    assert len(pl.read_parquet("results/own.parquet")) == 1


def test_a_study_may_name_a_learner_of_a_module_beside_it(tmp_path, monkeypatch, capsys):
    """A run that was stopped goes on in a process that has never heard of the learner."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("teaching.py").write_text(
        "from dataclasses import dataclass\n\nfrom handful import PPO\n\n\n"
        "@dataclass(frozen=True)\nclass Teacher(PPO):\n    pass\n"
    )
    settings = {**STUDY["settings"], "learner": "teaching:Teacher"}
    asked = {**STUDY, "methods": ["random"], "seeds": [0], "settings": settings}
    Path("own.yaml").write_text(yaml.safe_dump(asked))
    with pytest.raises(HandfulError, match=r"a learner of its own, 'teaching:Teacher'.*--trust"):
        read_study(Path("own.yaml")).runs(trust=False)
    code, _, errors = sweep(capsys, "own.yaml", "--workers", "1")
    assert (code, "failed" in errors) == (0, False)
    first = pl.read_parquet("results/own.parquet")["welfare"].to_list()
    (run,) = Path("runs").glob("resource-*")
    (run / "evaluation.json").unlink()
    Path("results/own.parquet").unlink()
    code, _, errors = sweep(capsys, "own.yaml", "--workers", "1")
    assert (code, "failed" in errors) == (0, False)
    assert pl.read_parquet("results/own.parquet")["welfare"].to_list() == first
