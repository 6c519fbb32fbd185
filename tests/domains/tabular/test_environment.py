"""Environments and problems given as arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import handful
from handful.cli.main import main
from handful.domains.tabular.environment import alias_table
from handful.domains.tabular.optimum import exact_returns, tabular_rmdp
from handful.domains.tabular.problem import make_tabular, tabular_problem
from handful.errors import HandfulError
from handful.training.config import make_config
from handful.training.run import Run
from handful.training.state import init_state

# Room 0: stay for 1 (action 0), or go to room 1 (action 1), which pays 5 on the way out.
TRANSITIONS = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
FEATURES = np.array([[[1.0], [0.0]], [[5.0], [5.0]]])


def rooms(**changes):
    return tabular_problem(
        **{"transitions": TRANSITIONS, "features": FEATURES, "coefficients": [[1.0]], **changes}
    )


def test_alias_draws_follow_the_distribution():
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.full(7, 0.3), size=4)
    rows[0] = np.eye(7)[3]
    table = alias_table(rows)
    share = np.zeros_like(rows)
    for first, second in ((table.value, table.share), (table.other, 1 - table.share)):
        for row in range(len(rows)):
            np.add.at(share[row], first[row], second[row] / first.shape[1])
    np.testing.assert_allclose(share, rows, atol=1e-6)
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = np.asarray(jax.vmap(table.draw, in_axes=(0, None))(keys, jnp.asarray(1)))
    np.testing.assert_allclose(np.bincount(drawn, minlength=7) / 20_000, rows[1], atol=0.015)


def test_steps_by_hand():
    environment = rooms().jax_environment
    state, observation = environment.reset(jax.random.key(0))
    assert (int(state.state), observation.tolist()) == (0, [0.0])
    state, step = environment.step(jax.random.key(1), state, jnp.asarray(1))
    assert step.observation.tolist() == [0.5]
    assert tuple(map(int, step.outcome)) == (0, 1, 1)
    assert not step.terminated
    _, step = environment.step(jax.random.key(2), state, jnp.asarray(0))
    assert bool(step.terminated)
    assert tuple(map(int, step.outcome)) == (1, 0, -1)


def test_arriving_where_nothing_happens_is_the_end():
    """A state that only leads to itself and pays nothing; arriving there pays."""
    loop = np.array([[[0.0, 1.0]], [[0.0, 1.0]]])
    paid_again = tabular_problem(
        loop,
        features=np.zeros((2, 1, 1)),
        coefficients=[[2.0]],
        arrival_features=[[0], [3]],
        stop_probability=0.5,
    )
    assert not paid_again.jax_environment.terminal.any()
    problem = tabular_problem(loop, features=[[[3.0]], [[0.0]]], coefficients=[[2.0]])
    environment = problem.jax_environment
    assert environment.terminal.tolist() == [False, True]
    assert environment.time_limit == 1
    state, _ = environment.reset(jax.random.key(0))
    assert bool(environment.step(jax.random.key(1), state, jnp.asarray(0))[1].terminated)


def test_what_arrivals_pay():
    ends = np.array([[[0.0, 1.0]], [[0.0, 0.0]]])
    problem = tabular_problem(
        ends, features=np.zeros((2, 1, 1)), coefficients=[[2.0]], arrival_features=[[0], [3]]
    )
    environment = problem.jax_environment
    state, _ = environment.reset(jax.random.key(0))
    _, step = environment.step(jax.random.key(1), state, jnp.asarray(0))
    assert problem.population.rewards(step.outcome).tolist() == [6.0]
    assert handful.optimum(problem, 1).welfare == pytest.approx(6.0)


def test_a_time_limit_that_never_cuts_is_found():
    environment = rooms().jax_environment
    # Half of the episodes go on at each step: 2 ** -26 * 2 is the first chance below 1e-8.
    assert environment.time_limit == 28
    assert not environment.observe_time
    assert tabular_rmdp(rooms()).horizon is None


def test_a_limit_that_cuts_is_the_horizon_and_seen():
    problem = rooms(time_limit=2)
    assert problem.jax_environment.observe_time
    assert tabular_rmdp(problem).horizon == 2
    assert handful.optimum(problem, 1).welfare == pytest.approx(5.0)  # go, and be paid
    blind = rooms(time_limit=2, observe_time=False)
    assert handful.optimum(blind, 1).kind == "upper bound"


def test_stopping_is_discounting():
    forever = np.ones((1, 1, 1))
    problem = tabular_problem(forever, np.full((3, 1, 1), 2.0), stop_probability=0.1)
    assert handful.optimum(problem, 1).welfare == pytest.approx(20.0)


def test_a_trained_policy_earns_what_its_exact_return_says():
    rng = np.random.default_rng(0)
    transitions = rng.dirichlet(np.ones(3), size=(3, 2))
    problem = tabular_problem(
        transitions, rng.uniform(size=(4, 3, 2)), stop_probability=0.5, start=[0.5, 0.5, 0]
    )
    result = handful.train(problem, 2, "em", steps=20_000, seed=0)
    exact = exact_returns(problem, result.policies)
    measured = result.evaluation.deterministic
    assert (np.abs(measured.returns - exact) < 5 * measured.returns_stderr + 1e-9).all()
    best = handful.optimum(problem, 2)
    assert exact.max(axis=0).mean() <= best.welfare + 1e-6
    assert exact.max(axis=0).mean() == pytest.approx(best.welfare, rel=0.05)


def test_exact_returns_of_policies_that_see_the_time():
    problem = rooms(time_limit=3)
    config = make_config(problem, 1, "em", "paper")
    policies = init_state(Run(problem, config)).policies(problem)
    environment = problem.jax_environment
    worth = np.zeros(2)  # of the rooms, with ever more steps left
    for step in reversed(range(3)):
        action = int(policies.act(environment.observe(0, step), 0))
        worth = np.array([1 + worth.mean() if action == 0 else worth[1], 5.0])
    assert exact_returns(problem, policies)[0, 0] == pytest.approx(worth[0])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"transitions": np.ones((2, 2))}, r"shape \[states, actions, states\]"),
        ({"transitions": TRANSITIONS * 0.9}, "action 0 in state 0 .* sum to 0.9"),
        ({"transitions": "rooms"}, "transitions must be an array of numbers"),
        ({"coefficients": [["1_5"]]}, "coefficients must be an array of numbers"),
        ({"coefficients": [[1j]]}, "coefficients must be an array of numbers"),
        ({"features": np.full((2, 2, 1), np.nan)}, r"no finite number, at \[0, 0, 0\]"),
        ({"features": np.ones((2, 3, 1))}, r"features must have shape \[2, 2, features\]"),
        ({"coefficients": np.ones((4, 2))}, r"coefficients must have shape \[users, 1\]"),
        ({"coefficients": None}, "Give either rewards"),
        ({"rewards": np.ones((1, 2, 2))}, "Give either rewards"),
        ({"rewards": np.ones((1, 2)), "features": None, "coefficients": None}, "users, 2, 2"),
        ({"arrival_features": [1, 2]}, r"arrival_features must have shape \[2, 1\]"),
        ({"start": 2}, "from 0 to 1"),
        ({"start": np.nan}, "The first state must be a number from 0 to 1, not nan"),
        ({"start": "x"}, "The first state must be a number from 0 to 1, not x"),
        ({"start": [0.5, 0.6]}, "2 probabilities"),
        ({"time_limit": 0}, "time_limit must be a whole number"),
        ({"stop_probability": 1.0}, "below 1"),
        ({"transitions": np.full((2, 2, 2), 0.5)}, "give a time_limit"),
    ],
)
def test_bad_arrays_are_one_sentence(changes, sentence):
    with pytest.raises(HandfulError, match=sentence):
        rooms(**changes)


def test_a_file(tmp_path):
    path = tmp_path / "rooms.npz"
    np.savez(
        path, transitions=TRANSITIONS, features=FEATURES, coefficients=[[1.0]], user_ids=["ann"]
    )
    problem = handful.make("tabular", file=str(path))
    assert problem.population.user_ids == ("ann",)
    assert problem.parameters == {"file": path.resolve()}
    assert handful.optimum(problem, 1).welfare == handful.optimum(rooms(), 1).welfare


def test_a_run_of_a_file_is_kept_and_read_back(tmp_path):
    path, out = tmp_path / "rooms.npz", tmp_path / "run"
    np.savez(path, transitions=TRANSITIONS, features=FEATURES, coefficients=[[1.0], [2.0]])
    result = handful.train(handful.make("tabular", file=str(path)), 1, steps=4096, out=out)
    again = handful.resume(out)
    np.testing.assert_array_equal(again.assignment, result.assignment)
    np.testing.assert_array_equal(
        exact_returns(again.problem, again.policies), exact_returns(result.problem, result.policies)
    )


def test_bad_files(tmp_path):
    path = tmp_path / "bad.npz"
    with pytest.raises(HandfulError, match="cannot be read"):
        make_tabular(str(path))
    path.write_text("no arrays")
    with pytest.raises(HandfulError, match="cannot be read as arrays"):
        make_tabular(str(path))
    np.savez(path, transition=TRANSITIONS)
    with pytest.raises(HandfulError, match="did you mean 'transitions'"):
        make_tabular(str(path))
    np.savez(path, transitions=TRANSITIONS, attributes=["ann"])  # a mapping, which no array is
    with pytest.raises(HandfulError, match=r"named 'attributes': it may hold .*, user_ids\.$"):
        make_tabular(str(path))
    np.savez(path, rewards=[1])
    with pytest.raises(HandfulError, match="no array named 'transitions'"):
        make_tabular(str(path))
    np.savez(path, transitions=np.array([{"code": 1}], dtype=object))
    with pytest.raises(HandfulError, match="cannot be read as arrays"):
        make_tabular(str(path))


@pytest.mark.parametrize(
    ("scalar", "sentence"),
    [
        ({"time_limit": np.nan}, "time_limit must be a whole number of at least 1, not nan."),
        ({"stop_probability": [0.1, 0.2]}, "at least 0 and below 1, not an array of shape [2]."),
        ({"discount": [0.9, 0.99]}, "above 0 and at most 1, not an array of shape [2]."),
        ({"observe_time": [True, False]}, "observe_time must be true or false, not an array."),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_arrays_that_should_be_numbers(tmp_path, monkeypatch, capsys, scalar, sentence):
    monkeypatch.chdir(tmp_path)
    arrays = {"transitions": TRANSITIONS, "features": FEATURES, "coefficients": [[1.0]], **scalar}
    np.savez("bad.npz", **arrays)
    with pytest.raises(SystemExit, match="2"):
        main(["optimum", "tabular", "--param.file", "bad.npz", "--policies", "1"])
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("handful: ")
    assert errors.endswith(f"{sentence}\n")
