import dataclasses
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handful.collect.jax_rollout import collect
from handful.domains.tabular.problem import tabular_problem
from handful.learner.base import Objective
from handful.learner.ppo import Rates, update
from handful.methods import METHODS, AssignmentMethod
from handful.methods.base import split_trainable
from handful.methods.weights import weight_table
from handful.mix import Mix
from handful.problem import make
from handful.training.records.run_writer import metrics_record
from handful.training.run import Run
from handful.training.state import ReturnTable, Shortlist, init_state
from tests.environments import (
    ContextualBandit,
    Countdown,
    Weather,
    errands_problem,
    problem_of,
    push_problem,
)
from tests.training.helpers import assert_identical, config_of, step_of, train_tiny

TARGETS = (0.5, -0.5, 0.2)


@pytest.mark.parametrize(("method", "share_hidden"), [("end-to-end", True), ("em", False)])
def test_every_parameter_moves_in_one_step(method, share_hidden):
    """Log standard deviations, heads, shared layers, critics, and logits where there are any."""
    problem = push_problem(TARGETS)
    config = config_of(2, method, share_hidden=share_hidden)
    before = init_state(Run(problem, config))
    after, _ = step_of(problem, config)(before)
    learnt = [(before.learner.actor, after.learner.actor)]
    learnt.append((before.learner.critic, after.learner.critic))
    if method == "end-to-end":
        learnt.append((before.assignment, after.assignment))
    assert before.learner.actor.log_std.shape == (2, 1)
    for old, new in learnt:
        leaves, _ = jax.tree_util.tree_flatten_with_path(old)
        for (path, was), now in zip(leaves, jax.tree.leaves(new), strict=True):
            assert (np.asarray(was) != np.asarray(now)).all(), jax.tree_util.keystr(path)


