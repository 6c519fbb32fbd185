"""ICU-Sepsis: the package's own environment beside ours, and the users."""

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful._support.installing import install_command
from handful.domains import icu_sepsis
from handful.domains.icu_sepsis import DEATH, GROUPS, SURVIVAL, load_arrays, sample_users
from handful.domains.tabular.optimum import tabular_rmdp
from handful.errors import HandfulError
from handful.training.config import find_preset


@pytest.fixture(scope="module")
def theirs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        envs = pytest.importorskip("icu_sepsis.envs")
        return envs.ICUSepsisEnv()


@pytest.fixture(scope="module")
def ours():
    return handful.make("icu-sepsis")


def draws(environment, state, action, count=4000):
    """The next states that our environment draws, with what it says of each step."""
    keys = jax.random.split(jax.random.key(state * 25 + action), count)
    start = type(environment.reset(keys[0])[0])(jnp.asarray(state), jnp.zeros((), jnp.int32))
    after, step = jax.jit(jax.vmap(environment.step, in_axes=(0, None, None)))(
        keys, start, jnp.asarray(action)
    )
    return np.asarray(after.state), step


def test_the_arrays_are_the_package_s(theirs, ours):
    dynamics, environment = theirs.dynamics, ours.jax_environment
    living = slice(0, DEATH)
    np.testing.assert_allclose(environment.transitions[living], dynamics["tx_mat"][living])
    np.testing.assert_allclose(environment.start, dynamics["d_0"], atol=1e-12)
    for state, actions in enumerate(dynamics["admissible_actions"]):
        assert np.flatnonzero(load_arrays()["admissible"][state]).tolist() == sorted(actions)
    assert np.flatnonzero(environment.terminal).tolist() == [DEATH, SURVIVAL, SURVIVAL + 1]


@pytest.mark.parametrize("state", [0, 7, 250, 712])
def test_steps_are_distributed_as_the_package_s(theirs, ours, state):
    """Drawn from both, action by action: an admissible one, and one that is not."""
    admissible = load_arrays()["admissible"][state]
    theirs.reset(seed=state)
    for action in (int(np.argmax(admissible)), int(np.argmin(admissible))):
        drawn, step = draws(ours.jax_environment, state, action)
        expected = []
        for _ in range(4000):
            theirs._current_state = state
            after, reward, terminated, _, _ = theirs.step(divmod(action, 5))
            expected.append(after)
            assert terminated == (after >= DEATH)
            assert reward == (after == SURVIVAL)
        shares = [np.bincount(states, minlength=716) / 4000 for states in (drawn, expected)]
        np.testing.assert_allclose(shares[0], shares[1], atol=5 * np.sqrt(0.5 / 4000))
        np.testing.assert_array_equal(np.asarray(step.terminated), drawn >= DEATH)
        paid = jax.vmap(ours.population.features)(step.outcome)
        np.testing.assert_array_equal(np.asarray(paid[:, 0]), 100.0 * (drawn == SURVIVAL))


def test_doses_by_hand(ours):
    doses = ours.population.features.of_action[..., 1:] / icu_sepsis.STEP_DAYS
    admissible = load_arrays()["admissible"]
    # The fluid level changes slowest: action 22 is fluid 4, vasopressors 2.
    state = int(np.flatnonzero(admissible[:, 22])[0])
    np.testing.assert_allclose(doses[state, 22], [1.0, 0.5])
    # State 0 admits four actions, fluid 1 to 4 without vasopressors: mean 2.5 of 4.
    assert np.flatnonzero(admissible[0]).tolist() == [5, 10, 15, 20]
    np.testing.assert_allclose(doses[0, 4], [0.625, 0.0])
    np.testing.assert_allclose(doses[DEATH:], 0.0)


def test_known_values(ours):
    """What the package says of itself: 0.78 with random actions, 0.88 at best, in 10.99 steps."""
    rmdp = tabular_rmdp(ours)
    best = rmdp.best_for(np.array([1.0, 0.0, 0.0]))
    assert rmdp.feature_returns(best)[0] == pytest.approx(87.5, abs=0.1)
    everywhere = rmdp.transitions.mean(axis=1)
    value = np.linalg.solve(np.eye(716) - everywhere, rmdp.features[..., 0].mean(axis=1))
    assert rmdp.start @ value == pytest.approx(78.0, abs=0.5)


def test_nobody_needs_an_inadmissible_action(ours):
    rmdp = tabular_rmdp(ours)
    admissible = load_arrays()["admissible"]
    weights = np.array([1.0, -20.0, -100.0])
    reward = rmdp.features @ weights
    policy = rmdp.best_for(weights)
    value = rmdp.dynamics.evaluate(policy, reward[np.arange(716), policy])
    gain = reward + rmdp.dynamics.look_ahead(value)
    allowed = np.where(admissible, gain, -np.inf).max(axis=1)
    np.testing.assert_allclose(allowed, gain.max(axis=1), rtol=1e-9)


