"""Groups, outside options and floors of users: read, kept, and what follows in training."""

import dataclasses
import json
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handful
from handful.choice.floors import Floor
from handful.errors import HandfulError
from handful.methods.base import split_trainable
from handful.population import Population
from handful.training import choosing
from handful.training.config import TrainConfig
from handful.training.fairness.claims import Claims, read_claims
from handful.training.fairness.pressure import (
    MISSING,
    PRICE_STEP,
    SLOWEST,
    attained,
    first_prices,
    raised,
)
from handful.training.reassign import reassign
from handful.training.run import Run
from handful.training.state import ReturnTable, init_state
from tests.environments import ContextualBandit, problem_of
from tests.training.helpers import TINY, config_of

PEOPLE = Population(
    np.eye(3),
    attributes={"group": ["a", "b", "a"], "outside": ["1", "2.5", "-3"], "name": ["x", "y", ""]},
)


def test_claims_come_from_columns_numbers_and_arrays():
    found = read_claims(PEOPLE, "group", "outside", 2.0)
    assert found == Claims(("a", "b", "a"), (1.0, 2.5, -3.0), (Floor(2.0),))
    assert found == read_claims(PEOPLE, ["a", "b", "a"], [1, 2.5, -3], Floor(2.0))
    assert read_claims(PEOPLE, None, 4, "outside").floors == (Floor((1.0, 2.5, -3.0)),)
    assert read_claims(PEOPLE, None, 4, None).outside == (4.0, 4.0, 4.0)
    assert not read_claims(PEOPLE, "group", None, None)  # groups alone change nothing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("grup", None, None), r"no column 'grup' for their groups.*'group'"),
        ((None, "name", None), "must have a finite number for each user, and has 'x'"),
        ((None, [1.0, 2.0], None), "There must be 3 outside options"),
        ((None, float("nan"), None), "finite"),
        ((["a"], None, None), "There must be 3 groups"),
        ((None, None, Floor(1.0, "groups")), "needs the users' groups"),
        ((None, None, "much"), "no column 'much'"),
    ],
)
def test_claims_that_do_not_fit_are_refused_in_one_sentence(arguments, message):
    with pytest.raises(HandfulError, match=message):
        read_claims(PEOPLE, *arguments)


def test_settings_keep_claims_and_are_as_ever_without():
    claims = read_claims(
        PEOPLE, "group", 1.0, [Floor(2.0, "share", 0.5), Floor([1.0, 2.0], "groups")]
    )
    config = dataclasses.replace(config_of(1, "em"), claims=claims)
    stored = json.loads(json.dumps(config.to_dict()))
    assert TrainConfig.from_dict(stored).claims == claims
    assert "claims" not in config_of(1).to_dict()
    with pytest.raises(HandfulError, match="need final_assignment = validation"):
        dataclasses.replace(config, final_assignment="method")


def test_prices_rise_where_a_floor_is_missed_and_fall_where_it_is_met():
    """Floors of 4: users get 0, 3 and 8, so the largest distance is 4."""
    claims = Claims(floors=(Floor(4.0),))
    prices = first_prices(claims, 3)
    worth, prices = raised(claims, prices, jnp.array([0.0, 3.0, 8.0]), 100)
    step = PRICE_STEP / 100
    np.testing.assert_allclose(worth, [step, step / 4, 0.0], rtol=1e-6)
    worth, _ = raised(claims, prices, jnp.array([8.0, 3.0, 8.0]), 100)
    np.testing.assert_allclose(worth, [0.0, step / 2, 0.0], atol=1e-7)
    assert first_prices(Claims(), 3) is None


def test_the_unit_of_prices_halves_and_their_steps_become_smaller():
    """Floors of 4: at first 32 are missing, then 2; the unit of 32 halves in 10 of 100 updates."""
    claims = Claims(floors=(Floor(4.0),))
    prices = first_prices(claims, 1)
    _, prices = raised(claims, prices, jnp.array([-28.0]), 100)
    for _ in range(9):
        _, prices = raised(claims, prices, jnp.array([4.0]), 100)
    before = float(prices.of_floors[0][0])
    worth, prices = raised(claims, prices, jnp.array([2.0]), 100)
    assert float(prices.spread) == pytest.approx(16.0)
    np.testing.assert_allclose(worth[0] - before, PRICE_STEP / 100 * 2 / 16, rtol=1e-4)
    for progress, share in ((0.5, 0.5), (1.0, SLOWEST), (7.0, SLOWEST)):
        worth, _ = raised(claims, first_prices(claims, 1), jnp.array([2.0]), 100, progress)
        np.testing.assert_allclose(worth, [share * PRICE_STEP / 100], rtol=1e-5)


def test_the_price_of_a_group_is_shared_by_its_users():
    """Group a has the mean 2, group b 6: a misses 3 of 5, and b is 1 above."""
    claims = Claims(("a", "a", "b"), (), (Floor(5.0, "groups"),))
    worth, _ = raised(claims, first_prices(claims, 3), jnp.array([0.0, 4.0, 6.0]), 16)
    np.testing.assert_allclose(worth, [0.5, 0.5, 0.0], rtol=1e-6)


def test_only_the_nearest_users_have_to_reach_the_floor_of_a_share():
    """Two of three must get 4: the user with 0 is let off."""
    claims = Claims(floors=(Floor(4.0, "share", 0.6),))
    worth, _ = raised(claims, first_prices(claims, 3), jnp.array([0.0, 3.0, 8.0]), 16)
    np.testing.assert_allclose(worth, [0.0, 0.25, 0.0], rtol=1e-6)


