import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handful
from handful.choice import large
from handful.choice.choose import bound_welfare, choose, choose_each
from handful.choice.floors import Floor
from handful.choice.infeasible import FloorsNotMet
from handful.choice.pool import Pool
from tests.choice.pools import Case, draw, try_all

TABLE = np.array(
    [
        [10.0, 1.0, 1.0, 5.0],
        [1.0, 10.0, 1.0, 5.0],
        [3.0, 3.0, 3.0, 3.0],
        [1.0, 1.0, 6.0, 4.0],
    ]
)


def check(case: Case) -> None:
    best, least = try_all(case)
    if best is None:
        with pytest.raises(FloorsNotMet) as caught:
            choose(case.returns, welfare=case.welfare, floors=case.floors, **case.settings)
        assert caught.value.smallest == (None if least is None else pytest.approx(least))
        return
    made = choose(case.returns, welfare=case.welfare, floors=case.floors, **case.settings)
    found = np.sort(made.utilities) if case.welfare == "egalitarian" else made.welfare
    np.testing.assert_allclose(found, np.squeeze(best), atol=1e-6)
    assert made.is_proven
    assert made.price <= case.most
    assert not made.misses


@pytest.mark.parametrize("part", range(5))
def test_every_welfare_and_rule_is_as_trying_every_choice(part):
    for number in range(100 * part, 100 * part + 100):
        check(draw(number))


@pytest.mark.parametrize(
    ("welfare", "policies", "value"),
    [
        ("utilitarian", [0, 1], 6.5),  # (10 + 10 + 1 + 5) / 4
        ("egalitarian", None, 3.0),
        ("cvar:0.25", None, 3.0),
        ("cvar:0.5", None, 3.0),
    ],
)
def test_the_choice_from_a_small_table(welfare, policies, value):
    made = handful.choose(TABLE, 2, welfare=welfare)
    assert made.welfare == pytest.approx(value)
    assert made.upper_bound == pytest.approx(value)
    if policies is not None:
        assert sorted(policies) == made.policies.tolist()


def test_what_a_choice_says():
    made = choose(TABLE, 2, groups=["a", "b", "a", "b"])
    assert made.assignment.tolist() == [0, 1, 0, 0]
    assert made.utilities.tolist() == [10.0, 10.0, 1.0, 5.0]
    assert made.group_means == {"a": 5.5, "b": 7.5}
    assert made.record()["policies"] == [0, 1]
    assert made.num_unserved == 0


def test_nobody_is_given_a_policy_worse_than_what_they_have():
    made = choose(TABLE, 1, outside=[0.0, 20.0, 0.0, 5.0], welfare="utilitarian")
    assert made.policies.tolist() == [0]
    assert made.assignment.tolist() == [0, -1, 0, 0]
    assert made.welfare == pytest.approx((10 + 20 + 1 + 5) / 4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["utilitarian", "nash", "cvar:0.5", "egalitarian"]))
def test_a_user_whose_outside_option_is_above_all_policies_is_never_assigned(seed, welfare):
    rng = np.random.default_rng(seed)
    returns = rng.uniform(0.1, 1.0, (5, 6))
    outside = rng.uniform(0.1, 1.0, 6)
    happy = rng.integers(0, 6)
    outside[happy] = returns[:, happy].max() + 0.01
    made = choose(returns, 2, welfare=welfare, outside=outside)
    assert made.assignment[happy] == -1
    assert made.utilities[happy] == outside[happy]
    served = made.assignment >= 0
    assert (made.utilities[served] >= outside[served]).all()


def test_floors_that_cannot_be_met_name_the_users_and_the_smallest_number():
    with pytest.raises(
        FloorsNotMet, match=r"2 policies: the least that would do is 3 policies; .* 1 user \("
    ) as caught:
        choose(TABLE, 2, floors=[10.0, 10.0, 6.0, 0.0])
    assert caught.value.smallest == 3
    assert len(caught.value.users) == 1
    assert caught.value.unreachable.tolist() == []
    with pytest.raises(
        FloorsNotMet, match=r"no policy of the pool reaches the floor of 1 user \(3\)"
    ) as caught:
        choose(TABLE, 2, floors=[1.0, 1.0, 1.0, 6.0])
    assert caught.value.unreachable.tolist() == [3]
    assert caught.value.smallest is None


