"""Floors are judged by as many episodes as it takes, within a share of the run.

A hundred episodes say of a noisy task within several points what users get, and a floor that is
missed by a point then looks met as often as not. So where the interval of a user or a group has the
floor in it, the final policies play more episodes, with their likeliest actions. These have no part
in anything else: the evaluation's episodes stay the same in number, so that runs can be compared.
"""

from collections.abc import Sequence

import jax
import numpy as np

from handful.evaluation.played import EpisodePlayer
from handful.evaluation.returns import Evaluation
from handful.learner.policies import Policies
from handful.training.fairness.floor_records import FloorRecord, floor_records
from handful.training.run import Run
from handful.types import Watch, unwatched

FLOORS_STREAM = 0xF1005
"""A number that is folded into the seed's key for these episodes."""

SHARE_OF_RUN = 0.05
"""The most transitions of these episodes, as a share of those that the policies were trained on."""

MOST_STEPS = 10_000_000
"""The most steps of all episodes of a policy together, if each were as long as the time limit."""


def judged_floors(
    run: Run,
    policies: Policies,
    evaluation: Evaluation,
    transitions: int,
    watch: Watch = unwatched,
) -> tuple[FloorRecord, ...]:
    """Return whether each floor holds, by the evaluation or by more episodes.

    Args:
        run: the run.
        policies: its final policies.
        evaluation: their evaluation.
        transitions: the transitions of training, for each policy.
        watch: is called with the share of the further episodes that has been played.
    """
    measured, assignment = evaluation.deterministic, evaluation.assignment
    records = floor_records(run, measured.played, assignment)
    number = _worthwhile(run, records, float(np.max(measured.lengths)), transitions)
    if number <= evaluation.num_episodes:
        return records
    play = EpisodePlayer(run.problem, run.num_policies, number)
    key = jax.random.fold_in(jax.random.key(run.config.seed), FLOORS_STREAM)
    played, _ = play(key, policies, True, watch)
    return floor_records(run, played, assignment)


def _worthwhile(run: Run, records: Sequence[FloorRecord], length: float, transitions: int) -> int:
    """Return the episodes of each policy that may be played to judge floors; 0 for none.

    Args:
        length: the mean length of episodes in steps.
    """
    is_linear = run.problem.population.reward_fn is None  # else every step would be kept
    if not is_linear or not any(record.unsure for record in records):
        return 0
    most = MOST_STEPS // run.problem.environment.time_limit
    return min(int(SHARE_OF_RUN * transitions / length), most)
