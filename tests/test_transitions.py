import jax.numpy as jnp
import numpy as np
import pytest

from handful.transitions import Transitions

K, T, B, O, D = 2, 3, 4, 5, 6  # noqa: E741


@pytest.fixture
def transitions():
    def count(*tail):
        return jnp.arange(K * T * B * int(np.prod(tail)), dtype=jnp.float32).reshape(K, T, B, *tail)

    return Transitions(
        observations=count(O),
        actions=count().astype(jnp.int32),
        log_probs=count(),
        features=count(D),
        next_observations=count(O),
        terminated=count() == 1,
        truncated=count() == 2,
    )


def test_flat_keeps_the_order_time_first_then_environments(transitions):
    flat = transitions.flat()
    assert flat.observations.shape == (K, T * B, O)
    assert flat.terminated.shape == (K, T * B)
    for k, t, b in [(0, 0, 0), (0, 2, 1), (1, 1, 3)]:
        np.testing.assert_array_equal(flat.features[k, t * B + b], transitions.features[k, t, b])
        assert flat.actions[k, t * B + b] == transitions.actions[k, t, b]


def test_scaling_features_leaves_everything_else(transitions):
    scaled = transitions.scale_features(0.5)
    np.testing.assert_array_equal(scaled.features, transitions.features / 2)
    for name in ("observations", "log_probs", "next_observations", "terminated"):
        np.testing.assert_array_equal(getattr(scaled, name), getattr(transitions, name))
