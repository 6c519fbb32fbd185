"""What a run's result stands beside: other assignments of its policies, and constant actions.

The other assignments are measured on the same evaluation episodes: what the method left, what
validation would assign, one policy for everybody, and the best policy of each user.

A constant action is the simplest policy of all: the same action at every step, for everybody. A run
that ends below the best of them has learnt nothing of use. Constant actions are played as networks
of the trained policies' own shape, whose weights are 0 and whose last biases name the action. So
they need no program of their own: the one that plays the policies plays them too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_seed
from handful.collect.episodes import make_player
from handful.environment import Discrete
from handful.evaluation.by_episode import ALL, welfare_by_episode, welfare_of_single_policies
from handful.evaluation.played import FeatureReturns
from handful.evaluation.returns import Measurement, mean_and_stderr
from handful.learner.policies import Policies
from handful.learner.squashed import constant_actor
from handful.problem import RMDP
from handful.types import NumpyArray, Watch, part, unwatched
from handful.welfare import WelfareFn, utilitarian


@dataclass(frozen=True)
class Alternative:
    """Another assignment of the users, on the same episodes.

    Attributes:
        welfare: the welfare of the other assignment, which is the final welfare plus the gain.
        gain: the difference between its welfare and the welfare of the final assignment, on the
            same episodes.
        gain_stderr: the standard error of the gain, over episodes.
        users_moved: how many users have another policy in it.
    """

    welfare: float
    gain: float
    gain_stderr: float
    users_moved: int

    @property
    def is_better(self) -> bool:
        """Whether its gain is beyond chance: more than two standard errors."""
        rounding = 1e-6 * abs(self.welfare)
        return self.gain > 2.0 * self.gain_stderr + rounding


def compare_assignments(
    measurement: Measurement,
    assignment: NumpyArray,
    others: Mapping[str, NumpyArray],
    welfare: WelfareFn = utilitarian,
) -> dict[str, Alternative]:
    """Set an assignment beside others, beside the best single policy, and beside reassignment.

    Args:
        measurement: the policies' returns, on the episodes that are to judge.
        assignment: [N] the policy of each user in the final assignment, from 0.
        others: more assignments [N], by name.
        welfare: the welfare function.

    Returns:
        ``others``, measured on all episodes. Beside them ``one_policy`` (everybody with the policy
        that is best for all together) and ``reassigned`` (everybody with the policy that is best
        for them): both chosen on one half of the episodes and measured on the other.
    """
    played = measurement.played
    # Where no policy fits a user, the policy does not matter: the welfare has the outside option.
    reassigned = np.where(measurement.reassigned < 0, assignment, measurement.reassigned)
    half = played.shape[0] // 2
    parts = (ALL, slice(half), slice(half, None))
    given = [assignment, *others.values(), reassigned]
    own, *totals, again = welfare_by_episode(played, given, welfare, parts)
    alone = welfare_of_single_policies(played, welfare, parts)
    one = int(np.argmax(alone[1].mean(axis=0)))
    value = float(own[0].mean())

    def beside(policy: NumpyArray, total: NumpyArray, part: int) -> Alternative:
        gain, stderr = mean_and_stderr(total - own[part])
        moved = int(np.sum(policy != assignment))
        return Alternative(value + float(gain), float(gain), float(stderr), moved)

    found = {
        name: beside(policy, total[0], 0)
        for (name, policy), total in zip(others.items(), totals, strict=True)
    }
    found["one_policy"] = beside(np.broadcast_to(one, len(assignment)), alone[2][:, one], 2)
    found["reassigned"] = beside(reassigned, again[2], 2)
    return found


CONSTANTS_STREAM = 0xC0257
"""A number that is folded into the seed's key: neither training nor evaluation plays these
episodes."""

MOST_ACTIONS = 12
"""The most discrete actions that are played; of more, so many are taken, evenly spread."""

HOST_EPISODES = 10
"""Episodes of each action on the host, where stepping takes long."""

JAX_EPISODES = 100
"""Episodes of each action in JAX: as many as in validation, by the same program."""


@dataclass(frozen=True, eq=False)
class ConstantActions:
    """What each of ``A`` constant actions is worth to all users together.

    Attributes:
        names: the names of the actions, as sentences have them.
        welfare: [A] the welfare if every user is served by the action, for whole episodes.
        welfare_stderr: [A] the standard errors of ``welfare`` over episodes.
        transitions: how many transitions were played, of all actions together.
    """

    names: tuple[str, ...]
    welfare: NumpyArray
    welfare_stderr: NumpyArray
    transitions: int

    @property
    def best(self) -> int:
        """The position of the action that is worth most."""
        return int(np.argmax(self.welfare))


def play_constants(
    problem: RMDP,
    policies: Policies,
    seed: int,
    watch: Watch = unwatched,
    welfare: WelfareFn = utilitarian,
) -> ConstantActions:
    """Play constant actions: each discrete action, or the bounds of continuous ones and between.

    Args:
        problem: the environment that is played, and the users.
        policies: policies whose shape the constant policies take.
        seed: the seed of the episodes, whose chance is apart from all other episodes'.
        watch: is called with the share of the episodes that has been played.
        welfare: the welfare function.

    Returns:
        The welfare of each action, with its standard error.

    Raises:
        HandfulError: if the seed is out of range.
    """
    check_seed(seed)
    names, outputs = _constant_outputs(problem)
    num_episodes = HOST_EPISODES if problem.runs_on_host else JAX_EPISODES
    play = make_player(problem, policies.num_policies, num_episodes)
    key = jax.random.fold_in(jax.random.key(seed), CONSTANTS_STREAM)
    at_once, found, transitions = policies.num_policies, [], 0
    turns = -(-len(names) // at_once)
    for turn in range(turns):
        rows = np.arange(turn * at_once, (turn + 1) * at_once)
        is_wanted = rows < len(names)
        constant = _constant_policies(policies, outputs[np.minimum(rows, len(names) - 1)])
        key_of_turn = jax.random.fold_in(key, turn)
        episodes = play(key_of_turn, constant, True, part(watch, turn, turns))
        played = FeatureReturns(np.asarray(episodes.returns, np.float64), problem.population)
        found.append(welfare_of_single_policies(played, welfare)[0][:, is_wanted])
        transitions += int(np.sum(episodes.lengths))
    samples = np.concatenate(found, axis=1)
    stderr = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return ConstantActions(names, samples.mean(axis=0), stderr, transitions)


def _constant_outputs(problem: RMDP) -> tuple[tuple[str, ...], NumpyArray]:
    """Give the actions' names, and what a network puts out for each: logits or means [A, H]."""
    space = problem.environment.action_space
    if isinstance(space, Discrete):
        number = min(space.num_actions, MOST_ACTIONS)
        actions = np.unique(np.linspace(0, space.num_actions - 1, number).round().astype(int))
        logits = np.eye(space.num_actions, dtype=np.float32)[actions]
        return tuple(f"action {action}" for action in actions), logits
    low, high = np.array(space.low), np.array(space.high)
    named = {
        "the lowest actions": low,
        "the highest actions": high,
        "actions in the middle": (low + high) / 2,
        "actions of 0": np.clip(np.zeros_like(low), low, high),
    }
    found: dict[str, NumpyArray] = {}
    for name, action in named.items():
        is_new = not any(np.array_equal(action, other) for other in found.values())
        if is_new and np.isfinite(action).all():
            found[name] = action
    return tuple(found), np.stack(list(found.values())).astype(np.float32)


def _constant_policies(like: Policies, outputs: NumpyArray) -> Policies:
    """Make policies of the same shape, each of which puts out one row of ``outputs`` [K, H]."""
    actor = constant_actor(like.actor, jnp.asarray(outputs), like.observation_size)
    return Policies(actor, like.normalizer, like.action_space)
