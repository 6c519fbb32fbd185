import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.assignment import FRESH, Feedback, Scene, make_method
from handful.assignment.leading import LAST_WIDTH
from handful.assignment.planned_em import PlannedEM
from handful.errors import HandfulError

KEY = jax.random.key(0)
NUM_UPDATES = 2000
TARGETS = np.arange(0.0, 10.01, 0.25)
PAYOFFS = np.maximum(0.0, 1.0 - np.abs(np.arange(0.0, 10.01, 0.1)[:, None] - TARGETS))
NOBODY = np.zeros((0, len(TARGETS)))


def planned(method, num_policies=2, num_updates=100):
    state = method.init(KEY, len(TARGETS), num_policies)
    scene = Scene(0, None, NOBODY, is_last=True, num_updates=num_updates, payoffs=PAYOFFS)
    return method.intervene(KEY, state, scene)


def trained(method, state, update, returns=None):
    returns = jnp.zeros(state.distance.shape) if returns is None else returns
    return np.asarray(
        method.training_weights(
            method.reassign(KEY, state, Feedback(returns, jnp.array(update), NUM_UPDATES))
        )
    )


def test_it_plans_before_the_first_update_and_starts_with_fresh_policies():
    method = PlannedEM()
    assert method.interventions(100, 2) == (0,)
    decision = planned(method)
    assert decision.sources.tolist() == [FRESH, FRESH]
    np.testing.assert_array_equal(
        method.weights(decision.state).argmax(axis=1), decision.state.policy
    )


def test_on_the_way_users_count_by_distance_and_the_width_shrinks():
    method = PlannedEM(leading=0.5, holding=0.2)
    state = planned(method).state
    first, later, last = (trained(method, state, update) for update in (0, 25, 49))
    expected = state.share[:, None] * np.exp(-state.distance / state.first_width)
    np.testing.assert_allclose(first, expected, rtol=1e-5)
    middle = np.sqrt(state.first_width * LAST_WIDTH)
    np.testing.assert_allclose(
        later, state.share[:, None] * np.exp(-state.distance / middle), rtol=1e-4
    )
    assert (first >= later - 1e-6).all()
    assert (later >= last - 1e-6).all()
    assert (first >= np.exp(-0.5) * state.share[:, None] - 1e-6).all()  # everybody, at any distance


def test_what_a_policy_earns_rises_all_the_way_to_its_outcome():
    method = PlannedEM()
    state = planned(method, num_policies=1).state
    earned = PAYOFFS @ trained(method, state, 5)[:, 0]  # half-way there
    peak = earned.argmax()
    goal = TARGETS[int(state.distance[:, 0].argmin())]
    assert abs(0.1 * peak - goal) <= 0.5
    # From half a user's width inside the range to half a width before the goal.
    assert (np.diff(earned[5 : peak - 5]) > 0).all()
    assert (np.diff(earned[peak + 5 : -5]) < 0).all()


def test_then_the_plan_is_held_and_then_em_decides():
    method = PlannedEM(leading=0.1, holding=0.4)
    state = planned(method).state
    returns = jnp.stack([jnp.full(len(TARGETS), 1.0), jnp.full(len(TARGETS), 2.0)], axis=1)
    held = trained(method, state, 49, returns)
    np.testing.assert_array_equal(held, jax.nn.one_hot(state.policy, 2))
    # Users are served by the best policy all along.
    served = method.weights(
        method.reassign(KEY, state, Feedback(returns, jnp.array(49), NUM_UPDATES))
    )
    np.testing.assert_array_equal(served[:, 1], 1.0)
    released = trained(method, state, 50, returns)
    assert released[:, 1].all()
    assert released[:, 0].sum() == 1.0  # revived for one user


def test_without_any_leading_it_holds_the_plan_at_once():
    method = PlannedEM(leading=0.0, holding=1.0)
    state = planned(method).state
    np.testing.assert_array_equal(trained(method, state, 0), jax.nn.one_hot(state.policy, 2))


@pytest.mark.parametrize("setting", ["leading", "holding", "caution"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none(setting, value):
    with pytest.raises(HandfulError, match=setting):
        make_method("planned-em", **{setting: value})


def test_a_problem_without_outcomes_to_aim_at():
    with pytest.raises(HandfulError, match="'resource-gathering' names none"):
        handful.train(handful.make("resource-gathering"), 2, "planned-em", steps=4096)


def test_it_leads_policies_to_the_crowd():
    """Everybody begins at rest, and the crowd wants the highest speed."""
    problem = handful.make("glide", targets=[*np.arange(0.0, 3.3, 0.3), 3.5, 3.55, 3.6, 3.6, 3.65])
    result = handful.train(problem, 1, "planned-em", steps=60 * 2048, seed=1, preset="fast")
    assert result.evaluation.welfare > 9.0  # 5 of 16 users at 30