def test_money_buys_what_is_worth_most():
    made = choose(TABLE, costs=[3.0, 3.0, 1.0, 1.0], budget=4.0)
    assert made.welfare == pytest.approx(5.5)  # the first or the second, and the last
    assert made.price == 4.0


@pytest.mark.parametrize("welfare", ["utilitarian", "nash", "power:-2", "cvar:0.3", "gini"])
def test_bounds_of_large_tables_hold_and_are_near(welfare, monkeypatch):
    rng = np.random.default_rng(3)
    returns = rng.uniform(0.1, 1.0, (12, 20))
    exact = choose(returns, 3, welfare=welfare)
    monkeypatch.setattr(large, "MOST_ENTRIES", 1)
    made = choose(returns, 3, welfare=welfare, seconds=0.6)
    assert made.welfare <= exact.welfare + 1e-9
    assert made.upper_bound >= exact.welfare - 1e-9
    assert made.welfare >= 0.95 * exact.welfare
    assert made.upper_bound <= 1.25 * exact.welfare


@pytest.mark.parametrize("welfare", ["cvar:0.2", "gini"])
def test_where_a_program_finds_little_in_time_swaps_do(welfare):
    returns = np.random.default_rng(5).uniform(0.1, 1.0, (50, 60))
    made = choose(returns, 5, welfare=welfare, seconds=1.0)
    function = bound_welfare(welfare, Pool.of(returns))
    several = [np.random.default_rng(seed).permutation(50)[:5] for seed in range(300)]
    best = max(float(function.value(returns[rows].max(axis=0))) for rows in several)
    assert made.welfare > best
    assert made.upper_bound < 1.3 * made.welfare


def test_a_large_table_keeps_floors_and_budgets(monkeypatch):
    monkeypatch.setattr(large, "MOST_ENTRIES", 1)
    made = choose(TABLE, 2, floors=2.0, seconds=0.3)
    assert made.utilities.min() >= 2.0
    costly = choose(TABLE, costs=[3.0, 3.0, 1.0, 1.0], budget=4.0, seconds=0.3)
    assert costly.price == 4.0
    assert costly.welfare == pytest.approx(5.5)
    assert costly.upper_bound >= costly.welfare


def test_more_policies_are_never_worth_less():
    rng = np.random.default_rng(0)
    made = choose_each(rng.uniform(0.1, 1, (8, 10)), [3, 1, 2], welfare="nash")
    assert list(made) == [1, 2, 3]
    assert made[1].welfare <= made[2].welfare <= made[3].welfare


def test_a_function_of_the_callers_own():
    import jax.numpy as jnp

    def soft(utilities):
        return -jnp.log(jnp.mean(jnp.exp(-utilities)))

    made = choose(TABLE, 2, welfare=soft)
    best = max(float(soft(TABLE[[a, b]].max(axis=0))) for a in range(4) for b in range(a))
    assert made.welfare == pytest.approx(best, abs=1e-5)
    assert made.welfare_function == "soft"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"k": 0}, "at least 1"),
        ({}, "either"),
        ({"k": 2, "budget": 3.0}, "either"),
        ({"budget": 3.0}, "needs the cost"),
        ({"k": 1, "costs": [1.0] * 4}, "in place of k"),
        ({"budget": 0.5, "costs": [1.0] * 4}, "pays for no policy"),
        ({"k": 1, "outside": [1.0]}, "4 outside options"),
        ({"k": 1, "weights": [1.0, 0.0, 1.0, 1.0]}, "positive"),
        ({"k": 1, "welfare": "groups:nash"}, "needs the users' groups"),
        ({"k": 1, "welfare": "nahs"}, "did you mean .nash"),
        ({"k": 1, "welfare": 3}, "a name, an object or a function"),
        ({"k": 1, "welfare": "nash@5"}, "not defined for any choice"),
        ({"k": 1, "floors": Floor(1.0, "groups")}, "needs the users' groups"),
        ({"k": 1, "floors": "high"}, "Floors must be"),
    ],
)
def test_what_is_undefined_is_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(handful.HandfulError, match=sentence):
        choose(TABLE, **arguments)


def test_a_table_with_gaps_is_refused():
    with pytest.raises(handful.HandfulError, match="finite"):
        choose([[1.0, np.nan]], 1)
    with pytest.raises(handful.HandfulError, match="policies × users"):
        choose([1.0, 2.0], 1)
