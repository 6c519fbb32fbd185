"""The beginning of a run of ``universal`` on a problem that shows few different observations.

There, no network has to learn what every user might want: transitions are counted, and policies for
any user follow from the counts (:mod:`handful.exact.counted`). A survey explores the problem
(:mod:`handful.training.universal.survey`), the best policies for groups of users are computed, and
the best k of them become networks (:mod:`handful.learner.distilling`).

What looks alike may not be alike: if an observation hides what matters, the counts are no model.
So after half of the survey the best k policies play, as networks. If they earn less than the model
says, the model is given up, and a universal policy is trained in the other half.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from handful.collect.episodes import make_player
from handful.exact.counted import CountedModel
from handful.exact.counted_em import pool_of
from handful.exact.tally import Tally
from handful.learner.base import LearnerState, Networks
from handful.learner.distilling import distilled
from handful.learner.policies import Policies
from handful.problem import RMDP
from handful.run_folder import RunFolder
from handful.tensors import read_tensors, write_tensors
from handful.training.choosing import Worth
from handful.training.run import Run
from handful.training.session import Clock, Session
from handful.training.state import init_state
from handful.training.universal.chooser import Chooser
from handful.training.universal.survey import (
    Survey,
    explore,
    new_survey,
    plan_survey,
)
from handful.types import NumpyArray, PRNGKey

SURVEY_STREAM = 0x5EED1
"""A number that is folded into the run's key for the survey and the test of its model."""

POOL = "pool.safetensors"
"""The file of what was computed in the end."""

LEAST_EPISODES, MOST_EPISODES = 4, 128
"""The fewest and the most episodes in which each policy tests the model."""

DOUBT = 3.0
"""The standard errors by which the policies may fall short of the model."""

SLACK = 0.2
"""A further shortfall that is allowed, as a share of the range of what policies earn users. The
best of several estimates is too high, however true the model is."""


@dataclass(frozen=True, eq=False)
class PoolCandidates:
    """What was chosen from, as the frontier of several budgets wants to know it.

    Attributes:
        returns: the expected return of each policy by the model, in features, [P, D].
        steps: the transitions of the episodes in which the model was tested.
    """

    returns: NumpyArray
    steps: int

    def halves(self) -> NumpyArray:
        """Return the returns twice, [2, P, D]: there is no chance in them that could differ."""
        return np.stack([self.returns, self.returns])


@dataclass(frozen=True, eq=False)
class CountedGeneralist:
    """The policies that were computed from counts, any of which can become networks.

    Attributes:
        observations: the observations, [S, O].
        model: what the counts say of them.
        policies: the action at each observation, [P, S].
        is_reached: whether each policy comes to each observation, bool [P, S].
        candidates: what the policies earn.
        seconds: the seconds that all of it took.
    """

    observations: NumpyArray
    model: CountedModel
    policies: NumpyArray
    is_reached: NumpyArray
    candidates: PoolCandidates
    seconds: float

    def started(self, run: Run, fresh: LearnerState, rows: NumpyArray) -> LearnerState:
        """Return the state of a learner that goes on from some of the policies.

        Args:
            run: the run, from whose learner nothing is needed.
            fresh: the first state of its learner.
            rows: the policies.
        """
        networks = self._seeing(fresh.networks)
        made = distilled(networks, self.observations, self.policies[rows], self.is_reached[rows])
        return fresh.with_networks(made)

    def worth(self, policies: Policies) -> Worth | None:
        """Return what policies are worth by the model: more exactly than some episodes say.

        Args:
            policies: any policies.

        Returns:
            What they are worth; None if one of them comes to an action that was never taken, of
            which the model knows nothing.
        """
        shape = (policies.num_policies, *self.observations.shape)
        everyone = jnp.broadcast_to(jnp.asarray(self.observations), shape)
        actions = np.asarray(policies(everyone).mode())
        rows = np.arange(self.model.num_observations)
        if not self.model.is_tried[rows, actions][self.model.reached(actions)].all():
            return None
        returns = self.model.returns(actions)
        return Worth(returns, np.stack([returns, returns]), 0)

    def _seeing(self, networks: Networks) -> Networks:
        """Return networks that normalise observations by all that were met, if they do at all."""
        before = networks.normalizer
        if np.isinf(before.clip):
            return networks
        visits = self.model.visits.sum(axis=1)
        share = visits / visits.sum()
        mean = share @ self.observations
        variance = share @ (self.observations - mean) ** 2
        met = replace(
            before,
            count=jnp.full_like(before.count, visits.sum()),
            mean=jnp.broadcast_to(jnp.asarray(mean, jnp.float32), before.mean.shape),
            variance=jnp.broadcast_to(jnp.asarray(variance, jnp.float32), before.mean.shape),
        )
        return Networks(networks.actor, networks.critic, met)


