"""What studies expand to."""

import dataclasses
import math
from pathlib import Path

import pytest

from handful.catalogue import Task
from handful.errors import HandfulError
from handful.methods.em import ExpectationMaximization
from handful.sweep.study_file import read_study
from tests.speeds import cruise_registered


def test_every_combination_is_a_run_and_the_first_seeds_come_first(study_file):
    runs = read_study(study_file()).runs()
    assert len(runs) == 2 * 2 * 3
    assert [run.config.seed for run in runs] == [0] * 4 + [1] * 4 + [2] * 4
    assert runs[0].folder == Path("runs/resource-gathering-em-k1-seed0")
    assert len({run.folder for run in runs}) == len(runs)


def test_settings_reach_the_runs(study_file):
    path = study_file(
        settings={"num_epochs": 3}, method_settings={"em": {"warm_up": 7}}, preset="paper"
    )
    for run in read_study(path).runs():
        assert run.config.learner.num_epochs == 3
        assert run.config.method_settings == ({"warm_up": 7} if run.config.method == "em" else {})


def test_every_seed_draws_its_own_users(study_file):
    path = study_file(tasks=["cruise"], parameters={"cruise": {"users": 7}})
    with cruise_registered():
        runs = read_study(path).runs()
    for run in runs:
        assert run.parameters == {"users": 7, "population_seed": run.config.seed}
    assert len({run.digest for run in runs}) == len(runs)


def test_a_study_may_keep_the_users(study_file):
    path = study_file(tasks=["cruise"], parameters={"cruise": {"population_seed": 5}})
    with cruise_registered():
        runs = read_study(path).runs()
    assert all(run.parameters == {"population_seed": 5} for run in runs)


def test_a_task_with_users_of_its_own_knows_no_seed_of_theirs(study_file):
    assert all(run.parameters == {} for run in read_study(study_file()).runs())


def test_users_from_a_file_are_known_by_who_they_are(study_file, tmp_path):
    users = tmp_path / "users.csv"
    digests = []
    for target in (1.0, 2.0):
        users.write_text(f"target\n{target}\n0.5\n")
        path = study_file(
            tasks=["cruise"],
            policies=[1],
            parameters={"cruise": {"population": str(users)}},
        )
        with cruise_registered():
            digests.append(read_study(path).runs()[0].digest)
    assert digests[0] != digests[1]


def test_groups_ask_for_more_runs_and_none_twice(study_file):
    path = study_file(
        groups=[
            {"policies": [3, 5], "methods": ["em", "soft-em"], "seeds": [0]},
            {"policies": [7], "steps": 8192},
        ]
    )
    runs = read_study(path).runs()
    asked = [(r.config.method, r.config.num_policies, r.config.seed, r.config.steps) for r in runs]
    base = {(m, k, s, 4096) for m in ("em", "random") for k in (1, 3) for s in (0, 1, 2)}
    more = {("soft-em", 3, 0, 4096), ("em", 5, 0, 4096), ("soft-em", 5, 0, 4096)}
    longer = {(m, 7, s, 8192) for m in ("em", "random") for s in (0, 1, 2)}
    assert len(asked) == len(set(asked))
    assert set(asked) == base | more | longer
    assert [run.config.seed for run in runs] == sorted(run.config.seed for run in runs)
    assert {run.label for run in runs} == {"em", "random", "soft-em"}


def test_a_group_s_choices_go_with_its_runs(study_file):
    path = study_file(preset="paper", groups=[{"policies": [7], "preset": "fast"}])
    chosen = {run.config.num_policies: run.chosen["preset"] for run in read_study(path).runs()}
    assert chosen == {1: "paper", 3: "paper", 7: "fast"}


def test_variants_have_folders_and_labels_of_their_own(study_file):
    path = study_file(
        methods=["em"],
        policies=[3],
        seeds=[0],
        settings={"num_epochs": 3},
        method_settings={"em": {"warm_up": 7}},
        variants={
            "rare": {"method_settings": {"em": {"e_step_every": 5}}},
            "discounted": {"training": {"discounted_table": True, "return_mixing": 0.2}},
        },
    )
    plain, discounted, rare = read_study(path).runs()
    assert (plain.label, plain.folder.name) == ("em", "resource-gathering-em-k3-seed0")
    assert rare.label == "em (rare)"
    assert rare.folder.name == "resource-gathering-em-k3-seed0-rare"
    assert rare.config.method_settings == {"warm_up": 7, "e_step_every": 5}
    assert discounted.config.method_settings == {"warm_up": 7}
    assert discounted.config.learner.num_epochs == 3
    assert discounted.config.return_mixing == 0.2
    assert discounted.config.discounted_table
    assert len({run.digest for run in (plain, rare, discounted)}) == 3