def test_normaliser_holds_the_raw_observations_of_all_batches():
    """Not those that it had normalised and clipped already."""
    problem, config = problem_of(Weather(), np.eye(2)), config_of(2)
    state, step = init_state(Run(problem, config)), step_of(problem, config)
    look = jax.jit(
        lambda s: collect(s.collector, problem, s.policies(problem), config.collect.num_steps)[1]
    )
    seen = []
    for _ in range(3):
        seen.append(np.asarray(look(state).observations).reshape(2, -1, 2))
        state, _ = step(state)
    everything = np.concatenate(seen, axis=1)
    assert abs(everything.mean() - 100.0) < 2.0
    np.testing.assert_array_equal(state.learner.normalizer.count, 3 * 256)
    np.testing.assert_allclose(state.learner.normalizer.mean, everything.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(state.learner.normalizer.variance, everything.var(axis=1), rtol=1e-2)


@pytest.fixture(scope="module")
def grid_run():
    problem = make("resource-gathering", height=2, width=2, time_limit=6)
    entropy = {"entropy_coefficient": 0.05, "final_entropy_coefficient": 0.001}
    config = config_of(2, "em", updates=5, method_settings={"warm_up": 2}, **entropy)
    step, states = step_of(problem, config), [init_state(Run(problem, config))]
    metrics = []
    for _ in range(config.num_updates):
        state, told = step(states[-1])
        states.append(state)
        metrics.append(jax.device_get(told))
    return problem, config, step, states, metrics


def test_same_state_gives_the_same_next_state_bit_for_bit(grid_run):
    _, _, step, states, _ = grid_run
    assert_identical(step(states[0])[0], states[1])
    assert [int(state.update) for state in states] == list(range(6))


def test_table_keeps_undiscounted_returns_in_the_environments_units(grid_run):
    """Tours of a 2x2 grid pay between 94 and 99 a tile; the learner's scale is a hundredth."""
    _, _, _, states, metrics = grid_run
    start = 3  # every closed tour ends on the start tile, whose user is paid
    closed = np.asarray(states[-1].table.mean)[:, start]
    assert (closed > 60).all()
    assert (closed <= 99).all()
    assert all((told.episodes > 0).all() for told in metrics)


def test_welfare_metric_is_of_the_table_under_the_assignment(grid_run):
    _, _, _, states, metrics = grid_run
    for state, told in zip(states[1:], metrics, strict=True):
        served = np.asarray(state.table.mean)[state.assignment.served, range(4)]
        assert told.welfare == pytest.approx(served.mean(), rel=1e-5)
        assert told.users.sum() == pytest.approx(4)


def test_assignment_stays_through_the_warm_up_and_then_follows_the_table(grid_run):
    _, _, _, states, _ = grid_run
    np.testing.assert_array_equal(states[2].assignment.served, states[0].assignment.served)
    for state in states[3:]:
        returns = np.asarray(state.table.mean).T
        served = returns[range(4), state.assignment.served]
        np.testing.assert_array_equal(served, returns.max(axis=1))
        assert (np.asarray(state.assignment.training_weights).sum(axis=0) > 0).all()


def test_rates_fall_linearly_from_the_first_update_to_the_last(grid_run):
    _, config, _, _, metrics = grid_run
    first, last = config.learner.learning_rate, config.learner.final_learning_rate
    expected = np.linspace(first, last, config.num_updates)
    np.testing.assert_allclose(
        [told.learner["learning_rate"] for told in metrics], expected, rtol=1e-5
    )
    entropy = np.linspace(0.05, 0.001, config.num_updates)
    told = [told.learner["entropy_coefficient"] for told in metrics]
    np.testing.assert_allclose(told, entropy, rtol=1e-5)


def test_policies_of_a_state_act_with_its_statistics():
    problem = problem_of(Weather(), np.eye(2))
    state, _ = train_tiny(problem, config_of(2), updates=2)
    policies = state.policies(problem)
    observations = jnp.full((2, 1, 2), 103.0)
    expected = state.learner.actor(state.learner.normalizer(observations))
    np.testing.assert_array_equal(policies(observations).logits, expected.logits)
    assert policies.num_policies == 2


def test_deviations_stay_where_they_are_not_learnt():
    problem = push_problem(TARGETS)
    config = config_of(2, learnable_log_std=False, initial_log_std=-0.5)
    before = init_state(Run(problem, config))
    after, _ = step_of(problem, config)(before)
    np.testing.assert_array_equal(after.learner.actor.log_std, -0.5)
    moved = zip(
        jax.tree.leaves(before.learner.actor.stack),
        jax.tree.leaves(after.learner.actor.stack),
        strict=True,
    )
    assert all((np.asarray(was) != np.asarray(now)).all() for was, now in moved)


def test_a_discounted_table_holds_discounted_returns_and_the_shortlist_plain_ones():
    """Every episode pays (1, 2) in each of three steps: 1 + 1/2 + 1/4 with discount."""
    problem = problem_of(Countdown(3, truncates=False), np.eye(2), discount=0.5)
    plain = config_of(2, updates=2)
    for discounted, factor in ((False, 3.0), (True, 1.75)):
        config = dataclasses.replace(plain, discounted_table=discounted)
        state = init_state(Run(problem, config))
        step = step_of(problem, config)
        for _ in range(2):
            state, _ = step(state)
        np.testing.assert_allclose(state.table.mean, [[factor, 2 * factor]] * 2, rtol=1e-5)
        # Two users, paid 3 and 6 by every policy.
        assert state.shortlist.best.welfare == pytest.approx(4.5)


def test_what_nobody_has_measured_attracts_nobody_where_returns_are_negative():
    """A table of -50 and of nothing: nothing is not more."""
    problem = problem_of(Countdown(1000, truncates=True), -np.ones((2, 2)))
    config = config_of(2, "em", method_settings={"warm_up": 0})
    state = init_state(Run(problem, config))
    table = ReturnTable(jnp.array([[30.0, 20.0], [0.0, 0.0]]), jnp.array([True, False]))
    state = eqx.tree_at(lambda s: s.table, state, table)
    after, metrics = step_of(problem, config)(state)
    np.testing.assert_array_equal(after.assignment.served, state.assignment.served)
    assert float(metrics.welfare) == -50.0


def test_moments_of_which_nothing_is_known_are_not_kept_as_good_ones():
    """Episodes of 100 steps end in the fourth update of 32; until then nothing is worth keeping."""
    problem = problem_of(Countdown(100, truncates=True), -np.ones((2, 2)))
    config = config_of(2, "em", updates=8)
    step, state = step_of(problem, config), init_state(Run(problem, config))
    for done in range(1, 5):
        state, metrics = step(state)
        assert bool(state.shortlist.is_empty) == (done < 4)
        assert ("best_welfare" in metrics_record(jax.device_get(metrics))) == (done == 4)
    assert float(state.shortlist.best.welfare) == -300.0


@dataclass(frozen=True)
class Tutored(AssignmentMethod):
    """Users are served by one policy each, and policies are trained for something else."""

    def init(self, key, num_users, num_policies):
        return jax.random.uniform(key, (num_users, num_policies))

    def weights(self, state):
        return jax.nn.one_hot(jnp.arange(len(state)) % state.shape[1], state.shape[1])

    def training_weights(self, state):
        return state


ONE_GRADIENT_STEP = {
    "minibatch_size": 256,
    "num_epochs": 1,
    "learning_rate": 0.01,
    "final_learning_rate": 0.01,
}


def networks_after(problem, config, state, alpha, metrics):
    """The policies after an update of every policy for ``alpha`` [N, K], by the learner alone."""

    @jax.jit
    def learn(state, mix):
        policies = state.policies(problem)
        _, transitions, _ = collect(state.collector, problem, policies, config.collect.num_steps)
        scaled = eqx.tree_at(
            lambda batch: batch.features, transitions, transitions.features / problem.return_scale
        )
        rates = Rates(metrics.learner["learning_rate"], metrics.learner["entropy_coefficient"])
        key = jax.random.key(123)  # one minibatch has but one order
        nothing, _ = split_trainable(config.make_method(), state.assignment)
        objective = Objective(lambda _: Mix(mix, jnp.ones(len(mix))), nothing, 0.0)
        rest = (objective, rates, config.learner, problem.discount, None)
        return update(key, state.learner, scaled, *rest).state.networks

    return learn(state, jnp.asarray(alpha).T @ jnp.asarray(problem.population.coefficients))


def largest_difference(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(jnp.max(jnp.abs(a - b))) for a, b in pairs)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("tutored", {}), ("soft-em", {"temperature": 0.3}), ("em", {"warm_up": 0})],
)
def test_policies_learn_what_they_are_trained_for_and_not_whom_they_serve(
    monkeypatch, name, settings
):
    """The learner divides rewards by the return scale; so its critics say whether that was done."""
    monkeypatch.setitem(METHODS, "tutored", Tutored)
    problem = errands_problem()
    config = config_of(2, name, method_settings=settings, **ONE_GRADIENT_STEP)
    step, method = step_of(problem, config), config.make_method()
    state = init_state(Run(problem, config))
    for _ in range(2):  # so that neither the statistics nor the critics are those of new policies
        state, _ = step(state)
    if name == "em":  # everybody is best served by policy 0, and policy 1 is trained for one user
        returns = jnp.array([[9.0, 9.0, 9.0], [1.0, 1.0, 1.0]])
        table = ReturnTable(20.0 * returns, jnp.ones(2, bool))
        state = eqx.tree_at(lambda s: s.table, state, table)
    after, metrics = step(state)
    trained = method.training_weights(after.assignment)
    served = weight_table(method.weights(after.assignment), 2)
    assert not np.allclose(trained, served)
    expected = networks_after(problem, config, state, trained, metrics)
    assert largest_difference(after.learner.networks, expected) < 2e-4
    wrong = networks_after(problem, config, state, served, metrics)
    assert largest_difference(after.learner.networks.actor, wrong.actor) > 2e-3


