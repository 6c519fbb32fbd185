"""Looks at a problem before anything is written or trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import brief
from handful._support.digits import find_coarse_entry
from handful._support.foreign import exits_told
from handful._support.text import count
from handful.environment import (
    Box,
    Discrete,
    Environment,
    HasRequirements,
    HostEnvironment,
    num_symbols,
    outcome_shape,
    step_shape,
)
from handful.errors import HandfulError
from handful.learner.modules import Blueprint, check_modules, skeleton_of
from handful.learner.networks import Sharing
from handful.methods import Feedback, RememberedEpisodes
from handful.methods.schedule import check_packages
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.training.run import Run
from handful.training.step import StepMetrics
from handful.types import NumpyArray, PRNGKey, PyTree


def check_run(run: Run) -> None:
    """Look at a run before anything of it is written or trained.

    Raises:
        HandfulError: if the problem, the settings and what is installed do not fit each other.
    """
    run.problem.check_budget(run.num_policies)
    check_shapes(run.problem)
    check_normalisation(run)
    check_method(run)
    check_installed(run)
    check_counts(run)
    check_networks(run)
    check_sizes(run)
    check_exploration(run)


def check_normalisation(run: Run) -> None:
    """Numbered observations are looked up and must come as they are.

    Raises:
        HandfulError: if the learner would normalise them.
    """
    if num_symbols(run.problem.environment) is not None and run.config.ppo.normalize_observations:
        raise HandfulError(
            "This environment numbers its observations, and networks look them up: leave the "
            "learner's setting normalize_observations at false."
        )


def check_method(run: Run) -> None:
    """Look whether the method fits the problem, and what its functions give by their shapes.

    Raises:
        HandfulError: if the problem names no outcomes that the method needs, or one of the method's
            functions gives something else than it should.
    """
    if run.method.info.needs_outcomes and run.problem.constant_outcomes is None:
        raise HandfulError(
            f"The method '{run.config.method}' aims at outcomes that a policy might keep up, and "
            f"the problem '{run.problem.name}' names none: give its RMDP constant_outcomes, or "
            f"choose another method."
        )

    _trace_method(run)


def _trace_method(run: Run) -> None:
    """Trace the functions of a run's method that are compiled later, without running them."""
    method, num_users, num_policies = run.method, run.problem.num_users, run.num_policies
    name = f"The assignment method {type(method).__name__}"

    def array(dtype: Any, *shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype)

    def reassign(key: PRNGKey, state: PyTree, returns: Any, update: Any, episodes: Any) -> PyTree:
        return method.reassign(key, state, Feedback(returns, update, run.num_updates, episodes))

    key, episodes = jax.eval_shape(lambda: jax.random.key(0)), None
    if method.memory is not None:
        size, num_features = method.memory.size, run.problem.num_features
        episodes = RememberedEpisodes(
            returns=array(jnp.float32, size, num_features),
            is_filled=array(jnp.bool_, size),
            born=array(jnp.int32, size),
            coefficients=array(jnp.float32, num_users, num_features),
        )
    with exits_told(f"{name} failed"):
        state = jax.eval_shape(lambda key: method.init(key, num_users, num_policies), key)
    for function in (method.weights, method.training_weights):
        with exits_told(f"{name} failed"):
            weights: Any = jax.eval_shape(function, state)
        is_whole = jnp.issubdtype(getattr(weights, "dtype", float), jnp.integer)
        shape = (num_users,) if is_whole else (num_users, num_policies)
        if getattr(weights, "shape", None) != shape:
            raise HandfulError(
                f"{name} has a function {function.__name__} that gives {_kinds(weights)}: it must "
                f"give each user's policy, as whole numbers of shape [{num_users}], or each user's "
                f"weights of all policies, as a table of shape [{num_users}, {num_policies}]."
            )
    returns = array(jnp.float32, num_users, num_policies)
    with exits_told(f"{name} failed"):
        following = jax.eval_shape(reassign, key, state, returns, array(jnp.int32), episodes)
    before, after = _kinds(state), _kinds(following)
    if before != after:
        raise HandfulError(
            f"{name} has a function reassign that gives a state of another kind than its init: "
            f"{after}, not {before}."
        )


def check_installed(run: Run) -> None:
    """Whatever the run will need later is looked for before its first step.

    Raises:
        HandfulError: if a package is missing that the method or the environment needs.
    """
    check_packages(run.config.method, run.schedule)
    environment = run.problem.environment
    if isinstance(environment, HasRequirements):
        environment.check_installed()


MOST_WEIGHTS = 2**28
"""Numbers in the networks of all policies: 1 GB, of which optimisers and the shortlist keep several
times as much."""


