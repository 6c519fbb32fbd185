"""The best handful of policies that there are already: of this library, of others, and rules.

Members may be agents of other libraries, PyTorch modules, functions, constant actions, or policies
that were trained here (:func:`~handful.evaluation.references.evaluate_references` says how each is
given). Nothing is trained: they play, the best ``k`` are chosen for all users together, each user
gets the best of these, and what that is worth is measured on further episodes, which had no part in
the choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handful._support.checks import check_kind
from handful.errors import HandfulError
from handful.evaluation.by_episode import welfare_by_episode
from handful.evaluation.played import FeatureReturns
from handful.evaluation.references import References, measure, named_actions
from handful.evaluation.returns import EVALUATION_EPISODES, mean_and_stderr
from handful.exact.facility import choose
from handful.problem import RMDP, check_problem
from handful.service import Service
from handful.types import NumpyArray, Watch, part, unwatched
from handful.welfare import utilitarian

FRESH = 1
"""How far the seed of the episodes that measure is from that of those that choose."""


@dataclass(frozen=True, eq=False)
class Pool:
    """``k`` of several policies, chosen for ``N`` users, and who gets which.

    Attributes:
        members: the names of the chosen policies, at most ``k``; where fewer serve everybody as
            well, there are fewer.
        assignment: int [N] each user's policy, by its place among the members.
        welfare: the mean return over users under this assignment, on episodes that had no part in
            the choice.
        welfare_stderr: its standard error, over episodes.
        one_policy: the same for the single policy that looked best for everybody.
        chosen_by: what every candidate earned in the episodes that chose.
        measured: what the members earned in the further episodes.
        transitions: how many transitions were played, of all policies together.
        problem: the problem that they played.
    """

    members: tuple[str, ...]
    assignment: NumpyArray
    welfare: float
    welfare_stderr: float
    one_policy: float
    chosen_by: References = field(repr=False)
    measured: References = field(repr=False)
    transitions: int
    problem: RMDP = field(repr=False)

    @property
    def utilities(self) -> NumpyArray:
        """[N] what each user earns in the mean, by the further episodes."""
        users = np.arange(len(self.assignment))
        return self.measured.returns[self.assignment, users]

    @property
    def service(self) -> Service:
        """The pool as a service, which can be compared with others and given to further users.

        Policies of others have no weights that could be looked at, so that a policy is the same as
        another one if both have the same name.

        Raises:
            HandfulError: if the users' rewards are not linear in features.
        """
        played, population = self.measured.played, self.problem.population
        if not isinstance(played, FeatureReturns):
            raise HandfulError(
                "The users' rewards are not linear in features, so that returns say nothing of "
                "other policies or users."
            )
        return Service.of_episodes(
            "pool",
            played.features,
            policies=self.members,
            user_ids=population.user_ids,
            coefficients=np.asarray(population.coefficients, np.float64),
            assignment=self.assignment,
            feature_names=population.feature_names,
            chance=f"seed {self.measured.seed}",
        )


def pool(
    problem: RMDP,
    members: Mapping[str, Any],
    num_policies: int,
    *,
    seed: int = 0,
    num_episodes: int = EVALUATION_EPISODES,
    watch: Watch = unwatched,
) -> Pool:
    """Choose the best ``num_policies`` of policies that there are, and give each user one of them.

    Args:
        problem: the environment that they play, and the users.
        members: each candidate by its name, in any of the forms of
            :func:`handful.evaluate_references`; the path of a run folder stands for all policies of
            the run.
        num_policies: the budget ``k``, at least 1.
        seed: the seed of the episodes that choose; those that measure have the next one.
        num_episodes: how many episodes each candidate plays to be chosen, and each chosen one to be
            measured; even and at least 4.
        watch: is called with the share of the episodes that has been played.

    Returns:
        The chosen policies, the assignment, and what it is worth.

    Raises:
        HandfulError: if a candidate cannot be played, or the budget or the number of episodes
            cannot be used.

    Examples:
        Two constant actions and a rule for the users of a small problem:

        >>> problem = handful.make("resource-gathering", height=2, width=2)
        >>> rule = lambda observation: int(observation[0] > 0)
        >>> candidates = {"up": 0, "right": 1, "rule": rule}
        >>> found = handful.pool(problem, candidates, 2, num_episodes=4)
        >>> len(found.assignment), found.welfare >= 0.0
        (4, True)
    """
    check_kind("num_policies", num_policies, int)
    if num_policies < 1:
        raise HandfulError(f"The number of policies must be at least 1, not {num_policies}.")
    check_problem(problem, "pool")
    acting = named_actions(problem, members)
    found = measure(problem, acting, seed, num_episodes, part(watch, 0, 2))
    values = found.returns
    choice = choose(values, num_policies)
    chosen = tuple(found.names[row] for row in choice.indices)
    single = found.names[int(values.mean(axis=1).argmax())]

    def again(names: Sequence[str], number: int) -> References:
        some, share = {name: acting[name] for name in names}, part(part(watch, 1, 2), number, 2)
        return measure(problem, some, seed + FRESH, num_episodes, share)

    measured = again(chosen, 0)
    alone = measured if single in chosen else again([single], 1)
    watch(1.0)
    assignment = np.asarray(choice.assignment, np.int64)
    series = welfare_by_episode(measured.played, [assignment], utilitarian)[0][0]
    welfare, stderr = map(float, mean_and_stderr(series))
    transitions = found.transitions + measured.transitions
    return Pool(
        members=chosen,
        assignment=assignment,
        welfare=welfare,
        welfare_stderr=stderr,
        one_policy=float(alone.welfare[alone.names.index(single)]),
        chosen_by=found,
        measured=measured,
        transitions=transitions + (0 if alone is measured else alone.transitions),
        problem=problem,
    )
