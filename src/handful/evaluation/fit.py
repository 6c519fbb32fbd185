"""Whether policies can act in a problem's environment."""

from handful.environment import ActionSpace, Discrete
from handful.errors import HandfulError
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.words import count


def check_fit(problem: RMDP, policies: Policies) -> None:
    """Look at policies before they play.

    Raises:
        HandfulError: if they see other observations or choose other actions
            than the problem's environment has.
    """
    size = problem.environment.observation_size
    if policies.observation_size != size:
        raise HandfulError(
            f"The policies are not for this problem: they see observations of "
            f"{count(policies.observation_size, 'entry')}, and those of its environment have "
            f"{size}."
        )
    theirs, space = policies.action_space, problem.environment.action_space
    if theirs != space:
        raise HandfulError(
            f"The policies are not for this problem: they choose {_described(theirs)}, and its "
            f"environment takes {_described(space)}."
        )


def _described(space: ActionSpace) -> str:
    if isinstance(space, Discrete):
        return f"one of {count(space.num_actions, 'discrete action')}"
    return (
        f"actions of {count(space.size, 'number')} from {_shown(space.low)} to {_shown(space.high)}"
    )


def _shown(bound: tuple[float, ...]) -> str:
    """One number if all are the same, else the first ones."""
    if len(set(bound)) == 1:
        return f"{bound[0]:g}"
    more = ", ..." if len(bound) > 3 else ""
    return f"({', '.join(f'{number:g}' for number in bound[:3])}{more})"