def check_sizes(run: Run) -> None:
    """Networks that no memory holds are refused before anything is made.

    Raises:
        HandfulError: if the policies' networks would have too many weights.
    """
    problem, config = run.problem, run.config
    environment = problem.environment
    outputs, actions = problem.num_features, _num_actions(problem)
    own = _own_networks(run)
    for whose, blueprint in own.items():
        weights = skeleton_of(blueprint).num_weights * config.num_policies
        if weights > MOST_WEIGHTS:
            raise HandfulError(
                f"The {whose}'s network '{blueprint.name}' has {brief(weights)} weights for "
                f"{count(config.num_policies, 'policy')}, and at most {MOST_WEIGHTS:,} fit: give a "
                f"smaller network, or fewer policies."
            )
    if len(own) == 2:
        return
    widths = (num_symbols(environment) or environment.observation_size, *config.ppo.hidden_sizes)
    hidden = sum(width * following for width, following in pairwise(widths))
    weights = 2 * hidden + widths[-1] * (outputs + actions)
    if weights * config.num_policies > MOST_WEIGHTS:
        raise HandfulError(
            f"The networks of {count(config.num_policies, 'policy')} would have "
            f"{brief(weights * config.num_policies)} weights for "
            f"{count(outputs, 'reward feature')} and hidden_sizes of "
            f"{[brief(size) for size in config.ppo.hidden_sizes]}, and at most "
            f"{MOST_WEIGHTS:,} fit: give smaller hidden_sizes, fewer policies or fewer features."
        )


def check_networks(run: Run) -> None:
    """Trace the caller's own networks before anything slow begins.

    Raises:
        HandfulError: if a network is not known, cannot be made, or does not map one observation to
            one number for each action or reward feature.
    """
    for whose, blueprint in _own_networks(run).items():
        check_modules(blueprint, whose)


def _own_networks(run: Run) -> dict[str, Blueprint]:
    """The blueprints of the caller's own networks, by whose they are."""
    problem, config = run.problem, run.config
    names = {"actor": config.ppo.actor_network, "critic": config.ppo.critic_network}
    outputs = {"actor": _num_actions(problem), "critic": problem.num_features}
    size = problem.environment.observation_size
    return {
        whose: Blueprint.of(name, size, outputs[whose])
        for whose, name in names.items()
        if name is not None
    }


def _num_actions(problem: RMDP) -> int:
    """The number of finite actions, or of the components of a continuous one."""
    space = problem.environment.action_space
    return space.size if isinstance(space, Box) else space.num_actions


def check_exploration(run: Run) -> None:
    """Continuous actions have chance of their own, which is learnt.

    Raises:
        HandfulError: if they are to be random besides.
    """
    problem, config = run.problem, run.config
    if config.ppo.random_actions and isinstance(problem.environment.action_space, Box):
        raise HandfulError(
            f"The setting random_actions (here with the method '{config.method}') is for finite "
            f"actions, and those of '{problem.name}' are continuous: set it to 0, or choose "
            f"another method."
        )


MOST_COUNTS = 2**27
"""Of pairs of observations and an action: half a gigabyte."""


def check_counts(run: Run) -> None:
    """Counting needs numbered observations, few enough, and policies that look them up.

    Raises:
        HandfulError: if the learner would count what it cannot.
    """
    config = run.config
    if not config.ppo.counts:
        return
    environment = run.problem.environment
    number, space = num_symbols(environment), environment.action_space
    if number is None or not isinstance(space, Discrete):
        raise HandfulError(
            "The learner's setting counts is for environments in JAX that number their "
            "observations and have discrete actions: leave it at false."
        )
    if config.ppo.hidden_sizes or config.ppo.sharing is not Sharing.NOTHING:
        raise HandfulError(
            "A learner that counts has a table for each policy: leave the settings hidden_sizes "
            "and share_hidden as the task has them."
        )
    if config.ppo.has_own_network:
        raise HandfulError(
            "A learner that counts has a table for each policy, and no network: leave out the "
            "networks of your own, or set counts to false."
        )
    if number**2 * space.num_actions > MOST_COUNTS:
        raise HandfulError(
            f"{number} observations and {space.num_actions} actions are too many to count: leave "
            f"the learner's setting counts at false."
        )
    if run.method.trainable is not None:
        raise HandfulError(
            f"The method '{config.method}' learns by the policies' gradients, and a learner that "
            f"counts has none: choose another method, or set counts to false."
        )


def check_shapes(problem: RMDP) -> None:
    """Trace the environment and the reward features, without running them.

    Raises:
        HandfulError: if observations or features do not have the shape that they declare, a step
            leads to another kind of state than a reset, or its flags are no truth values.
    """
    environment = problem.environment
    if environment.observation_size < 1:
        raise HandfulError(
            f"The environment's observation_size must be at least 1, not "
            f"{environment.observation_size}: where there is nothing to observe, give one entry "
            f"that is always 0."
        )
    if not isinstance(environment, HostEnvironment):
        with exits_told("The environment failed in reset() or step()"):
            _check_step(environment)
    with exits_told("The population's feature function failed"):
        features = jax.eval_shape(problem.population.features, outcome_shape(environment))
    if features.shape != (problem.num_features,):
        raise HandfulError(
            f"The population's feature function gives shape {list(features.shape)}, but its "
            f"coefficient table has {problem.num_features} columns, one a feature."
        )


