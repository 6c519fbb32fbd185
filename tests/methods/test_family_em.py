import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.learner.networks import Sharing
from handful.methods import Feedback, Scene, make_method
from handful.methods.family_em import FamilyEM
from handful.methods.outcomes import LAST_WIDTH
from handful.training.config import make_config

KEY = jax.random.key(0)
NUM_UPDATES = 2000
TARGETS = np.arange(0.0, 10.01, 0.25)
PAYOFFS = np.maximum(0.0, 1.0 - np.abs(np.arange(0.0, 10.01, 0.1)[:, None] - TARGETS))
NOBODY = np.zeros((0, len(TARGETS)))


SHORT_WAY = {"leading": 0.1, "holding": 0.4, "caution": 0.25, "footing": 0.0, "width": 2.0}
"""Numbers for which results are known: all go on at every update."""


def on_a_short_way(**settings):
    return FamilyEM(**(SHORT_WAY | settings))


def planned(method, num_policies=2, num_updates=100):
    state = method.init(KEY, len(TARGETS), num_policies)
    scene = Scene(0, None, NOBODY, is_last=True, num_updates=num_updates, payoffs=PAYOFFS)
    return method.intervene(KEY, state, scene)


def trained(method, state, update, returns=None):
    """At an update before which all policies went on at every one."""
    state = state._replace(steps=jnp.full_like(state.steps, min(update, int(state.arrival))))
    returns = jnp.zeros(state.distance.shape) if returns is None else returns
    return np.asarray(
        method.training_weights(
            method.reassign(KEY, state, Feedback(returns, jnp.array(update), NUM_UPDATES))
        )
    )


def test_it_plans_before_the_first_update_and_starts_with_fresh_policies():
    method = on_a_short_way()
    assert method.schedule(100, 2).interventions == (0,)
    decision = planned(method)
    assert decision.sources is None
    np.testing.assert_array_equal(method.weights(decision.state), decision.state.policy)


def test_on_the_way_users_count_by_distance_and_the_width_shrinks():
    method = on_a_short_way(leading=0.5, holding=0.2)
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
    method = on_a_short_way()
    state = planned(method, num_policies=1).state
    earned = PAYOFFS @ trained(method, state, 5)[:, 0]  # half-way there
    peak = earned.argmax()
    goal = TARGETS[int(state.distance[:, 0].argmin())]
    assert abs(0.1 * peak - goal) <= 0.5
    # From half a user's width inside the range to half a width before the goal.
    assert (np.diff(earned[5 : peak - 5]) > 0).all()
    assert (np.diff(earned[peak + 5 : -5]) < 0).all()


def test_then_the_plan_is_held_and_then_em_decides():
    method = on_a_short_way(leading=0.1, holding=0.4)
    state = planned(method).state
    returns = jnp.stack([jnp.full(len(TARGETS), 1.0), jnp.full(len(TARGETS), 2.0)], axis=1)
    held = trained(method, state, 49, returns)
    np.testing.assert_array_equal(held, jax.nn.one_hot(state.policy, 2))
    # Users are served by the best policy all along.
    served = method.weights(
        method.reassign(KEY, state, Feedback(returns, jnp.array(49), NUM_UPDATES))
    )
    np.testing.assert_array_equal(served, 1)
    released = trained(method, state, 50, returns)
    assert released[:, 1].all()
    assert released[:, 0].sum() == 1.0  # revived for one user


def test_without_any_leading_it_holds_the_plan_at_once():
    method = on_a_short_way(leading=0.0, holding=1.0)
    state = planned(method).state
    np.testing.assert_array_equal(trained(method, state, 0), jax.nn.one_hot(state.policy, 2))


def steps_after(method, updates, returns):
    state = planned(method).state
    for update in range(updates):
        feedback = Feedback(returns, jnp.array(update), NUM_UPDATES)
        state = method.reassign(KEY, state, feedback)
    return state


def test_everybody_goes_on_at_every_update_until_arrival():
    state = steps_after(on_a_short_way(leading=0.1), 12, jnp.zeros((len(TARGETS), 2)))
    assert state.steps.tolist() == [10, 10]


