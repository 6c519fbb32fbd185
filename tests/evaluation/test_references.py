"""Reference policies: returns as computed by hand, on the episodes of evaluation."""

import sys
import types

import jax
import numpy as np
import pytest

import handful
from handful.envs.gym.spaces import read_action_space
from handful.errors import HandfulError
from handful.evaluation.references import evaluate_references
from handful.learner.policies import Policies
from handful.learner.policies_file import save_policies
from handful.learner.squashed import constant_actor
from handful.population import Population
from handful.problem import RMDP
from tests.environments import ContextualBandit
from tests.host_environments import Track

# Three users of a bandit with two arms: each step pays feature (action + context) % 2.
WEIGHTS = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])


def bandit(**changes):
    return RMDP(ContextualBandit(), Population(WEIGHTS), name="bandit", **changes)


def context(observation):
    return int(np.argmax(observation))


def test_a_rule_and_constants_earn_what_the_hand_computes():
    rules = {
        "first": lambda seen: context(seen),  # context + context is even: always feature 0
        "second": lambda seen: 1 - context(seen),
        "zero": 0,
    }
    found = evaluate_references(bandit(), rules, num_episodes=40)
    assert found.names == ("first", "second", "zero")
    np.testing.assert_allclose(found.returns[0], [1.0, 0.0, 3.0])
    np.testing.assert_allclose(found.returns[1], [0.0, 2.0, 3.0])
    share = found.returns[2, 0]  # of episodes whose context is 0
    np.testing.assert_allclose(found.returns[2], [share, 2.0 * (1.0 - share), 3.0])
    assert 0.2 < share < 0.8
    error = np.sqrt(share * (1.0 - share) / 39)
    np.testing.assert_allclose(found.returns_stderr[2], [error, 2 * error, 0.0])
    np.testing.assert_allclose(found.welfare[:2], [4.0 / 3.0, 5.0 / 3.0])
    assert found.best == 1
    assert found.best_welfare(1) == pytest.approx(5.0 / 3.0)
    assert found.best_welfare(2) == pytest.approx(2.0)  # each user with their own rule
    assert (found.transitions, found.lengths.tolist()) == (120, [1.0, 1.0, 1.0])


def test_users_with_rewards_of_their_own_are_paid_them():
    def pay(outcome):
        return jax.numpy.stack([outcome[0], 5.0 * outcome[1] ** 2])

    problem = RMDP(ContextualBandit(), Population.from_function(pay, 2))
    found = evaluate_references(problem, {"second": lambda seen: 1 - context(seen)})
    np.testing.assert_allclose(found.returns, [[0.0, 5.0]])


@pytest.fixture(scope="module")
def trained():
    return handful.train(bandit(), 2, "em", steps=4096, preset="fast")


def test_old_policies_meet_the_episodes_of_evaluation(trained, tmp_path):
    problem = bandit()
    save_policies(tmp_path / "policies.safetensors", trained.policies, "0")
    references = {"old": trained.policies, "folder": tmp_path}
    found = evaluate_references(problem, references, seed=3, num_episodes=20)
    assert found.names == ("old 0", "old 1", "folder 0", "folder 1")
    np.testing.assert_array_equal(found.returns[:2], found.returns[2:])
    alone = trained.policies.take(jax.numpy.array([0]))
    one = handful.evaluate(problem, alone, seed=3, num_episodes=20)
    np.testing.assert_allclose(found.returns[0], one.deterministic.returns[0])
    # What a constant action earns differs from episode to episode, so that it tells them apart.
    zero = constant_actor(alone.actor, jax.numpy.array([[1.0, 0.0]]), 2)
    constant = Policies(zero, alone.normalizer, alone.action_space)
    again = handful.evaluate(problem, constant, seed=3, num_episodes=20)
    played = evaluate_references(problem, {"zero": 0}, seed=3, num_episodes=20).played
    assert 0 < played.features[:, 0, 0].sum() < 20
    np.testing.assert_array_equal(played.features, again.deterministic.played.features)


def test_a_reference_on_the_host_meets_the_episodes_of_evaluation():
    # The velocity is paid for twelve steps, to users who want it and who do not.
    problem = RMDP(Track(), Population(np.array([[1.0], [-2.0]]), lambda out: out.velocity[None]))
    asked = []

    class Agent:
        def predict(self, observations, deterministic):
            asked.append((observations.shape, deterministic))
            return np.full((len(observations), 1), 0.5), None

    found = evaluate_references(problem, {"fast": [2.0], "agent": Agent()}, num_episodes=4)
    np.testing.assert_allclose(found.returns, [[12.0, -24.0], [6.0, -12.0]])
    assert set(asked) == {((4, 3), True)}


