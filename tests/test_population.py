import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handful import population as population_module
from handful.errors import HandfulError
from handful.population import Population, in_chunks
from handful.users import Column

FLOATS = st.floats(-100, 100, width=32)
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))


def test_array_gives_one_user_a_row_and_one_feature_a_column():
    population = Population.from_array([[1, 2, 3], [4, 5, 6]])
    assert (population.num_users, population.num_features) == (2, 3)
    assert population.coefficients.dtype == np.float32
    assert population.user_ids == ("user-0", "user-1")


def test_features_of_an_array_population_are_the_outcome_unless_said_otherwise():
    outcome = jnp.array([1.0, 2.0])
    np.testing.assert_array_equal(Population.from_array(np.eye(2)).features(outcome), outcome)
    doubled = Population.from_array(np.eye(2), lambda outcome: 2 * outcome)
    np.testing.assert_array_equal(doubled.features(outcome), [2.0, 4.0])


def test_function_gives_every_user_a_reward_of_their_own():
    population = Population.from_function(lambda x: jnp.stack([x, x**2, -x]), 3, ["a", "b", "c"])
    rewards = population.returns(np.asarray(population.features(jnp.array(3.0))))
    np.testing.assert_array_equal(rewards, [3.0, 9.0, -3.0])
    assert population.user_ids == ("a", "b", "c")


def test_identity_has_one_feature_a_user():
    population = Population.identity(4)
    np.testing.assert_array_equal(population.coefficients, np.eye(4))


@given(st.data(), SIZES)
def test_returns_are_linear_in_feature_returns(data, sizes):
    users, features, policies = sizes
    table = data.draw(arrays(np.float32, (users, features), elements=FLOATS))
    one, other = data.draw(arrays(np.float64, (2, policies, features), elements=FLOATS))
    population = Population.from_array(table)
    expected = [
        [sum(table[i, d] * one[k, d] for d in range(features)) for i in range(users)]
        for k in range(policies)
    ]
    np.testing.assert_allclose(population.returns(one), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        population.returns(2 * one - other),
        2 * population.returns(one) - population.returns(other),
        rtol=1e-5,
        atol=1e-2,
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ([1.0, 2.0], r"must have shape \[users, features\].*not \[2\]"),
        (np.zeros((2, 2, 2)), r"not \[2, 2, 2\]"),
        (np.zeros((0, 3)), r"not \[0, 3\]"),
        (np.zeros((3, 0)), r"not \[3, 0\]"),
        ([[1.0, 2.0], [3.0, np.nan]], "nan at row 1, column 1"),
        ([[np.inf]], "inf at row 0, column 0"),
        ([[1e300]], "finite"),
        ([["much", "little"]], "numbers only"),
        (np.array([[object()]]), "numbers only"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_table_that_is_no_finite_table_is_refused(table, sentence):
    with pytest.raises(HandfulError, match=sentence):
        Population.from_array(table)


@pytest.mark.parametrize(
    ("user_ids", "sentence"),
    [
        (["only one"], "2 users but 1 user ids"),
        (["a", "b", "c"], "2 users but 3 user ids"),
        (["twin", "twin"], "'twin' occurs twice"),
    ],
)
def test_user_ids_that_do_not_fit_are_refused(user_ids, sentence):
    with pytest.raises(HandfulError, match=sentence):
        Population.from_array(np.eye(2), user_ids=user_ids)


@pytest.mark.parametrize("num_users", [0, -3])
def test_population_of_nobody_is_refused(num_users):
    with pytest.raises(HandfulError, match="at least one user"):
        Population.identity(num_users)


def test_ragged_table_is_refused():
    with pytest.raises(HandfulError, match="numbers only"):
        Population(coefficients=np.array([[1, 2], [3]], dtype=object))


WEIGHTS = {
    "id": ["ann", "bob"],
    "clinic": ["north", "south"],
    "fuel": ["0", "0.5"],
    "time": ["1", "2"],
}


def test_table_gives_weights_by_the_names_of_the_features():
    population = Population.from_table(WEIGHTS, ["time", "fuel"])
    np.testing.assert_array_equal(population.coefficients, [[1.0, 0.0], [2.0, 0.5]])
    assert population.feature_names == ("time", "fuel")
    assert population.user_ids == ("ann", "bob")
    assert list(population.attributes["clinic"]) == ["north", "south"]
    in_order = Population.from_table(WEIGHTS, features=lambda outcome: 2 * outcome)
    assert in_order.feature_names == ("fuel", "time")
    np.testing.assert_array_equal(in_order.rewards(jnp.array([1.0, 2.0])), [4.0, 9.0])


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"time": [0, 1], "fuel": [0, 1]}, r"only weights of 0 in row 1 \(columns time, fuel\)"),
        ({"time": [0, 1]}, "no column 'fuel'"),
        ({"time": [0, 1], "fuel": [1, 1], "smell": [1, 1]}, "'smell', that nothing asks for"),
        ({"time": [0, 1], "fuel": [1, "much"]}, "'much' in column 'fuel' of row 2: .* weights"),
        ({"time": [0, 1], "fuel": [1, np.nan]}, "nan in column 'fuel' of row 2"),
    ],
)
def test_bad_table_is_refused(columns, sentence):
    with pytest.raises(HandfulError, match=sentence):
        Population.from_table(columns, ["time", "fuel"])


