import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.errors import HandfulError
from handful.welfare_functions import CVaR, Gini, GroupWelfare, PowerMean, parse_welfare

NAMES = (
    "utilitarian",
    "nash",
    "power:0.5",
    "power:-2",
    "power:-30",
    "egalitarian",
    "gini",
    "gini:3",
    "gini:3,2,1",
    "cvar:0.3",
    "nash@-1",
    "groups:egalitarian",
    "groups:nash",
)


def function(name, num_users=4):
    made = parse_welfare(name)
    return made.bind([i % 2 for i in range(num_users)]) if isinstance(made, GroupWelfare) else made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("utilitarian", 3.75),
        ("nash", 64 ** (1 / 4)),  # 1 · 2 · 4 · 8
        ("power:-1", 4 / (1 + 1 / 2 + 1 / 4 + 1 / 8)),
        ("egalitarian", 1.0),
        ("gini", (7 * 1 + 5 * 2 + 3 * 4 + 1 * 8) / 16),
        ("gini:4,3,2,1", (4 * 1 + 3 * 2 + 2 * 4 + 1 * 8) / 10),
        ("cvar:0.5", 1.5),
        ("cvar:0.375", (1 + 0.5 * 2) / 1.5),
        ("nash@-1", (2 * 3 * 5 * 9) ** (1 / 4) - 1),
        ("groups:egalitarian", 2.5),
        ("groups:utilitarian", 3.75),
    ],
)
def test_values_by_hand(name, value):
    assert function(name).value(np.array([8.0, 1.0, 2.0, 4.0])) == pytest.approx(value)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_read_back(name):
    assert parse_welfare(name).name == name
    assert parse_welfare(parse_welfare(name).name) == parse_welfare(name)
    assert parse_welfare(name).formula


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100_000))
def test_they_are_concave_and_never_fall_and_tangents_lie_above(name, seed):
    rng = np.random.default_rng(seed)
    here, there = rng.uniform(0.2, 3.0, (2, 4))
    weights = rng.uniform(0.5, 2.0, 4) if seed % 2 else None
    welfare = function(name)
    slope = welfare.gradient(here, weights)
    assert (slope >= -1e-12).all()
    tangent = welfare.value(here, weights) + slope @ (there - here)
    assert welfare.value(there, weights) <= tangent + 1e-9
    assert welfare.value(np.full(4, 1.5), weights) == pytest.approx(1.5)
    assert welfare.value(np.maximum(here, there), weights) >= welfare.value(here, weights) - 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_jax_computes_the_same_value_and_gradient(name):
    utilities = np.array([2.5, 0.5, 1.0, 3.5])
    welfare = function(name)
    value, slope = jax.value_and_grad(welfare)(jnp.asarray(utilities))
    np.testing.assert_allclose(value, welfare.value(utilities), rtol=1e-5)
    np.testing.assert_allclose(slope, welfare.gradient(utilities), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_equal_weights_are_no_weights(name):
    utilities, welfare = np.array([2.5, 0.5, 1.0, 3.0]), function(name)
    assert welfare.value(utilities, np.full(4, 7.0)) == pytest.approx(welfare.value(utilities))


def test_a_user_of_weight_two_counts_as_two_users():
    twice = np.array([1.0, 4.0, 4.0])
    for name in ("utilitarian", "nash", "power:-2", "gini", "cvar:0.5", "egalitarian"):
        welfare = parse_welfare(name)
        assert welfare.value(np.array([1.0, 4.0]), [1.0, 2.0]) == pytest.approx(
            welfare.value(twice)
        )


@pytest.mark.parametrize("exponent", [1.0, 0.5, 0.0, -2.0])
def test_a_power_mean_is_a_mean_of_transformed_utilities(exponent):
    utilities, welfare = np.array([0.5, 1.0, 3.0]), PowerMean(exponent)
    mean = float(welfare.transform(utilities).mean())
    assert welfare.inverse(mean) == pytest.approx(welfare.value(utilities))


def test_very_negative_exponents_do_not_overflow():
    assert PowerMean(-2000.0).value(np.array([1e-3, 1.0])) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_where_nobody_gains_anything_the_welfare_is_the_reference(exponent):
    assert PowerMean(exponent, 0.0).value(np.zeros(3)) == 0.0
    assert PowerMean(0.5, 2.0).value(np.full(3, 2.0)) == 2.0


def test_at_the_reference_point_the_welfare_is_the_reference():
    assert PowerMean(0.0).value(np.array([0.0, 5.0])) == 0.0
    assert PowerMean(0.0).value(np.array([-1.0, 5.0])) == -math.inf
    with pytest.raises(HandfulError, match="not defined where a user gains -1 over"):
        PowerMean(0.0).check(np.array([-1.0, 5.0]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("power:2", "at most 1"),
        ("power", "needs a number"),
        ("cvar:0", "above 0 and at most 1"),
        ("gini:1,2", "never rise"),
        ("gini:0.5", "at least 1"),
        ("nash:3", "no welfare function"),
        ("cvar:0.1@3", "Only power means"),
        ("leximn", "no welfare function"),
    ],
)
def test_bad_text_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(HandfulError, match=sentence):
        parse_welfare(text)


def test_a_welfare_of_groups_needs_groups():
    with pytest.raises(HandfulError, match="needs the users' groups"):
        GroupWelfare().value(np.ones(3))


def test_degrees_and_levels_at_their_ends_are_the_mean():
    utilities = np.array([3.0, 1.0, 2.0])
    assert Gini(1.0).value(utilities) == pytest.approx(2.0)
    assert CVaR(1.0).value(utilities) == pytest.approx(2.0)
