"""The widths of the library's own networks: what is refused before anything is made."""

from itertools import pairwise
from typing import Any

from handful._support.checks import brief
from handful._support.text import count
from handful.environment import ActionSpace, Box
from handful.errors import HandfulError
from handful.learner.modules import MOST_WEIGHTS

MOST_LAYERS = 100


def num_outputs(action_space: ActionSpace) -> int:
    """Return the number of finite actions, or of the components of a continuous one."""
    return action_space.size if isinstance(action_space, Box) else action_space.num_actions


def check_hidden_sizes(sizes: Any, name: str = "hidden_sizes") -> None:
    """Look at the widths of hidden layers.

    Args:
        sizes: the widths.
        name: the name of the setting that they come from.

    Raises:
        HandfulError: if they are no list of widths, or more than any memory holds.
    """
    is_list = isinstance(sizes, list | tuple)
    if not is_list or not all(type(size) is int and size >= 1 for size in sizes):
        raise HandfulError(
            f"{name} must be a list of widths of at least 1, like [64, 64], not {brief(sizes)}."
        )
    weights = sum(one * other for one, other in pairwise(sizes)) + sum(sizes)
    if weights > MOST_WEIGHTS or len(sizes) > MOST_LAYERS:
        raise HandfulError(
            f"{name} must be at most {MOST_LAYERS} layers with {MOST_WEIGHTS:,} weights "
            f"among them, not {brief(sizes)}."
        )


def check_number_of_weights(
    widths: tuple[int, ...],
    action_space: ActionSpace,
    num_features: int,
    num_policies: int,
    name: str = "hidden_sizes",
) -> None:
    """Refuse networks that no memory holds, before anything is made.

    Args:
        widths: the widths of the input and of the hidden layers.
        action_space: the actions.
        num_features: ``D``, the number of reward features.
        num_policies: ``K``, the number of policies.
        name: the name of the setting that holds the widths of hidden layers.

    Raises:
        HandfulError: if the policies' networks would have too many weights.
    """
    actions = num_outputs(action_space)
    hidden = sum(width * following for width, following in pairwise(widths))
    weights = (2 * hidden + widths[-1] * (num_features + actions)) * num_policies
    if weights > MOST_WEIGHTS:
        raise HandfulError(
            f"The networks of {count(num_policies, 'policy')} would have {brief(weights)} weights "
            f"for {count(num_features, 'reward feature')} and {name} of "
            f"{[brief(size) for size in widths[1:]]}, and at most {MOST_WEIGHTS:,} fit: give "
            f"smaller {name}, fewer policies or fewer features."
        )
