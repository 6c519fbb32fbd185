"""Several starts: when each begins, how far it has come, and that the best goes on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import handful
from handful.errors import HandfulError
from handful.learner.base import Objective
from handful.learner.starts import TRIAL, Starts
from handful.learner.universal import UniversalPPO
from handful.mix import Mix
from handful.transitions import Transitions

UPDATES = 101
"""The updates of a whole training here."""

LANES = 4


def course(payments, count):
    """Return the states after each update, of starts that count from 0, 100, 200 and so on."""

    @jax.jit
    def after(known, state, paid, progress):
        return known.after(state, paid, progress, count, lambda: 100.0 * (known.number + 1))

    state, states = jnp.zeros(()), []
    known = Starts.begin(state)
    for update in range(UPDATES):
        progress = jnp.asarray(update / (UPDATES - 1))
        paid = jnp.asarray(payments[min(int(known.number), count - 1)])
        state, known = after(known, state + 1.0, paid, progress)
        states.append(float(state))
    return states


@pytest.mark.parametrize(("payments", "goes_on"), [((3.0, 1.0), 13.0), ((1.0, 3.0), 112.0)])
def test_the_start_that_was_paid_most_goes_on(payments, goes_on):
    """By hand: trials end with the updates at 0.12 and 0.24 of all, which are the 13th and 25th."""
    states = course(payments, 2)
    assert states[:12] == list(range(1, 13))
    assert states[12:24] == [100.0 + n for n in range(12)]
    assert states[24] == goes_on
    assert states[25:] == [goes_on + n for n in range(1, UPDATES - 24)]


def test_the_first_of_three_starts_can_go_on_after_the_others():
    states = course((2.0, 1.0, -1.0), 3)
    assert states[36] == 13.0
    assert states[-1] == 13.0 + UPDATES - 37


@given(st.integers(1, 8), st.floats(0.0, 1.0))
def test_the_start_that_goes_on_ends_its_training(count, share):
    known = Starts.begin(jnp.zeros(()))
    over = dataclasses.replace(known, number=jnp.asarray(count))
    assert float(known.progress(jnp.zeros(()), count)) == 0.0
    assert float(over.progress(jnp.ones(()), count)) == pytest.approx(1.0)
    # As soon as the best goes on it is where its own trial ended.
    chosen = over.progress(jnp.asarray(TRIAL * count), count)
    left = known.progress(jnp.asarray(TRIAL), count)
    assert float(chosen) == pytest.approx(float(left), abs=1e-6)
    begun = dataclasses.replace(known, number=jnp.asarray(count - 1))
    at = TRIAL * (count - 1 + share)
    assert float(begun.progress(jnp.asarray(at), count)) == pytest.approx(
        min(TRIAL * share / (1 - TRIAL * (count - 1)), 1.0), abs=1e-5
    )


@pytest.fixture(scope="module")
def problem():
    return handful.make("glide", users=5)


def batch_of(problem, paid):
    shape = (LANES, 4, 1)
    size, actions = problem.environment.observation_size, problem.environment.action_space.size
    flags = jnp.zeros(shape, bool)
    return Transitions(
        observations=jax.random.normal(jax.random.key(2), (*shape, size)),
        actions=jax.random.normal(jax.random.key(3), (*shape, actions)),
        log_probs=jnp.full(shape, -1.0),
        features=jnp.full((*shape, problem.num_features), paid),
        next_observations=jax.random.normal(jax.random.key(4), (*shape, size)),
        terminated=flags,
        truncated=flags,
    )


@pytest.mark.parametrize("better", [0, 1])
def test_a_universal_policy_goes_on_from_the_better_of_two_starts(problem, better):
    learner = UniversalPPO(hidden_sizes=(8,), context_size=2, num_epochs=1, starts=2)
    state = learner.init(jax.random.key(0), problem, LANES, ())
    alone = dataclasses.replace(learner, starts=1).init(jax.random.key(0), problem, LANES, ())
    np.testing.assert_array_equal(state.actor.stack.head.weight, alone.actor.stack.head.weight)
    mix = Mix(jnp.ones((LANES, problem.num_features)), jnp.ones(LANES))

    @jax.jit
    def improved(state, batch, progress):
        objective = Objective(lambda _: mix, (), 0.0)
        one = jnp.ones(())
        return learner.improve(
            jax.random.key(5), state, batch, objective, progress, one, problem, None
        ).state

    ends, updates = [], []
    for update in range(6):  # trials of three updates
        start = update // 3
        state = improved(
            state, batch_of(problem, float(start == better)), jnp.asarray((update + 1) * TRIAL / 3)
        )
        updates.append(int(state.updates))
        if update == 2:
            ends.append(state.starts.best.actor.stack.hidden[0].weight)
            assert np.any(np.asarray(state.actor.stack.hidden[0].weight != ends[0]))
    assert updates == [1, 2, 0, 1, 2, 3]
    chosen = np.asarray(state.actor.stack.hidden[0].weight)
    assert np.array_equal(chosen, np.asarray(ends[0])) == (better == 0)
    # It goes on, whatever comes.
    after = improved(state, batch_of(problem, 0.0), jnp.asarray(0.9))
    assert int(after.updates) == 4
    assert np.any(np.asarray(after.actor.stack.hidden[0].weight) != chosen)


def test_numbers_of_starts_that_leave_no_training_are_refused():
    with pytest.raises(HandfulError, match="starts must be from 1 to 8"):
        UniversalPPO(starts=9)
