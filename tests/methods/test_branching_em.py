import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import handful
from handful.errors import HandfulError
from handful.methods import Feedback, Scene, make_method
from handful.methods.branching_em import BranchingEM
from handful.methods.weights import weight_table
from tests.methods.test_branching_em_branches import PAYOFFS, TARGETS, kept_up

KEY = jax.random.key(0)
NUM_UPDATES = 2000
POOLED = np.stack([kept_up(9.0, 0.05), kept_up(2.0, 0.3), kept_up(9.0, 0.02), kept_up(2.0, 0.8)])
"""The last policy is worth copying, and the first is to be given up for it."""


def branched(method, pooled=POOLED, update=500):
    state = method.init(KEY, len(TARGETS), 2)
    scene = Scene(update, None, pooled, is_last=False, num_updates=NUM_UPDATES, payoffs=PAYOFFS)
    return method.intervene(KEY, state, scene)


def trained(method, state, update, returns=None):
    returns = jnp.zeros(state.distance.shape) if returns is None else returns
    later = method.reassign(KEY, state, Feedback(returns, jnp.array(update), NUM_UPDATES))
    return np.asarray(method.training_weights(later))


def test_branchings_are_evenly_apart_between_the_first_and_the_last():
    method = BranchingEM(branchings=5, first=0.25, last=0.75)
    assert method.schedule(NUM_UPDATES, 5).interventions == (500, 750, 1000, 1250, 1500)
    assert BranchingEM(branchings=1).schedule(NUM_UPDATES, 5).interventions == (500,)
    assert method.schedule(NUM_UPDATES, 1).interventions == ()  # no other policy to be copied


@given(st.integers(1, 20), st.integers(1, 60))
def test_however_short_the_run_the_branchings_lie_within_it(branchings, num_updates):
    updates = list(BranchingEM(branchings=branchings).schedule(num_updates, 2).interventions)
    assert updates == sorted(set(updates))
    assert all(0 < update < num_updates for update in updates)


def test_until_the_first_branching_it_is_em():
    method, em = BranchingEM(warm_up=7), make_method("em", warm_up=7)
    ours, theirs = (m.init(KEY, len(TARGETS), 3) for m in (method, em))
    returns = jax.random.normal(KEY, (len(TARGETS), 3))
    for update in (0, 6, 7, 400):
        feedback = Feedback(returns, jnp.array(update), NUM_UPDATES)
        ours, theirs = method.reassign(KEY, ours, feedback), em.reassign(KEY, theirs, feedback)
        np.testing.assert_array_equal(method.weights(ours), em.weights(theirs))
        np.testing.assert_array_equal(method.training_weights(ours), em.training_weights(theirs))


def test_the_useless_go_on_as_copies_of_the_good():
    decision = branched(BranchingEM())
    assert decision.sources.tolist() == [3, 3]
    assert decision.state.is_led.sum() == 1


def test_copies_are_led_while_the_others_keep_their_users_and_then_em_decides():
    method = BranchingEM(leading=0.6)
    state = branched(method).state
    led, kept = int(state.is_led.argmax()), int(state.is_led.argmin())
    first, last = trained(method, state, 500), trained(method, state, 649)
    goal = state.distance[:, led]
    width = float(state.first_width[led])
    assert width > 1.0
    np.testing.assert_allclose(first[:, led], state.share * np.exp(-goal / width), rtol=1e-5)
    assert (last[:, led] < first[:, led] + 1e-6).all()
    np.testing.assert_allclose(last[:, led], state.share * np.exp(-goal), rtol=0.1, atol=1e-3)
    served = np.asarray(weight_table(method.weights(state), 2))
    for weights in (first, last):
        np.testing.assert_array_equal(weights[:, kept], served[:, kept])
    # 250 updates to the next branching, of which copies are led for 150.
    everybody = jnp.zeros(state.distance.shape).at[:, kept].set(1.0)
    released = trained(method, state, 650, everybody)
    assert released[:, kept].all()
    assert released[:, led].sum() == 1.0  # revived for one user


def test_what_a_copy_earns_rises_from_its_start_to_its_goal():
    method = BranchingEM()
    state = branched(method).state
    led = int(state.is_led.argmax())
    earned = PAYOFFS @ trained(method, state, 575)[:, led]
    goal = TARGETS[int(state.distance[:, led].argmin())]
    start, end = sorted((20, round(10 * goal)))  # from 2.0, in tenths
    rising = np.diff(earned[start : end + 1]) * np.sign(goal - 2.0)
    assert (rising[2:-2] > 0).all()


def test_after_the_last_branching_copies_are_led_for_a_share_of_what_is_left():
    state = branched(BranchingEM(leading=0.5), update=1500).state
    assert int(state.until) == 1750


def test_a_policy_that_is_chosen_for_nobody_still_learns_from_somebody():
    pooled = np.stack([kept_up(2.0, 0.8), np.zeros(len(TARGETS))])
    state = branched(BranchingEM(margin=1e6), pooled).state
    assert not state.is_led.any()
    assert (np.asarray(state.planned).sum(axis=0) > 0).all()


def test_the_best_of_all_policies_are_handed_out():
    method = BranchingEM()
    state = method.init(KEY, len(TARGETS), 2)
    scene = Scene(2000, None, POOLED, is_last=True, num_updates=NUM_UPDATES, payoffs=PAYOFFS)
    decision = method.intervene(KEY, state, scene)
    assert sorted(decision.sources.tolist()) == [0, 3]
    served_by = decision.sources[method.weights(decision.state)]
    np.testing.assert_array_equal(POOLED[served_by, np.arange(len(TARGETS))], POOLED.max(axis=0))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"branchings": 0}, "at least once, not 0 times"),
        ({"first": 0.0}, "shares above 0 and below 1, not 0.0 and 0.75"),
        ({"first": 0.8}, "the first before the last"),
        ({"last": 1.0}, "not 0.25 and 1.0"),
        ({"leading": 1.5}, "leading is a share"),
        ({"reach": 0.0}, "reach must be above 0"),
        ({"margin": -0.1}, "margin 0 or more"),
        ({"warm_up": -1}, "warm_up must be 0 or more"),
    ],
)
def test_settings_that_cannot_be(settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        make_method("branching-em", **settings)


def test_policies_spread_to_users_whom_nobody_starts_near():
    targets = np.arange(0.0, 3.3, 0.1).tolist()
    problem = handful.make("glide", targets=targets)
    result = handful.train(
        problem,
        2,
        "branching-em",
        steps=40 * 2048,
        seed=1,
        preset="fast",
        method_settings={"branchings": 2},
    )
    assert result.evaluation.welfare > 0.9 * handful.optimum(problem, num_policies=2).welfare
