"""Looks at the functions of a method and of a learner before training, by tracing them.

``jax.eval_shape`` calls a function with values that have a type and a shape, and no numbers. So
every function that an update compiles is called here once, in milliseconds, and what it gives is
compared with what the run needs. A method or a learner of the caller's own that gives something
else gives an error of one sentence, before anything is trained.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from handful._support.foreign import exits_told
from handful.environment import Box
from handful.errors import HandfulError
from handful.learner.base import Improvement, LearnerState, Networks, Objective
from handful.learner.networks import has_policy_axis
from handful.learner.widths import num_outputs
from handful.methods import Feedback, RememberedEpisodes
from handful.methods.base import split_trainable
from handful.methods.weights import weight_table
from handful.mix import Mix
from handful.training.run import Run
from handful.transitions import Transitions
from handful.types import Array, PRNGKey, PyTree


def trace_method(run: Run) -> None:
    """Trace the functions of a run's method that are compiled later, without running them.

    Raises:
        HandfulError: if one of them gives something else than it should.
    """
    method, num_users, num_policies = run.method, run.problem.num_users, run.num_policies
    name = f"The assignment method {type(method).__name__}"

    def reassign(key: PRNGKey, state: PyTree, returns: Any, update: Any, episodes: Any) -> PyTree:
        return method.reassign(key, state, Feedback(returns, update, run.planned_updates, episodes))

    episodes = None
    if method.memory is not None:
        size, num_features = method.memory.size, run.problem.num_features
        episodes = RememberedEpisodes(
            returns=_array(jnp.float32, size, num_features),
            is_filled=_array(jnp.bool_, size),
            born=_array(jnp.int32, size),
            coefficients=_array(jnp.float32, num_users, num_features),
        )
    with exits_told(f"{name} failed"):
        state = _first_assignment(run)
    for function in (method.weights, method.training_weights):
        with exits_told(f"{name} failed"):
            weights: Any = jax.eval_shape(function, state)
        is_whole = jnp.issubdtype(getattr(weights, "dtype", float), jnp.integer)
        shape = (num_users,) if is_whole else (num_users, num_policies)
        if getattr(weights, "shape", None) != shape:
            raise HandfulError(
                f"{name} has a function {function.__name__} that gives {kinds(weights)}: it must "
                f"give each user's policy, as whole numbers of shape [{num_users}], or each user's "
                f"weights of all policies, as a table of shape [{num_users}, {num_policies}]."
            )
    returns = _array(jnp.float32, num_users, num_policies)
    with exits_told(f"{name} failed"):
        following = jax.eval_shape(reassign, _key(), state, returns, _array(jnp.int32), episodes)
    before, after = kinds(state), kinds(following)
    if before != after:
        raise HandfulError(
            f"{name} has a function reassign that gives a state of another kind than its init: "
            f"{after}, not {before}."
        )


def trace_learner(run: Run) -> None:
    """Trace the functions of a run's learner that are compiled later, without running them.

    The run's method must have passed :func:`trace_method`.

    Raises:
        HandfulError: if one of them gives something else than it should.
    """
    learner, problem, num_policies = run.learner, run.learnt, run.num_policies
    name = f"The learner {type(learner).__name__} has a function"
    parameters, rest = split_trainable(run.method, _first_assignment(run))

    def trace(function: Callable[..., Any], *shapes: Any) -> Any:
        with exits_told(f"The learner {type(learner).__name__} failed"):
            return jax.eval_shape(function, *shapes)

    def init(key: PRNGKey, parameters: PyTree) -> Any:
        return learner.init(key, problem, num_policies, parameters)

    state = trace(init, _key(), parameters)
    if not isinstance(state, LearnerState):
        raise HandfulError(
            f"{name} init that gives {_class_of(state)}: it must give an object of LearnerState, "
            f"or of a class derived from LearnerState."
        )
    _check_networks(f"{name} init", state.networks, num_policies)
    size = problem.environment.observation_size
    observations = _array(jnp.float32, num_policies, run.config.collect.num_envs, size)
    _check_actions(f"{name} init", run, trace(_act, state.networks, observations))

    batch = _batch(run)
    if not problem.runs_on_host:
        _check_same(f"{name} begin", state, trace(learner.begin, state, observations))
    _check_same(f"{name} observe", state, trace(learner.observe, state, batch))
    improved = trace(
        partial(_improve, run),
        _key(),
        state,
        batch,
        (parameters, rest),
        _array(jnp.float32, problem.num_users, problem.num_features),
        _array(jnp.float32),
    )
    if not isinstance(improved, Improvement):
        raise HandfulError(
            f"{name} improve that gives {_class_of(improved)}: it must give an Improvement."
        )
    _check_same(f"{name} improve", state, improved.state)
    _check_same(f"{name} improve", parameters, improved.parameters, "parameters of the assignment")
    _check_reported(f"{name} improve", improved, num_policies)

    _check_same(f"{name} restart", state, trace(learner.restart, state, state))
    renew = partial(learner.renew, problem=problem)
    mixes = _array(jnp.float32, num_policies, problem.num_features)
    renewed = trace(renew, state.networks, state, mixes)
    _check_same(f"{name} renew", state.networks, renewed, "policies")
    found: dict[str, Any] = {}
    if learner.knows_returns:
        ask = partial(learner.returns, problem=problem, discount=problem.discount)
        found["returns"] = trace(ask, state, state.actor)
    if learner.knows_optimism:
        found["optimism"] = trace(partial(learner.optimism, problem=problem), state, batch)
    for function, given in found.items():
        if getattr(given, "shape", None) != mixes.shape:
            raise HandfulError(
                f"{name} {function} that gives {kinds(given)}: it must give what each policy earns "
                f"in each reward feature, as a table of shape {list(mixes.shape)}."
            )


def kinds(tree: PyTree) -> str:
    """Describe the arrays of a tree by their places in it, each with its type and shape."""
    return ", ".join(f"{place} {kind}" for place, kind in _kinds_by_place(tree).items())


def _improve(
    run: Run,
    key: PRNGKey,
    state: LearnerState,
    batch: Transitions,
    assignment: tuple[PyTree, PyTree],
    coefficients: Array,
    number: Array,
) -> Any:
    """Call the learner as an update does; the assignment comes in the parts that learn or not."""
    method, (parameters, rest) = run.method, assignment

    def mix_of(learnt: PyTree) -> Mix:
        trained_for = method.training_weights(eqx.combine(learnt, rest))
        return Mix.of(weight_table(trained_for, run.num_policies), coefficients)

    rate = 0.0 if method.trainable is None else method.trainable.learning_rate
    return run.learner.improve(
        key,
        state,
        batch,
        Objective(mix_of, parameters, rate),
        progress=number,
        pace=number,
        problem=run.learnt,
        mesh=run.mesh,
    )


def _act(networks: Networks, observations: Array) -> Any:
    """Give the distributions of all policies' actions at raw observations [K, M, O]."""
    return networks.actor(networks.normalizer(observations))


