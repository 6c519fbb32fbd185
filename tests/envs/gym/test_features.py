import numpy as np
import pytest

from handful.envs.gym.features import Transition, entry_names, feature_names, find_features
from handful.errors import HandfulError

INFO = {
    "speed": np.float32(3.0),
    "rewards": {"lane": 0.5, "crash": True, "each": [1.0, 2.0]},
    "a.b": 7,
    "text": "no",
}
STEP = Transition(np.ones(2), 1, np.full(2, 3.0), 0.25, INFO)
VECTOR = STEP.__class__(np.ones(2), 1, np.ones(2), np.array([1.0, 2.0, 3.0]), INFO)


def gain(observation, action, next_observation, reward, info):
    return [next_observation[0] - observation[0], action * reward]


@pytest.mark.parametrize(
    ("step", "features", "names", "values"),
    [
        (STEP, None, ("reward",), [0.25]),
        (VECTOR, None, ("reward_0", "reward_1", "reward_2"), [1, 2, 3]),
        (STEP, "speed", ("speed",), [3]),
        (STEP, ["rewards.lane", "rewards.crash"], ("rewards.lane", "rewards.crash"), [0.5, 1]),
        (STEP, ["reward", "rewards.each.1"], ("reward", "rewards.each.1"), [0.25, 2]),
        (STEP, ["a.b"], ("a.b",), [7]),
        (VECTOR, ["speed", "reward"], ("speed", "reward_0", "reward_1", "reward_2"), [3, 1, 2, 3]),
        (STEP, gain, ("feature_0", "feature_1"), [2, 0.25]),
    ],
)
def test_features_and_their_names(step, features, names, values):
    chosen = find_features(features)
    np.testing.assert_allclose(chosen(step), values)
    assert feature_names(chosen, step, ()) == names


def test_a_function_may_be_given_by_name_and_its_features_named():
    chosen = find_features("tests.gym_environments:went_up")
    np.testing.assert_allclose(chosen(STEP), [2.0])
    assert feature_names(chosen, STEP, ["up"]) == ("up",)


def test_info_names_its_numbers():
    assert entry_names(INFO) == ["speed", "rewards.lane", "rewards.crash", "a.b"]


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ("rewards.lanes", r"'rewards.lanes' is not in .* \(here it has speed, rewards.lane"),
        ("text", "must be a number or a list of numbers"),
        ("rewards.each", "has 2 entries: name one of them, as 'rewards.each.0'"),
        (lambda *transition: "x", "must be a number"),
        (lambda *transition: 1 / 0, "failed with ZeroDivisionError"),
    ],
)
def test_features_that_a_step_does_not_have(features, sentence):
    with pytest.raises(HandfulError, match=sentence):
        find_features(features)(STEP)


@pytest.mark.parametrize("features", [3, [], [3], {"a": 1}])
def test_what_is_no_choice_of_features(features):
    with pytest.raises(HandfulError, match="Features are names"):
        find_features(features)


def test_names_must_fit():
    with pytest.raises(HandfulError, match="1 reward features but 2 names"):
        feature_names(find_features(None), STEP, ["a", "b"])
    with pytest.raises(HandfulError, match="'speed' occurs twice"):
        feature_names(find_features(["speed", "speed"]), STEP, ())
    with pytest.raises(HandfulError, match="cannot be imported"):
        find_features("tests.gym_environments:nothing")
