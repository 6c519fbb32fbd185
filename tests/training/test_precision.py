"""Products of matrices are in full single precision, also where a device would rather hurry."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from handful.collect.jax_rollout import run_episodes
from handful.mix import Mix
from handful.problem import make
from handful.training.run import Run
from handful.training.state import init_state
from handful.training.step import learn_step, train_step
from handful.training.stepper import _batch_shapes
from tests.environments import push_problem
from tests.host_environments import track_problem
from tests.training.helpers import config_of

HIGHEST = (jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)


def products(program: Jaxpr):
    """The precision of every product of matrices, also of those inside loops and branches."""
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            yield equation.params["precision"]
        for parameter in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if _is_program(parameter):
                yield from products(getattr(parameter, "jaxpr", parameter))


def _is_program(value):
    return isinstance(value, Jaxpr | ClosedJaxpr)


def precisions(function, *arguments):
    return list(products(jax.make_jaxpr(function)(*arguments).jaxpr))


def test_products_are_found_wherever_they_are():
    def program(matrix):
        step = lambda carry, _: (carry @ matrix, None)  # noqa: E731
        looped = jax.lax.scan(step, matrix, length=2)[0]
        chosen = jax.lax.cond(looped[0, 0] > 0, lambda: matrix @ matrix, lambda: matrix)
        return jax.jit(jnp.matmul)(looped, chosen)

    assert precisions(program, jnp.eye(2)) == [None] * 3


@pytest.mark.parametrize(
    ("make_problem", "settings"),
    [
        (lambda: push_problem((0.5, -0.5)), {}),
        (lambda: push_problem((0.5, -0.5)), {"family": True}),
        (
            lambda: make("resource-gathering", height=2, width=2, time_limit=6),
            {"method": "elite-em"},
        ),
        (lambda: make("icu-sepsis", users=4), {"learner": "counting"}),
    ],
    ids=["robots", "family", "grid", "counting"],
)
def test_an_iteration_of_training_is_in_full_precision(make_problem, settings):
    problem, config = make_problem(), config_of(2, **settings)
    state = jax.eval_shape(lambda: init_state(Run(problem, config)))
    step = partial(train_step, run=Run(problem, config, mesh=None))
    found = precisions(step, state)
    assert set(found) == {HIGHEST}


def test_what_is_learnt_from_environments_on_the_host_is_in_full_precision():
    problem, config = track_problem(), config_of(2)
    state = jax.eval_shape(lambda: init_state(Run(problem, config)))
    step = partial(learn_step, run=Run(problem, config, mesh=None))
    found = precisions(step, state, *_batch_shapes(Run(problem, config)))
    assert set(found) == {HIGHEST}


def test_evaluation_is_in_full_precision():
    problem, config = push_problem((0.5, -0.5)), config_of(2)
    policies = init_state(Run(problem, config)).policies(problem)
    play = lambda key: run_episodes(key, problem, policies, 2, 3, False)  # noqa: E731
    found = precisions(play, jax.random.key(0))
    assert set(found) == {HIGHEST}


def test_what_users_call_themselves_is_in_full_precision():
    problem, config = push_problem((0.5, -0.5)), config_of(2)
    policies = init_state(Run(problem, config)).policies(problem)
    found = precisions(lambda seen: policies.act(seen, 0), np.zeros(3, np.float32))
    found += precisions(Mix.of, jnp.ones((2, 2)), jnp.ones((2, 3)))
    assert set(found) == {HIGHEST}
