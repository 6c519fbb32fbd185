"""What is wrong with bad study files."""

import pytest

from handful.errors import HandfulError
from handful.experiments.study_file import read_study


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeds": None}, "lacks 'seeds'"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"methods": "em"}, "'methods' must be a list"),
        ({"policies": ["two"]}, "'policies' must be whole numbers"),
        ({"steps": "many"}, "'steps' must be a whole number"),
        ({"methods": ["emm"]}, "no assignment method named 'emm'"),
        ({"policies": [26]}, "between 1 and the number of users"),
        ({"tasks": ["gardening"]}, "no task named 'gardening'"),
        ({"settings": {"speed": 1}}, "no setting named 'speed'"),
        ({"settings": 3}, "'settings' must hold 'name: value' pairs"),
        ({"method_settings": {"em": 3}}, "pairs for 'em' too"),
        ({"training": {"speed": 1}}, "'training' has no setting 'speed'"),
        ({"training": {"return_mixing": 7.0}}, "return_mixing must be above 0"),
        ({"groups": {"a": {}}}, "'groups' must be a list"),
        ({"groups": [{}]}, "group 1 must say what it asks for otherwise"),
        ({"groups": [{"policies": [2]}, {"policies": 2}]}, "group 2, 'policies' must be a list"),
        ({"groups": [{"out": "there"}]}, "group 1 cannot change 'out'"),
        ({"groups": [{"steps": 8192}]}, "would share the folder"),
        ({"variants": {"a": {"seed": 1}}}, "variant 'a' cannot change 'seed'"),
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
