import dataclasses

import jax
import numpy as np
import pytest

import handful
from handful.domains.speeds.targets import Motion
from handful.errors import HandfulError
from handful.learner import PPO
from handful.training.config import CollectConfig, find_preset, make_config, resolve_settings

TOP_SPEEDS = {"half-cheetah": 4.0, "ant": 3.0, "hopper": 2.5, "walker2d": 2.5}


@pytest.mark.parametrize(("name", "top_speed"), TOP_SPEEDS.items())
def test_users_want_speeds_up_to_the_papers_limit(name, top_speed):
    problem = handful.make(name, users=150, population_seed=3)
    targets = problem.population.attributes["target"]
    assert problem.name == name
    assert problem.num_users == 150
    assert targets.min() >= 0
    assert 0.95 * top_speed < targets.max() <= top_speed
    assert problem.environment.time_limit == 1000


def test_a_whole_episode_at_exactly_the_target_is_worth_a_hundred():
    problem = handful.make("ant", targets=(0.5, 2.0))
    rewards = problem.population.features(Motion(jax.numpy.float32(2.0)))
    np.testing.assert_allclose(1000 * rewards, [0.0, 100.0], atol=1e-3)
    # Half a width (b / 20 = 0.15 m/s) away it is worth half, a width away nothing.
    for velocity, worth in ((2.075, 50.0), (1.925, 50.0), (2.15, 0.0), (1.85, 0.0)):
        rewards = problem.population.features(Motion(jax.numpy.float32(velocity)))
        np.testing.assert_allclose(1000 * rewards[1], worth, atol=1e-2)


def test_the_parameters_make_the_same_problem_again():
    first = handful.make("hopper", users=20, population_seed=7)
    again = handful.make(first.name, **first.parameters)
    assert first.parameters == {"users": 20, "population_seed": 7}
    np.testing.assert_array_equal(
        first.population.attributes["target"], again.population.attributes["target"]
    )
    other = handful.make("hopper", users=20, population_seed=8)
    assert not np.array_equal(
        first.population.attributes["target"], other.population.attributes["target"]
    )


def test_given_users_come_as_they_are():
    problem = handful.make("walker2d", targets=[1.0, 0.25], user_ids=["ann", "bob"])
    assert problem.population.user_ids == ("ann", "bob")
    np.testing.assert_array_equal(problem.population.attributes["target"], [1.0, 0.25])


@pytest.mark.parametrize("name", TOP_SPEEDS)
@pytest.mark.parametrize("preset_name", ["paper", "fast"])
def test_settings_fit_the_learner(name, preset_name):
    problem = handful.make(name)
    settings = problem.learner_settings(5, find_preset(preset_name))
    learner, collect = resolve_settings(preset_name, {}, settings)
    assert learner.initial_log_std == -1.0
    if preset_name == "paper":  # what the paper does say stays
        assert dataclasses.replace(learner, initial_log_std=0.0) == PPO()
        assert dataclasses.replace(collect, num_envs=32) == CollectConfig()


def test_em_waits_longer_for_robots_unless_told_otherwise():
    problem = handful.make("hopper")
    for name in ("paper", "fast"):
        assert make_config(problem, 2, "em", name).method_settings == {"warm_up": 100}
    changed = make_config(problem, 2, "em", "paper", method_settings={"warm_up": 5})
    assert changed.method_settings == {"warm_up": 5}
    assert make_config(problem, 2, "random", "paper").method_settings == {}


def test_an_ant_goes_on_its_way_though_it_falls_and_aims_lower():
    asked = {"ant": {"footing": 0.0, "caution": 0.8}, "walker2d": {}}
    for task, settings in asked.items():
        config = make_config(handful.make(task), 2, "family-em", "fast")
        assert config.method_settings == settings
    assert make_config(handful.make("ant"), 2, "auto", "fast").method == "family-em"
    ant = make_config(handful.make("ant"), 2, "em", "fast")
    assert ant.method_settings == {"warm_up": 100}


def test_only_an_ant_with_our_settings_sees_starts_more_often():
    short = {
        (task, name): make_config(handful.make(task), 2, "em", name).collect.short_episodes
        for task in ("ant", "walker2d")
        for name in ("fast", "paper")
    }
    assert {asked: steps for asked, steps in short.items() if steps} == {("ant", "fast"): 200}


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"users": 0}, "user"),
        ({"targets": (1.0, -0.5)}, "finite and 0 or more, not -0.5"),
        ({"targets": (1.0, float("nan"))}, "finite and 0 or more, not nan"),
        ({"backend": "warp"}, "auto, envpool or gymnasium"),
        ({"robots": 3}, "The task 'half-cheetah' has no parameter 'robots'"),
        ({"targets": 1.0}, "targets must be a list like"),
    ],
)
def test_bad_parameters_get_one_sentence(parameters, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.make("half-cheetah", **parameters)


@pytest.mark.slow
def test_a_robot_learns_to_please_users_on_the_command_line(tmp_path, capsys):
    from handful.cli.main import main

    out = tmp_path / "run"
    request = "half-cheetah --users 10 --policies 2 --steps 40960 --preset fast"
    main(["train", *request.split(), "--out", str(out)])
    printed = capsys.readouterr().out
    assert "upper bound" in printed
    assert (out / "report.html").is_file()
