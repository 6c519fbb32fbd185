"""The best k of policies of any kind are chosen on some episodes and measured on others."""

import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.service import compare_services
from tests.bundles import nested_files, put
from tests.environments import ContextualBandit, problem_of

# The bandit shows a context of two, and pays a feature for each action that fits it.
WISHES = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.6]], np.float32)


@pytest.fixture(scope="module")
def bandit():
    return problem_of(ContextualBandit(), WISHES)


class Agent:
    """As of Stable-Baselines3: it acts on many observations, and has a state."""

    def __init__(self, action):
        self.action = action

    def predict(self, observations, deterministic=False):
        return np.full(len(observations), self.action), None


def first_feature(observation):
    """The action that pays the first feature, whatever the context is."""
    return int(np.argmax(observation))


def test_the_best_two_serve_everybody_as_well_as_can_be(bandit):
    """The first user wants one feature, the others rather the other one: 1, 1 and 0.6."""
    members = {
        "always 0": 0,
        "agent": Agent(1),
        "first": first_feature,
        "second": lambda observation: 1 - first_feature(observation),
    }
    found = handful.pool(bandit, members, 2, num_episodes=20)
    assert found.members == ("first", "second")
    assert found.assignment.tolist() == [0, 1, 1]
    assert found.utilities.tolist() == pytest.approx([1.0, 1.0, 0.6])
    assert (found.welfare, found.welfare_stderr) == (pytest.approx(2.6 / 3), pytest.approx(0.0))
    assert found.one_policy < found.welfare


def test_the_welfare_is_of_episodes_that_had_no_part_in_the_choice(bandit):
    members = {"zero": 0, "one": 1}
    found = handful.pool(bandit, members, 2, seed=3, num_episodes=10)
    fresh = handful.evaluate_references(
        bandit, {name: members[name] for name in found.members}, seed=4, num_episodes=10
    )
    users = np.arange(bandit.num_users)
    expected = fresh.returns[found.assignment, users]
    np.testing.assert_array_equal(found.utilities, expected)
    assert found.welfare == pytest.approx(expected.mean())
    assert found.transitions == found.chosen_by.transitions + found.measured.transitions


def test_policies_of_a_result_stand_beside_those_of_others(bandit):
    settings = {"num_envs": 8, "batch_size": 256, "hidden_sizes": (8,)}
    trained = handful.train(bandit, 2, "em", steps=512, settings=settings, progress=False)
    found = handful.pool(bandit, {"ours": trained, "theirs": Agent(0)}, 3, num_episodes=20)
    assert found.chosen_by.names == ("ours 0", "ours 1", "theirs")
    assert set(found.members) <= set(found.chosen_by.names)
    compared = compare_services(found.service, found.service)
    assert (compared.verdict, compared.welfare_difference) == ("non-inferior", 0.0)
    assert found.service.utilities.mean() == pytest.approx(found.welfare, rel=1e-5)


def test_one_policy_is_measured_too_if_it_is_not_chosen():
    """Two users want one feature each, and a compromise is the best single policy."""
    problem = problem_of(ContextualBandit(), np.array([[1.0, -3.0], [-3.0, 1.0]], np.float32))
    members = {
        "first": first_feature,
        "second": lambda observation: 1 - first_feature(observation),
        "mixed": 0,
    }
    found = handful.pool(problem, members, 2, num_episodes=20)
    assert found.members == ("first", "second")
    assert found.welfare == pytest.approx(1.0)
    assert found.one_policy == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("members", "budget", "sentence"),
    [({"zero": 0}, 0, "at least 1"), ({}, 1, "by name"), ({"bad": "nowhere"}, 1, "no policies at")],
)
def test_a_pool_that_cannot_be_is_refused(bandit, members, budget, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.pool(bandit, members, budget)


class SeesTheGame:
    """An agent of another library, which takes observations in the simulator's own spaces."""

    def __init__(self, action):
        self.action = np.asarray(action)

    def predict(self, observation, deterministic=False):
        assert observation["camera"].shape[1:] == (2, 3)
        assert observation["camera"].dtype == np.uint8
        assert set(observation["body"]["gear"].tolist()) <= {-1, 0, 1, 2}
        number = len(observation["camera"])
        return np.broadcast_to(self.action, (number, *self.action.shape)), None


def test_an_agent_a_rule_and_a_bundle_serve_the_users_of_a_simulator(tmp_path):
    """The reward is the sum of both choices: 2 to 7 times five steps, and users want more or less.

    Only the agent takes the highest actions, and only the constant the lowest ones.
    """
    problem, _, files = nested_files()
    put(files, tmp_path / "bundle")
    members = {
        "agent": SeesTheGame([1, 6]),
        "rule": lambda vector: [0, 5 + int(vector[0] < 0)],
        "constant": [-1, 5],
        "bundle": tmp_path / "bundle",
    }
    found = handful.pool(problem, members, 2, num_episodes=4)
    assert found.chosen_by.names == ("agent", "rule", "constant", "bundle 0", "bundle 1")
    assert {found.members[k] for k in found.assignment} == {"agent", "constant"}
    assert found.utilities.tolist() == pytest.approx([35.0, -20.0, 17.5])
    again = handful.evaluate_references(
        problem, {"loaded": handful.load(tmp_path / "bundle")}, num_episodes=4
    )
    np.testing.assert_array_equal(again.returns, found.chosen_by.returns[3:])
    table = found.service.returns
    assert table.shape == (2, 1)
