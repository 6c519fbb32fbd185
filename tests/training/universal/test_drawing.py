"""The parts of policies that draw: exchanges, groups of users, and a run that uses them."""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.report.page import write_report
from handful.training.preflight import prepare
from handful.training.universal.drawing import (
    drawn_choice,
    exchanged,
    order_of_users,
    parts_for_groups,
    utilities_of,
)
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import TINY

LINE = np.maximum(0.0, 1.0 - np.abs(np.arange(12)[:, None] - np.arange(12)))
"""Twelve users in a line, each served by one candidate alone."""


def least(utilities):
    return np.asarray(utilities.min(axis=-1))


def mean(utilities):
    return np.asarray(utilities.mean(axis=-1))


def test_what_policies_earn_is_the_mean_of_their_parts():
    values = np.array([[4.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    np.testing.assert_array_equal(utilities_of(values, np.array([[0, 1], [2, 2]])), [2.0, 1.0])


def test_exchanges_find_a_policy_that_serves_both_users():
    """One candidate for each of two users, and one that gives both a little."""
    values = np.array([[4.0, 0.0], [0.0, 4.0], [1.0, 1.0]])
    rows = exchanged(values, np.array([[0, 0]]), least)
    assert sorted(rows[0]) == [0, 1]
    assert utilities_of(values, rows).tolist() == [2.0, 2.0]
    # Under the mean nothing is better than the two apart.
    alone = exchanged(values, np.array([[0, 0], [1, 1]]), mean)
    assert alone.tolist() == [[0, 0], [1, 1]]


def test_users_in_a_line_are_put_in_order():
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(12)
    wide = np.maximum(0.0, 3.0 - np.abs(np.arange(12)[:, None] - shuffled))
    order = shuffled[order_of_users(wide)]
    assert order.tolist() in (list(range(12)), list(range(11, -1, -1)))


def test_groups_of_the_same_size_have_a_policy_each():
    rows = parts_for_groups(LINE + 1e-3 * LINE[::-1], 3, 4)
    assert rows.shape == (3, 4)
    assert sorted(rows.ravel()) == list(range(12))  # each user has a quarter of a policy


@pytest.mark.parametrize("welfare", ["egalitarian", "cvar:0.25", "nash@-1"])
def test_parts_are_nearly_the_best_there_are(welfare):
    """Against every choice of two parts of two policies."""
    rng = np.random.default_rng(4)
    population = handful.Population.from_array(rng.uniform(0, 1, (6, 3)))
    problem = handful.RMDP(ContextualBandit(num_arms=3), population)
    run = prepare(problem, 2, "em", steps=100_000, welfare=welfare)
    returns = rng.uniform(0, 10, (7, 3))
    values = returns @ np.asarray(population.coefficients).T
    rows = drawn_choice(run, returns, 2, 2)
    pairs = list(combinations_with_replacement(range(7), 2))
    best = max(
        float(run.welfare(utilities_of(values, np.array([one, other]))))
        for one, other in combinations_with_replacement(pairs, 2)
    )
    found = float(run.welfare(utilities_of(values, rows)))
    assert rows.shape == (2, 2)
    assert 0.98 * best <= found <= best + 1e-4


@dataclass(frozen=True)
class Arms(ContextualBandit):
    """The same without a context, so that each action pays one user alone."""

    def reset(self, key):
        del key
        return jnp.zeros((), jnp.int32), jnp.zeros(self.num_arms)


def six_users():
    """Return a problem of six users, each of whom wants another one of six actions."""
    return problem_of(Arms(num_arms=6), np.eye(6))


def learn(out):
    return handful.train(
        handful.with_draw(six_users(), 3),
        2,
        "universal",
        welfare="egalitarian",
        steps=6_000,
        preset="fast",
        settings={**TINY, "batch_size": 64, "num_epochs": 1},
        method_settings={"candidate_share": 0.1},
        progress=False,
        out=out,
    )


def test_auto_takes_the_method_that_finds_parts():
    """One policy that does not draw has nothing to choose from, and one that draws has."""
    for num_policies in (1, 2):
        drawn = prepare(handful.with_draw(six_users(), 3), num_policies, steps=60_000)
        assert (drawn.config.method, drawn.config.universal.survey_steps) == ("universal", 0)


def test_policies_that_draw_serve_users_whom_no_two_actions_serve(tmp_path):
    """Two policies that do not draw leave four of the six users with nothing."""
    drawn = learn(tmp_path / "run")
    assert drawn.evaluation.deterministic.utilities.min() > 0.15  # of a third, but for chance
    bundle = handful.load(drawn.save(tmp_path / "bundle"))
    size = drawn.problem.environment.observation_size - 3
    actions = [
        [int(bundle.act({"observation": np.zeros(size), "draw": part}, policy=policy))]
        for policy in range(2)
        for part in range(3)
    ]
    assert len(np.unique(actions)) == 6
    page = " ".join(write_report(tmp_path / "run").read_text(encoding="utf-8").split())
    assert "Each policy draws one of 3 parts when an episode begins" in page


def test_a_learner_without_such_policies_says_so():
    problem = handful.make("glide", users=12, draw=4)
    with pytest.raises(HandfulError, match=r"draw a part \(draw\) with this learner"):
        prepare(problem, 2, "universal", learner="sac", steps=100_000)