def test_with_one_policy_all_four_of_the_papers_methods_end_alike():
    """There is nothing to assign: what they train is one policy for everybody, by the same chance.

    Only rounding differs: each is a program of its own, and end-to-end mixes in every minibatch.
    """
    problem = errands_problem()
    ends = {
        name: train_tiny(problem, config_of(1, name, updates=3))[0]
        for name in ("em", "end-to-end", "cluster", "random")
    }
    for name, state in ends.items():
        method = config_of(1, name).make_method()
        table = weight_table(method.weights(state.assignment), 1)
        np.testing.assert_array_equal(table, np.ones((4, 1)))
        for part in ("learner", "table", "collector"):
            one, other = (getattr(s, part) for s in (state, ends["random"]))
            pairs = zip(*(jax.tree.leaves(_without_logits(x)) for x in (one, other)), strict=True)
            for mine, theirs in pairs:
                if not jnp.issubdtype(mine.dtype, jax.dtypes.prng_key):
                    np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-4)


def _without_logits(part):
    """A part of a state, less the moments of the users' logits, which only end-to-end has."""
    if not hasattr(part, "actor_moments"):
        return part
    return dataclasses.replace(part, actor_moments=part.actor_moments[0])


def test_counted_policies_are_planned_for_what_they_are_trained_for(monkeypatch):
    """One action pays feature 0 and the other feature 1, and ends the episode.

    Each policy serves one user and is trained for the other.
    """
    monkeypatch.setitem(METHODS, "tutored", Tutored)
    problem = tabular_problem(
        np.zeros((1, 2, 1)), features=np.eye(2)[None], coefficients=np.eye(2), time_limit=2
    )
    problem = dataclasses.replace(problem, return_scale=4.0)
    config = config_of(2, "tutored", learner="counting")
    state = init_state(Run(problem, config))
    other = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(config.make_method().weights(other), np.eye(2))
    step = step_of(problem, config)
    after, _ = step(dataclasses.replace(state, assignment=other))
    # The temperature is of what a mean user earns: with twice the weight it is the same.
    doubled, _ = step(dataclasses.replace(state, assignment=2.0 * other))
    assert largest_difference(doubled.learner.networks, after.learner.networks) < 1e-4
    policies = after.policies(problem)
    _, observation = problem.environment.reset(jax.random.key(0))
    assert [int(policies.act(observation, k)) for k in range(2)] == [1, 0]
    # The table is in the environment's units, whatever the learner's scale.
    again, _ = step(after)
    np.testing.assert_allclose(again.table.mean, [[0.0, 1.0], [1.0, 0.0]], atol=0.05)


