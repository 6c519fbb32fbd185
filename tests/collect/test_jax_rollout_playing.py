import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.jax_rollout import run_episodes
from handful.learner.distributions import Categorical
from handful.problem import make
from tests.environments import ContextualBandit, Weather, problem_of

UP, DOWN, LEFT, RIGHT = range(4)
SIZE, LIMIT, START = 3, 12, 7

# For each policy: what it does at the start tile (7) and anywhere else.
SCRIPTS = {"bump": (DOWN, DOWN), "there and back": (UP, DOWN), "lost": (UP, UP)}


def scripted(observations):
    """Policies that see only whether they stand on the start tile, and never doubt."""
    at_start = observations[..., START] == 1
    rows = [
        jnp.where(at_start[k], script[0], script[1]) for k, script in enumerate(SCRIPTS.values())
    ]
    return Categorical(1e4 * jax.nn.one_hot(jnp.stack(rows), 4))


@pytest.fixture(scope="module", params=[True, False], ids=["deterministic", "sampled"])
def episodes(request):
    problem = make("resource-gathering", height=SIZE, width=SIZE, time_limit=LIMIT)
    return run_episodes(
        jax.random.key(0), problem, scripted, 3, 4, deterministic=request.param, trace=True
    )


def test_episodes_stop_where_they_end(episodes):
    np.testing.assert_array_equal(episodes.lengths, [[1, 2, LIMIT]] * 4)


def test_returns_are_those_of_the_first_episode_only(episodes):
    expected = np.zeros((3, 9))
    expected[0, START] = 99.0
    expected[1, [START, 4]] = 98.0
    np.testing.assert_array_equal(episodes.returns, [expected] * 4)


def test_traced_features_are_zero_after_the_end(episodes):
    assert episodes.features.shape == (4, 3, LIMIT, 9)
    np.testing.assert_array_equal(episodes.features.sum(axis=2), episodes.returns)
    np.testing.assert_array_equal(episodes.features[:, 0, 1:], 0.0)
    np.testing.assert_array_equal(episodes.features[:, 1, 1, START], 98.0)


def test_traced_outcomes_are_the_steps_of_the_episode(episodes):
    steps = np.asarray(episodes.outcomes.steps)
    np.testing.assert_array_equal(steps[0, 2], np.arange(1, LIMIT + 1))
    np.testing.assert_array_equal(episodes.outcomes.position[0, 1, :2], [[1, 1], [2, 1]])


def test_nothing_is_traced_unless_asked_for():
    problem = problem_of(ContextualBandit())
    policy_fn = lambda o: Categorical(jnp.zeros((*o.shape[:2], 2)))  # noqa: E731
    episodes = run_episodes(jax.random.key(0), problem, policy_fn, 1, 4, deterministic=False)
    assert episodes.features is None
    assert episodes.outcomes is None


def test_deterministic_takes_the_mode_and_sampling_does_not():
    problem = problem_of(ContextualBandit())
    uncertain = lambda o: Categorical(jnp.stack([jnp.zeros(o.shape[:2]), o[..., 0] - 0.5], -1))  # noqa: E731
    first = {}
    for deterministic in (True, False):
        episodes = run_episodes(jax.random.key(0), problem, uncertain, 1, 200, deterministic)
        first[deterministic] = float(episodes.returns[:, 0, 0].mean())
    # The mode is action 1 in context 0 and action 0 in context 1: feature 1 in both.
    assert first[True] == 0.0
    assert 0.25 < first[False] < 0.5  # 1 - sigmoid(1/2) = 0.378


def test_every_episode_has_chance_of_its_own():
    problem = problem_of(Weather())
    policy_fn = lambda o: Categorical(jnp.zeros((*o.shape[:2], 2)))  # noqa: E731
    episodes = run_episodes(
        jax.random.key(0), problem, policy_fn, 2, 6, deterministic=True, trace=True
    )
    assert len(np.unique(episodes.features.reshape(-1, 2), axis=0)) == 6 * 2 * 4
