"""Welfare functions: users' weights by hand, names, and functions that are refused."""

import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.errors import HandfulError
from handful.welfare import (
    UTILITARIAN,
    WELFARES,
    check_welfare,
    check_welfare_name,
    find_welfare,
    is_defined,
    load_welfare,
    name_of_welfare,
    register_welfare,
    user_weights,
    utilitarian,
    welfare_and_weights,
    welfare_of,
)
from handful.welfare_functions import parse_welfare


def log_sum(utilities):
    """Nash-like: what the worse off gain counts more."""
    return jnp.mean(jnp.log(1.0 + utilities))


@pytest.fixture(autouse=True)
def welfares(monkeypatch):
    monkeypatch.setattr("handful.welfare.WELFARES", dict(WELFARES))


def test_utilitarian_welfare_is_the_mean_user():
    assert utilitarian(jnp.array([0.0, 30.0, 90.0])) == pytest.approx(40.0)
    assert welfare_of(utilitarian, np.array([0.0, 30.0, 90.0])) == 40.0


def test_every_user_weighs_one_under_utilitarian_welfare():
    np.testing.assert_allclose(user_weights(utilitarian, jnp.array([0.0, 30.0, -9.0])), 1.0)


def test_user_weighs_more_the_worse_off_they_are_under_nash_welfare():
    weights = user_weights(lambda u: jnp.mean(jnp.log(u)), jnp.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(weights, [1.0, 0.5, 0.25], rtol=1e-6)


def test_only_the_worst_off_user_weighs_under_egalitarian_welfare():
    weights = user_weights(jnp.min, jnp.array([3.0, 1.0, 2.0]))
    np.testing.assert_allclose(weights, [0.0, 3.0, 0.0])


def test_on_the_host_as_in_training():
    value, weights = welfare_and_weights(log_sum, np.array([0.0, 1.0, 3.0]))
    assert value == pytest.approx(np.log(8.0) / 3)
    assert value == welfare_of(log_sum, np.array([0.0, 1.0, 3.0]))
    np.testing.assert_allclose(weights, [1.0, 0.5, 0.25], rtol=1e-6)


def test_a_function_is_known_by_its_place_or_by_a_name_of_its_own():
    assert name_of_welfare(utilitarian) == name_of_welfare(UTILITARIAN) == "utilitarian"
    assert name_of_welfare(log_sum) == f"{__name__}:log_sum"
    assert find_welfare(f"{__name__}:log_sum") is log_sum
    register_welfare("nash", log_sum)
    register_welfare("nash", log_sum)  # as a module does that is imported again
    assert find_welfare("nash") is log_sum


@pytest.mark.parametrize("name", ["utilitarian", ""])
def test_a_name_that_is_taken_is_refused(name):
    with pytest.raises(HandfulError, match="cannot be given to a welfare function"):
        register_welfare(name, log_sum)


def test_a_function_that_nothing_finds_again_needs_a_name():
    here = lambda utilities: jnp.mean(utilities)  # noqa: E731
    with pytest.raises(HandfulError, match=r"handful\.register_welfare"):
        name_of_welfare(here)
    register_welfare("here", here)
    assert name_of_welfare(here) == "here"


@pytest.mark.parametrize("value", [3, None, ["mean"], np.ones(3), float])
def test_what_is_no_function_is_refused(value):
    with pytest.raises(HandfulError, match="must be a function from the utilities"):
        name_of_welfare(value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("utilitarain", "no welfare function named 'utilitarain'.*did you mean 'utilitarian'"),
        ("no_such_module:nash", "'no_such_module:nash' cannot be imported"),
        ("json:nash", "'json:nash' cannot be imported"),
        ("json:JSONDecoder", "must be a function from the utilities"),
    ],
)
def test_a_name_that_finds_nothing_is_one_sentence(name, sentence):
    with pytest.raises(HandfulError, match=sentence):
        name_of_welfare(name)