UNKNOWN, TRUSTED, DISTRUSTED = 0, 1, 2
"""What is known of a model: not yet tested, trusted, and given up."""


@dataclass
class Progress:
    """How far the work has come.

    Attributes:
        survey: the counts.
        verdict: whether the model is to be trusted.
        test_steps: the transitions of its test.
        seconds: the seconds so far.
    """

    survey: Survey
    verdict: int = UNKNOWN
    test_steps: int = 0
    seconds: float = 0.0

    @classmethod
    def read(cls, path: Path) -> "Progress":
        """Return what an earlier process has kept."""
        arrays, _ = read_tensors(path, "The file of the survey")
        rounds, verdict, test_steps = (int(number) for number in arrays["progress"])
        survey = Survey(Tally.from_arrays(arrays), rounds)
        return cls(survey, verdict, test_steps, float(arrays["seconds"]))

    def write(self, path: Path) -> None:
        """Keep all of it."""
        progress = np.array([self.survey.rounds, self.verdict, self.test_steps])
        arrays = {"progress": progress, "seconds": np.array(self.seconds)}
        write_tensors(path, {**self.survey.tally.arrays(), **arrays}, {})


def train_counted(
    run: Run, session: Session, budgets: Sequence[int], folder: RunFolder | None
) -> tuple[CountedGeneralist | None, int]:
    """Survey a problem and compute the policies of a run, or what is left of that.

    Args:
        run: a run whose stage has transitions for a survey.
        session: the surroundings of the run.
        budgets: the numbers of policies that will be chosen, up to those of the run.
        folder: the folder of the stage, which exists; None if the run is not kept.

    Returns:
        The policies, or None if their model is not to be trusted; and the transitions of the test
        of the model.

    Raises:
        TrainingInterrupted: if a signal asked for a stop; the counts are saved before.
    """
    stage, problem = run.config.universal, run.problem
    assert stage is not None
    if folder is not None and has_counted(folder):
        kept = read_counted(folder, problem)
        return kept, kept.candidates.steps
    path = None if folder is None else folder.survey
    is_begun = path is not None and path.is_file()
    progress = Progress.read(path) if path and is_begun else Progress(new_survey(problem))
    clock = Clock(progress.seconds)
    plan = plan_survey(stage.survey_steps, problem.environment.time_limit)
    later = stage.steps // (plan.lanes * plan.length)
    watch = session.watch("survey", 0)

    def keep(survey: Survey) -> None:
        assert survey is progress.survey
        progress.seconds = clock.tick()
        if path is not None:
            progress.write(path)

    def survey_until(rounds: int) -> None:
        seed = int(jax.random.bits(_key(run)) >> 1)
        share = plan.rounds / (plan.rounds + later)
        users = Chooser.of(run).coefficients
        explore(
            problem, progress.survey, plan, rounds, seed, users, keep, lambda x: watch(x * share)
        )

    if progress.verdict == UNKNOWN:
        survey_until(plan.rounds)
        progress.verdict = DISTRUSTED
        if progress.survey.rounds == plan.rounds:  # else there are too many observations
            found = _computed(run, progress, budgets)
            is_trusted, progress.test_steps = _is_trusted(run, found)
            progress.verdict = TRUSTED if is_trusted else DISTRUSTED
        keep(progress.survey)
    if progress.verdict == DISTRUSTED:
        return None, progress.test_steps
    survey_until(plan.rounds + later)
    found = replace(_computed(run, progress, budgets), seconds=clock.tick())
    if folder is not None:
        _write(found, folder)
    return found, progress.test_steps


