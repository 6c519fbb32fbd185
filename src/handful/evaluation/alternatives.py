"""Other ways to assign the same policies, on the same evaluation episodes.

A run says with them what its own assignment is worth: beside what its method left, beside what
validation would assign, beside one policy for everybody, and beside the best policy of each user.

What the simplest policies of all are worth: the same action at every step, for everybody.

Training that ends below the best of them has not learnt to do better than nothing. They are played
as networks of the trained policies' own shape, whose weights are 0 and whose last biases name the
action, so that what plays the policies plays them too, without a program of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_seed
from handful.collect.episodes import make_player
from handful.environment import Discrete
from handful.evaluation.played import FeatureReturns, Played
from handful.evaluation.returns import Measurement, mean_and_stderr
from handful.learner.networks import Actor, constant_stack
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.types import NumpyArray, Watch, part, unwatched


@dataclass(frozen=True)
class Alternative:
    """An assignment beside the one that is handed out, on the same episodes.

    Attributes:
        welfare: of it: the welfare as handed out, and the gain.
        gain: by how much that is above the welfare as handed out, on the same episodes.
        gain_stderr: of the gain, over episodes.
        users_moved: users who have another policy in it.
    """

    welfare: float
    gain: float
    gain_stderr: float
    users_moved: int

    @property
    def is_better(self) -> bool:
        """Whether it is better beyond chance: by more than two standard errors of the gain."""
        rounding = 1e-6 * abs(self.welfare)
        return self.gain > 2.0 * self.gain_stderr + rounding


def compare_assignments(
    measurement: Measurement, assignment: NumpyArray, others: Mapping[str, NumpyArray]
) -> dict[str, Alternative]:
    """Set an assignment beside others, beside the best single policy, and beside reassignment.

    Args:
        measurement: of the policies, on the episodes that are to judge.
        assignment: [N] the policy of each user, as it is handed out.
        others: more assignments [N], by name.

    Returns:
        ``others``, measured on all episodes. Beside them ``one_policy`` (everybody with the policy
        that is best for all together) and ``reassigned`` (everybody with the policy that is best
        for them): both chosen on one half of the episodes and measured on the other.
    """
    played, reassigned = measurement.played, measurement.reassigned
    half = played.shape[0] // 2
    alone = _alone(played)
    one = int(np.argmax(alone[:half].mean(axis=0)))
    named = {**others, "reassigned": reassigned}
    own, *totals = _by_episode(played, [assignment, *named.values()])
    welfare = float(own.mean())
    found = {
        name: _alternative(total, own, int(np.sum(policy != assignment)), welfare)
        for (name, policy), total in zip(others.items(), totals[:-1], strict=True)
    }
    moved = int(np.sum(assignment != one))
    found["one_policy"] = _alternative(alone[half:, one], own[half:], moved, welfare)
    moved = int(np.sum(reassigned != assignment))
    found["reassigned"] = _alternative(totals[-1][half:], own[half:], moved, welfare)
    return found


def _alternative(total: NumpyArray, own: NumpyArray, moved: int, handed_out: float) -> Alternative:
    gain, stderr = mean_and_stderr(total - own)
    return Alternative(handed_out + float(gain), float(gain), float(stderr), moved)


def _alone(played: Played) -> NumpyArray:
    """The welfare of every episode if its policy served everybody: [E, K]."""
    if isinstance(played, FeatureReturns):
        everybody = played.population.coefficients.mean(axis=0, dtype=np.float64)
        return played.features @ everybody
    total = sum(returns.sum(axis=2) for _, returns in played.chunks())
    return np.asarray(total) / played.shape[2]


def _by_episode(played: Played, assignments: list[NumpyArray]) -> list[NumpyArray]:
    """The welfare [E] of every assignment in every episode."""
    num_episodes, num_policies, num_users = played.shape
    if isinstance(played, FeatureReturns):
        mixes = [played.population.mix(policy, num_policies) for policy in assignments]
        return [np.einsum("kd,ekd->e", mix, played.features) for mix in mixes]
    totals = np.zeros((len(assignments), num_episodes))
    for users, returns in played.chunks():
        everyone = np.arange(returns.shape[2])
        for total, policy in zip(totals, assignments, strict=True):
            total += returns[:, policy[users], everyone].sum(axis=1)
    return list(totals / num_users)


CONSTANTS_STREAM = 0xC0257
"""Folded into the seed's key: neither training nor evaluation plays these episodes."""

MOST_ACTIONS = 12
"""Of more discrete actions, so many are played, evenly spread over their numbers."""

HOST_EPISODES = 10
"""Of each action on the host, where stepping takes long."""

JAX_EPISODES = 100
"""Of each action in JAX: as many as in validation, by the same program."""


@dataclass(frozen=True, eq=False)
class ConstantActions:
    """What each of ``A`` constant actions is worth to all users together.

    Attributes:
        names: of the actions, as sentences name them.
        welfare: [A] the mean over users of what the action earns them for an episode.
        welfare_stderr: [A] standard errors over episodes.
        transitions: that were played, of all actions together.
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
    problem: RMDP, policies: Policies, seed: int, watch: Watch = unwatched
) -> ConstantActions:
    """Play constant actions: each discrete action, or the bounds of continuous ones and between.

    Args:
        problem: whose environment and users.
        policies: the shape that the constant policies take.
        seed: of the episodes; a stream of its own.
        watch: is told how far the episodes are.

    Raises:
        HandfulError: if the seed is out of range.
    """
    check_seed(seed)
    names, outputs = _constant_outputs(problem)
    num_episodes = HOST_EPISODES if problem.runs_on_host else JAX_EPISODES
    play = make_player(problem, policies.num_policies, num_episodes)
    key = jax.random.fold_in(jax.random.key(seed), CONSTANTS_STREAM)
    everybody = problem.population.coefficients.mean(axis=0, dtype=np.float64)
    at_once, welfare, transitions = policies.num_policies, [], 0
    turns = -(-len(names) // at_once)
    for turn in range(turns):
        rows = np.arange(turn * at_once, (turn + 1) * at_once)
        is_wanted = rows < len(names)
        constant = _constant_policies(policies, outputs[np.minimum(rows, len(names) - 1)])
        key_of_turn = jax.random.fold_in(key, turn)
        episodes = play(key_of_turn, constant, True, part(watch, turn, turns))
        earned = np.asarray(episodes.returns, np.float64) @ everybody
        welfare.append(earned[:, is_wanted])
        transitions += int(np.sum(episodes.lengths))
    samples = np.concatenate(welfare, axis=1)
    stderr = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return ConstantActions(names, samples.mean(axis=0), stderr, transitions)


def _constant_outputs(problem: RMDP) -> tuple[tuple[str, ...], NumpyArray]:
    """The actions' names, and what a network puts out for each: logits or means [A, H]."""
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
    """Policies of the same shape, of which each puts out one row of ``outputs`` [K, H] always."""
    stack = constant_stack(like.actor.stack, jnp.asarray(outputs), like.observation_size)
    spread = None if like.actor.log_std is None else jnp.zeros_like(like.actor.log_std)
    actor = Actor(stack, spread, like.actor.random_actions)
    return Policies(actor, like.normalizer, like.action_space)
