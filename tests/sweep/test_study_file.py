"""What is wrong with bad study files."""

import re
import sys

import pytest

from handful._support.installing import install_command
from handful.errors import HandfulError
from handful.sweep.study_file import read_study


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeds": None}, "lacks 'seeds'"),
        ({"colour": "red"}, "unknown key 'colour': it needs tasks, methods, policies, seeds"),
        ({"step": 1}, "unknown key 'step' .did you mean 'steps'"),
        ({"step": 1, "steps": None}, "lacks 'steps'"),
        ({"step": 1, "groups": [{"seed": 1}], "seeds": 1}, "unknown key 'step'"),
        ({"policies": [True]}, "'policies' must be whole numbers, not True"),
        ({"seeds": "{1}"}, "'seeds' must be a list, like"),
        ({"methods": ["em", None]}, "'methods' has an empty entry"),
        ({"methods": "em"}, "'methods' must be a list"),
        ({"policies": ["two"]}, "'policies' must be whole numbers, not 'two'"),
        ({"seeds": []}, "'seeds' is empty: give at least one"),
        ({"steps": "many"}, "'steps' must be a whole number, not 'many'"),
        ({"steps": "1e6"}, "'steps' must be a whole number, not '1e6': write 1000000"),
        ({"steps": 1e6}, "'steps' must be a whole number, not 1000000.0: write 1000000"),
        ({"seeds": [0.5]}, "'seeds' must be whole numbers, not 0.5"),
        (
            {"settings": {"learning_rate": "3e-4"}},
            "'settings', 'learning_rate' is '3e-4', which is text in YAML, no number: write 3.0e-4",
        ),
        ({"method_settings": {"em": {"warm_up": "1e1"}}}, "'em', 'warm_up' is '1e1'.*: write 10"),
        ({"out": []}, r"'out' must be a folder's name, not \[\]"),
        ({"out": ["a", "b"]}, r"'out' must be a folder's name, not \['a', 'b'\]"),
        ({"results": ""}, "'results' must be a folder's name, not ''"),
        ({"reuse": [None]}, "'reuse' must be a list of Parquet files"),
        ({"methods": ["emm"]}, "no assignment method named 'emm'"),
        ({"methods": ["planned-em"]}, "'planned-em' left the library after version 0.2.0: 'univ"),
        (
            {"methods": ["emm"], "method_settings": {"em": {"warm_up": 1}}},
            "no assignment method named 'emm' .did you mean 'em'",
        ),
        (
            {"policies": [26]},
            "In the study '.*study.yaml', task 'resource-gathering': The number of policies must "
            "be between 1 and the number of users",
        ),
        ({"seeds": [-1]}, "study.yaml', task 'resource-gathering': The seed must be between"),
        ({"tasks": ["gardening"]}, "no task named 'gardening'"),
        (
            {"tasks": ["resource-gatherin"], "parameters": {"resource-gathering": {"height": 2}}},
            "study.yaml': There is no task named 'resource-gatherin' .did you mean",
        ),
        ({"settings": {"speed": 1}}, "'ppo' has no setting 'speed'"),
        ({"groups": [{"policies": [26]}]}, "study.yaml', group 1, task 'resource-gathering': The"),
        ({"variants": {"a": {"policies": [26]}}}, "', variant 'a', task 'resource-gathering': The"),
        ({"variants": {"a": {"steps": 4096}}}, "variant 'a' asks for no run that another part"),
        (
            {"variants": {"a": {"policies": [5]}, "b": {"policies": [5]}}},
            "variant 'b' asks for no run that another part",
        ),
        ({"groups": [{"seeds": [4], "preset": "fast"}]}, "would count as seeds of one method"),
        ({"settings": 3}, "'settings' must hold 'name: value' pairs"),
        ({"method_settings": {"em": 3}}, "pairs for 'em' too"),
        ({"training": {"speed": 1}}, "'training' has no setting 'speed'"),
        ({"training": {"return_mixing": 7.0}}, "return_mixing must be above 0"),
        ({"groups": {"a": {}}}, "'groups' must be a list"),
        ({"groups": [{}]}, "group 1 must say what it asks for otherwise"),
        ({"groups": [{"policies": [2]}, {"policies": 2}]}, "group 2, 'policies' must be a list"),
        ({"groups": [{"out": "there"}]}, "group 1 cannot change 'out'"),
        ({"groups": [{"steps": 8192}]}, "would share the folder"),
        ({"variants": {"a": {"seed": 1}}}, "'a' cannot change 'seed' .did you mean 'seeds'"),
        ({"groups": [3]}, "group 1 must say what it asks for otherwise"),
        ({"variants": {"a": {"settings": {"discount": "1e-1"}}}}, "variant 'a', 'settings', 'dis"),
        ({"variants": ["a"]}, "and 'variants' have a name each"),
        ({"variants": {"a b": {"steps": 1}}}, "'a b' is no name for a variant"),
        ({"reuse": "a.parquet"}, "'reuse' must be a list"),
        ({"preset": ["paper"]}, r"'preset' must be a name, not \['paper'\]"),
        ({"methods": ["em", True]}, "'methods' must be names, not True"),
        ({"method_settings": {"emm": {}}}, "speaks of 'emm' .did you mean 'em'"),
        ({"parameters": {"glide": {}}}, "'parameters' speaks of 'glide', which is none"),
        (
            {"groups": [{"tasks": ["glide"], "parameters": {"ant": {}}}]},
            "none of the study's tasks: resource-gathering, glide",
        ),
    ],
)
def test_a_bad_study_is_one_sentence(study_file, changes, sentence):
    with pytest.raises(HandfulError, match=sentence):
        read_study(study_file(**changes)).runs()


def test_a_file_that_is_not_yaml(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("tasks: [unclosed")
    with pytest.raises(HandfulError, match="not valid YAML"):
        read_study(path)
    path.write_text("just words")
    with pytest.raises(HandfulError, match="list of 'key: value' lines"):
        read_study(path)


def test_names_that_only_a_group_runs_are_known(study_file):
    path = study_file(
        groups=[{"methods": ["soft-em"], "policies": [2]}],
        method_settings={"soft-em": {"warm_up": 7}},
    )
    runs = [run for run in read_study(path).runs() if run.method == "soft-em"]
    assert {run.config.method_settings["warm_up"] for run in runs} == {7}


def test_what_is_missing_is_told(study_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(HandfulError, match=re.escape(install_command("sweep"))):
        read_study(study_file())