def test_a_module_of_pytorch_gives_a_score_for_each_action(monkeypatch):
    class Tensor(np.ndarray):
        def detach(self):
            return self

        cpu = detach

        def numpy(self):
            return np.asarray(self)

    class Module:
        def __call__(self, observations):
            return observations  # the context's own number has the highest score

    class NoGrad:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    torch = types.SimpleNamespace(
        nn=types.SimpleNamespace(Module=Module),
        no_grad=NoGrad,
        float32=np.float32,
        as_tensor=lambda values, dtype: np.asarray(values, dtype).view(Tensor),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    found = evaluate_references(bandit(), {"module": Module()}, num_episodes=10)
    np.testing.assert_allclose(found.returns, [[1.0, 0.0, 3.0]])


def test_actions_are_in_the_units_of_the_environment():
    gymnasium = pytest.importorskip("gymnasium")

    class Orders(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)
        action_space = gymnasium.spaces.Box(0.0, 3200.0, (1,), np.float32)

        def reset(self, *, seed=None, options=None):
            return np.zeros(1, np.float32), {}

        def step(self, action):
            return np.zeros(1, np.float32), float(action[0]), True, False, {}

    problem = handful.from_gymnasium(Orders(), [[1.0], [2.0]], time_limit=1, action_range=[0, 40])
    references = {"twenty": [20.0], "rule": lambda seen: np.array([30.0])}
    found = evaluate_references(problem, references, num_episodes=4)
    np.testing.assert_allclose(found.returns, [[20.0, 40.0], [30.0, 60.0]], rtol=1e-6)


def test_encoding_is_the_inverse_of_decoding():
    spaces = pytest.importorskip("gymnasium").spaces
    choices = read_action_space(spaces.MultiDiscrete([2, 3], start=[1, -1]))
    assert [choices.encode(choices.decode(index)) for index in range(6)] == list(range(6))
    for wrong in ([1, 2], [1], [1.5, 0]):
        with pytest.raises(ValueError, match="none of the actions"):
            choices.encode(wrong)
    interval = read_action_space(spaces.Box(np.float32([-2, 0]), np.float32([4, np.inf])))
    np.testing.assert_allclose(interval.encode([1.0, 7.0]), [0.0, 7.0])
    np.testing.assert_allclose(interval.decode(interval.encode([3.0, 0.5])), [3.0, 0.5])


@pytest.mark.parametrize(
    ("references", "words"),
    [
        ({}, "by name"),
        ({"bad": 2}, "'bad' gives actions that do not fit"),
        ({"bad": 0.5}, "one of 2 discrete actions"),
        ({"bad": [0, 1]}, "do not fit"),
        ({"bad": object()}, "'bad' is a object: give a constant action"),
        ({"bad": lambda seen: 1 / 0}, "'bad' failed with ZeroDivisionError"),
        ({"bad": lambda seen: 7}, "do not fit"),
        ({"bad": "runs/none"}, "no policies at"),
    ],
)
def test_a_reference_that_cannot_be_played_is_one_sentence(references, words):
    with pytest.raises(HandfulError, match=words):
        evaluate_references(bandit(), references, num_episodes=4)


def test_the_numbers_of_episodes_and_references_are_checked():
    with pytest.raises(HandfulError, match="even and at least 4"):
        evaluate_references(bandit(), {"zero": 0}, num_episodes=5)
    found = evaluate_references(bandit(), {"zero": 0}, num_episodes=4)
    with pytest.raises(HandfulError, match="at least 1"):
        found.best_welfare(0)


def test_policies_that_look_symbols_up_can_be_played():
    ways, paid = np.zeros((3, 2, 3)), np.zeros((2, 3, 2))
    ways[0, 0, 1] = ways[0, 1, 2] = 1.0
    paid[0, 1], paid[1, 2] = 1.0, 1.0
    fork = handful.tabular_problem(ways, paid)
    result = handful.train(fork, 1, "em", steps=2048, preset="fast")
    found = evaluate_references(fork, {"mine": result.policies}, num_episodes=4)
    np.testing.assert_allclose(found.returns, handful.exact_returns(fork, result.policies))
