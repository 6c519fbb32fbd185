import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.errors import HandfulError
from handful.methods import EliteEM, Feedback, RememberedEpisodes, Scene, make_method
from handful.methods.weights import weight_table

KEY = jax.random.key(0)
NUM_UPDATES = 400
METHOD = EliteEM(rounds=2, exploring=0.5, settling=30, landing=10, imitating=0.05)
"""Its rounds begin before updates 0 and 100, and end with update 200."""

EPISODES = np.array(
    [[9, 9, 0, 0], [0, 0, 9, 9], [8, 8, 8, 0], [0, 0, 0, 9], [20, 20, 20, 20]], float
)
"""The last row is no episode; the best pair are the first two, the third is the best alone."""


def remembered(born=0, is_filled=(True, True, True, True, False)):
    born = jnp.broadcast_to(jnp.asarray(born), 5)
    return RememberedEpisodes(jnp.asarray(EPISODES), jnp.array(is_filled), born, jnp.eye(4))


def after(update, state=None, episodes=None, method=METHOD):
    state = state or method.init(KEY, 4, 2)
    feedback = Feedback(
        jnp.zeros((4, 2)), jnp.asarray(update), NUM_UPDATES, episodes or remembered()
    )
    return method.reassign(KEY, state, feedback)


def test_the_best_episodes_that_there_are_lead_and_users_go_to_theirs():
    state = after(30)
    assert sorted(state.elites.tolist()) == [0, 1]
    served = METHOD.weights(state)
    assert state.elites[served].tolist() == [0, 0, 1, 1]
    table = weight_table(served, 2)
    np.testing.assert_allclose(METHOD.training_weights(state), table, atol=1e-6)


def test_led_policies_are_trained_for_users_by_how_well_their_elites_serve_them():
    """With a wide temperature, half of the highest return: 9 / 4.5 against 0, by a softmax."""
    method = EliteEM(rounds=2, exploring=0.5, settling=30, temperature=0.5)
    state = after(30, method=method)
    assert method.weights(state).shape == (4,)
    share = 1 / (1 + np.exp(-2.0))
    trained = np.sort(method.training_weights(state), axis=1)
    np.testing.assert_allclose(trained, [[1 - share, share]] * 4, rtol=1e-5)


def test_elites_are_chosen_for_what_utilities_are_worth_to_the_run():
    """For the mean, the first two episodes are best; one policy for the least takes the third."""
    returns = np.array([[9, 9, 0], [9, 0, 9], [4, 4, 4], [5, 5, 3]], float)
    episodes = RememberedEpisodes(
        jnp.asarray(returns), jnp.ones(4, bool), jnp.zeros(4, int), jnp.eye(3)
    )
    asked = []

    def least(rows):
        asked.append(sorted(rows.tolist()))
        return lambda utilities: jnp.min(utilities, axis=-1)

    def led(num_policies, worth_to):
        feedback = Feedback(
            jnp.zeros((3, num_policies)), jnp.asarray(30), NUM_UPDATES, episodes, worth_to
        )
        state = METHOD.init(KEY, 3, num_policies)
        return sorted(METHOD.reassign(KEY, state, feedback).elites.tolist())

    assert led(1, None) == [0]
    assert led(1, least) == [2]
    assert led(2, None) == led(2, least) == [0, 1]
    assert asked == [[0, 1, 2]] * 2


def test_until_policies_have_settled_it_is_em():
    state = after(29)
    assert state.elites.tolist() == [-1, -1]
    few = remembered(is_filled=(True, False, False, False, False))
    assert after(50, episodes=few).elites.tolist() == [-1, -1]


def test_elites_keep_their_places_while_nothing_better_is_found():
    state = after(30)
    swapped = state._replace(elites=state.elites[::-1])
    assert after(32, swapped).elites.tolist() == state.elites[::-1].tolist()


def test_between_two_elections_nobody_moves():
    state = after(30)._replace(elites=jnp.array([2, 3]))
    later = after(31, state)
    jax.tree.map(np.testing.assert_array_equal, later, state)
    assert sorted(after(32, state).elites.tolist()) == [0, 1]