def _check_networks(function: str, networks: Networks, num_policies: int) -> None:
    """Raise HandfulError unless all that is a policy's own has a first axis of policies."""
    leaves = jax.tree_util.tree_leaves_with_path(networks)
    is_own = jax.tree.leaves(has_policy_axis(networks))
    for (path, leaf), own in zip(leaves, is_own, strict=True):
        if own and leaf.shape[:1] != (num_policies,):
            raise HandfulError(
                f"{function} that gives {_kind(leaf)} at {jax.tree_util.keystr(path)}: the first "
                f"axis of every array of actor, critic and normalizer must be the policies, of "
                f"which the budget has {num_policies}."
            )


def _check_actions(function: str, run: Run, distribution: Any) -> None:
    """Raise HandfulError unless the policies choose among the environment's actions."""
    space = run.problem.environment.action_space
    what = "mean" if isinstance(space, Box) else "logits"
    expected = (run.num_policies, run.config.collect.num_envs, num_outputs(space))
    if getattr(getattr(distribution, what, None), "shape", None) != expected:
        raise HandfulError(
            f"{function} that gives policies whose distributions of actions are "
            f"{kinds(distribution)} for {expected[1]} observations of each policy: they must have "
            f"{what} of shape {list(expected)}, as there are {expected[2]} "
            f"{'components of an action' if isinstance(space, Box) else 'actions'}."
        )


