"""The policies of a bundle as policies that can be trained on.

A bundle has each policy whole: the statistics of its observations and its layers, to the last bit.
So its policies can be trained on without the run that made it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from handful.deploy.actions import Choices, Vectors, read_actions
from handful.deploy.bundle import Bundle
from handful.deploy.policy import Policy
from handful.environment import ActionSpace, Box, Discrete
from handful.errors import HandfulError
from handful.evaluation.played import check_fit
from handful.export.spaces import describe_actions
from handful.learner.networks import Actor, Layer, Lookup, NetworkStack
from handful.learner.normalize import EPSILON, Normalizer
from handful.learner.policies import Policies
from handful.learner.squashed import squashed_actor
from handful.problem import RMDP
from handful.squashing import HIGHEST_LOG_STD, LOWEST_LOG_STD
from handful.types import Array


def rebuilt_policies(bundle: Bundle, problem: RMDP) -> Policies:
    """Return the policies of a bundle, which share no layers, as they were trained.

    Args:
        bundle: the bundle.
        problem: the problem that they are to play.

    Raises:
        HandfulError: if they see or do something else than the problem's environment takes, or are
            of a kind that this version cannot train.
    """
    policies, actions = _own_kind(bundle), bundle.interface.actions
    space = _space(bundle, problem)

    def stacked(of: Callable[[Policy], Any]) -> Array:
        return jnp.asarray(np.stack([np.asarray(of(policy), np.float32) for policy in policies]))

    normalizer = Normalizer(
        count=stacked(lambda policy: policy.count),
        mean=stacked(lambda policy: policy.mean),
        variance=stacked(lambda policy: policy.variance),
        clip=policies[0].clip,
    )
    layers = [
        (Lookup if index == 0 and policies[0].num_symbols is not None else Layer)(
            stacked(lambda policy, index=index: policy.layers[index][0]),
            stacked(lambda policy, index=index: policy.layers[index][1])[:, None],
        )
        for index in range(len(policies[0].layers))
    ]
    stack = NetworkStack(tuple(layers[:-1]), layers[-1])
    if not isinstance(actions, Choices) and actions.squashed:
        assert isinstance(space, Box)
        actor: Actor = squashed_actor(stack, space)
    else:
        spread = None if policies[0].log_std is None else stacked(lambda policy: policy.log_std)
        actor = Actor(stack, spread)
    rebuilt = Policies(actor, normalizer, space)
    check_fit(problem, rebuilt)
    _check_decoding(bundle, problem, rebuilt)
    return rebuilt


@dataclass(frozen=True)
class _Kind:
    """What policies must have in common so that one learner trains them."""

    shapes: tuple[tuple[int, ...], ...]
    num_symbols: int | None
    clip: float
    epsilon: float

    @classmethod
    def of(cls, policy: Policy) -> "_Kind":
        shapes = tuple(weight.shape for weight, _ in policy.layers)
        return cls(shapes, policy.num_symbols, policy.clip, policy.epsilon)


def _own_kind(bundle: Bundle) -> list[Policy]:
    """Return the policies.

    Raises:
        HandfulError: unless they are of one kind, which the library can train.
    """
    policies = [policy for policy in bundle.policies if isinstance(policy, Policy)]
    if bundle.has_graphs:
        raise HandfulError(
            f"The policies of the bundle '{bundle.source}' have networks of their maker's own, and "
            f"a bundle holds what these compute but not how they are trained: start from the "
            f"result or the run folder that the bundle was made of."
        )
    first, actions = _Kind.of(policies[0]), bundle.interface.actions
    for number, policy in enumerate(policies):
        if _Kind.of(policy) != first:
            raise HandfulError(
                f"The policies 0 and {number} of the bundle '{bundle.source}' have networks of "
                f"different kinds, and one learner trains one kind: start from policies that were "
                f"trained together."
            )
    spreads = (LOWEST_LOG_STD, HIGHEST_LOG_STD)
    is_other = False
    if isinstance(actions, Vectors) and actions.squashed:
        is_other = actions.log_std_range != spreads
    if first.epsilon != EPSILON or is_other:
        raise HandfulError(
            f"The policies of the bundle '{bundle.source}' normalise observations or draw actions "
            f"otherwise than those that this version of handful trains: start from policies of "
            f"this version."
        )
    return policies


def _space(bundle: Bundle, problem: RMDP) -> ActionSpace:
    """Return the policies' action space; it is the problem's own if the two are equal.

    A bundle has the bounds in single precision, as policies keep to them.
    """
    actions, own = bundle.interface.actions, problem.environment.action_space
    if isinstance(actions, Choices):
        return Discrete(actions.num_actions)
    if isinstance(own, Box):
        low, high = (np.asarray(bound, np.float32) for bound in (own.low, own.high))
        if np.array_equal(low, actions.low) and np.array_equal(high, actions.high):
            return own
    return Box(tuple(actions.low.tolist()), tuple(actions.high.tolist()))


def _check_decoding(bundle: Bundle, problem: RMDP, policies: Policies) -> None:
    """Raise HandfulError if the problem's environment understands an action in another way."""
    ours = bundle.interface.actions
    theirs = read_actions(describe_actions(problem, policies))
    names = ["sizes", "starts"]
    if not isinstance(ours, Choices):
        names = ["scale", "shift", "env_low", "env_high"]
    if not all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in names):
        raise HandfulError(
            f"The policies of the bundle '{bundle.source}' are not for this problem: its "
            f"environment takes the same numbers for other actions. Make the problem as it was "
            f"when they were trained."
        )