def test_new_elites_go_to_the_policies_that_are_nearest():
    first = METHOD.init(KEY, 4, 2)
    returns = jnp.array([[0.0, 5.0], [0.0, 5.0], [5.0, 0.0], [5.0, 0.0]])
    feedback = Feedback(returns, jnp.asarray(40), NUM_UPDATES, remembered())
    assert METHOD.reassign(KEY, first, feedback).elites.tolist() == [1, 0]


def test_a_round_is_led_by_its_own_episodes_and_what_follows_by_all():
    episodes = remembered(born=jnp.array([10, 110, 110, 110, 0]))
    in_second = after(140, episodes=episodes)
    assert sorted(in_second.elites.tolist()) == [1, 2]
    assert sorted(after(200, in_second, episodes).elites.tolist()) == [0, 1]


def test_elites_of_earlier_rounds_are_kept_and_gone_back_to():
    first = after(30)
    scene = Scene(
        100, None, np.zeros((0, 4)), is_last=True, num_updates=NUM_UPDATES, payoffs=np.zeros((0, 4))
    )
    decision = METHOD.intervene(KEY, first, scene)
    assert decision.sources is None
    assert decision.state.elites.tolist() == [-1, -1]
    assert decision.state.earlier[0].tolist() == first.elites.tolist()
    assert set(first.elites.tolist()) <= set(METHOD.memory.protected(decision.state).tolist())


def test_rounds_follow_each_other_and_short_runs_have_one():
    assert METHOD.schedule(NUM_UPDATES, 2).interventions == (100,)
    assert METHOD.schedule(100, 2).interventions == ()
    three = EliteEM(rounds=3, exploring=0.6, settling=10)
    assert three.schedule(300, 2).interventions == (60, 120)


def test_policies_imitate_after_the_rounds_and_at_the_end():
    memory = METHOD.memory
    imitates = [bool(memory.imitates(jnp.asarray(u), NUM_UPDATES)) for u in range(NUM_UPDATES)]
    assert np.flatnonzero(imitates).tolist() == [*range(200, 210), *range(380, 400)]
    in_one = [bool(memory.imitates(jnp.asarray(u), 100)) for u in range(100)]
    assert np.flatnonzero(in_one).tolist() == [*range(95, 100)]


def test_an_episode_is_worth_what_it_adds_or_nearly_adds():
    state = after(30)
    episodes = remembered()
    worth = METHOD.memory.worth(state, jnp.asarray(EPISODES), episodes)
    # Everybody has 9, and one tenth of that is near: 0.9 for each user with 9, nothing for 8.
    np.testing.assert_allclose(worth, [1.8, 1.8, 0.0, 0.9, 4 * 11.9], rtol=1e-5)
    at_first = METHOD.memory.worth(METHOD.init(KEY, 4, 2), jnp.asarray(EPISODES), episodes)
    np.testing.assert_allclose(at_first, EPISODES.sum(axis=1))


def test_a_run_too_short_for_its_rounds_has_one_also_without_settling():
    assert EliteEM(rounds=2, exploring=0.5, settling=0).schedule(3, 2).interventions == ()


def test_many_users_are_judged_for_by_a_sample_and_all_are_served():
    users = 2000
    coefficients = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(4), users))
    episodes = remembered()._replace(coefficients=coefficients)
    method = EliteEM(settling=0)
    feedback = Feedback(jnp.zeros((users, 2)), jnp.asarray(5), NUM_UPDATES, episodes)
    state = method.reassign(KEY, method.init(KEY, users, 2), feedback)
    earned = np.asarray(coefficients @ EPISODES[state.elites].T)
    np.testing.assert_array_equal(method.weights(state), earned.argmax(axis=1))


@pytest.mark.parametrize(
    "settings",
    [{"rounds": 0}, {"exploring": 1.0}, {"imitating": 0.0}, {"temperature": 0.0}, {"settling": -1}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(HandfulError, match=next(iter(settings))):
        make_method("elite-em", **settings)


def test_an_archive_has_room_for_an_episode_of_each_policy():
    EliteEM(archive_size=5).init(KEY, 9, 5)
    with pytest.raises(HandfulError, match=r"archive_size must be at least 5, .*, not 4"):
        EliteEM(archive_size=4).init(KEY, 9, 5)
