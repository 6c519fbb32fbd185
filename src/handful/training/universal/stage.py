"""The settings of the universal stage, with which a run of the method ``universal`` begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handful._support.text import count
from handful.envs.drawn import num_parts
from handful.errors import HandfulError
from handful.methods.universal import Universal
from handful.problem import RMDP
from handful.training.collecting import CollectConfig
from handful.training.universal.rewards import shows_rare_rewards
from handful.training.universal.survey import plan_survey, shows_few_observations

MEMBERS = 160
"""The policies that act at once, each with another context, for environments in JAX."""

HOST_MEMBERS = 40
"""The same for environments on the host, each of which takes a thread some time."""

UPDATES = 150
"""The number of updates for which batches are made smaller, down to the smallest."""

SURVEY_SHARE = 0.5
"""The share of the stage in which a problem is explored until its model is tested."""

SMALLEST_BATCH = 512
"""The fewest transitions of an update, of all policies together."""

LARGEST_STRETCH = {False: 64, True: 128}
"""The most steps of a policy between two updates, by whether environments are on the host."""


EPISODES = 2
"""The episodes of a candidate in a round: one for each half."""

SHARE_OF_FIRST = 0.5
"""The share of the transitions that the first round may take."""

TRIED_EACH = 4
"""The candidates that are tried for each policy, also where episodes are long and transitions few:
a choice of five of six is none."""

MOST_TRIED = 0.2
"""The most that is taken for that of the transitions that EM leaves, as a share of them."""

ENOUGH_FOR_STARTS = 1000
"""The fewest updates of a stage that begins more than once: what a start is worth shows after a
hundred or two of them."""


@dataclass(frozen=True)
class UniversalStage:
    """The first part of a run, which trains one policy for all users and tries what it can do.

    Attributes:
        steps: the transitions of its training, of all its policies together.
        candidate_steps: the most transitions that candidates play, all together.
        num_members: the number of policies that act at once.
        collect: the settings of how these collect transitions.
        budgets: the numbers of policies that are chosen from the candidates, ascending; none if
            it is the number of the run alone.
        survey_steps: the transitions in which the problem is explored before, until its model is
            tested; 0 where no model is tried. If the model is trusted, the survey goes on for the
            ``steps`` too, and no universal policy is trained.
        explores: whether the universal policy explores on purpose, as rewards are rare.
        starts: the number of times that its training begins, of which the best goes on.
    """

    steps: int
    candidate_steps: int
    num_members: int
    collect: CollectConfig
    budgets: tuple[int, ...] = ()
    survey_steps: int = 0
    explores: bool = False
    starts: int = 1

    @property
    def total_steps(self) -> int:
        """The transitions of the whole stage."""
        return self.training_steps + self.candidate_steps

    @property
    def training_steps(self) -> int:
        """The transitions of the survey and of the universal policy's training."""
        return self.survey_steps + self.steps

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "UniversalStage":
        """Return the settings that ``dataclasses.asdict`` described."""
        stored = {**values, "collect": CollectConfig(**values["collect"])}
        return cls(**{**stored, "budgets": tuple(values["budgets"])})


def plan_stage(
    problem: RMDP, method: Universal, num_policies: int, transitions: int, own_transitions: int
) -> UniversalStage:
    """Divide the transitions of a run that begins with a universal stage.

    Args:
        problem: the problem.
        method: the method, with the shares that it asks for.
        num_policies: the largest number of policies that is chosen.
        transitions: the transitions of the whole run, of all policies together.
        own_transitions: the transitions in which the chosen policies are trained by EM.

    Returns:
        The settings of the stage.

    Raises:
        HandfulError: if too few transitions are left for the stage.
    """
    on_host = problem.runs_on_host
    first_round = TRIED_EACH * num_policies * EPISODES * problem.environment.time_limit
    least = min(first_round / SHARE_OF_FIRST, MOST_TRIED * (transitions - own_transitions))
    candidate_steps = int(max(method.candidate_share * transitions, least))
    steps = transitions - own_transitions - candidate_steps
    survey_steps = 0
    # Policies that draw are made from a universal policy: those that are computed have no context.
    if method.model and num_parts(problem) == 1 and shows_few_observations(problem):
        horizon = problem.environment.time_limit
        survey_steps = plan_survey(int(SURVEY_SHARE * steps), horizon).steps
        steps -= survey_steps
    members = HOST_MEMBERS if on_host else MEMBERS
    batch = min(max(steps // UPDATES, SMALLEST_BATCH), members * LARGEST_STRETCH[on_host])
    # Stretches are powers of two, so that minibatches divide them.
    stretch = 16
    while stretch < LARGEST_STRETCH[on_host] and 2 * stretch * members <= batch:
        stretch *= 2
    members = max(min(members, batch // stretch), 8)
    collect = CollectConfig(num_envs=1, batch_size=stretch)
    whole = steps // (members * stretch) * members * stretch
    if whole < 1:
        raise HandfulError(
            f"The method 'universal' needs more transitions: {count(transitions, 'transition')} of "
            f"all policies together leave none for its first stage. Give more steps, smaller "
            f"batches (batch_size), or choose another method."
        )
    explores = method.explore and shows_rare_rewards(problem)
    updates = whole // (members * stretch)
    return UniversalStage(
        whole,
        candidate_steps,
        members,
        collect,
        survey_steps=survey_steps,
        explores=explores,
        starts=method.starts if updates >= ENOUGH_FOR_STARTS else 1,
    )