def test_a_module_is_imported_only_when_the_caller_names_it(tmp_path, monkeypatch):
    (tmp_path / "least_module.py").write_text(
        "import jax.numpy\n\ndef least(u):\n    return u.min()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HandfulError, match=r"'least_module:least' is not known .*--trust"):
        find_welfare("least_module:least")  # a run folder's word is not the caller's
    load_welfare("utilitarian")  # nothing to load
    load_welfare("least_module:least")
    assert float(find_welfare("least_module:least")(jnp.array([2.0, 1.0]))) == 1.0


def with_if(utilities):
    return utilities[0] if utilities[0] > 0 else utilities[1]


BAD = {
    "cannot be traced by JAX": [with_if, lambda u: float(u[0]), lambda u: jnp.mean(np.sort(u))],
    "must return one number": [lambda u: u, lambda u: jnp.sum(u > 0), lambda u: (u[0], u[1])],
    "no finite value or no finite gradient where every user earns 0": [
        lambda u: jnp.mean(jnp.log(u)),
        lambda u: jnp.mean(jnp.sqrt(u)),
    ],
    "falls where a user earns more": [lambda u: -jnp.mean(u), lambda u: u[0] - u[1]],
    "does not change with what any user earns": [lambda u: jnp.zeros(()), lambda u: u[0] * 0],
}


@pytest.mark.parametrize(
    ("sentence", "welfare"), [(sentence, one) for sentence, all_ in BAD.items() for one in all_]
)
def test_a_function_that_nothing_can_be_trained_for_is_refused(sentence, welfare):
    with pytest.raises(HandfulError, match=f"The welfare function 'mine' .*{sentence}"):
        check_welfare("mine", welfare, 3, 10.0)


@pytest.mark.parametrize("welfare", [utilitarian, log_sum, jnp.min, lambda u: jnp.sort(u)[0]])
def test_others_are_not(welfare):
    check_welfare("mine", welfare, 3, 10.0)
    check_welfare("mine", welfare, 1, 10.0)


def test_a_place_where_a_function_is_not_defined_is_one_sentence():
    with pytest.raises(HandfulError, match="where the users earn from -3 to 2: it must be defined"):
        welfare_of(log_sum, np.array([2.0, -3.0]))


def test_a_welfare_is_defined_where_it_and_all_weights_are_finite_and_none_is_negative():
    inf, nan = float("inf"), float("nan")
    weights = [[1.0, 2.0], [0.0, -1e-6], [1.0, -0.5], [1.0, inf], [nan, 1.0]]
    assert [bool(is_defined(jnp.array(3.0), jnp.array(row))) for row in weights] == [
        *(True, True),
        *(False, False, False),
    ]
    assert not is_defined(jnp.array(inf), jnp.ones(2))
    assert not is_defined(jnp.array(nan), jnp.ones(2))


@pytest.mark.parametrize("name", ["egalitarian", "cvar:0.2", "gini", "power:-2@-1", "nash@-10"])
def test_functions_of_a_family_are_known_by_their_text(name):
    check_welfare_name(name)
    found = find_welfare(name)
    assert found == parse_welfare(name)
    assert name_of_welfare(name) == name_of_welfare(parse_welfare(name)) == name
    utilities = np.array([1.0, 4.0, 2.5])
    value, weights = welfare_and_weights(found, utilities)
    assert value == pytest.approx(float(parse_welfare(name).value(utilities)), rel=1e-5)
    assert weights[0] == max(weights)
    check_welfare(name, found, 3, 10.0)


def test_the_nash_welfare_needs_a_reference_point_below_what_users_begin_with():
    with pytest.raises(HandfulError, match="'nash' has no finite value or no finite gradient"):
        check_welfare("nash", find_welfare("nash"), 3, 10.0)
    with pytest.raises(HandfulError, match="level of a CVaR must be above 0"):
        check_welfare_name("cvar:7")


def test_training_for_the_worst_served_is_kept_by_name(tmp_path):
    problem = handful.make("resource-gathering", height=2, width=2)
    settings = {"steps": 4096, "preset": "fast", "progress": False}
    result = handful.train(
        problem, 2, "em", welfare=parse_welfare("cvar:0.5"), out=tmp_path / "r", **settings
    )
    assert result.config.welfare == "cvar:0.5"
    returns, served = result.evaluation.deterministic.returns, np.asarray(result.assignment)
    utilities = np.sort(returns[served, np.arange(len(served))])
    assert result.evaluation.welfare == pytest.approx(utilities[:2].mean(), rel=1e-5)
    assert handful.load_run(tmp_path / "r").evaluation.welfare == result.evaluation.welfare