def test_outside_options_by_hand():
    options, utilities = np.array([0.0, 10.0, 5.0]), jnp.array([4.0, 0.0, 5.0])
    soft, slope = attained(options, utilities, jnp.asarray(0.0))
    np.testing.assert_allclose(soft[0], 10 * np.log(1 + np.exp(0.4)), rtol=1e-5)
    np.testing.assert_allclose(slope, 1 / (1 + np.exp([-0.4, 1.0, 0.0])), rtol=1e-5)
    soft, slope = attained(options, utilities, jnp.asarray(0.9))
    np.testing.assert_allclose(soft[:2], [4.0, 10.0], atol=1e-4)
    np.testing.assert_allclose(slope, [1.0, 0.0, 0.5], atol=1e-4)


def test_what_users_count_under_a_floor_in_an_update():
    """One user counts 1 by the mean, and 2 times the price more for what is missing."""
    claims = Claims(floors=(Floor((4.0, 1.0)),))
    config = dataclasses.replace(config_of(1, "em", 32), claims=claims)
    run = Run(problem_of(ContextualBandit(2), np.eye(2)), config)
    table = ReturnTable(jnp.array([[2.0, 3.0]]), jnp.ones(1, bool))
    standing = reassign(jax.random.key(0), run, init_state(run), table, table.mean)
    parameters, _ = split_trainable(run.method, standing.assignment)
    mix = standing.mix_of(parameters).weights[0]
    np.testing.assert_allclose(mix, [1 + 2 * 0.5, 1.0], rtol=1e-5)
    # 2 are missing to the floor of the first user, and the mean is 2.5.
    assert float(standing.batch_welfare) == pytest.approx(2.5 - 2 * MISSING)
    assert run.is_utilitarian
    assert not run.counts_all_alike


@cache
def state_of(num_policies):
    run = Run(problem_of(ContextualBandit(2), np.eye(4)), config_of(num_policies, "em"))
    return init_state(run)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 3))
def test_nobody_is_assigned_below_the_outside_option(seed, num_policies):
    """Whatever policies earn: users above whom no policy comes have none, and others may have."""
    rng = np.random.default_rng(seed)
    episodes = np.repeat(rng.normal(size=(1, num_policies, 4)), 4, axis=0)
    options = rng.normal(size=4)
    options[0] = episodes[0, :, 0].max() + 1e-3  # above what any policy gives
    claims = Claims(outside=tuple(options.tolist()))
    config = dataclasses.replace(config_of(num_policies, "em"), claims=claims)
    run = Run(problem_of(ContextualBandit(2), np.eye(4)), config)
    worth = choosing.Worth(episodes.mean(axis=0), episodes, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "make_appraiser", lambda *_: lambda *_: worth)
        state = choosing.assign(run, state_of(num_policies))
    policy = np.asarray(state.handed_out(run))
    earned = np.where(policy >= 0, episodes[0][policy, np.arange(4)], options)
    assert state.is_assigned
    assert policy[0] == -1
    assert (earned >= options - 1e-6).all()
    welfare = np.maximum(episodes[0].max(axis=0), options).mean()
    alone = np.maximum(episodes[0], options).mean(axis=1).max()
    assert alone - 1e-5 <= earned.mean() <= welfare + 1e-5


def test_a_run_keeps_claims_and_says_what_holds(tmp_path):
    """Nothing gives user 2 more than 1,000, and nothing gives user 3 a floor of 500."""
    problem = handful.make("resource-gathering", height=2, width=2)
    result = handful.train(
        problem, 2, "em", steps=512, settings=TINY, progress=False, out=tmp_path / "run",
        welfare="groups:egalitarian", groups=["a", "a", "b", "b"], outside=[0, 0, 1000.0, 0],
        floors=[Floor([-1000.0, -1000.0, 900.0, 500.0]), Floor(100.0, "groups")],
    )  # fmt: skip
    assert result.assignment[2] == -1
    assert (result.assignment[[0, 1, 3]] >= 0).all()
    utilities = result.evaluation.deterministic.utilities
    assert utilities[2] == 1000.0
    assert result.evaluation.welfare == pytest.approx(utilities[:2].mean(), rel=1e-5)
    np.testing.assert_array_equal(result.alpha.sum(axis=1), [1, 1, 0, 1])
    everyone, groups = result.floors
    assert not everyone.holds
    assert [short.name for short in everyone.shorts] == [problem.population.user_ids[3]]
    assert everyone.shorts[0].short == pytest.approx(500.0 - utilities[3])
    assert groups.holds == (utilities[:2].mean() >= 100)
    assert "floor-missed" in [finding.kind for finding in result.findings]
    record = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert record["floors_hold"] is False
    assert record["num_no_policy_fits"] == 1
    assert record["no_policy_fits"] == [problem.population.user_ids[2]]
    again = handful.resume(tmp_path / "run", progress=False)
    np.testing.assert_array_equal(again.assignment, result.assignment)
    assert again.floors == result.floors
    assert again.evaluation.welfare == result.evaluation.welfare


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        ("pooled-em", {"floors": 1.0}, "without floors and outside options, not with floors"),
        ("end-to-end", {"outside": 1.0}, "assigns users by a rule of its own"),
        ("em", {"welfare": "groups:nash"}, "needs the users' groups"),
    ],
)
def test_what_does_not_go_together_is_refused_before_training(method, more, message):
    problem = handful.make("resource-gathering", height=2, width=2)
    with pytest.raises(HandfulError, match=message):
        handful.prepare(problem, 2, method, steps=512, settings=TINY, **more)
