"""Tabular r-MDPs: hand-computed values, and every policy tried."""

import dataclasses
import itertools

import numpy as np
import pytest

from handful.exact.search import enumerated_optimum
from handful.exact.tabular import TabularRMDP
from tests.exact.rmdps import random_rmdp


def two_rooms(**changes):
    """Stay (action 0) or go (1); room 0 pays user 0 one a step, room 1 pays user 1 two."""
    parts = {
        "transitions": [[[1, 0], [0, 1]], [[0, 1], [1, 0]]],
        "features": [[[1, 0], [1, 0]], [[0, 2], [0, 2]]],
        "coefficients": np.eye(2),
        "start": [1, 0],
        "discount": 0.5,
    }
    parts |= changes
    discount = parts.pop("discount")
    return TabularRMDP(**{name: np.array(part) for name, part in parts.items()}, discount=discount)


def test_returns_by_hand():
    rmdp = two_rooms()
    np.testing.assert_allclose(rmdp.returns(np.array([0, 0])), [2, 0])
    np.testing.assert_allclose(rmdp.returns(np.array([1, 0])), [1, 2])  # 1, then 2 a step
    np.testing.assert_allclose(rmdp.returns(np.array([1, 1])), [4 / 3, 4 / 3])  # to and fro


def test_returns_of_episodes_that_are_cut_by_hand():
    """Three steps: 1 + 1/2 + 1/4 for who stays, and 1, then 2 / 2 + 2 / 4 for who goes."""
    rmdp = dataclasses.replace(two_rooms(), horizon=3)
    np.testing.assert_allclose(rmdp.returns(np.array([0, 0])), [1.75, 0])
    np.testing.assert_allclose(rmdp.returns(np.array([1, 0])), [1, 1.5])
    np.testing.assert_allclose(rmdp.returns(np.array([[0, 0], [1, 0], [0, 0]])), [1.5, 0.5])


def test_the_best_policy_of_each_user_and_of_both():
    rmdp = two_rooms()
    assert rmdp.best_policy(np.array([1, 0])).tolist()[0] == 0
    assert rmdp.best_policy(np.array([0, 1])).tolist() == [1, 0]
    assert rmdp.best_policy(np.array([1, 1])).tolist() == [1, 0]


def test_an_episode_that_ends():
    rmdp = two_rooms(transitions=[[[0, 1], [0, 1]], [[0, 0], [0, 0]]], discount=1.0)
    np.testing.assert_allclose(rmdp.returns(np.array([0, 0])), [1, 2])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_no_policy_is_better_than_the_best(seed, kind):
    rmdp = random_rmdp(seed, kind, num_states=3)
    weights = np.random.default_rng(seed).uniform(size=rmdp.num_users)
    every = itertools.product(range(3), repeat=3)
    best = max(weights @ rmdp.returns(np.array(policy)) for policy in every)
    assert weights @ rmdp.returns(rmdp.best_policy(weights)) == pytest.approx(best, rel=1e-7)


def test_the_optimum_against_every_pair_of_policies():
    rmdp = random_rmdp(3, "dense", num_states=3)
    optimum = enumerated_optimum(rmdp, 2)
    every = [rmdp.returns(np.array(p)) for p in itertools.product(range(3), repeat=3)]
    best = max(np.maximum(a, b).mean() for a, b in itertools.combinations(every, 2))
    assert optimum.kind == "exact"
    assert optimum.welfare == pytest.approx(best, abs=1e-5)
    for actions, returns in zip(optimum.certificate, optimum.returns, strict=True):
        np.testing.assert_allclose(rmdp.returns(np.array(actions)), returns)


def test_too_many_policies_to_enumerate():
    with pytest.raises(ValueError, match="too many to try"):
        enumerated_optimum(random_rmdp(0, "dense", num_states=12), 2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": [1, 0, 0]}, "shapes do not fit"),
        ({"coefficients": np.eye(3)}, "shapes do not fit"),
        ({"transitions": [[[1, 1], [0, 1]], [[0, 1], [1, 0]]]}, "sum to 1"),
        ({"features": [[[np.nan, 0], [1, 0]], [[0, 2], [0, 2]]]}, "must be finite"),
        ({"start": [0.5, 0]}, "start distribution"),
        ({"discount": 1.5}, "discount"),
    ],
)
def test_bad_input_is_one_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        two_rooms(**changes)


def test_where_episodes_are_cut_a_policy_may_be_the_same_in_every_step():
    """Two states that are never left, each with an action that pays 1: five steps in the first."""
    stay = np.zeros((2, 2, 2))
    stay[0, :, 0] = stay[1, :, 1] = 1.0
    features = np.zeros((2, 2, 1))
    features[0, 0] = features[1, 1] = 1.0
    rmdp = TabularRMDP(stay, features, np.eye(1), np.array([1.0, 0.0]), 1.0, horizon=5)
    policy = np.array([0, 1])
    assert rmdp.returns(policy) == [5.0]
    assert rmdp.returns(np.tile(policy, (5, 1))) == [5.0]
    with pytest.raises(ValueError, match="depend on the time"):
        enumerated_optimum(rmdp, 1)
