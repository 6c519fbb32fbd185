"""Policies from counts: right where the counts are, careful and curious where they are few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from handful.exact.counted import CountedModel
from handful.exact.tabular import random_rmdp

DISCOUNT = 0.9


def model_of(transitions, features, start, visits=1e6, horizon=150):
    """The model that so many visits of every action give: their frequencies are exact."""
    states, actions = transitions.shape[:2]
    visits = np.broadcast_to(visits, (states, actions)).astype(float)
    return CountedModel(
        starts=start,
        visits=visits,
        followed=csr_array((transitions * visits[..., None]).reshape(-1, states)),
        features=features * visits[..., None],
        squares=features**2 * visits[..., None],
        horizon=horizon,
    )


def counted_rmdp(seed, kind):
    """A random problem, whose discount is a chance to end, and its model."""
    rmdp = random_rmdp(seed, kind, discount=DISCOUNT)
    return rmdp, model_of(DISCOUNT * rmdp.transitions, rmdp.features, rmdp.start)


seeds = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(["dense", "sparse"]))


@settings(max_examples=25)
@given(seeds)
def test_enough_counts_give_the_best_policies(drawn):
    rmdp, model = counted_rmdp(*drawn)
    mixes = np.vstack([rmdp.coefficients, rmdp.coefficients.mean(axis=0)])
    earned = np.sum(model.returns(model.best_policies(mixes)) * mixes, axis=1)
    best = [mix @ rmdp.feature_returns(rmdp.best_for(mix)) for mix in mixes]
    np.testing.assert_allclose(earned, best, rtol=1e-4, atol=1e-5)


@settings(max_examples=25)
@given(seeds, st.integers(0, 2**32 - 1))
def test_returns_are_those_of_the_linear_system(drawn, seed):
    rmdp, model = counted_rmdp(*drawn)
    policies = np.random.default_rng(seed).integers(3, size=(4, 6))
    expected = [rmdp.feature_returns(policy) for policy in policies]
    np.testing.assert_allclose(model.returns(policies), expected, rtol=1e-5, atol=1e-6)


def test_episodes_end_at_the_time_limit():
    """One observation, which lasts for ever, and a feature of 1 a step."""
    model = model_of(np.ones((1, 1, 1)), np.ones((1, 1, 1)), np.ones(1), horizon=7)
    assert model.returns(np.zeros((1, 1), int)).tolist() == [[7.0]]


def corridor(length, visits):
    """Action 1 leads to the right and action 0 back to the start; nothing pays yet."""
    transitions = np.zeros((length, 2, length))
    transitions[:, 0, 0] = 1.0
    transitions[np.arange(length - 1), 1, np.arange(1, length)] = 1.0
    transitions[-1, 1, -1] = 1.0
    start = np.eye(length)[0]
    return model_of(transitions, np.zeros((length, 2, 1)), start, visits, horizon=50)


def test_exploring_leads_to_what_was_never_tried():
    visits = np.full((6, 2), 50.0)
    visits[-1, 1] = 0.0
    model = corridor(6, visits)
    assert model.exploring_policies(np.ones((1, 6, 2))).tolist() == [[1, 1, 1, 1, 1, 1]]


def test_optimism_leads_past_what_pays_little_to_what_might_pay_more():
    """At the start of the corridor action 0 pays 1, and it ends the episode everywhere."""
    visits = np.full((4, 2), 50.0)
    visits[-1, 1] = 0.0
    transitions = np.zeros((4, 2, 4))
    transitions[np.arange(3), 1, np.arange(1, 4)] = 1.0
    features = np.zeros((4, 2, 1))
    features[0, 0] = 1.0
    model = model_of(transitions, features, np.eye(4)[0], visits, horizon=50)
    assert model.best_policies(np.ones((1, 1)))[0, 0] == 0
    assert model.optimistic_policies(np.ones((1, 1))).tolist() == [[1, 1, 1, 1]]


def test_exploring_leads_to_an_observation_where_no_action_was_taken():
    visits = np.full((6, 2), 50.0)
    visits[-1] = 0.0
    assert corridor(6, visits).exploring_policies(np.ones((1, 6, 2)))[0, :-1].tolist() == [1] * 5


def test_in_the_end_what_was_never_tried_is_left_out():
    transitions, features = np.zeros((1, 3, 1)), np.array([[[-5.0], [0.0], [-1.0]]])
    model = model_of(transitions, features, np.ones(1), visits=np.array([[9.0, 0.0, 9.0]]))
    assert model.best_policies(np.ones((1, 1))).tolist() == [[2]]
    assert model.optimistic_policies(np.ones((1, 1))).tolist() == [[1]]


@pytest.mark.parametrize(("visits", "best"), [(4.0, 0), (4000.0, 1)])
def test_a_few_lucky_visits_do_not_count_for_more_than_many(visits, best):
    """Action 1 paid 1.1 on average and action 0, known well, 1; both vary by 1."""
    model = CountedModel(
        starts=np.ones(1),
        visits=np.array([[4000.0, visits]]),
        followed=csr_array((2, 1)),
        features=np.array([[[4000.0], [1.1 * visits]]]),
        squares=np.array([[[8000.0], [(1.1**2 + 1.0) * visits]]]),
        horizon=5,
    )
    assert model.best_policies(np.ones((1, 1))).tolist() == [[best]]


def test_what_policies_come_to():
    model = corridor(4, 1.0)
    policies = np.array([[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]])
    assert model.reached(policies).astype(int).tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 1],
    ]
