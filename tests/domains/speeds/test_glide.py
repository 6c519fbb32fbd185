"""Glide: hand-computed motion, and users as in the robots' tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.domains.speeds.glide import PUSH, TIME_LIMIT, TREMOR, Glide

KEY = jax.random.key(0)


def test_full_pushes_add_up_and_the_episode_is_cut_at_its_end():
    glide, step = Glide(), jax.jit(Glide().step)
    state, observation = glide.reset(KEY)
    np.testing.assert_array_equal(observation, 0.0)
    for number in range(1, TIME_LIMIT + 1):
        push = 1.0 if number <= 10 else 0.0
        state, taken = step(jax.random.fold_in(KEY, number), state, jnp.array([push]))
        assert state[0] == pytest.approx(PUSH * min(number, 10), rel=1e-5)
        assert taken.observation[1] == pytest.approx(number / TIME_LIMIT, rel=1e-4)
        assert not taken.terminated
        assert taken.truncated == (number == TIME_LIMIT)


def test_the_velocity_seen_trembles_with_speed():
    glide = Glide()
    keys = jax.random.split(KEY, 20_000)

    def seen(speed):
        state = jnp.array([speed, 0.0])
        return jax.vmap(lambda key: glide.step(key, state, jnp.zeros(1))[1].outcome.velocity)(keys)

    for speed in (0.0, 2.0):
        values = np.asarray(seen(speed), np.float64)
        assert values.mean() == pytest.approx(speed, abs=0.002)
        assert values.std() == pytest.approx(TREMOR * (0.3 + speed), rel=0.03)


def test_its_users_are_those_of_the_robots():
    problem, robots = handful.make("glide", users=7), handful.make("half-cheetah", users=7)
    np.testing.assert_array_equal(
        problem.population.attributes["target"], robots.population.attributes["target"]
    )
    assert handful.optimum(problem, 3).welfare == handful.optimum(robots, 3).welfare
    assert handful.make("glide", targets=[1.0, 2.0]).num_users == 2