def _check_step(environment: Environment) -> None:
    state, start = jax.eval_shape(environment.reset, jax.random.key(0))
    following, step = step_shape(environment)
    shapes = {"first observation": start, "observation after a step": step.observation}
    for what, observation in shapes.items():
        if observation.shape != (environment.observation_size,):
            raise HandfulError(
                f"The environment's {what} has shape {list(observation.shape)}, but its "
                f"observation_size says [{environment.observation_size}]."
            )
    for name in ("terminated", "truncated"):
        flag = getattr(step, name)
        if flag.shape != () or flag.dtype != bool:
            raise HandfulError(
                f"The environment's step gives {name} as {flag.dtype} of shape "
                f"{list(flag.shape)}: it must be one truth value, a bool of shape []."
            )
    before, after = _kinds(state), _kinds(following)
    if before != after:
        raise HandfulError(
            f"The environment's step leads to a state of another kind than its reset: {after}, "
            f"not {before}."
        )


def _kinds(state: PyTree) -> str:
    """A state's arrays by their places in it, each with its type and shape."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return ", ".join(
        f"{jax.tree_util.keystr(path) or 'one array'} {leaf.dtype}{list(leaf.shape)}"
        for path, leaf in leaves
    )


@contextmanager
def telling_what_is_kept(folder: RunFolder | None) -> Iterator[None]:
    """Adds to what went wrong in an update where the run is kept as it was before, if it is."""
    try:
        yield
    except HandfulError as error:
        if folder is None or not folder.checkpoint.exists():
            raise
        raise HandfulError(
            f"{error} The last good checkpoint in '{folder.path}' is kept."
        ) from None


def check_finite(problem: RMDP, metrics: StepMetrics, update: int) -> None:
    """Look for NaN and infinity in an update's rewards and losses.

    Raises:
        HandfulError: naming the reward feature, and its user if it has one, or the policy.
    """
    if not metrics.finite_features.all():
        feature = int(np.argmin(metrics.finite_features))
        owner = ""
        if problem.num_features == problem.num_users:
            owner = f" (of user '{problem.population.user_ids[feature]}')"
        raise HandfulError(
            f"Reward feature {feature}{owner} was not a finite number in update {update}: "
            f"reward functions must return finite numbers for every outcome."
        )
    if not metrics.finite_policies.all():
        policy = int(np.argmin(metrics.finite_policies))
        raise HandfulError(
            f"Policy {policy}'s loss was not a finite number in update {update}: look for "
            f"NaN in the observations, or lower the learning rate."
        )


def check_digits(problem: RMDP, metrics: StepMetrics) -> None:
    """Look for observations of an environment in JAX whose news is lost in float32.

    Environments on the host are looked at before their numbers become float32.

    Raises:
        HandfulError: naming the entry and how to mend it.
    """
    if problem.runs_on_host:
        return
    coarse = find_coarse_entry(
        metrics.lowest_observation, metrics.highest_observation, constant=True
    )
    if coarse is not None:
        raise HandfulError(
            f"{coarse}: let the environment subtract the start of a clock or a counter while it is "
            f"a whole number, divide a large quantity by its usual size, and leave out what never "
            f"varies."
        )


class EpisodeWatch:
    """Sees that episodes end by the time limit that their environment declares.

    On the host the collector cuts those that do not. In JAX nobody does: their returns would never
    be in the return table.
    """

    def __init__(self, run: Run) -> None:
        self._limit = run.problem.environment.time_limit
        self._num_steps = run.config.ppo.num_steps
        self._is_needed = not run.problem.runs_on_host
        self.restart()

    def restart(self) -> None:
        """Every episode starts anew."""
        self._steps_without_end: NumpyArray | int = 0

    def check(self, finished: NumpyArray) -> None:
        """Look at an update.

        Args:
            finished: [K] episodes that each policy finished in it.

        Raises:
            HandfulError: if a policy has finished none for longer than the time limit.
        """
        self._steps_without_end = np.where(
            finished > 0, 0, self._steps_without_end + self._num_steps
        )
        if self._is_needed and (self._steps_without_end >= self._limit).any():
            policy = int(np.argmax(self._steps_without_end))
            raise HandfulError(
                f"Policy {policy} has not come to the end of an episode in "
                f"{self._steps_without_end[policy]} steps, and the environment's time_limit says "
                f"that all end within {self._limit}: its step must set truncated by then."
            )
