"""A small sweep on real processes: skipping, resuming, failing, tabulating."""

import json

import polars as pl
import pytest
import yaml

from handful.assignment.em import ExpectationMaximization
from handful.cli.main import main
from handful.runs import RunFolder

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
    assert "| em | 2 | 2 |" in page
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


def test_a_folder_of_an_earlier_revision_of_its_method_is_refused(swept, monkeypatch, capsys):
    monkeypatch.chdir(swept)
    monkeypatch.setattr(ExpectationMaximization, "revision", 1)
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
