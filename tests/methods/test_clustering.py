import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.methods import Clustering, Scene
from handful.methods.clustering import kmeans_groups
from handful.methods.weights import weight_table

pytest.importorskip("sklearn")

KEY = jax.random.key(0)
NOTHING = np.zeros((0, 7))
GROUPS = np.array([0, 1, 2, 0, 1, 2, 2])
REWARDS = (10.0 * np.eye(3)[GROUPS] + 0.01 * np.arange(21).reshape(7, 3)).astype(np.float32)


def same_partition(one, other):
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


@pytest.mark.parametrize("seed", [0, 1])
def test_users_with_like_rewards_are_grouped(seed):
    assert same_partition(kmeans_groups(REWARDS, 3, seed).tolist(), GROUPS.tolist())


def test_users_who_cannot_be_told_apart_give_fewer_groups():
    groups = kmeans_groups(np.repeat([[1.0, 2.0], [5.0, 0.0]], 4, axis=0), 5, seed=0)
    assert same_partition(groups.tolist(), [0] * 4 + [1] * 4)
    assert set(kmeans_groups(np.ones((6, 3)), 4, seed=0)) == {0}


@pytest.mark.parametrize("num_groups", [1, 7])
def test_one_group_and_one_group_a_user_are_possible(num_groups):
    assert len(set(kmeans_groups(REWARDS, num_groups, seed=0))) == num_groups


def test_everybody_is_served_by_all_policies_alike_during_pretraining():
    method = Clustering()
    weights = method.weights(method.init(KEY, 4, 3))
    np.testing.assert_array_equal(weights, -1)
    np.testing.assert_allclose(weight_table(weights, 3), 1 / 3)


@pytest.mark.parametrize(
    ("pretraining", "num_updates", "expected"), [(0.5, 488, 244), (0.25, 8, 2), (0.75, 8, 6)]
)
def test_clusters_are_made_when_pretraining_is_over(pretraining, num_updates, expected):
    assert Clustering(pretraining).schedule(num_updates, 2).interventions == (expected,)


def test_rates_fall_in_each_of_the_two_stages():
    def progress(num_policies):
        schedule = Clustering(0.4).schedule(5, num_policies)
        return [float(schedule.progress(jnp.array(i))) for i in range(5)]

    assert progress(2) == [0.0, 1.0, 0.0, 0.5, 1.0]
    assert progress(1) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_policies_of_clusters_have_twice_what_the_universal_one_has():
    assert Clustering().schedule(732, 5).interventions == (244,)


def test_one_policy_needs_no_clusters():
    assert Clustering().schedule(100, 1).interventions == ()


@given(st.floats(0.001, 0.999), st.integers(1, 100))
def test_clusters_are_made_before_the_last_update_however_short_the_run(pretraining, num_updates):
    """Otherwise the run would end with everybody on every policy."""
    (update,) = Clustering(pretraining).schedule(num_updates, 2).interventions
    assert 0 <= update < num_updates


def test_intervention_groups_users_by_the_universal_policys_trajectories_and_restarts():
    asked = []

    def trajectories(policy, num_episodes):
        asked.append((policy, num_episodes))
        return REWARDS

    method = Clustering(num_episodes=6)
    decision = method.intervene(
        KEY,
        method.init(KEY, 7, 3),
        Scene(5, trajectories, NOTHING, True, num_updates=10, payoffs=NOTHING),
    )
    assert asked == [(0, 6)]
    assert decision.sources is None
    assert same_partition(method.weights(decision.state).tolist(), GROUPS.tolist())
