import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.domains.speeds.targets import Motion, sample_targets, speed_seekers, users_with_speeds
from handful.errors import HandfulError


def rewards_of(population, velocity):
    return np.asarray(population.rewards(Motion(jnp.array(velocity, jnp.float32))))


def test_rewards_by_hand():
    # b = 4 m/s: rewards end 0.2 m/s from the target; an episode of 50 steps is worth 100.
    population = speed_seekers([1.0, 1.1, 3.0], top_speed=4.0, episode_length=50)
    np.testing.assert_allclose(rewards_of(population, 1.0), [2.0, 1.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(rewards_of(population, 1.15), [0.5, 1.5, 0.0], atol=1e-5)
    np.testing.assert_allclose(rewards_of(population, -7.0), [0.0, 0.0, 0.0])


@given(st.floats(0.0, 4.0, width=32))
def test_a_whole_episode_at_the_target_is_worth_100(target):
    population = speed_seekers([target], top_speed=4.0, episode_length=1000)
    assert 1000 * rewards_of(population, target)[0] == pytest.approx(100.0, rel=1e-5)


@given(st.floats(-1.0, 5.0, width=32), st.floats(0.0, 4.0, width=32))
def test_rewards_follow_the_formula_of_the_paper(velocity, target):
    population = speed_seekers([target], top_speed=4.0, episode_length=1)
    expected = 100 * (1 - min(1.0, 20 * abs(target - velocity) / 4.0))
    assert rewards_of(population, velocity)[0] == pytest.approx(expected, abs=1e-2)


def test_few_users_are_exact_and_keep_their_targets():
    population = speed_seekers([0.5, 2.0], 4.0, 1000, user_ids=("ann", "bob"))
    np.testing.assert_array_equal(population.coefficients, np.eye(2))
    np.testing.assert_array_equal(population.attributes["target"], [0.5, 2.0])
    assert population.user_ids == ("ann", "bob")


def test_features_can_be_traced_and_batched():
    population = speed_seekers([0.5, 2.0], 4.0, 1000)
    velocities = jnp.array([0.5, 0.6, 2.0])
    batched = jax.jit(jax.vmap(population.features))(Motion(velocities))
    each = [rewards_of(population, float(velocity)) for velocity in velocities]
    np.testing.assert_allclose(batched, each, rtol=1e-5)


def test_targets_above_the_top_speed_are_the_callers_to_choose():
    assert rewards_of(speed_seekers([9.0], 4.0, 1), 9.0)[0] == pytest.approx(100.0)


def test_sampled_targets_are_uniform_and_follow_the_seed():
    targets = sample_targets(20_000, 2.5, seed=3)
    assert 0.0 <= targets.min() < 0.01
    assert 2.49 < targets.max() <= 2.5
    assert targets.mean() == pytest.approx(1.25, abs=0.02)
    np.testing.assert_array_equal(targets, sample_targets(20_000, 2.5, seed=3))
    assert not np.array_equal(targets, sample_targets(20_000, 2.5, seed=4))


@pytest.mark.parametrize(
    ("targets", "user_ids", "sentence"),
    [
        ([], (), r"at least one number, not of shape \[0\]"),
        ([[1.0]], (), r"not of shape \[1, 1\]"),
        (["fast"], (), "must all be numbers"),
        ([1.0, -0.1], (), r"user 1 \(counted from 0\).*not -0.1 m/s"),
        ([1.0, np.nan], ("ann", "bob"), "user 'bob' must be finite and 0 or more, not nan m/s"),
        ([np.inf], ("ann",), "user 'ann'.*not inf m/s"),
        ([1.0, 2.0], ("ann",), "2 users but 1 user ids"),
    ],
)
def test_targets_that_are_no_velocities_are_refused(targets, user_ids, sentence):
    with pytest.raises(HandfulError, match=sentence):
        speed_seekers(targets, 4.0, 1000, user_ids)


@pytest.mark.parametrize("top_speed", [0.0, -1.0, np.nan, np.inf])
def test_top_speed_must_be_positive(top_speed):
    for make in (
        lambda: speed_seekers([1.0], top_speed, 1000),
        lambda: sample_targets(3, top_speed, 0),
    ):
        with pytest.raises(HandfulError, match="top speed must be positive"):
            make()


def test_numbers_out_of_range_are_refused():
    with pytest.raises(HandfulError, match="at least 1 step, not 0"):
        speed_seekers([1.0], 4.0, 0)
    with pytest.raises(HandfulError, match="at least one user, not 0"):
        sample_targets(0, 4.0, 0)
    with pytest.raises(HandfulError, match="seed must be 0 or more, not -1"):
        sample_targets(3, 4.0, -1)


@pytest.fixture(scope="module")
def crowd():
    return speed_seekers(sample_targets(1000, 4.0, seed=0), 4.0, 1000)


def test_many_users_are_compressed_and_paid_exactly(crowd):
    assert crowd.num_users == 1000
    assert 30 <= crowd.num_features <= 70
    targets = crowd.attributes["target"]
    velocities = np.linspace(-0.2, 4.2, 2001)
    exact = 0.1 * np.maximum(0.0, 1.0 - np.abs(targets[:, None] - velocities) / 0.2)
    motion = Motion(jnp.asarray(velocities, jnp.float32))
    np.testing.assert_allclose(jax.vmap(crowd.rewards)(motion).T, exact, atol=1e-5)
    trained = crowd.coefficients @ np.asarray(jax.vmap(crowd.features)(motion)).T
    rms = np.sqrt(np.mean((trained - exact) ** 2, axis=1)) / 0.1
    assert rms.max() <= 0.0101
    assert rms.max() == pytest.approx(crowd.features.compression.rms_error / 0.1, abs=1e-3)


def test_nobody_in_a_crowd_is_paid_for_velocities_that_nobody_wants(crowd):
    for velocity in (-50.0, -0.3, 4.3, 50.0):
        features = crowd.features(Motion(jnp.array(velocity)))
        np.testing.assert_allclose(features, np.zeros(crowd.num_features), atol=1e-9)


def test_a_tighter_tolerance_costs_features(crowd):
    targets = crowd.attributes["target"]
    tight = speed_seekers(targets, 4.0, 1000, tolerance=0.003)
    assert tight.num_features > crowd.num_features


def test_features_grow_with_the_range_of_targets_not_with_the_users(crowd):
    double = speed_seekers(sample_targets(2000, 4.0, seed=1), 4.0, 1000)
    assert abs(double.num_features - crowd.num_features) <= 10


def test_two_hundred_users_are_exact_and_one_more_is_compressed():
    assert speed_seekers(np.linspace(0, 4, 200), 4.0, 1000).num_features == 200
    assert speed_seekers(np.linspace(0, 4, 201), 4.0, 1000).num_features < 100


def test_a_crowd_whose_targets_are_in_another_unit_is_told_so():
    with pytest.raises(HandfulError, match=r"from 0 to 4000 m/s.*check the unit"):
        speed_seekers(np.linspace(0, 4000, 300), 4.0, 1000)


def test_a_table_in_another_unit_is_told_apart_by_its_fastest_users():
    """12 km/h are 3.3 m/s: nobody wants three times a robot's top speed."""
    with pytest.raises(HandfulError, match="velocities in m/s, from 0 to 8"):
        users_with_speeds(4.0, 1000, population={"target": [1.0, 12.0]})
    given = users_with_speeds(4.0, 1000, targets=[12.0])  # the caller's care
    assert given.attributes["target"].tolist() == [12.0]


def test_nobodys_best_speed_moves_far_under_compression():
    """Of 1,000 users nobody's moves by more than 0.012 m/s, where rewards reach 0.2 m/s."""
    targets = sample_targets(1000, 4.0, seed=0)
    population = speed_seekers(targets, 4.0, 1000)
    velocities = np.arange(-0.05, 4.05, 0.0005)
    features = jax.jit(jax.vmap(population.features))(Motion(jnp.asarray(velocities, jnp.float32)))
    assert features.shape[1] < 100  # they are compressed
    best = velocities[(population.coefficients @ np.asarray(features).T).argmax(axis=1)]
    assert 0.0 < np.abs(best - targets).max() <= 0.012