def _key(run: Run) -> PRNGKey:
    return jax.random.fold_in(jax.random.key(run.config.seed), SURVEY_STREAM)


def _computed(run: Run, progress: Progress, budgets: Sequence[int]) -> CountedGeneralist:
    """Return the policies that follow from the counts."""
    tally = progress.survey.tally
    model = tally.model(run.problem.environment.time_limit)
    rng = np.random.default_rng([run.config.seed, progress.survey.rounds])
    chooser = Chooser.of(run)
    is_fair = chooser.welfare is not None
    pool = pool_of(model, chooser.coefficients, budgets, rng, fair=is_fair)
    return CountedGeneralist(
        observations=tally.observations,
        model=model,
        policies=pool.policies,
        is_reached=model.reached(pool.policies),
        candidates=PoolCandidates(pool.returns, progress.test_steps),
        seconds=progress.seconds,
    )


def _is_trusted(run: Run, found: CountedGeneralist) -> tuple[bool, int]:
    """Return whether the best policies earn what the model says, and the transitions of the test.

    They play as networks, so that the test is also one of these.
    """
    stage, problem, number = run.config.universal, run.problem, run.num_policies
    assert stage is not None
    chooser = Chooser.of(run)
    [chosen] = chooser.quick(found.candidates.returns, [number])
    rows = np.resize(chosen, number)
    values = chooser.values(found.candidates.returns)
    served = values[chosen].argmax(axis=0)
    fresh = init_state(run).learner
    actor = (learner := found.started(run, fresh, rows)).actor.without_random_actions()
    policies = Policies(actor, learner.normalizer, problem.environment.action_space)
    length = found.model.visits.sum() / found.model.starts.sum()  # of the survey's episodes
    fit = int(stage.candidate_steps / (number * length))
    episodes = int(np.clip(fit, LEAST_EPISODES, MOST_EPISODES))
    played = make_player(problem, number, episodes)(_key(run), policies, True)
    earned = np.swapaxes(np.asarray(played.returns, float), 0, 1)  # [K, E, D]
    share = np.bincount(served, minlength=number) / len(served)
    mixes = np.zeros((number, problem.num_features))
    for policy in np.unique(served):
        mixes[policy] = chooser.coefficients[served == policy].mean(axis=0)
    worth = np.einsum("ked,kd->ke", earned, mixes)  # to the mean user of each policy
    welfare = share @ worth.mean(axis=1)
    stderr = np.sqrt(share**2 @ (worth.var(axis=1, ddof=1) / episodes))
    spread = np.mean(values.max(axis=0) - values.min(axis=0))
    least = values[chosen].max(axis=0).mean() - DOUBT * stderr - SLACK * spread
    return bool(welfare >= least), int(np.sum(played.lengths))


def _write(found: CountedGeneralist, folder: RunFolder) -> None:
    arrays = {
        "policies": found.policies,
        "is_reached": found.is_reached,
        "returns": found.candidates.returns,
        "steps": np.array(found.candidates.steps),
        "seconds": np.array(found.seconds),
    }
    write_tensors(folder.path / POOL, arrays, {})


def has_counted(folder: RunFolder) -> bool:
    """Return whether the folder of a stage holds computed policies."""
    return (folder.path / POOL).is_file()


def read_counted(folder: RunFolder, problem: RMDP) -> CountedGeneralist:
    """Return the policies that a run has kept in the folder of its stage.

    Args:
        folder: the folder.
        problem: the problem of the run.

    Raises:
        HandfulError: if a file is damaged.
    """
    arrays, _ = read_tensors(folder.path / POOL, "The file of computed policies")
    tally = Progress.read(folder.survey).survey.tally
    return CountedGeneralist(
        observations=tally.observations,
        model=tally.model(problem.environment.time_limit),
        policies=arrays["policies"],
        is_reached=arrays["is_reached"],
        candidates=PoolCandidates(arrays["returns"], int(arrays["steps"])),
        seconds=float(arrays["seconds"]),
    )
