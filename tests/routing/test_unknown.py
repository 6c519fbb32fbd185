"""What users say and earn settles which policy is best for them."""

import math
from itertools import permutations

import numpy as np
import pytest

from handful.errors import HandfulError
from handful.routing import Returns, Router
from handful.routing.likelihood import SLOPES, of_ordering, of_ratings

MEAN = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5], [1.2, 1.2, 0.0]])


def router(tolerance=0.0, number=400):
    returns = Returns("b", ("x", "y", "z"), MEAN, np.stack([0.002 * np.eye(3)] * 3), None, 50)
    prior = np.random.default_rng(100).dirichlet(np.ones(3), number)
    return Router(returns, prior, tolerance)


def test_orderings_have_the_probabilities_of_plackett_and_luce():
    utilities = np.array([1.0, 0.0, -1.0])
    a, b, c = np.exp(utilities)
    expected = math.log(a / (a + b + c) * b / (b + c))
    assert of_ordering(utilities[None])[0] == pytest.approx(expected)
    every = [math.exp(of_ordering(utilities[None, list(p)])[0]) for p in permutations(range(3))]
    assert sum(every) == pytest.approx(1.0)


def test_ratings_count_by_their_shape_and_not_by_their_scale():
    utilities, errors = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [1.0, 1.0, 1.0]]), np.ones(1)
    same, opposite, none = of_ratings(utilities, np.array([1.0, 3.0, 5.0]), errors)[:, 0]
    assert same > none > opposite
    of_other_scale = of_ratings(utilities, np.array([0.01, 0.03, 0.05]), errors)[:, 0]
    np.testing.assert_allclose(
        of_other_scale - of_other_scale[2], [same - none, opposite - none, 0]
    )
    assert not of_ratings(utilities, np.array([4.0, 4.0, 4.0]), errors).any()


def test_ratings_that_agree_exactly_leave_no_room_for_others():
    """The more exact people are, the surer they are told apart: nothing bounds the evidence."""
    utilities = np.array([[0.0, 1.0, 2.0, 2.01], [0.0, 1.3, 1.8, 2.01]])
    found = of_ratings(utilities, np.array([1.0, 2.0, 3.0, 3.01]), np.array([0.5, 0.05, 0.02]))
    apart = found[0] - found[1]
    assert 0.0 < apart[0] < 1.0 < apart[1] < apart[2]
    assert apart[2] > 20.0


def test_ratings_have_the_normal_density_of_their_line():
    """Against an integral over the constant and the slope by brute force."""
    utilities, ratings = np.array([[0.0, 0.4, 1.0], [0.3, 0.1, 0.9]]), np.array([1.0, 2.0, 4.0])
    error, rounding = 0.3, 1.0 / 12.0
    slopes, constants = SLOPES * ratings.std(), np.linspace(-60, 60, 24001)
    density = np.zeros(2)
    for slope in slopes:
        variance = (slope * error) ** 2 + rounding
        line = constants[:, None, None] + slope * utilities
        one = np.exp(-((ratings - line) ** 2).sum(axis=2) / (2 * variance)) / variance**1.5
        density += one.sum(axis=0)
    found = of_ratings(utilities, ratings, np.array([error]))[:, 0]
    assert found[0] - found[1] == pytest.approx(np.log(density[0] / density[1]), rel=1e-3)


def test_before_anything_is_said_the_population_speaks():
    found = router()
    belief = found.ask()
    assert belief.probabilities.sum() == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(belief.expected, found.expected.mean(axis=0))
    np.testing.assert_allclose(found.expected, found.prior @ MEAN.T, atol=0.05)
    assert not belief.settled()
    assert belief.confidence == belief.probabilities[belief.policy]
    assert belief.regret > 0.0


@pytest.mark.parametrize("way", ["ordered", "rated", "earned"])
def test_what_a_user_says_settles_the_policy(way):
    weights = np.array([0.05, 0.9, 0.05])
    belief = router().ask()
    rng = np.random.default_rng(100)
    before = belief.confidence
    if way == "ordered":
        for _ in range(4):
            belief.ordered([1, 2, 0])
    elif way == "rated":
        belief.rated([0, 1, 2, 0, 1, 2], [1, 5, 4, 1, 5, 4])
    else:
        for _ in range(4):
            for policy in range(3):
                belief.earned(policy, weights @ MEAN[policy] + 0.05 * rng.normal())
    assert belief.policy == 1
    assert belief.confidence > max(before, 0.75)
    assert belief.regret < 0.1


def test_a_user_whose_answers_contradict_each_other_is_taken_for_undecided():
    decided, undecided = router().ask(), router().ask()
    for _ in range(3):
        decided.ordered([1, 2, 0])
        decided.ordered([1, 2, 0])
        undecided.ordered([1, 2, 0])
        undecided.ordered([0, 2, 1])
    assert decided.confidence > undecided.confidence
    assert undecided.probabilities.max() < 0.7


def test_a_tolerance_counts_close_policies_as_best():
    strict, kind = router().ask(), router(tolerance=10.0).ask()
    assert kind.confidence == 1.0
    assert kind.settled()
    assert strict.confidence < 1.0


def test_policies_are_drawn_as_often_as_they_are_the_best():
    belief, rng = router().ask(), np.random.default_rng(100)
    drawn = np.bincount([belief.draw(rng) for _ in range(2000)], minlength=3) / 2000
    np.testing.assert_allclose(drawn, belief.probabilities, atol=0.04)


def test_the_question_shows_episodes_that_differ_in_what_matters():
    belief, rng = router().ask(), np.random.default_rng(100)
    same = np.tile([1.0, 1.0, 1.0], (3, 1))
    pool = np.concatenate([same, MEAN])
    chosen = set(belief.question(pool, rng).tolist())
    assert len(chosen & {3, 4, 5}) >= 2
    with pytest.raises(HandfulError, match="number must be from 2 to 6"):
        belief.question(pool, rng, number=7)


def test_a_large_population_is_thinned_and_a_seed_repeats_it():
    first, second = router(number=5000), router(number=5000)
    assert len(first.prior) == 4096
    np.testing.assert_array_equal(first.prior, second.prior)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda b: b.ordered([1]), "at least two episodes"),
        (lambda b: b.ordered([1, 3]), "There is no policy 3"),
        (lambda b: b.ordered([[1.0], [2.0]]), "each of the 3 reward features"),
        (lambda b: b.rated([0, 1], [1.0]), "for each of the 2 episodes"),
        (lambda b: b.earned(0, float("nan")), "finite"),
        (lambda b: b.earned(True, 1.0), "There is no policy True"),
        (lambda b: router(tolerance=-1.0), "tolerance must be a number from 0"),
    ],
)
def test_what_cannot_be_taken_in_is_one_sentence(call, sentence):
    with pytest.raises(HandfulError, match=sentence):
        call(router().ask())
