import json
import sys

import pytest

from handful._support.installing import install_command


def test_a_sound_environment_passes_with_a_table(call):
    code, out, err = call("check-env", "gymnasium:FrozenLake-v1")
    assert (code, err) == (0, "")
    assert "0 defects" in out
    assert "a copy in another process behaves alike" in out
    assert "time limit 100" in out


def test_defects_give_exit_code_1_and_say_what_to_mend(call):
    code, out, _ = call("check-env", "tests.defective_environments:SecretLimit")
    assert code == 1
    assert "1 defect" in out
    assert "time_limit=30" in " ".join(out.split())


def test_json_is_for_machines(call):
    code, out, _ = call(
        "check-env",
        "tests.defective_environments:Twins",
        "--param.features",
        "near",
        "twin",
        "--json",
    )
    result = json.loads(out)
    assert code == 0
    assert result["passed"]
    assert [finding["check"] for finding in result["findings"]] == ["duplicate-features"]
    assert result["feature_names"] == ["near", "twin"]


def test_an_environment_of_the_callers_is_found_in_the_current_folder(call, tmp_path):
    (tmp_path / "my_own_lake.py").write_text(
        "import gymnasium\n\ndef lake():\n    return gymnasium.make('FrozenLake-v1')\n"
    )
    assert call("check-env", "my_own_lake:lake")[0] == 0


def test_a_tasks_own_parameters_are_its_options(call):
    arguments = ("--param.options", '{"months": 3}', "--json")
    assert json.loads(call("check-env", "market", *arguments)[1])["time_limit"] == 3


def test_bad_input_is_told_in_one_sentence(call):
    for arguments, sentence in (
        (["CartPool-v1"], "doesn't exist"),
        (["nowhere:Env-v0"], "'nowhere' cannot be imported"),
        (
            ["CartPole-v1", "--param.colour", "3"],
            "Unrecognized options: --param.colour, 3",
        ),
        (["CartPole-v1", "--param.feature-name", "a"], "(did you mean '--param.feature-names'?)"),
        (["CartPole-v1", "--param.time-limit", "long"], "--param.time-limit {None}|INT"),
        (["market", "--param.months", "3"], "as in --param.options '{\"months\": 3}'."),
        (["CartPole-v1", "--param.features"], "Features are names"),
        (["market", "--param.options", '{"tast": 1}'], "The task 'market' has no parameter 'tast'"),
        (["gymnasium"], "The task 'gymnasium' is asked for as gymnasium:ENV-ID."),
    ):
        code, out, err = call("check-env", *arguments)
        assert (code, out) == (2, "")
        assert sentence in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("env", ["CartPole-v1", "gymnasium:CartPole-v1", "market"])
def test_a_missing_gymnasium_is_no_defect_of_an_environment(call, monkeypatch, env):
    monkeypatch.delitem(sys.modules, "handful.check.adapters", raising=False)
    monkeypatch.setitem(sys.modules, "gymnasium", None)  # as if it were not installed
    code, out, err = call("check-env", env)
    assert (code, out) == (2, "")
    assert err.endswith(f"Gymnasium need it: {install_command('gymnasium')}.\n")
