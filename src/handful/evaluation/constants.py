"""What the simplest policies of all are worth: the same action at every step, for everybody.

Training that ends below the best of them has not learnt to do better than nothing. They are played
as networks of the trained policies' own shape, whose weights are 0 and whose last biases name the
action, so that what plays the policies plays them too, without a program of its own.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.episodes import make_player
from handful.collect.watching import Watch, part, unwatched
from handful.environment import Discrete
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.types import NumpyArray
from handful.validation import check_seed

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
    zeros = jax.tree.map(jnp.zeros_like, like.actor)
    # A bias is [K, 1, H], or [H] where a family shares it: then one policy after the other.
    bias = jnp.asarray(outputs)[:, None]
    actor = eqx.tree_at(lambda a: a.stack.head.bias, zeros, bias)
    return Policies(actor, like.normalizer, like.action_space)