def _check_same(function: str, before: PyTree, after: PyTree, what: str = "a state") -> None:
    """Raise HandfulError unless a function gives the same kind of thing as it got."""
    one, other = _kinds_by_place(before), _kinds_by_place(after)
    differing = [place for place in {**one, **other} if one.get(place) != other.get(place)]
    if type(before) is not type(after):
        difference = f"{_class_of(after)}, not {_class_of(before)}"
    elif differing:
        place = differing[0]
        difference = f"{other.get(place, 'nothing')} at {place}, not {one.get(place, 'nothing')}"
    elif jax.tree.structure(before) != jax.tree.structure(after):
        difference = "its fields that are no arrays are not the same"
    else:
        return
    raise HandfulError(f"{function} that gives {what} of another kind than it got: {difference}.")


def _check_reported(function: str, improved: Improvement, num_policies: int) -> None:
    """Raise HandfulError unless all metrics are numbers, and ``is_finite`` has truth values."""
    if not isinstance(improved.metrics, dict):
        raise HandfulError(
            f"{function} that gives {_class_of(improved.metrics)} for the metrics: it must give a "
            f"dictionary of numbers by name."
        )
    for name, value in improved.metrics.items():
        kind = getattr(value, "dtype", bool)
        is_number = jnp.issubdtype(kind, jnp.floating) or jnp.issubdtype(kind, jnp.integer)
        if not is_number or value.shape not in ((), (num_policies,)):
            raise HandfulError(
                f"{function} that gives the metric '{name}' as {kinds(value)}: it must be one "
                f"number, of shape [], or one for each policy, of shape [{num_policies}]."
            )
    flags = improved.is_finite
    if getattr(flags, "shape", None) != (num_policies,) or flags.dtype != bool:
        raise HandfulError(
            f"{function} that gives is_finite as {kinds(flags)}: it must say of each policy "
            f"whether its losses are finite numbers, as bool[{num_policies}]."
        )


def _first_assignment(run: Run) -> PyTree:
    """Return the types and shapes of the method's first state."""
    num_users, num_policies = run.problem.num_users, run.num_policies
    return jax.eval_shape(lambda key: run.method.init(key, num_users, num_policies), _key())


def _batch(run: Run) -> Any:
    """Return the types and shapes of a batch of transitions."""
    collect, space = run.config.collect, run.problem.environment.action_space
    each = (run.num_policies, collect.num_steps, collect.num_envs)
    dtype = jnp.float32 if isinstance(space, Box) else jnp.int32

    def make() -> Transitions:
        numbers, flags = jnp.zeros(each), jnp.zeros(each, bool)
        observations = jnp.zeros((*each, run.problem.environment.observation_size))
        return Transitions(
            observations=observations,
            actions=jnp.zeros((*each, space.size) if isinstance(space, Box) else each, dtype),
            log_probs=numbers,
            features=jnp.zeros((*each, run.problem.num_features)),
            next_observations=observations,
            terminated=flags,
            truncated=flags,
        )

    return jax.eval_shape(make)


def _kinds_by_place(tree: PyTree) -> dict[str, str]:
    """Return the type and shape of each array of a tree, by its place in the tree."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path) or "one array": _kind(leaf) for path, leaf in leaves}


def _kind(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _class_of(found: Any) -> str:
    return f"an object of the class {type(found).__name__}"


def _array(dtype: Any, *shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


def _key() -> Any:
    return jax.eval_shape(lambda: jax.random.key(0))