def test_a_variant_may_share_some_runs_with_the_study(study_file):
    path = study_file(
        policies=[3], seeds=[0], variants={"rare": {"method_settings": {"em": {"warm_up": 7}}}}
    )
    assert [run.label for run in read_study(path).runs()] == ["em", "random", "em (rare)"]


def test_names_of_tasks_are_no_folders_in_folders(study_file, monkeypatch):
    task = Task("mine/of", "tests.speeds:make_named", "Goes as told.", argument="THEM")
    monkeypatch.setattr("handful.catalogue._TASKS", {"mine/of": task})
    run = read_study(study_file(tasks=["mine/of:them"], policies=[1])).runs()[0]
    assert run.folder == Path("runs/mine-of-them-em-k1-seed0")


def test_digests_stay_as_they_were_before_there_was_more_to_choose(study_file):
    """Tables that exist know their runs by them."""
    as_before = {"final_assignment": "method"}
    run = read_study(study_file(policies=[3], methods=["em"], training=as_before)).runs()[0]
    assert run.digest == "79b0ed0f859ee588"


def test_a_digest_says_where_the_assignment_comes_from_unless_the_method_keeps_its_rule(study_file):
    asked = {"policies": [3], "methods": ["em", "random"]}
    by_validation = read_study(study_file(**asked)).runs()
    as_trained = read_study(study_file(**asked, training={"final_assignment": "method"})).runs()
    is_same = [
        one.digest == other.digest for one, other in zip(by_validation, as_trained, strict=True)
    ]
    assert {run.method: same for run, same in zip(by_validation, is_same, strict=True)} == {
        "em": False,
        "random": True,
    }


def test_a_digest_says_the_welfare_unless_it_is_the_mean(study_file, tmp_path, monkeypatch):
    (tmp_path / "wishes.py").write_text("def lowest(utilities):\n    return utilities.min()\n")
    monkeypatch.syspath_prepend(tmp_path)
    digests = [
        read_study(study_file(policies=[3], methods=["em"], training=training)).runs()[0].digest
        for training in ({}, {"welfare": "utilitarian"}, {"welfare": "wishes:lowest"})
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_method_that_changed_has_other_digests(study_file, monkeypatch):
    """What its earlier revision reached is not what it reaches."""
    run = read_study(study_file(policies=[3], methods=["em"])).runs()[0]
    before = run.digest
    changed = dataclasses.replace(ExpectationMaximization.info, revision=1)
    monkeypatch.setattr(ExpectationMaximization, "info", changed)
    assert run.digest != before


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[2] / "studies").glob("*.yaml")),
    ids=lambda path: path.stem,
)
def test_every_study_that_is_shipped_can_be_run(path):
    study = read_study(path)
    runs = study.runs()
    lists = ("tasks", "methods", "policies", "seeds")
    parts = [{}, *study.groups, *study.variants.values()]
    expected = sum(
        math.prod(len(part.get(name, getattr(study, name))) for name in lists) for part in parts
    )
    assert len({run.digest for run in runs}) == len({run.folder for run in runs}) == expected


@pytest.mark.parametrize("length", [150, 245])
def test_names_that_no_file_system_takes_are_refused_at_the_start(study_file, length):
    name = "v" * length
    asked = read_study(study_file(variants={name: {"policies": [2]}}))
    if length == 150:
        assert any(name in request.folder.name for request in asked.runs())
    else:
        with pytest.raises(HandfulError, match="run's folder would be longer than 200 bytes"):
            asked.runs()


def test_a_study_whose_files_would_have_too_long_names_is_refused_at_the_start(study_file):
    path = study_file()
    path = path.rename(path.with_name(f"{'s' * 190}.yaml"))
    with pytest.raises(HandfulError, match="name of a file would be longer than 200 bytes"):
        read_study(path).runs()