def test_a_policy_that_keeps_up_too_little_goes_back_and_no_farther_than_to_the_start():
    method = on_a_short_way(leading=0.1, holding=0.4, footing=0.5)
    half_up = 0.52 * PAYOFFS[60]  # of what keeping up 6 for a whole episode earns the users
    returns = jnp.asarray(np.stack([half_up, 0.9 * half_up], axis=1))
    state = steps_after(method, 4, returns)
    assert state.steps.tolist() == [4, 0]
    weights = np.asarray(method.training_weights(state))
    widths = np.array([state.first_width ** (1.0 - 3 / 10), state.first_width])
    np.testing.assert_allclose(
        weights, state.share[:, None] * np.exp(-np.asarray(state.distance) / widths), rtol=1e-4
    )
    feedback = Feedback(returns[:, ::-1], jnp.array(4), NUM_UPDATES)
    assert method.reassign(KEY, state, feedback).steps.tolist() == [3, 1]


def test_footing_counts_from_what_the_worst_outcome_earns():
    method = on_a_short_way(leading=0.1, footing=0.5)
    scene = Scene(0, None, NOBODY, is_last=True, num_updates=100, payoffs=PAYOFFS - 7.0)
    state = method.intervene(KEY, method.init(KEY, len(TARGETS), 2), scene).state
    returns = jnp.asarray(np.stack([0.52 * PAYOFFS[60], 0.45 * PAYOFFS[20]], axis=1)) - 7.0
    state = method.reassign(
        KEY, state._replace(steps=jnp.array([5, 5])), Feedback(returns, jnp.array(9), NUM_UPDATES)
    )
    assert state.steps.tolist() == [6, 4]


def test_a_late_policy_is_led_on_until_em_takes_over():
    method = on_a_short_way(leading=0.1, holding=0.4, footing=0.5)
    state = planned(method).state
    returns = jnp.asarray(np.stack([PAYOFFS[20], PAYOFFS[60]], axis=1))
    for update, is_led in ((49, [False, True]), (50, [False, False])):
        late = state._replace(steps=jnp.array([10, 4]))
        feedback = Feedback(returns, jnp.array(update), NUM_UPDATES)
        weights = np.asarray(method.training_weights(method.reassign(KEY, late, feedback)))
        assert (~np.isin(weights, (0.0, 1.0)).all(axis=0)).tolist() == is_led


def test_the_way_is_as_wide_as_asked_for_and_no_narrower_than_its_end():
    methods = (on_a_short_way(width=width) for width in (2.0, 0.5, 1e-3))
    wide, narrow, narrowest = (planned(method).state for method in methods)
    assert float(narrow.first_width) == pytest.approx(0.25 * float(wide.first_width))
    assert float(wide.first_width) == pytest.approx(2.0 * float(wide.distance.max()), rel=1e-5)
    assert float(narrowest.first_width) == LAST_WIDTH


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (0.0, "width must be a positive number"),
        (-1.0, "width must be a positive number"),
        (float("inf"), "width must be finite, not inf"),
        (float("nan"), "width must be finite, not nan"),
    ],
)
def test_a_width_that_is_none(value, sentence):
    with pytest.raises(HandfulError, match=sentence):
        make_method("family-em", width=value)


@pytest.mark.parametrize("setting", ["leading", "holding", "caution", "footing"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none(setting, value):
    with pytest.raises(HandfulError, match=setting):
        make_method("family-em", **{setting: value})


def test_a_problem_without_outcomes_to_aim_at():
    with pytest.raises(HandfulError, match="'resource-gathering' names none"):
        handful.train(handful.make("resource-gathering"), 2, "family-em", steps=4096)


def test_its_policies_are_a_family():
    config = make_config(handful.make("glide", users=4), 2, "family-em", "fast")
    assert config.learner.sharing is Sharing.FAMILY
    assert make_config(handful.make("glide", users=4), 2, "em", "fast").learner.family is False


def test_it_leads_policies_to_the_crowd():
    """Everybody begins at rest, and the crowd wants the highest speed."""
    problem = handful.make("glide", targets=[*np.arange(0.0, 3.3, 0.3), 3.5, 3.55, 3.6, 3.6, 3.65])
    result = handful.train(
        problem,
        1,
        "family-em",
        steps=60 * 2048,
        seed=1,
        preset="fast",
        method_settings=SHORT_WAY,
    )
    assert result.evaluation.welfare > 9.0  # 5 of 16 users at 30


def test_members_of_a_family_reach_outcomes_far_apart():
    """Everybody begins at rest, and users want any speed."""
    problem = handful.make("glide", targets=np.arange(0.0, 3.3, 0.1).tolist())
    result = handful.train(problem, 2, "family-em", steps=30 * 2048, seed=1, preset="fast")
    assert result.evaluation.welfare > 0.85 * handful.optimum(problem, num_policies=2).welfare
    assert result.policies.actor.stack.head.weight.ndim == 2  # one for all