@pytest.mark.parametrize(
    ("updates", "time_limit", "apart"), [(20, 7, 1), (20, 100, 4), (200, 7, 4), (200, 300, 10)]
)
def test_kept_moments_are_an_episode_and_a_fiftieth_of_the_run_apart(
    monkeypatch, updates, time_limit, apart
):
    """By hand, with batches of 32 steps: two moments that close share one place."""
    spacings = []
    offer = Shortlist.offer

    def listen(self, snapshot, update, spacing):
        spacings.append(spacing)
        return offer(self, snapshot, update, spacing)

    monkeypatch.setattr(Shortlist, "offer", listen)
    problem = errands_problem(time_limit=time_limit)
    config = config_of(2, updates=updates)
    jax.eval_shape(step_of(problem, config), init_state(Run(problem, config)))
    assert spacings == [apart]


def test_a_kept_moment_has_the_assignment_that_its_welfare_was_measured_with():
    """The E-step comes before the choice of moments: users who moved in it have moved there too."""
    problem = problem_of(Countdown(4, truncates=False), np.array([[1.0, 0.0], [0.0, 1.0]]))
    config = config_of(2, "em", method_settings={"warm_up": 0})
    state, method = init_state(Run(problem, config)), config.make_method()
    before = np.asarray(weight_table(method.weights(state.assignment), 2))
    # Everybody is better off with the policy that they do not have.
    table = jnp.asarray(1e6 * before[:, ::-1].T)
    state = eqx.tree_at(lambda s: s.table, state, ReturnTable(table, jnp.ones(2, bool)))
    after, metrics = step_of(problem, config)(state)
    best = after.shortlist.best
    assert float(metrics.best_welfare) == float(best.welfare) > 0.0
    for moment in (best, after):
        moved = weight_table(method.weights(moment.assignment), 2)
        np.testing.assert_array_equal(moved, before[:, ::-1])


def test_users_logits_move_at_the_papers_rate():
    """Adam's first step is one step of its rate, 0.002, whatever the gradient."""
    problem = errands_problem()
    config = config_of(2, "end-to-end", **ONE_GRADIENT_STEP)
    before = init_state(Run(problem, config))
    after, _ = step_of(problem, config)(before)
    moved = np.abs(np.asarray(after.assignment) - np.asarray(before.assignment))
    np.testing.assert_allclose(moved, 0.002, rtol=0.05)


def test_policies_that_imitate_learn_nothing_by_reward():
    """In the last half of the updates, in which they imitate episodes, the rate is 0."""
    problem = problem_of(ContextualBandit(3), np.eye(3))
    leads = {"settling": 0, "landing": 0, "imitating": 0.5, "archive_size": 8, "rounds": 1}
    config = config_of(2, "elite-em", updates=4, method_settings=leads)
    step, state = step_of(problem, config), init_state(Run(problem, config))
    rates = []
    for _ in range(4):
        state, metrics = step(state)
        rates.append(float(metrics.learner["learning_rate"]))
    assert rates[2:] == [0.0, 0.0]
    assert min(rates[:2]) > 0.0