def test_parameters_of_a_reward_function():
    population = Population.from_parameters(
        {"target": [1.0, 3.0], "width": [2.0, 1.0], "id": ["ann", "bob"], "club": ["x", "y"]},
        lambda speed, users: -jnp.abs(users["target"] - speed) / users["width"],
        ["target", Column("width", "widths", 0.1, 9.0)],
    )
    np.testing.assert_allclose(population.rewards(jnp.array(2.0)), [-0.5, -1.0])
    assert population.user_ids == ("ann", "bob")
    assert list(population.attributes) == ["target", "width", "club"]
    with pytest.raises(HandfulError, match=r"widths, from 0\.1 to 9"):
        Population.from_parameters(
            {"width": [0.0]}, lambda o, u: u["width"], [Column("width", "widths", 0.1, 9.0)]
        )


@pytest.mark.parametrize("names", [("one",), ("one", "one"), ("one", "two", "three")])
def test_feature_names_that_do_not_fit_are_refused(names):
    with pytest.raises(HandfulError, match="2 features, so it needs as many names"):
        Population(np.eye(2), feature_names=names)


def test_parameters_are_not_called_like_columns_of_results_but_features_may_be():
    with pytest.raises(HandfulError, match="a column 'return', as the assignment"):
        Population.from_parameters({"return": [1.0]}, lambda _, given: given["return"], ["return"])
    assert Population.from_table({"return": [1.0]}, ["return"]).feature_names == ("return",)


def test_what_users_get_by_hand():
    # From policy 0 the users get 3, 2, 5, from policy 1 they get 1, 6, 7.
    population = Population.from_array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    returns = np.array([[3.0, 2.0], [1.0, 6.0]])
    np.testing.assert_array_equal(population.utilities(returns, np.array([1, 0, 0])), [1, 2, 5])


@pytest.mark.parametrize("largest", [1, 7, 100])
def test_users_in_chunks_get_what_they_get_together(monkeypatch, largest):
    rng = np.random.default_rng(0)
    population = Population.from_array(rng.normal(size=(11, 3)))
    returns, policy = rng.normal(size=(4, 3)), rng.integers(4, size=11)
    together = population.returns(returns)
    monkeypatch.setattr(population_module, "LARGEST_TABLE", largest)
    monkeypatch.setattr(population_module, "CHUNK", largest)
    np.testing.assert_allclose(
        population.utilities(returns, policy), together[policy, np.arange(11)]
    )


def test_chunks_hold_every_user_once(monkeypatch):
    assert list(in_chunks(5, 10)) == [slice(0, 5)]
    monkeypatch.setattr(population_module, "LARGEST_TABLE", 49)
    monkeypatch.setattr(population_module, "CHUNK", 20)
    assert list(in_chunks(5, 10)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(in_chunks(2, 30)) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize("number", [20_001, 10**6, 10**30])
def test_more_users_than_a_table_of_features_holds_are_refused(number):
    with pytest.raises(HandfulError, match=r"The number of users( with a feature each)? must be"):
        Population.identity(number)
    with pytest.raises(HandfulError, match=r"The number of users( with a feature each)? must be"):
        Population.from_function(lambda outcome: outcome, number)