def test_inadmissible_actions_can_be_the_end():
    environment = handful.make("icu-sepsis", inadmissible="terminate").jax_environment
    state, _ = environment.reset(jax.random.key(0))
    admissible = load_arrays()["admissible"]
    wrong = int(np.argmin(admissible[int(state.state)]))
    after, step = environment.step(jax.random.key(1), state, jnp.asarray(wrong))
    assert int(after.state) == DEATH
    assert bool(step.terminated)


def test_the_nearest_admissible_dose_is_given(ours):
    nearest = handful.make("icu-sepsis", inadmissible="nearest")
    rows, mean = nearest.jax_environment.transitions, ours.jax_environment.transitions
    # State 0 admits 5, 10, 15 and 20, without vasopressors: 0 becomes fluid level 1, 4 too.
    for action, given in ((0, 5), (4, 5), (5, 5), (13, 10), (24, 20)):
        np.testing.assert_array_equal(rows[0, action], mean[0, given])
    weights = np.array([1.0, -20.0, -100.0])
    worth = [
        weights @ rmdp.feature_returns(rmdp.best_for(weights))
        for rmdp in (tabular_rmdp(ours), tabular_rmdp(nearest))
    ]
    assert worth[0] == pytest.approx(worth[1])


def test_groups_have_their_shares_and_prices():
    prices, user_ids, labels = sample_users(2000, 3)
    assert len(set(user_ids)) == 2000
    for group in GROUPS:
        mine = prices[labels["group"] == group.name]
        assert len(mine) == round(2000 * group.share)
        np.testing.assert_allclose(
            np.median(mine, axis=0), [group.fluid, group.vasopressor], rtol=0.15
        )


def test_users_have_names_groups_and_a_seed(ours):
    population = ours.population
    assert population.user_ids[0] == "survival-0"
    assert population.user_ids[-1] == "comfort-14"
    assert population.attributes["group"].tolist().count("fluid-sparing") == 25
    other = handful.make("icu-sepsis", population_seed=1)
    assert not np.array_equal(other.population.coefficients, population.coefficients)


def test_users_may_be_a_table(tmp_path):
    path = tmp_path / "units.csv"
    path.write_text("id,ward,fluid_price,vasopressor_price\nicu-1,surgery,2.5,40\n")
    population = handful.make("icu-sepsis", population=path).population
    np.testing.assert_array_equal(population.coefficients, [[1.0, -2.5, -40.0]])
    assert population.user_ids == ("icu-1",)
    assert population.attributes["ward"].tolist() == ["surgery"]


def test_one_policy_for_all_is_the_best_for_the_mean_user(ours):
    rmdp = tabular_rmdp(ours)
    best = handful.optimum(handful.make("icu-sepsis", users=12), 1)
    assert best.kind == "exact"
    mean = tabular_rmdp(handful.make("icu-sepsis", users=12)).coefficients.mean(axis=0)
    assert best.welfare == pytest.approx(mean @ rmdp.feature_returns(rmdp.best_for(mean)))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"users": 0}, "at least one user"),
        ({"population_seed": -1}, "0 or more"),
        ({"inadmissible": "raise"}, "one of mean, terminate, nearest"),
    ],
)
def test_bad_parameters(parameters, sentence):
    with pytest.raises(HandfulError, match=sentence):
        handful.make("icu-sepsis", **parameters)


def test_without_the_package(monkeypatch):
    load_arrays.cache_clear()
    monkeypatch.setattr(icu_sepsis, "find_spec", lambda name: None)
    with pytest.raises(HandfulError, match=re.escape(install_command("sepsis"))):
        handful.make("icu-sepsis")


PAPER, FAST = find_preset("paper"), find_preset("fast")


def test_the_preset_decides_how_is_learnt(ours):
    assert ours.learner_settings(3, FAST)["learner"] == "counting"
    assert "learner" not in ours.learner_settings(3, PAPER)
    assert ours.method_settings("pooled-em", FAST)["solo"] is True
    for method, preset in (("pooled-em", PAPER), ("em", PAPER), ("soft-em", FAST)):
        assert ours.method_settings(method, preset) == {}


@pytest.mark.slow
def test_counting_learns_most_of_what_two_policies_can_bring():
    """With 16 million transitions in all PPO comes half of the way."""
    problem = handful.make("icu-sepsis", population_seed=100, inadmissible="nearest")
    result = handful.train(problem, 2, steps=8_000_000, seed=100, preset="fast")
    welfare = handful.exact_returns(problem, result.policies).max(axis=0).mean()
    one, best = (handful.optimum(problem, k).welfare for k in (1, 2))
    assert 0.9 <= (welfare - one) / (best - one) <= 1.0
